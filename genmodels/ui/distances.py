"""Distances between distributions: the lecture's claims, each as an experiment on the line."""

import functools
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
import plotly.graph_objects as go
import torch
from torch import Tensor

from genmodels.distances.divergences import DIVERGENCES, earth_moving, potential, wasserstein
from genmodels.distances.experiments import Fit, bump, fitting, heaps, normal, parting, smoothing
from genmodels.ui.app_state import AppState
from genmodels.ui.i18n import Texts, translate
from genmodels.ui.plots import FORMULAS, ORANGE, SLATE, TEAL, VIOLET, panes, to_numpy
from genmodels.ui.validation import LATEST, parse_choice, parse_float, parse_int, show_user_errors

TEXTS: Texts = {
    "distances_what": (
        "How far is one distribution from another? The answer decides what a model learns: each "
        "experiment holds one claim of the lecture against numbers. $p$ is what is to be learnt, "
        "$q$ the model.",
        "Как далеко одно распределение от другого? От ответа зависит, чему модель научится: каждый "
        "опыт сверяет одно утверждение лекции с числами. $p$ — то, чему учат, $q$ — модель.",
    ),
    "distances_parting": ("Apart", "Врозь"),
    "distances_parting_what": (
        "Once two bumps have no point in common, $TV = 1$ and $JS = \\ln 2$ stay flat and tell the "
        "model nothing of where to go. $KL$ is infinite as soon as one reaches where the other is "
        "not. Only $W_1$ goes on telling how far."
        "\n\n$$JS(p, q) = \\tfrac12 KL(p\\,\\|\\,m) + \\tfrac12 KL(q\\,\\|\\,m)$$"
        "$$m = \\tfrac{p + q}2$$\n\n$$W_1(p, q) = \\int |F_p - F_q|\\,dx$$",
        "Когда у двух холмов нет общих точек, $TV = 1$ и $JS = \\ln 2$ постоянны и не говорят "
        "модели, куда идти. $KL$ бесконечна, едва один из них окажется там, где другого нет. "
        "Только $W_1$ и дальше говорит, как далеко."
        "\n\n$$JS(p, q) = \\tfrac12 KL(p\\,\\|\\,m) + \\tfrac12 KL(q\\,\\|\\,m)$$"
        "$$m = \\tfrac{p + q}2$$\n\n$$W_1(p, q) = \\int |F_p - F_q|\\,dx$$",
    ),
    "distances_apart": ("Distance of the bumps", "Расстояние между холмами"),
    "distances_fitting": ("Fit", "Подгонка"),
    "distances_fitting_what": (
        "A normal distribution $q$ cannot be two bumps. By $KL(p\\,\\|\\,q)$ it covers both, and "
        "has mass between them; by $KL(q\\,\\|\\,p)$ it seeks one and forgets the other. A VAE "
        "does the former, and a GAN that drops modes looks like the latter."
        "\n\n$$KL(p\\,\\|\\,q) = \\sum_x p(x) \\ln \\frac{p(x)}{q(x)}$$",
        "Нормальное распределение $q$ не может стать двумя холмами. По $KL(p\\,\\|\\,q)$ оно "
        "накрывает оба, и масса есть и между ними; по $KL(q\\,\\|\\,p)$ ищет один и забывает "
        "другой. VAE поступает как в первом случае, а GAN, теряющий моды, похож на второй."
        "\n\n$$KL(p\\,\\|\\,q) = \\sum_x p(x) \\ln \\frac{p(x)}{q(x)}$$",
    ),
    "distances_divergence": ("What is made small", "Что уменьшается"),
    "distances_start": ("Mean at the start", "Среднее в начале"),
    "distances_frame": ("Moment of the descent", "Момент спуска"),
    "distances_play": ("Play", "Показать спуск"),
    "distances_stop": ("Stop", "Остановить"),
    "distances_moving": ("Earth", "Земля"),
    "distances_moving_what": (
        "$W_1$ is the least work of making one heap out of another: mass times distance, by the "
        "plan $\\gamma$ below (from $x$ of $p$ to $y$ of $q$; what is on the dots stays). It is "
        "also the largest difference of means that a function $f$ of slope at most 1 can make, and "
        "a WGAN's critic is trained to be that $f$."
        "\n\n$$W_1(p, q) = \\min_\\gamma \\sum_{x, y} \\gamma(x, y)\\,|x - y|$$"
        "\n\n$$W_1(p, q) = \\max_{|f'| \\le 1} E_p f - E_q f$$",
        "$W_1$ — наименьшая работа, за которую из одной кучи получается другая: масса на "
        "расстояние, по плану $\\gamma$ ниже (из $x$ от $p$ в $y$ от $q$; что на точках, остаётся)."
        " Она же — наибольшая разность средних, какую даёт функция $f$ с наклоном не больше 1; "
        "критика WGAN учат быть этой $f$."
        "\n\n$$W_1(p, q) = \\min_\\gamma \\sum_{x, y} \\gamma(x, y)\\,|x - y|$$"
        "\n\n$$W_1(p, q) = \\max_{|f'| \\le 1} E_p f - E_q f$$",
    ),
    "distances_place": ("Place of q", "Место q"),
    "distances_critics": ("Train three critics", "Обучить трёх критиков"),
    "distances_no_critics": (
        "The critics are trained by the laboratory, without which this app was started.",
        "Критиков обучает лаборатория, без которой это приложение запущено.",
    ),
    "distances_smoothing": ("Noise", "Шум"),
    "distances_smoothing_what": (
        "Two points at a distance $d = 3$ have nothing in common, and $JS$ has no slope. With "
        "noise of deviation $\\sigma$ on both it has one, the more the better at first: why noise "
        "helps a GAN, and the beginning of diffusion."
        "\n\n$$JS\\big(p * N(0, \\sigma^2),\\; q * N(0, \\sigma^2)\\big)$$",
        "У двух точек на расстоянии $d = 3$ нет ничего общего, и у $JS$ нет наклона. С шумом "
        "с отклонением $\\sigma$ у обеих наклон появляется, и сперва чем больше шума, тем лучше: "
        "вот почему шум помогает GAN, и с этого начинается диффузия."
        "\n\n$$JS\\big(p * N(0, \\sigma^2),\\; q * N(0, \\sigma^2)\\big)$$",
    ),
    "distances_deviation": ("Deviation σ of the noise", "Отклонение шума σ"),
}

