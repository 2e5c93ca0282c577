"""Texts of the tab Distances, in English and Russian."""

from genmodels.ui.i18n import Texts

JS_AND_W1 = (
    "\n\n$$JS(p, q) = \\tfrac12 KL(p\\,\\|\\,m) + \\tfrac12 KL(q\\,\\|\\,m)$$"
    "$$m = \\tfrac{p + q}2$$\n\n$$W_1(p, q) = \\int |F_p - F_q|\\,dx$$"
)
KL = "\n\n$$KL(p\\,\\|\\,q) = \\sum_x p(x) \\ln \\frac{p(x)}{q(x)}$$"
W1_DUALITY = (
    "\n\n$$W_1(p, q) = \\min_\\gamma \\sum_{x, y} \\gamma(x, y)\\,|x - y|$$"
    "\n\n$$W_1(p, q) = \\max_{|f'| \\le 1} E_p f - E_q f$$"
)
SMOOTHED_JS = "\n\n$$JS\\big(p * N(0, \\sigma^2),\\; q * N(0, \\sigma^2)\\big)$$"

TEXTS: Texts = {
    "distances_intro": (
        "Training a generative model minimises a distance between two distributions. Each "
        "experiment tests one claim about these distances. $p$ is the data distribution, $q$ is "
        "the model.",
        "Обучение генеративной модели минимизирует расстояние между двумя распределениями. Каждый "
        "эксперимент проверяет одно утверждение об этих расстояниях. $p$ — распределение данных, "
        "$q$ — модель.",
    ),
    "distances_supports": ("Supports", "Носители"),
    "distances_supports_intro": (
        "If two distributions have disjoint supports, $TV = 1$ and $JS = \\ln 2$ are constant and "
        "give the model no gradient. $KL$ is infinite as soon as one distribution has mass where "
        "the other has none. Only $W_1$ keeps growing with the distance." + JS_AND_W1,
        "Если носители двух распределений не пересекаются, $TV = 1$ и $JS = \\ln 2$ постоянны и не "
        "дают модели градиента. $KL$ бесконечна, как только у одного распределения есть масса там, "
        "где у другого её нет. Только $W_1$ продолжает расти с расстоянием." + JS_AND_W1,
    ),
    "distances_shift": ("Distance between p and q", "Расстояние между p и q"),
    "distances_fit": ("Fit", "Подгонка"),
    "distances_fit_intro": (
        "A normal distribution $q$ cannot match a mixture of two. Minimising $KL(p\\,\\|\\,q)$ "
        "covers both modes and puts mass between them; minimising $KL(q\\,\\|\\,p)$ fits one mode "
        "and ignores the other. A VAE behaves like the former, and mode collapse of a GAN "
        "resembles the latter." + KL,
        "Нормальное распределение $q$ не может совпасть со смесью двух. Минимизация "
        "$KL(p\\,\\|\\,q)$ накрывает обе моды и оставляет массу между ними; минимизация "
        "$KL(q\\,\\|\\,p)$ приближает одну моду и игнорирует другую. VAE ведёт себя как в первом "
        "случае, а схлопывание мод у GAN похоже на второй." + KL,
    ),
    "distances_distance": ("Distance to minimise", "Минимизируемое расстояние"),
    "distances_start": ("Initial mean", "Начальное среднее"),
    "distances_frame": (
        "Frame (4 gradient steps each)",
        "Кадр (по 4 шага градиентного спуска)",
    ),
    "distances_play": ("Play", "Воспроизвести"),
    "distances_transport": ("Transport", "Транспорт"),
    "distances_transport_intro": (
        "$W_1$ is the minimum cost of transporting $p$ to $q$: mass times distance, summed over "
        "the plan $\\gamma$ (from $x$ to $y$; mass on the dotted line does not move). By duality "
        "it is also the largest $E_p f - E_q f$ over functions $f$ with slope at most 1. The "
        "critic of a WGAN learns this $f$." + W1_DUALITY,
        "$W_1$ — минимальная стоимость переноса $p$ в $q$: масса, умноженная на расстояние, по "
        "всему плану $\\gamma$ (из $x$ в $y$; масса на пунктирной линии не перемещается). По "
        "двойственности это и наибольшая разность $E_p f - E_q f$ по функциям $f$ с наклоном не "
        "больше 1. Критик WGAN учится приближать эту $f$." + W1_DUALITY,
    ),
    "distances_center": ("Center of q", "Центр q"),
    "distances_critics": ("Train three critics", "Обучить трёх критиков"),
    "distances_no_critics": (
        "Training critics requires the package `training`, which this app was started without.",
        "Для обучения критиков нужен пакет `training`, а приложение запущено без него.",
    ),
    "distances_noise": ("Noise", "Шум"),
    "distances_noise_intro": (
        "Two points at a distance $d = 3$ have disjoint supports, so $JS$ has no gradient. Normal "
        "noise with standard deviation $\\sigma$ on both gives it one, which at first grows with "
        "$\\sigma$. This is why noise stabilises GANs, and the idea behind diffusion."
        + SMOOTHED_JS,
        "У двух точек на расстоянии $d = 3$ носители не пересекаются, и градиент $JS$ равен нулю. "
        "Нормальный шум со стандартным отклонением $\\sigma$ у обеих делает его ненулевым, и "
        "сначала градиент растёт с $\\sigma$. Поэтому шум стабилизирует GAN; на этой идее основана "
        "и диффузия." + SMOOTHED_JS,
    ),
    "distances_std": ("Standard deviation σ of the noise", "Стандартное отклонение шума σ"),
}
