"""Texts of the tab Laboratory, in English and Russian."""

from genmodels.ui.i18n import Texts

MINIMAX = " $$\\min_G \\max_D\\; E_{x \\sim p} \\ln D(x) + E_{z} \\ln (1 - D(G(z)))$$"

TEXTS: Texts = {
    "laboratory_intro": (
        "The same objectives as for images, on points in two dimensions. Grey: data. Orange: "
        "samples of the model. The heatmap is the critic $D$, and the arrows are its gradient "
        "$\\nabla_x D(x)$, which the generator's samples follow. A VAE and diffusion have no "
        "critic: arrows point to the reconstruction or to the denoised point." + MINIMAX,
        "Те же функции потерь, что и для изображений, на точках плоскости. Серый — данные. "
        "Оранжевый — выборка из модели. Тепловая карта — критик $D$, стрелки — его градиент "
        "$\\nabla_x D(x)$, вдоль которого движется выборка генератора. У VAE и диффузии критика "
        "нет: стрелки ведут к реконструкции или к точке без шума." + MINIMAX,
    ),
    "laboratory_missing": (
        "The laboratory requires the package `training`, which this app was started without.",
        "Для лаборатории нужен пакет `training`, а приложение запущено без него.",
    ),
    "laboratory_data": ("Data", "Данные"),
    "laboratory_data_info": (
        "drawing: the points that you draw below",
        "drawing: точки, которые вы нарисуете ниже",
    ),
    "laboratory_drawing": ("Your points", "Ваши точки"),
    "laboratory_objective": ("Objective", "Функция потерь"),
    "laboratory_steps": ("Steps", "Число шагов"),
    "laboratory_run": ("Run", "Запустить"),
    "laboratory_step": ("Step", "Шаг"),
    "laboratory_covered_modes": ("Modes covered", "Покрытие мод"),
    "laboratory_fraction_near_modes": ("Samples near a mode", "Точек рядом с модами"),
    "laboratory_seconds": ("Seconds", "Секунды"),
    "laboratory_curves": (
        "Distances between samples and data; lower is better. Dashed: the distance between two "
        "samples of the data, the lowest value to expect.",
        "Расстояния между выборкой из модели и данными; меньше — лучше. Пунктир — расстояние между "
        "двумя выборками из данных, наименьшее ожидаемое значение.",
    ),
}
