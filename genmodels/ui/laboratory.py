"""The laboratory: a generative model learns points of the plane while one looks."""

from collections.abc import Iterator
from typing import Protocol

import gradio as gr
import numpy as np
import plotly.graph_objects as go
import torch
from PIL import Image
from torch import Tensor

from genmodels.errors import UserError
from genmodels.ui.app_state import AppState, Laboratory
from genmodels.ui.i18n import Texts, translate
from genmodels.ui.plots import FORMULAS, ORANGE, SLATE, TEAL, panes, to_numpy
from genmodels.ui.validation import (
    LATEST,
    SEEDS,
    parse_choice,
    parse_int,
    parse_seed,
    show_user_errors,
)

TEXTS: Texts = {
    "laboratory_what": (
        "The same objectives as for pictures, on points of the plane. Grey: the data. Orange: what "
        "the model draws. The surface is the critic's $D$, and the arrows are its gradient "
        "$\\nabla_x D(x)$, which the generator's samples follow; a VAE and diffusion have no "
        "critic, and their arrows lead to where they would move a point. "
        "$$\\min_G \\max_D\\; E_{x \\sim p} \\ln D(x) + E_{z} \\ln (1 - D(G(z)))$$",
        "Те же цели обучения, что и для картинок, на точках плоскости. Серое — данные. Оранжевое — "
        "то, что рисует модель. Поверхность — критик $D$, а стрелки — его градиент "
        "$\\nabla_x D(x)$, по которому идут точки генератора; у VAE и диффузии критика нет, и "
        "стрелки ведут туда, куда они передвинули бы точку. "
        "$$\\min_G \\max_D\\; E_{x \\sim p} \\ln D(x) + E_{z} \\ln (1 - D(G(z)))$$",
    ),
    "laboratory_missing": (
        "This app was started without the laboratory: it is part of `training`.",
        "Это приложение запущено без лаборатории: она — часть `training`.",
    ),
    "laboratory_data": ("Data", "Данные"),
    "laboratory_data_info": (
        "drawn: the points that you draw in the square below",
        "drawn: точки, которые вы нарисуете в квадрате ниже",
    ),
    "laboratory_drawing": ("Your points", "Ваши точки"),
    "laboratory_objective": ("Objective", "Цель обучения"),
    "laboratory_steps": ("Steps", "Шагов"),
    "laboratory_run": ("Run", "Запустить"),
    "laboratory_stop": ("Stop", "Остановить"),
    "laboratory_step": ("Step", "Шаг"),
    "laboratory_covered": ("Places covered", "Мест накрыто"),
    "laboratory_near": ("Samples at a place", "Точек у мест"),
    "laboratory_seconds": ("Seconds", "Секунд"),
    "laboratory_curves": (
        "How far the samples are from the data. Dashed: other points of the data, which no model "
        "is to be expected to beat.",
        "Как далеко точки модели от данных. Пунктир — другие точки самих данных: лучше не станет "
        "ни одна модель.",
    ),
}

SURFACE = [[0, "rgba(13,148,136,0)"], [1, "rgba(13,148,136,0.7)"]]
DRAWN = "drawn"
STEPS, MOST = 2000, 5000  # of a run, and at the most
FRAMES = 40  # of a run, and no more than one in 10 steps
CANVAS = 300  # pixels of a side of what is drawn on
MARKS = 2000  # points of a drawing at the most
LONGEST = 0.13  # of the arrows, nearly the distance of their places


class Field(Protocol):
    """What is read of `training.studies.laboratory.Field`."""

    scores: Tensor | None  # (G, G) of the critic, row by row from below
    places: Tensor  # (A, 2)
    arrows: Tensor  # (A, 2)


class Frame(Protocol):
    """What is read of `training.studies.laboratory.Frame`."""

    step: int
    losses: dict[str, float]
    samples: Tensor  # (N, 2)
    field: Field
    js: float
    w1: float
    covered: int
    near: float
    seconds: float


class Course(Protocol):
    """What is read of `training.studies.laboratory.Course`."""

    data: tuple[Tensor, Tensor, float]  # points, places (K, 2), radius
    shown: Tensor  # (N, 2)
    js: float  # the floors of both
    w1: float
    frames: Iterator[Frame]


State = tuple[go.Figure, go.Figure, str, str, str, str, str]