COLOURS = {"TV": SLATE, "KL(p‖q)": VIOLET, "KL(q‖p)": VIOLET, "JS": ORANGE, "W1": TEAL}
DASHES = {"TV": "dot", "KL(q‖p)": "dash", "JS": "dash"}
FARTHEST = 3.0  # distance of the bumps
FRAMES = 50  # of a fit, beside its first
QUIETEST, NOISIEST = 0.05, 3.0  # deviations of the noise


def density(figure: go.Figure, name: str, points: Tensor, masses: Tensor, colour: str) -> None:
    """Masses (N,) on even points, filled, in the upper pane."""
    heights = masses / (points[1] - points[0])
    figure.add_scatter(
        x=to_numpy(points),
        y=to_numpy(heights),
        name=name,
        line={"color": colour, "width": 2},
        fill="tozeroy",
        hoverinfo="skip",
        row=1,
        col=1,
    )


def curve(
    figure: go.Figure, name: str, along: Tensor, values: Tensor, at: float, value: float
) -> None:
    """Values (D,) in the lower pane, the one where the slider is as a dot and a number."""
    colour = COLOURS.get(name, TEAL)
    figure.add_scatter(
        x=to_numpy(along),
        y=to_numpy(values),
        name=f"{name} = {value:.3f}".replace("inf", "∞"),
        mode="lines",
        line={"color": colour, "dash": DASHES.get(name, "solid"), "width": 2},
        row=2,
        col=1,
    )
    figure.add_scatter(
        x=[at],
        y=[min(value, values.max().item())],
        mode="markers",
        marker={"color": colour, "size": 11},
        showlegend=False,
        hoverinfo="skip",
        row=2,
        col=1,
    )


