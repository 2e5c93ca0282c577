"""Texts of the Interpolate tab in English and Russian."""

from genmodels.ui.i18n import Texts

TEXTS: Texts = {
    "interpolate_intro": (
        "A path between two latents $z_0$ and $z_1$. The model decodes each point of it: "
        r"$x_t = G(\mathrm{slerp}(z_0, z_1; t))$. Move the slider along the path.",
        "Путь между двумя латентными векторами $z_0$ и $z_1$. Модель декодирует каждую его точку: "
        r"$x_t = G(\mathrm{slerp}(z_0, z_1; t))$. Двигайте ползунок вдоль пути.",
    ),
    "interpolate_ends": ("Ends of the path", "Концы пути"),
    "interpolate_ends_seeds": ("seeds", "сиды"),
    "interpolate_ends_pictures": ("two images", "два изображения"),
    "interpolate_ends_samples": ("the last two saved samples", "два последних сохранённых сэмпла"),
    "interpolate_seeds": ("Seeds", "Сиды"),
    "interpolate_seeds_info": (
        "Two to six seeds separated by commas; the path visits all of them",
        "От двух до шести сидов через запятую; путь проходит через все",
    ),
    "interpolate_start": ("Start", "Начало"),
    "interpolate_end": ("End", "Конец"),
    "interpolate_method": ("Interpolation", "Интерполяция"),
    "interpolate_method_info": (
        "lerp: straight lines; slerp: great circles; spline: a smooth curve",
        "lerp: прямые; slerp: дуги больших кругов; spline: гладкая кривая",
    ),
    "interpolate_frames": ("Frames", "Число кадров"),
    "interpolate_button": ("Interpolate", "Построить путь"),
    "interpolate_frame": ("Frame at the slider's position", "Кадр в позиции ползунка"),
    "interpolate_position": ("Position on the path", "Позиция на пути"),
    "interpolate_strip": ("Frames of the path", "Кадры пути"),
    "interpolate_grid": ("Grid between four seeds", "Сетка между четырьмя сидами"),
    "interpolate_corner_seeds": ("Seeds of the corners", "Сиды углов"),
    "interpolate_corner_seeds_info": (
        "Top left, top right, bottom left, bottom right",
        "Левый верхний, правый верхний, левый нижний, правый нижний",
    ),
    "interpolate_side": ("Images per side", "Изображений на сторону"),
    "interpolate_grid_image": ("Grid", "Сетка"),
    "interpolate_draw_grid": ("Draw the grid", "Построить сетку"),
    "interpolate_traversals": ("Latent traversal", "Обход латентных координат"),
    "interpolate_traversal_seed": ("Seed of the latent", "Сид латентного вектора"),
    "interpolate_rows": ("Dimensions", "Число координат"),
    "interpolate_traversal_image": (
        "Each row changes one dimension of the latent",
        "В каждой строке меняется одна координата латентного вектора",
    ),
    "interpolate_traverse": ("Traverse", "Обойти координаты"),
    "interpolate_map": ("Map of the latent space", "Карта латентного пространства"),
    "interpolate_map_intro": (
        "Samples on a plane through the latent space of a VAE or a GAN. Colours show the class "
        "that a classifier predicts. The plane maximizes the distances between the mean latents of "
        "the classes. Click on the map to decode a point.",
        "Сэмплы на плоскости в латентном пространстве VAE или GAN. Цвет показывает класс, "
        "предсказанный классификатором. Плоскость максимизирует расстояния между средними "
        "латентными векторами классов. Нажмите на карту, чтобы декодировать точку.",
    ),
    "interpolate_draw_map": ("Draw the map", "Построить карту"),
    "interpolate_horizontal": ("Horizontal", "По горизонтали"),
    "interpolate_vertical": ("Vertical", "По вертикали"),
    "interpolate_point": ("Decoded point", "Декодированная точка"),
}
