"""Figures of the tab Laboratory. N points, A arrows."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
import torch
from torch import Tensor

from genmodels.ui.plots import ORANGE, SLATE, TEAL, panes, to_numpy

SCORE_COLOURS = [[0, "rgba(13,148,136,0)"], [1, "rgba(13,148,136,0.7)"]]
MAX_ARROW = 0.13  # nearly the spacing of the arrows

Run = Frame = Any  # those of training.studies.laboratory, which passes them in


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
        figure.add_heatmap(
            x=side,
            y=side,
            z=to_numpy(frame.field.scores),
            colorscale=SCORE_COLOURS,
            showscale=False,
            zsmooth="fast",
            hovertemplate="D(%{x:.2f}, %{y:.2f}) = %{z:.3f}<extra></extra>",
        )
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
    figure.update_xaxes(range=[0, steps], title="t")
    figure.update_yaxes(autorangeoptions={"include": [0, 0.7]})
    x = [frame.step for frame in frames]
    for name, floor, values, colour in (
        ("JS", run.js_floor, [frame.js for frame in frames], ORANGE),
        ("W1", run.w1_floor, [frame.w1 for frame in frames], TEAL),
    ):
        label = f"{name} = {values[-1]:.3f}" if values else name
        figure.add_scatter(x=x, y=values, name=label, line={"color": colour, "width": 2})
        label, dashed = f"{name} ≥ {floor:.3f}", {"color": colour, "width": 1, "dash": "dash"}
        figure.add_scatter(x=[0, steps], y=[floor, floor], mode="lines", line=dashed, name=label)
    return figure
