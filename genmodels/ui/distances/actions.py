"""Actions of the Distances tab: validate inputs, return figures and tables.

N points, D values of a slider.
"""

import functools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import plotly.graph_objects as go
import torch
from torch import Tensor

from genmodels.distances import experiments
from genmodels.distances.divergences import DISTANCES, Discrete, wasserstein
from genmodels.distances.optimal_transport import kantorovich_potential, monotone_transport
from genmodels.ui.plots import ORANGE, SLATE, TEAL, VIOLET, panes, to_numpy
from genmodels.ui.validation import parse_choice, parse_float, parse_int

COLOURS = {"TV": SLATE, "KL(p‖q)": VIOLET, "KL(q‖p)": VIOLET, "JS": ORANGE, "W1": TEAL}
DASHES = {"TV": "dot", "KL(q‖p)": "dash", "JS": "dash"}
MAX_SHIFT = 3.0
FRAMES = 50  # index of the last frame of a fit
MIN_STD, MAX_STD = 0.05, 3.0
UPPER, LOWER = ({"row": row, "col": 1, "hoverinfo": "skip"} for row in (1, 2))

CriticEstimate = Any  # that of training.studies.laboratory: values (N,), lipschitz, distance
TrainCritics = Callable[[Discrete, Discrete], Mapping[str, CriticEstimate]]


def add_density(figure: go.Figure, name: str, points: Tensor, masses: Tensor, colour: str) -> None:
    """Fill the density of masses (N,) on evenly spaced points, in the upper pane."""
    y = to_numpy(masses / (points[1] - points[0]))
    line = {"color": colour, "width": 2}
    figure.add_scatter(x=to_numpy(points), y=y, name=name, line=line, fill="tozeroy", **UPPER)


def add_curve(figure: go.Figure, name: str, x: Tensor, y: Tensor, at: float, value: float) -> None:
    """Draw y (D,) against x (D,) in the lower pane, with a marker and the value at the slider."""
    colour = COLOURS.get(name, TEAL)
    label = f"{name} = {value:.3f}".replace("inf", "∞")
    line = {"color": colour, "dash": DASHES.get(name, "solid"), "width": 2}
    figure.add_scatter(
        x=to_numpy(x), y=to_numpy(y), name=label, mode="lines", line=line, row=2, col=1
    )
    height = min(value, y.max().item())
    marker = {"color": colour, "size": 11}
    figure.add_scatter(x=[at], y=[height], mode="markers", marker=marker, showlegend=False, **LOWER)


@functools.cache
def supports_curves() -> tuple[Tensor, dict[str, Tensor]]:
    shifts = torch.linspace(0, MAX_SHIFT, 61)
    return shifts, experiments.disjoint_supports(shifts)


def plot_supports(shift: object) -> go.Figure:
    """Plot two uniform distributions, and each of DISTANCES against their shift."""
    shift = parse_float(shift, 0, MAX_SHIFT, "as the distance")
    infinity = MAX_SHIFT + 0.5  # height at which infinite values are drawn
    figure = panes(
        [130, 250],
        xaxis={"range": [-1, MAX_SHIFT + 1]},
        yaxis={"range": [0, 1.2]},
        xaxis2={"title": "d", "range": [-0.1, MAX_SHIFT + 0.1]},
        yaxis2={
            "range": [-0.15, infinity + 0.2],
            "tickvals": [0, math.log(2), 1, 2, 3, infinity],
            "ticktext": ["0", "ln 2", "1", "2", "3", "∞"],
        },
    )
    points = torch.linspace(-1, MAX_SHIFT + 1, 501, dtype=torch.float64)
    for name, center, colour in (("p", 0.0, SLATE), ("q", shift, TEAL)):
        masses = experiments.uniform_masses(points, torch.tensor(center).double())
        add_density(figure, name, points, masses, colour)
    shifts, curves = supports_curves()
    for name, value in experiments.disjoint_supports(torch.tensor([shift])).items():
        add_curve(figure, name, shifts, curves[name].clamp(max=infinity), shift, value.item())
    return figure


@functools.lru_cache(maxsize=64)
def cached_fit(distance: str, start: float) -> experiments.NormalFit:
    return experiments.fit_normal(distance, steps=200, start=start, records=FRAMES)


def plot_fit(distance: object, start: object, frame: object) -> go.Figure:
    """Plot a normal distribution at a frame and every third earlier one of a fit, and the loss."""
    distance = parse_choice(distance, list(DISTANCES), "a distance")
    start = round(parse_float(start, -3, 3, "as the initial mean"), 2)
    frame = parse_int(frame, 0, FRAMES, "as the frame")
    fit = cached_fit(distance, start)
    axes = {"xaxis": {"range": [-6, 6]}, "yaxis": {"range": [0, 1]}}
    figure = panes([220, 160], **axes, xaxis2={"title": "frame"}, yaxis2={"rangemode": "tozero"})
    add_density(figure, "p", fit.points, fit.target, SLATE)
    spacing = fit.points[1] - fit.points[0]
    for earlier in range(0, frame, 3):
        y, line = to_numpy(fit.masses[earlier] / spacing), {"color": TEAL, "width": 1}
        figure.add_scatter(
            x=to_numpy(fit.points), y=y, line=line, opacity=0.4, showlegend=False, **UPPER
        )
    add_density(figure, "q", fit.points, fit.masses[frame], TEAL)
    frames = torch.arange(len(fit.losses))
    add_curve(figure, distance, frames, fit.losses, frame, fit.losses[frame].item())
    return figure


