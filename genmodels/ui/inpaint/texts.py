"""Texts of the inpainting tab in English and Russian."""

from genmodels.ui.i18n import Texts

TEXTS: Texts = {
    "inpaint_about": (
        "Each model fills the missing part of a picture by sampling from "
        r"$p(x_{missing} \mid x_{known})$. Many completions are plausible, so several are drawn. "
        "Known pixels do not change.",
        "Модель дорисовывает скрытую часть картинки — берёт выборку из "
        r"$p(x_{missing} \mid x_{known})$. Правдоподобных вариантов много, поэтому показано "
        "несколько. Известные пиксели не меняются.",
    ),
    "inpaint_examples": (
        "Images not used for training: pick one",
        "Картинки не из обучающей выборки: выберите одну",
    ),
    "inpaint_picture": ("Picture: upload your own", "Картинка: можно загрузить свою"),
    "inpaint_saved": ("Use the last saved sample", "Взять последнюю сохранённую картинку"),
    "inpaint_mask": ("Mask: area to fill", "Маска: что дорисовать"),
    "inpaint_mask_middle": ("square in the middle", "квадрат в центре"),
    "inpaint_mask_left": ("left half", "левая половина"),
    "inpaint_mask_lower": ("lower half", "нижняя половина"),
    "inpaint_mask_box": ("random box", "случайный прямоугольник"),
    "inpaint_mask_stroke": ("random stroke", "случайная линия"),
    "inpaint_mask_half": ("random half", "случайная половина"),
    "inpaint_mask_brush": ("painted by hand", "нарисовать кистью"),
    "inpaint_paint": (
        "Paint over the area to fill, then press Inpaint",
        "Закрасьте область кистью и нажмите «Дорисовать»",
    ),
    "inpaint_methods": ("Models and methods", "Модели и методы"),
    "inpaint_methods_info": (
        "Up to 4. You can also enter a Hub id: user/name",
        "До 4. Можно указать модель с Hub: user/name",
    ),
    "inpaint_count": ("Completions per method", "Вариантов для каждого метода"),
    "inpaint_label_info": ("For conditional models", "Для условных моделей"),
    "inpaint_seamless": (
        "Smooth the border (Poisson blending)",
        "Сгладить границу (метод Пуассона)",
    ),
    "inpaint_button": ("Inpaint", "Дорисовать"),
}
