"""Texts of the tab Generate."""

from genmodels.ui.i18n import Texts

TEXTS: Texts = {
    "generate_what": (
        "Each image starts as a vector of random numbers, the *latent* $z \\sim N(0, I)$. The "
        "model decodes it into an image $x = G(z)$. The seed sets the random numbers: the same "
        "seed gives the same images. Click an image to use it in other tabs.",
        "Каждое изображение начинается с вектора случайных чисел — *латентного вектора* "
        "$z \\sim N(0, I)$. Модель декодирует его в изображение $x = G(z)$. Сид задаёт случайные "
        "числа: один и тот же сид даёт одни и те же изображения. Щёлкните по изображению, чтобы "
        "использовать его в других вкладках.",
    ),
    "generate_count": ("Images", "Число изображений"),
    "generate_new_seed": ("New seed", "Новый сид"),
    "generate_button": ("Generate", "Сгенерировать"),
    "generate_label_info": ("-1 cycles through all classes", "-1 — все классы по очереди"),
    "generate_truncation": ("Truncation", "Усечение"),
    "generate_truncation_info": (
        "Lower values give cleaner but less varied samples",
        "Чем меньше, тем чище, но однообразнее изображения",
    ),
    "generate_scheduler": ("Scheduler", "Метод обратной диффузии"),
    "generate_steps": ("Steps", "Шаги"),
    "generate_guidance": ("Guidance scale", "Сила guidance"),
    "generate_guidance_info": (
        "How strongly samples follow their class; 0: unconditional, 1: no guidance",
        "Насколько сильно изображения следуют классу; 0 — без условия, 1 — без guidance",
    ),
    "generate_samples": ("Samples", "Изображения"),
    "generate_png": ("PNG", "PNG"),
    "generate_zip": ("ZIP", "ZIP"),
    "generate_compare": ("Compare all models", "Сравнить все модели"),
    "generate_compared": ("All models, same seed", "Все модели, один сид"),
    "generate_saved": ("Saved for other tabs", "Сохранено для других вкладок"),
    "generate_to_inpaint": ("Inpaint the last one", "Последнее — в инпейнтинг"),
    "generate_to_interpolate": (
        "Interpolate between the last two",
        "Два последних — в интерполяцию",
    ),
}
