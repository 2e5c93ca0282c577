"""Actions of the tab Laboratory: unchecked inputs in, figures and texts out."""

from collections.abc import Iterator

import numpy as np
import plotly.graph_objects as go
import torch
from PIL import Image
from torch import Tensor

from genmodels.errors import UserError
from genmodels.ui.app_state import Laboratory
from genmodels.ui.laboratory.figures import Frame, Run, curves_figure, points_figure
from genmodels.ui.validation import parse_choice, parse_int, parse_seed

DRAWING = "drawing"  # the choice of data that is drawn by the user
CANVAS = 300  # pixels per side of the drawing
MAX_POINTS = 2000  # of a drawing
STEPS, MAX_STEPS = 2000, 5000
MAX_FRAMES = 40  # and at most one per 10 steps

# Points, curves, step, seconds, covered modes, fraction of samples near modes, table of losses.
Outputs = tuple[go.Figure, go.Figure, str, str, str, str, str]


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
            "\n".join(["| | $L$ |", "|---|---|", *losses]) if losses else "",
        )


def preview(tools: Laboratory, data: object, seed: object) -> go.Figure:
    """Plot the data before training; nothing for a drawing."""
    if data == DRAWING:
        return points_figure(torch.zeros(0, 2))
    return points_figure(prepare_run(tools, data, None, tools.objectives[0], 1, seed).samples)