@functools.cache
def partings() -> tuple[Tensor, dict[str, Tensor]]:
    """Distances (D,), and each divergence (D,)."""
    apart = torch.linspace(0, FARTHEST, 61)
    return apart, parting(apart)


def parting_figure(apart: object) -> go.Figure:
    """Two bumps so far apart, and each divergence against their distance."""
    apart = parse_float(apart, 0, FARTHEST, "as the distance")
    top = FARTHEST + 0.5  # where the infinite is drawn
    figure = panes(
        [130, 250],
        xaxis={"range": [-1, FARTHEST + 1]},
        yaxis={"range": [0, 1.2]},
        xaxis2={"title": "d", "range": [-0.1, FARTHEST + 0.1]},
        yaxis2={
            "range": [-0.15, top + 0.2],
            "tickvals": [0, math.log(2), 1, 2, 3, top],
            "ticktext": ["0", "ln 2", "1", "2", "3", "∞"],
        },
    )
    points = torch.linspace(-1, FARTHEST + 1, 501, dtype=torch.float64)
    for name, place, colour in (("p", 0.0, SLATE), ("q", apart, TEAL)):
        density(figure, name, points, bump(points, torch.tensor(place).double()), colour)
    along, curves = partings()
    here = parting(torch.tensor([apart]))
    for name, values in curves.items():
        curve(figure, name, along, values.clamp(max=top), apart, here[name].item())
    return figure


@functools.lru_cache(maxsize=64)
def fitted(name: str, start: float) -> Fit:
    return fitting(name, steps=200, start=start, frames=FRAMES)


def fitting_figure(name: object, start: object, frame: object) -> go.Figure:
    """A normal distribution at a moment of its descent, those before, and what is made small."""
    name = parse_choice(name, list(DIVERGENCES), "a divergence")
    start = round(parse_float(start, -3, 3, "as the mean at the start"), 2)
    frame = parse_int(frame, 0, FRAMES, "as the moment")
    fit = fitted(name, start)
    figure = panes(
        [220, 160],
        xaxis={"range": [-6, 6]},
        yaxis={"range": [0, 1]},
        yaxis2={"rangemode": "tozero"},
    )
    density(figure, "p", fit.points, fit.target, SLATE)
    spacing = fit.points[1] - fit.points[0]
    for earlier in range(0, frame, 3):
        figure.add_scatter(
            x=to_numpy(fit.points),
            y=to_numpy(fit.frames[earlier] / spacing),
            line={"color": TEAL, "width": 1},
            opacity=0.4,
            showlegend=False,
            hoverinfo="skip",
            row=1,
            col=1,
        )
    density(figure, "q", fit.points, fit.frames[frame], TEAL)
    moments = torch.arange(len(fit.losses))
    curve(figure, name, moments, fit.losses, frame, fit.losses[frame].item())
    return figure


def play(name: object, start: object) -> Iterator[tuple[go.Figure, int]]:
    """The descent, moment by moment, with the place of its slider."""
    for frame in range(0, FRAMES + 1, 2):
        yield fitting_figure(name, start, frame), frame
        time.sleep(0.15)  # or the page would fall behind