def play_fit(distance: object, start: object) -> Iterator[tuple[go.Figure, int]]:
    """Plot every second frame of a fit, with its index."""
    for frame in range(0, FRAMES + 1, 2):
        yield plot_fit(distance, start, frame), frame
        time.sleep(0.15)  # the browser cannot draw faster


def transport_example(center: object) -> tuple[Discrete, Discrete]:
    return experiments.transport_example(parse_float(center, -2, 2, "as the center of q"))


def plot_transport(center: object) -> tuple[go.Figure, go.Figure, str]:
    """Plot the transport plan, and the Kantorovich potential with a table."""
    p, q = transport_example(center)
    return plot_plan(p, q), *compare_critics(p, q, {})


def plot_critics(center: object, train_critics: TrainCritics) -> tuple[go.Figure, str]:
    """Train critics, and compare them with the Kantorovich potential."""
    p, q = transport_example(center)
    return compare_critics(p, q, train_critics(p, q))


def plot_plan(p: Discrete, q: Discrete) -> go.Figure:
    """Plot two distributions on the line, and the optimal transport plan."""
    cost, plan = monotone_transport(p, q)
    figure = panes(
        [130, 280],
        xaxis={"range": [-4, 4]},
        xaxis2={"range": [-4, 4], "title": "x"},
        yaxis2={"range": [-4, 4], "title": "y"},
    )
    add_density(figure, "p", p.points, p.masses, SLATE)
    add_density(figure, "q", q.points, q.masses, TEAL)
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
    label = f"γ, Σ γ |x − y| = {cost.item():.3f}"
    line = {"color": SLATE, "dash": "dot", "width": 1}
    figure.add_scatter(x=[-4, 4], y=[-4, 4], name=label, line=line, **LOWER)
    return figure


def compare_critics(
    p: Discrete, q: Discrete, estimates: Mapping[str, CriticEstimate]
) -> tuple[go.Figure, str]:
    """Plot the potential and 1-Lipschitz scaled critics; list their estimates of W1 in a table."""
    figure = panes([220], xaxis={"range": [-4, 4], "title": "x"}, yaxis={"title": "f(x)"})
    mixture = (p.masses + q.masses) / 2
    functions = [("f", kantorovich_potential(p, q), {"color": TEAL, "width": 3})]
    for (name, estimate), colour in zip(estimates.items(), (SLATE, ORANGE, VIOLET), strict=False):
        values = estimate.values / max(estimate.lipschitz, 1e-12)
        functions.append((name, values, {"color": colour, "dash": "dash", "width": 2}))
    for name, values, line in functions:
        # Potentials are unique up to a constant: give all of them mean 0.
        y = to_numpy(values - (mixture * values).sum())
        figure.add_scatter(x=to_numpy(p.points), y=y, name=name, line=line)
    exact = wasserstein(p, q).item()
    rows = [("f", exact, 1.0)]
    rows += [(name, it.distance, it.lipschitz) for name, it in estimates.items()]
    head = "| $f$ | $(E_p f - E_q f) / L$ | share of $W_1$ | $L = \\max \\lvert f' \\rvert$ |"
    lines = [
        f"| {name} | {distance:.3f} | {100 * distance / exact:.0f} % | {lipschitz:.2f} |"
        for name, distance, lipschitz in rows
    ]
    return figure, "\n".join([head, "|---|---|---|---|", *lines])


def plot_noise(std: object) -> go.Figure:
    """Plot two points under noise, and JS and its derivative against the noise level."""
    std = parse_float(std, MIN_STD, MAX_STD, "as the standard deviation")
    figure = panes(
        [130, 250],
        xaxis={"range": [-4, 7]},
        yaxis={"rangemode": "tozero"},
        xaxis2={"title": "σ", "range": [0, MAX_STD + 0.05]},
    )
    points = torch.linspace(-4, 7, 401, dtype=torch.float64)
    for name, mean, colour in (("p", 0.0, SLATE), ("q", 3.0, TEAL)):
        add_density(figure, name, points, experiments.normal_masses(points, mean, std), colour)
    stds = torch.linspace(MIN_STD, MAX_STD, 60)
    curves, values = map(experiments.smoothed_jensen_shannon, (stds, torch.tensor([std])))
    for name, curve, value in zip(("JS", "dJS/dd"), curves, values, strict=True):
        add_curve(figure, name, stds, curve, std, value.item())
    return figure
