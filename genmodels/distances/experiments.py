"""The lecture's claims of distances under test, each as data for a plot.

N points, D distances, T steps.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from genmodels.distances.divergences import DIVERGENCES, Discrete, jensen_shannon
from genmodels.errors import UserError


def bump(points: Tensor, place: Tensor, width: float = 1.0) -> Tensor:
    """Masses (..., N) of a square of that width about each place (...)."""
    inside = ((points - place[..., None]).abs() <= width / 2 + 1e-6).to(points)
    return inside / inside.sum(-1, keepdim=True)


def parting(apart: Tensor) -> dict[str, Tensor]:
    """Two squares of width 1, so far apart (D,) -> each divergence (D,).

    Once their supports part, KL is infinite and JS flat at ln 2, and only W1 tells how far.
    """
    # Steps of which bump and distance hold whole numbers, or W1 would be theirs by half a step.
    points = torch.arange(-1000, round(500 * apart.max().item()) + 1001, dtype=torch.float64) / 500
    still = Discrete(points, bump(points, torch.zeros((), dtype=torch.float64)))
    moved = Discrete(points, bump(points, apart.double()))
    return {name: divergence(still, moved) for name, divergence in DIVERGENCES.items()}


class Fit(NamedTuple):
    """A normal distribution on its way to a mixture of two."""

    points: Tensor  # (N,)
    target: Tensor  # (N,), masses of the mixture
    frames: Tensor  # (T, N), masses of the fitted one
    losses: Tensor  # (T,)
    mean: float  # at the end
    deviation: float


def fitting(name: str, steps: int = 400, start: float = 1.0, frames: int = 50) -> Fit:
    """A normal distribution fitted to two bumps at −2 and 2 by descent on a row of DIVERGENCES.

    KL(p‖q) covers both, with mass between them where there is none; KL(q‖p) seeks one.

    start: its first mean; near 0 KL(q‖p) stays between the bumps, in a local minimum
    frames: about so many of the steps are kept
    Raises UserError for another divergence.
    """
    if name not in DIVERGENCES:
        raise UserError(f"expected {', '.join(DIVERGENCES)}, but got {name!r}")
    points = torch.linspace(-8, 8, 401, dtype=torch.float64)
    target = (normal(points, -2.0, 0.5) + normal(points, 2.0, 0.5)) / 2
    mean = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    log_deviation = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([mean, log_deviation], lr=0.05)
    shown, losses = [], []
    for step in range(steps):
        masses = normal(points, mean, log_deviation.exp())
        loss = DIVERGENCES[name](Discrete(points, target), Discrete(points, masses))
        optimizer.zero_grad()
        loss.backward()
        if step % max(1, steps // frames) == 0 or step == steps - 1:
            shown.append(masses.detach())
            losses.append(loss.detach())
        optimizer.step()
    end = (mean.item(), log_deviation.exp().item())
    return Fit(points, target, torch.stack(shown), torch.stack(losses), *end)


def normal(points: Tensor, mean: Tensor | float, deviation: Tensor | float) -> Tensor:
    """Masses (N,) of a normal distribution on points, none of them quite 0."""
    logits = -((points - mean) / deviation).square() / 2
    return (logits.softmax(-1) + 1e-12) / (1 + 1e-12 * len(points))


def smoothing(deviations: Tensor, apart: float = 3.0) -> tuple[Tensor, Tensor]:
    """JS of two points so far apart, and its slope in that distance, under noise -> (D,) each.

    Without noise the slope is 0; with enough of it, it is there again: the idea of diffusion.
    """
    points = torch.linspace(-20, 20, 2001, dtype=torch.float64)
    values, slopes = [], []
    for deviation in deviations.double():
        place = torch.tensor(apart, dtype=torch.float64, requires_grad=True)
        sides = (Discrete(points, normal(points, at, deviation)) for at in (0.0, place))
        value = jensen_shannon(*sides)
        values.append(value.detach())
        slopes.append(torch.autograd.grad(value, place)[0])
    return torch.stack(values), torch.stack(slopes)


def heaps(place: float) -> tuple[Discrete, Discrete]:
    """Two heaps of earth of different height at −2 and 0, and one about a place for it to go to."""
    points = torch.linspace(-4, 4, 41, dtype=torch.float64)
    earth = 0.7 * normal(points, -2.0, 0.3) + 0.3 * normal(points, 0.0, 0.3)
    return Discrete(points, earth), Discrete(points, normal(points, place, 0.6))