def moving_figure(place: object) -> go.Figure:
    """Two heaps and one, and the plan by which these become that."""
    p, q = heaps(parse_float(place, -2, 2, "as the place of q"))
    cost, plan = earth_moving(p, q)
    figure = panes(
        [130, 280],
        xaxis={"range": [-4, 4]},
        xaxis2={"range": [-4, 4], "title": "x"},
        yaxis2={"range": [-4, 4], "title": "y"},
    )
    density(figure, "p", p.points, p.masses, SLATE)
    density(figure, "q", q.points, q.masses, TEAL)
    figure.add_heatmap(
        x=to_numpy(p.points),
        y=to_numpy(q.points),
        z=to_numpy(torch.where(plan > 1e-6, plan, torch.nan)).T,
        colorscale=[[0, "rgba(13,148,136,0.35)"], [1, "rgb(13,148,136)"]],
        showscale=False,
        hoverongaps=False,
        hovertemplate="%{x:.1f} → %{y:.1f}: %{z:.3f}<extra></extra>",
        row=2,
        col=1,
    )
    figure.add_scatter(
        x=[-4, 4],
        y=[-4, 4],
        name=f"γ, Σ γ |x − y| = {cost.item():.3f}",
        line={"color": SLATE, "dash": "dot", "width": 1},
        hoverinfo="skip",
        row=2,
        col=1,
    )
    return figure


def potential_figure(place: object, critics: Callable[..., Any] | None) -> tuple[go.Figure, str]:
    """The best f and, where there are any, those of critics; and how far each falls short of W1."""
    p, q = heaps(parse_float(place, -2, 2, "as the place of q"))
    distance = wasserstein(p, q).item()
    figure = panes([220], xaxis={"range": [-4, 4], "title": "x"}, yaxis={"title": "f(x)"})
    middle = (p.masses + q.masses) / 2
    x = to_numpy(p.points)
    best = potential(p, q)
    y = to_numpy(best - (middle * best).sum())  # f is so but for a constant
    figure.add_scatter(x=x, y=y, name="f", line={"color": TEAL, "width": 3})
    rows = [("f", distance, 1.0)]
    found = critics(p, q) if critics else {}
    for (name, estimate), colour in zip(found.items(), (SLATE, ORANGE, VIOLET), strict=False):
        # Its scale is divided out, which clipping leaves open.
        values = estimate.values / max(estimate.steepest, 1e-12)
        y = to_numpy(values - (middle * values).sum())
        figure.add_scatter(x=x, y=y, name=name, line={"color": colour, "dash": "dash", "width": 2})
        rows.append((name, estimate.distance, estimate.steepest))
    lines = [
        f"| {name} | {value:.3f} | {100 * value / distance:.0f} % | {slope:.2f} |"
        for name, value, slope in rows
    ]
    head = "| $f$ | $(E_p f - E_q f) / L$ | $/\\; W_1$ | $L = \\max \\lvert f' \\rvert$ |"
    return figure, "\n".join([head, "|---|---|---|---|", *lines])


def smoothing_figure(deviation: object) -> go.Figure:
    """Two points under so much noise, and JS and its slope against the noise."""
    deviation = parse_float(deviation, QUIETEST, NOISIEST, "as the deviation")
    figure = panes(
        [130, 250],
        xaxis={"range": [-4, 7]},
        yaxis={"rangemode": "tozero"},
        xaxis2={"title": "σ", "range": [0, NOISIEST + 0.05]},
    )
    points = torch.linspace(-4, 7, 401, dtype=torch.float64)
    for name, place, colour in (("p", 0.0, SLATE), ("q", 3.0, TEAL)):
        density(figure, name, points, normal(points, place, deviation), colour)
    along = torch.linspace(QUIETEST, NOISIEST, 60)
    curves = zip(smoothing(along), smoothing(torch.tensor([deviation])), strict=True)
    for name, (values, here) in zip(("JS", "dJS/dd"), curves, strict=True):
        curve(figure, name, along, values, deviation, here.item())
    return figure


def tab(shared: AppState) -> None:
    """Build the tab, each experiment with its plot already drawn."""
    gr.Markdown(translate("distances_what"), latex_delimiters=FORMULAS)
    for name, build in EXPERIMENTS.items():
        with gr.Tab(translate(f"distances_{name}")):
            gr.Markdown(translate(f"distances_{name}_what"), latex_delimiters=FORMULAS)
            build(shared)