def arrows(places: Tensor, moves: Tensor) -> np.ndarray:
    """Places (A, 2) and moves (A, 2) -> corners (6 A, 2) of one line that draws all arrows.

    The moves are scaled by one number, so that the longest are as long as there is room.
    """
    scale = LONGEST / moves.norm(dim=1).quantile(0.95).clamp(min=1e-9)
    moves = moves * scale
    moves = moves * (LONGEST / moves.norm(dim=1, keepdim=True).clamp(min=LONGEST))
    tips = places + moves
    across = moves.flip(1) * torch.tensor([-1, 1])
    barbs = [tips - 0.35 * moves + side * 0.2 * across for side in (1, -1)]
    pause = torch.full_like(tips, torch.nan)
    return to_numpy(torch.stack([places, tips, barbs[0], tips, barbs[1], pause], 1).flatten(0, 1))


def plane_figure(points: Tensor, frame: Frame | None) -> go.Figure:
    """Points of the data (N, 2) and, once there is a frame, the model's samples and its field."""
    figure = panes([350])
    figure.update_layout(showlegend=False)
    figure.update_xaxes(range=[-1.1, 1.1], constrain="domain", dtick=0.5)
    figure.update_yaxes(range=[-1.1, 1.1], scaleanchor="x", constrain="domain", dtick=0.5)
    if frame and frame.field.scores is not None:
        side = np.linspace(-1, 1, len(frame.field.scores), dtype=np.float32)
        figure.add_heatmap(
            x=side,
            y=side,
            z=to_numpy(frame.field.scores),
            colorscale=SURFACE,
            showscale=False,
            zsmooth="fast",
            hovertemplate="D(%{x:.2f}, %{y:.2f}) = %{z:.3f}<extra></extra>",
        )
    sets = [(points, SLATE, "circle", 4)]
    if frame:
        x, y = arrows(frame.field.places, frame.field.arrows).T
        line = {"color": SLATE, "width": 1}
        figure.add_scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip")
        sets.append((frame.samples, ORANGE, "cross", 5))
    for them, colour, symbol, size in sets:
        x, y = to_numpy(them).T
        marker = {"color": colour, "symbol": symbol, "size": size}
        figure.add_scatter(x=x, y=y, mode="markers", marker=marker, hoverinfo="skip")
    return figure


def curves_figure(course: Course, frames: list[Frame], steps: int) -> go.Figure:
    """JS and W1 against the step, and dashed those of the data against itself."""
    figure = panes([220])
    figure.update_xaxes(range=[0, steps], title="t")
    figure.update_yaxes(autorangeoptions={"include": [0, 0.7]})
    along = [frame.step for frame in frames]
    for name, floor, values, colour in (
        ("JS", course.js, [frame.js for frame in frames], ORANGE),
        ("W1", course.w1, [frame.w1 for frame in frames], TEAL),
    ):
        label = f"{name} = {values[-1]:.3f}" if values else name
        figure.add_scatter(x=along, y=values, name=label, line={"color": colour, "width": 2})
        dashed = {"color": colour, "width": 1, "dash": "dash"}
        figure.add_scatter(
            x=[0, steps], y=[floor, floor], mode="lines", line=dashed, name=f"{name} ≥ {floor:.3f}"
        )
    return figure


def marks(drawing: object) -> Tensor:
    """A drawing as the page sends it -> points (N, 2) in [-1, 1] where there is any colour.

    Raises UserError where nothing is drawn.
    """
    layers = drawing["layers"] if isinstance(drawing, dict) else []
    found = [torch.zeros(0, 2)]
    for layer in layers[:1]:  # of any size
        paint = Image.fromarray(layer[..., 3])
        paint.thumbnail((2 * CANVAS, 2 * CANVAS))
        rows, columns = np.nonzero(np.array(paint))
        width, height = paint.size
        corners = np.stack([2 * (columns + 0.5) / width - 1, 1 - 2 * (rows + 0.5) / height], 1)
        found.append(torch.from_numpy(corners).float())
    points = torch.cat(found)
    if len(points) < 3:
        raise UserError("expected a drawing: draw some points in the square first")
    return points[torch.randperm(len(points), generator=torch.Generator().manual_seed(0))[:MARKS]]


