"""Actions of the tab Distances: unchecked inputs in, figures and tables out."""

import time
from collections.abc import Callable, Iterator, Mapping

import plotly.graph_objects as go

from genmodels.distances.divergences import DISTANCES, Discrete, wasserstein
from genmodels.distances.experiments import transport_example
from genmodels.ui.distances import figures
from genmodels.ui.distances.figures import FRAMES, MAX_SHIFT, MAX_STD, MIN_STD, CriticEstimate
from genmodels.ui.validation import parse_choice, parse_float, parse_int

TrainCritics = Callable[[Discrete, Discrete], Mapping[str, CriticEstimate]]


def plot_supports(shift: object) -> go.Figure:
    """Plot two uniform distributions at a distance, and each of DISTANCES."""
    return figures.supports_figure(parse_float(shift, 0, MAX_SHIFT, "as the distance"))


def plot_noise(std: object) -> go.Figure:
    """Plot two points under noise, and JS and its derivative."""
    return figures.noise_figure(parse_float(std, MIN_STD, MAX_STD, "as the standard deviation"))


def plot_fit(distance: object, start: object, frame: object) -> go.Figure:
    """Plot a frame of the fit of a normal distribution to a mixture."""
    distance = parse_choice(distance, list(DISTANCES), "a distance")
    start = round(parse_float(start, -3, 3, "as the initial mean"), 2)
    return figures.fit_figure(distance, start, parse_int(frame, 0, FRAMES, "as the frame"))


def play_fit(distance: object, start: object) -> Iterator[tuple[go.Figure, int]]:
    """Plot every second frame of a fit, with its index."""
    for frame in range(0, FRAMES + 1, 2):
        yield plot_fit(distance, start, frame), frame
        time.sleep(0.15)  # the browser cannot draw faster


def plot_transport(center: object) -> tuple[go.Figure, go.Figure, str]:
    """Plot the transport plan and the Kantorovich potential, with a table."""
    p, q = parse_example(center)
    return figures.plan_figure(p, q), *compare_critics(p, q, {})


def plot_critics(center: object, train_critics: TrainCritics) -> tuple[go.Figure, str]:
    """Train critics, and compare them with the Kantorovich potential."""
    p, q = parse_example(center)
    return compare_critics(p, q, train_critics(p, q))


def parse_example(center: object) -> tuple[Discrete, Discrete]:
    return transport_example(parse_float(center, -2, 2, "as the center of q"))


def compare_critics(
    p: Discrete, q: Discrete, estimates: Mapping[str, CriticEstimate]
) -> tuple[go.Figure, str]:
    """Plot the potential and the critics; list their estimates of W1 in a Markdown table."""
    exact = wasserstein(p, q).item()
    rows = [("f", exact, 1.0)]
    rows += [(name, it.distance, it.lipschitz) for name, it in estimates.items()]
    lines = [
        "| $f$ | $(E_p f - E_q f) / L$ | $/\\; W_1$ | $L = \\max \\lvert f' \\rvert$ |",
        "|---|---|---|---|",
        *(
            f"| {name} | {distance:.3f} | {100 * distance / exact:.0f} % | {lipschitz:.2f} |"
            for name, distance, lipschitz in rows
        ),
    ]
    return figures.potential_figure(p, q, estimates), "\n".join(lines)