def follow(slider: gr.Slider, figure: Callable[[object], go.Figure], name: str, what: str) -> None:
    """A plot that moves with a slider."""
    plot = gr.Plot(figure(slider.value), show_label=False)
    slider.input(
        show_user_errors(figure),
        slider,
        plot,
        **LATEST,
        show_progress="hidden",
        api_name=name,
        api_description=f"{what} {slider.minimum:g} to {slider.maximum:g}. Gives a plot.",
    )


def build_parting(shared: AppState) -> None:
    slider = gr.Slider(0, FARTHEST, 0.6, step=0.05, label=translate("distances_apart"))
    follow(slider, parting_figure, "parting", "Two bumps so far apart, and their divergences:")


def build_smoothing(shared: AppState) -> None:
    slider = gr.Slider(QUIETEST, NOISIEST, 1, step=0.05, label=translate("distances_deviation"))
    follow(slider, smoothing_figure, "smoothing", "JS of two points under noise of a deviation:")


def build_fitting(shared: AppState) -> None:
    with gr.Row():
        name = gr.Radio(list(DIVERGENCES), value="KL(q‖p)", label=translate("distances_divergence"))
        start = gr.Slider(-3, 3, 1, step=0.5, label=translate("distances_start"))
    plot = gr.Plot(fitting_figure("KL(q‖p)", 1, FRAMES), show_label=False)
    frame = gr.Slider(0, FRAMES, FRAMES, step=1, label=translate("distances_frame"))
    with gr.Row():
        button = gr.Button(translate("distances_play"), variant="primary", min_width=100)
        stop = gr.Button(translate("distances_stop"), min_width=100)
    playing = button.click(
        show_user_errors(play),
        [name, start],
        [plot, frame],
        concurrency_limit=20,  # most of it is waiting
        show_progress="hidden",
        api_visibility="private",
    )
    stop.click(None, cancels=playing, api_visibility="private")
    inputs = [name, start, frame]
    gr.on(
        [name.input, start.input, frame.input],
        show_user_errors(fitting_figure),
        inputs,
        plot,
        **LATEST,
        show_progress="hidden",
        api_name="fitting",
        api_description=f"A normal distribution fitted to two bumps by a divergence "
        f"({', '.join(DIVERGENCES)}), from a mean of -3 to 3, at a moment from 0 to {FRAMES} of "
        f"its descent. Gives a plot.",
    )


def build_moving(shared: AppState) -> None:
    def compare(place: float) -> Iterator[tuple[go.Figure, str]]:
        yield potential_figure(place, None)
        yield potential_figure(place, shared.laboratory.critics)

    def move(place: float) -> tuple[go.Figure, go.Figure, str]:
        return moving_figure(place), *potential_figure(place, None)

    figures = move(-0.8)
    slider = gr.Slider(-2, 2, -0.8, step=0.1, label=translate("distances_place"))
    with gr.Row():
        plan = gr.Plot(figures[0], show_label=False)
        with gr.Column():
            best = gr.Plot(figures[1], show_label=False)
            table = gr.Markdown(figures[2], latex_delimiters=FORMULAS)
            if shared.laboratory is None:
                gr.Markdown(translate("distances_no_critics"))
            else:
                button = gr.Button(translate("distances_critics"), variant="primary")
                button.click(
                    show_user_errors(compare),
                    slider,
                    [best, table],
                    concurrency_id="device",
                    show_progress="minimal",
                    show_progress_on=table,
                    api_name="critics",
                    api_description="Three critics trained to tell two heaps from one at a place "
                    "from -2 to 2, beside the best. Gives a plot and a table.",
                )
    slider.input(
        show_user_errors(move),
        slider,
        [plan, best, table],
        **LATEST,
        show_progress="hidden",
        api_name="moving",
        api_description="Earth moved from two heaps to one at a place from -2 to 2. Gives plots of "
        "the plan and of the best f, and a table.",
    )


EXPERIMENTS: dict[str, Callable[[AppState], None]] = {
    "parting": build_parting,
    "fitting": build_fitting,
    "moving": build_moving,
    "smoothing": build_smoothing,
}
