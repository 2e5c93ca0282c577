"""Actions of the Laboratory tab: validate inputs, return figures and texts. N points, A arrows."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import plotly.graph_objects as go
import torch
from PIL import Image
from torch import Tensor

from genmodels.errors import UserError
from genmodels.ui.app_state import Laboratory
from genmodels.ui.plots import ORANGE, SLATE, TEAL, panes, to_numpy
from genmodels.ui.validation import parse_choice, parse_int, parse_seed

DRAWING = "drawing"  # the choice of data that is drawn by the user
CANVAS = 300  # pixels per side of the drawing
MAX_POINTS = 2000  # of a drawing
STEPS, MAX_STEPS = 2000, 5000
MAX_FRAMES = 40  # and at most one per 10 steps

SCORE_COLOURS = [[0, "rgba(13,148,136,0)"], [1, "rgba(13,148,136,0.7)"]]
MAX_ARROW = 0.13  # nearly the spacing of the arrows

# Losses by objective, as lines of LaTeX; the same as in training.objectives
LOSSES: dict[str, tuple[str, ...]] = {
    "gan-saturating": (r"\min_G \max_D\; E_x \ln D(x) + E_z \ln (1 - D(G(z)))",),
    "gan": (
        r"\max_D\; E_x \ln D(x) + E_z \ln (1 - D(G(z)))",
        r"\max_G\; E_z \ln D(G(z))",
    ),
    "wgan": (r"\min_G \max_{|w| \le c}\; E_x D_w(x) - E_z D_w(G(z))",),
    "wgan-gp": (
        r"\min_G \max_D\; E_x D(x) - E_z D(G(z))",
        r"{} - \lambda\, E_{\hat x} (\|\nabla D(\hat x)\| - 1)^2",
    ),
    "sngan": (
        r"\min_D\; E_x [1 - D(x)]_+ + E_z [1 + D(G(z))]_+",
        r"\max_G\; E_z D(G(z))",
    ),
    "r3gan": (
        r"\min_D\; E \ln (1 + e^{D(G(z)) - D(x)}) + R_1 + R_2",
        r"\min_G\; E \ln (1 + e^{D(x) - D(G(z))})",
    ),
    "vae": (r"\min\; E_x \|x - \hat x\|^2 + \beta\, KL(q(z | x)\,\|\,N(0, I))",),
    "diffusion": (
        r"\min\; E \|v - \hat v(x_t, t)\|^2",
        r"v = \sqrt{\bar\alpha_t}\,\epsilon - \sqrt{1 - \bar\alpha_t}\,x",
    ),
}

Run = Frame = Any  # of training.studies.laboratory
# Points, curves, step, seconds, covered modes, fraction of samples near modes, table of losses.
Outputs = tuple[go.Figure, go.Figure, str, str, str, str, str]


def arrow_lines(positions: Tensor, arrows: Tensor) -> np.ndarray:
    """Vertices (6 A, 2) of one polyline, broken by NaN, that draws arrows (A, 2) at positions.

    One scale for all arrows: the 95th percentile of their lengths becomes MAX_ARROW, and longer
    arrows are clipped to it.
    """
    scale = MAX_ARROW / arrows.norm(dim=1).quantile(0.95).clamp(min=1e-9)
    arrows = arrows * scale
    arrows = arrows * (MAX_ARROW / arrows.norm(dim=1, keepdim=True).clamp(min=MAX_ARROW))
    tips = positions + arrows
    normals = arrows.flip(1) * torch.tensor([-1, 1])
    barbs = [tips - 0.35 * arrows + side * 0.2 * normals for side in (1, -1)]
    gaps = torch.full_like(tips, torch.nan)
    vertices = torch.stack([positions, tips, barbs[0], tips, barbs[1], gaps], 1)
    return to_numpy(vertices.flatten(0, 1))


def points_figure(points: Tensor, frame: Frame | None = None) -> go.Figure:
    """Points of the data (N, 2), and the samples and the field of a frame."""
    figure = panes([350])
    figure.update_layout(showlegend=False)
    figure.update_xaxes(range=[-1.1, 1.1], constrain="domain", dtick=0.5)
    figure.update_yaxes(range=[-1.1, 1.1], scaleanchor="x", constrain="domain", dtick=0.5)
    if frame and frame.field.scores is not None:
        side = np.linspace(-1, 1, len(frame.field.scores), dtype=np.float32)
        style = {"colorscale": SCORE_COLOURS, "showscale": False, "zsmooth": "fast"}
        label = "D(%{x:.2f}, %{y:.2f}) = %{z:.3f}<extra></extra>"
        scores = to_numpy(frame.field.scores)
        figure.add_heatmap(x=side, y=side, z=scores, hovertemplate=label, **style)
    markers = [(points, SLATE, "circle", 4)]
    if frame:
        x, y = arrow_lines(frame.field.positions, frame.field.arrows).T
        line = {"color": SLATE, "width": 1}
        figure.add_scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip")
        markers.append((frame.samples, ORANGE, "cross", 5))
    for positions, colour, symbol, size in markers:
        x, y = to_numpy(positions).T
        marker = {"color": colour, "symbol": symbol, "size": size}
        figure.add_scatter(x=x, y=y, mode="markers", marker=marker, hoverinfo="skip")
    return figure


def curves_figure(run: Run, frames: list[Frame], steps: int) -> go.Figure:
    """JS and W1 against the step; dashed: their values between two samples of the data."""
    figure = panes([220])
    figure.update_xaxes(range=[0, steps], title="step")
    figure.update_yaxes(autorangeoptions={"include": [0, 0.7]})
    x = [frame.step for frame in frames]
    for name, floor, values, colour in (
        ("JS", run.js_floor, [frame.js for frame in frames], ORANGE),
        ("W1", run.w1_floor, [frame.w1 for frame in frames], TEAL),
    ):
        label = f"{name} = {values[-1]:.3f}" if values else name
        figure.add_scatter(x=x, y=values, name=label, line={"color": colour, "width": 2})
        label = f"{name} data vs data: {floor:.3f}"
        dashed = {"color": colour, "width": 1, "dash": "dash"}
        figure.add_scatter(x=[0, steps], y=[floor, floor], mode="lines", line=dashed, name=label)
    return figure


def drawing_to_points(drawing: object) -> Tensor:
    """Convert the value of a gr.Sketchpad to points (N, 2) in [-1, 1], y upwards."""
    layers = drawing["layers"] if isinstance(drawing, dict) else []
    points = torch.zeros(0, 2)
    if layers:
        alpha = Image.fromarray(layers[0][..., 3])
        alpha.thumbnail((2 * CANVAS, 2 * CANVAS))  # an API call may send any size
        rows, columns = np.nonzero(np.array(alpha))
        width, height = alpha.size
        centers = [2 * (columns + 0.5) / width - 1, 1 - 2 * (rows + 0.5) / height]
        points = torch.from_numpy(np.stack(centers, 1)).float()
    if len(points) < 3:
        raise UserError("expected a drawing: draw some points in the square first")
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))
    return points[order[:MAX_POINTS]]


def prepare_run(
    tools: Laboratory, data: object, drawing: object, objective: object, steps: object, seed: object
) -> Run:
    """Check the inputs and prepare a training run."""
    data = parse_choice(data, [*tools.data, DRAWING], "data")
    objective = parse_choice(objective, tools.objectives, "an objective")
    steps, seed = parse_int(steps, 1, MAX_STEPS, "steps"), parse_seed(seed)
    source = drawing_to_points(drawing) if data == DRAWING else data
    return tools.run(source, objective, steps, seed, frames=min(MAX_FRAMES, max(1, steps // 10)))


def train(
    tools: Laboratory, data: object, drawing: object, objective: object, steps: object, seed: object
) -> Iterator[Outputs]:
    """Train a model and yield the outputs of every frame."""
    run = prepare_run(tools, data, drawing, objective, steps, seed)
    steps, frames = parse_int(steps, 1, MAX_STEPS, "steps"), list[Frame]()
    for frame in run.frames:
        frames.append(frame)
        losses = [f"| {name} | {value:.4f} |" for name, value in frame.losses.items()]
        yield (
            points_figure(run.samples, frame),
            curves_figure(run, frames, steps),
            f"{frame.step} / {steps}",
            f"{frame.seconds:.1f}",
            f"{frame.covered_modes} / {len(run.data[1])}",
            f"{100 * frame.fraction_near_modes:.0f} %",
            "\n".join(["| | loss |", "|---|---|", *losses]) if losses else "",
        )


def formulas(objective: str) -> str:
    """Return the losses of an objective in Markdown; "" if they are not in LOSSES."""
    return "".join(f"$${line}$$" for line in LOSSES.get(objective, ()))


def preview(tools: Laboratory, data: object, seed: object) -> go.Figure:
    """Plot the data before training; nothing for a drawing."""
    if data == DRAWING:
        return points_figure(torch.zeros(0, 2))
    return points_figure(prepare_run(tools, data, None, tools.objectives[0], 1, seed).samples)
