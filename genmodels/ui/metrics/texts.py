"""Texts of the tab Metrics in English and Russian."""

from genmodels.ui.i18n import Texts

FORMULAS = (
    "$$\\mathrm{IS}=\\exp\\mathbb{E}_x\\,\\mathrm{KL}\\big(p(y|x)\\,\\|\\,p(y)\\big)$$$$"
    "\\mathrm{FID}=\\|\\mu_r-\\mu_g\\|^2+\\mathrm{tr}\\big(\\Sigma_r+\\Sigma_g-"
    "2(\\Sigma_r\\Sigma_g)^{1/2}\\big)$$\n\n"
)

LIVE: Texts = {
    "metrics_formula": (
        f"{FORMULAS}Bands show one standard deviation. Small samples bias the values: FID is too "
        "high, IS too low.",
        f"{FORMULAS}Полосы показывают стандартное отклонение. На малых выборках оценки смещены: "
        "FID завышен, IS занижен.",
    ),
    "metrics_samples_first": (
        "Press Measure: the metrics are updated here while the models generate samples.",
        "Нажмите «Измерить»: метрики обновляются по ходу генерации.",
    ),
    "metrics_models": ("Models", "Модели"),
    "metrics_models_info": (
        "Up to 4, from the list or by Hub id",
        "До 4: из списка или по имени на Hub",
    ),
    "metrics_kinds": ("Metrics", "Метрики"),
    "metrics_count": ("Samples of each", "Размер выборки каждой модели"),
    "metrics_protocol": ("Protocol", "Протокол"),
    "metrics_network": ("Feature extractor", "Сеть для признаков"),
    "metrics_network_info": (
        "domain is a classifier trained on Fashion-MNIST",
        "domain — классификатор, обученный на Fashion-MNIST",
    ),
    "metrics_reference": ("Reference dataset", "Эталонный датасет"),
    "metrics_reference_info": (
        "The first 10,000 training images are used",
        "Используются первые 10 000 обучающих изображений",
    ),
    "metrics_measure": ("Measure", "Измерить"),
    "metrics_resume": ("Resume", "Продолжить"),
    "metrics_plot": ("Metrics by number of samples", "Метрики в зависимости от размера выборки"),
    "metrics_table": ("Latest values", "Последние значения"),
}

RUNS: Texts = {
    "metrics_runs_what": (
        "Runs of `accelerate launch -m training` on this machine, updated while they train: "
        "losses, FID if the run evaluates it, and samples from fixed latents.",
        "Запуски `accelerate launch -m training` на этой машине, обновляются по ходу обучения: "
        "функции потерь, FID (если он вычисляется) и генерация из фиксированных латентных "
        "векторов.",
    ),
    "metrics_runs_none": (
        "No training runs on this machine yet. Start one with "
        "`accelerate launch -m training vae-fashion`.",
        "На этой машине пока нет запусков обучения. Запустить обучение: "
        "`accelerate launch -m training vae-fashion`.",
    ),
    "metrics_runs_project": ("Project", "Проект"),
    "metrics_runs_runs": ("Runs", "Запуски"),
    "metrics_runs_terms": ("Curves", "Кривые"),
    "metrics_runs_terms_info": ("Leave empty to show all", "Пусто — показать все"),
    "metrics_runs_follow": ("Update automatically", "Обновлять автоматически"),
    "metrics_runs_step": ("Samples at step", "Сгенерированные изображения на шаге"),
    "metrics_runs_plot": ("Losses by step", "Функции потерь по шагам"),
    "metrics_runs_sheets": ("Samples of the runs", "Сгенерированные изображения"),
}

MEMORISATION: Texts = {
    "metrics_memory_what": (
        "Does the model generate new images or copy training images? Each picture shows a sample "
        "on the left and its nearest training image on the right. A small distance alone proves "
        "nothing, because blurred images are close to everything: compare it with the distance of "
        "held-out images, which were not used for training.",
        "Генерирует ли модель новые изображения или копирует обучающие? На каждой картинке слева "
        "сгенерированное изображение, справа ближайшее обучающее. Само по себе малое расстояние "
        "ничего не доказывает: размытые изображения близки ко всем. Сравнивайте его с расстоянием "
        "для изображений из тестовой выборки.",
    ),
    "metrics_memory_first": (
        "Press Find nearest to compare samples with training images.",
        "Нажмите «Найти ближайшие», чтобы сравнить генерацию с обучающей выборкой.",
    ),
    "metrics_memory_count": ("Samples", "Число изображений"),
    "metrics_memory_by": ("Distance", "Расстояние"),
    "metrics_memory_by_info": (
        "LPIPS uses classifier features and takes a few seconds per 1,000 training images",
        "LPIPS считается по признакам классификатора: несколько секунд на 1000 изображений",
    ),
    "metrics_memory_reference": ("Training images", "Обучающая выборка"),
    "metrics_memory_reference_info": (
        "The dataset the model was trained on; its first 10,000 images are used",
        "Датасет, на котором обучалась модель; используются первые 10 000 изображений",
    ),
    "metrics_memory_find": ("Find nearest", "Найти ближайшие"),
    "metrics_memory_pairs": ("Samples and nearest images", "Генерация и ближайшие изображения"),
}

TEXTS: Texts = {
    "metrics_what": (
        "How good is a model? Compare features of its samples with those of real images, watch the "
        "losses of training runs, and check whether samples copy training images.",
        "Насколько хороша модель? Сравните признаки сгенерированных и настоящих изображений, "
        "следите за функциями потерь при обучении и проверьте, не копирует ли модель обучающую "
        "выборку.",
    ),
    "metrics_samples": ("Live metrics", "Метрики в реальном времени"),
    "metrics_runs": ("Training runs", "Запуски обучения"),
    "metrics_memorisation": ("Memorisation", "Запоминание"),
    **LIVE,
    **RUNS,
    **MEMORISATION,
}