def begin(
    tools: Laboratory, data: object, drawing: object, objective: object, steps: object, seed: object
) -> Course:
    """The course of a game that is about to be played. Raises UserError for what is none."""
    data = parse_choice(data, [*tools.data, DRAWN], "data")
    objective = parse_choice(objective, tools.objectives, "an objective")
    steps, seed = parse_int(steps, 1, MOST, "steps"), parse_seed(seed)
    points = marks(drawing) if data == DRAWN else data
    return tools.run(points, objective, steps, seed, frames=min(FRAMES, max(1, steps // 10)))


def play(
    tools: Laboratory, data: object, drawing: object, objective: object, steps: object, seed: object
) -> Iterator[State]:
    """The game, frame by frame: two plots, and what is counted in words.

    Raises UserError as `begin`, and where the game has run out of numbers.
    """
    course = begin(tools, data, drawing, objective, steps, seed)
    steps, frames = parse_int(steps, 1, MOST, "steps"), list[Frame]()
    try:
        for frame in course.frames:
            frames.append(frame)
            losses = [f"| {name} | {value:.4f} |" for name, value in frame.losses.items()]
            yield (
                plane_figure(course.shown, frame),
                curves_figure(course, frames, steps),
                f"{frame.step} / {steps}",
                f"{frame.seconds:.1f}",
                f"{frame.covered} / {len(course.data[1])}",
                f"{100 * frame.near:.0f} %",
                "\n".join(["| | $L$ |", "|---|---|", *losses]) if losses else "",
            )
    except FloatingPointError as error:
        raise UserError(f"the game has run out of numbers: {error}") from error


def settings(tools: Laboratory) -> list[gr.components.Component]:
    """What a visitor may choose: data, a drawing, an objective, steps, a seed."""
    data = gr.Radio(
        [*tools.data, DRAWN],
        value=tools.data[0],
        label=translate("laboratory_data"),
        info=translate("laboratory_data_info"),
    )
    # Without a ground the page would ask for a tool before anything can be drawn.
    drawing = gr.Sketchpad(
        np.full((CANVAS, CANVAS, 3), 255, np.uint8),
        label=translate("laboratory_drawing"),
        brush=gr.Brush(default_size=8, colors=[ORANGE], color_mode="fixed"),
        canvas_size=(CANVAS, CANVAS),
        layers=False,
        transforms=(),
        buttons=[],
        format="png",
        visible=False,
    )
    objective = gr.Dropdown(tools.objectives, value="gan", label=translate("laboratory_objective"))
    steps = gr.Slider(1, MOST, STEPS, step=1, label=translate("laboratory_steps"))
    seed = gr.Textbox("0", label=translate("seed"), info=translate("seed_info"), max_lines=1)
    return [data, drawing, objective, steps, seed]


def tab(shared: AppState) -> None:
    """Build the tab. It opens with the data's points, so that there is something to see."""
    if shared.laboratory is None:
        gr.Markdown(translate("laboratory_missing"))
        return
    tools = shared.laboratory

    def run(data: str, drawing: dict, objective: str, steps: int, seed: str) -> Iterator[State]:
        yield from play(tools, data, drawing, objective, steps, seed)

    def look(data: str, seed: str) -> tuple[dict, go.Figure]:
        pad = gr.update(visible=data == DRAWN)
        if data == DRAWN:
            return pad, plane_figure(torch.zeros(0, 2), None)
        course = begin(tools, data, None, tools.objectives[0], 1, seed)
        return pad, plane_figure(course.shown, None)

    first = begin(tools, tools.data[0], None, "gan", STEPS, 0)
    gr.Markdown(translate("laboratory_what"), latex_delimiters=FORMULAS)
    with gr.Row():
        with gr.Column(scale=2, min_width=260):
            data, drawing, objective, _, seed = inputs = settings(tools)
        with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
            plane = gr.Plot(plane_figure(first.shown, None), show_label=False)
            with gr.Row():
                button = gr.Button(translate("laboratory_run"), variant="primary", min_width=100)
                stop = gr.Button(translate("laboratory_stop"), min_width=100)
        with gr.Column(scale=3, min_width=300):
            curves = gr.Plot(curves_figure(first, [], STEPS), show_label=False)
            gr.Markdown(translate("laboratory_curves"))
            counts = []
            for pair in (("step", "seconds"), ("covered", "near")):
                with gr.Row():
                    counts += [
                        gr.Textbox(
                            label=translate(f"laboratory_{name}"), interactive=False, min_width=90
                        )
                        for name in pair
                    ]
            losses = gr.Markdown(elem_classes="note", latex_delimiters=FORMULAS)

    shared.link(data=data, objective=objective, seed=seed)
    running = button.click(
        show_user_errors(run),
        inputs,
        [plane, curves, *counts, losses],
        concurrency_id="device",
        show_progress="minimal",
        show_progress_on=losses,
        api_name="laboratory",
        api_description=f"A game on points of the plane, frame by frame: data "
        f"({', '.join(tools.data)}; or {DRAWN}, and a drawing), an objective, 1 to {MOST} steps, "
        f"and a seed from 0 to {SEEDS - 1}. Gives plots of the plane and of JS and W1, the step, "
        f"the seconds, the places covered, the part of the samples at one, and the losses.",
    )
    stop.click(None, cancels=running, api_visibility="private")
    gr.on(
        [data.change, seed.submit],
        show_user_errors(look),
        [data, seed],
        [drawing, plane],
        **LATEST,
        show_progress="hidden",
        api_visibility="private",
    )
