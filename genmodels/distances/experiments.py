"""Experiments on distances, each as data for a plot. N points, D distances, T recorded steps."""

from typing import NamedTuple

import torch
from torch import Tensor

from genmodels.distances.divergences import DISTANCES, Discrete, jensen_shannon
from genmodels.errors import UserError


def uniform_masses(points: Tensor, center: Tensor, width: float = 1.0) -> Tensor:
    """Masses (..., N) of uniform distributions around centers (...)."""
    inside = ((points - center[..., None]).abs() <= width / 2 + 1e-6).to(points)
    return inside / inside.sum(-1, keepdim=True)


def normal_masses(points: Tensor, mean: Tensor | float, std: Tensor | float) -> Tensor:
    """Masses (N,) of a discretised normal distribution, bounded away from 0."""
    logits = -((points - mean) / std).square() / 2
    return (logits.softmax(-1) + 1e-12) / (1 + 1e-12 * len(points))


def disjoint_supports(shifts: Tensor) -> dict[str, Tensor]:
    """Compute each of DISTANCES (D,) between U(−½, ½) and its copies shifted by (D,).

    For disjoint supports KL is infinite and JS = ln 2; only W1 depends on the shift.
    """
    # Width and shifts have to be multiples of the grid step, or W1 is off by half a step.
    points = torch.arange(-1000, round(500 * shifts.max().item()) + 1001, dtype=torch.float64) / 500
    p = Discrete(points, uniform_masses(points, torch.zeros((), dtype=torch.float64)))
    q = Discrete(points, uniform_masses(points, shifts.double()))
    return {name: distance(p, q) for name, distance in DISTANCES.items()}


class NormalFit(NamedTuple):
    """A normal distribution during its fit to a mixture of two."""

    points: Tensor  # (N,)
    target: Tensor  # (N,), masses of the mixture
    masses: Tensor  # (T, N), masses of the normal distribution
    losses: Tensor  # (T,)
    mean: float  # after the last step
    std: float


def fit_normal(distance: str, steps: int = 400, start: float = 1.0, records: int = 50) -> NormalFit:
    """Fit a normal distribution to a mixture of two by gradient descent on a row of DISTANCES.

    The modes of the mixture are −2 and 2. KL(p‖q) covers both modes, with mass between them;
    KL(q‖p) fits one mode.

    Args:
        start: initial mean. Near 0, KL(q‖p) stays in a local minimum between the modes.
        records: approximate number of steps to record
    """
    if distance not in DISTANCES:
        raise UserError(f"expected one of {', '.join(DISTANCES)}, got {distance!r}")
    points = torch.linspace(-8, 8, 401, dtype=torch.float64)
    target = (normal_masses(points, -2.0, 0.5) + normal_masses(points, 2.0, 0.5)) / 2
    mean = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    log_std = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([mean, log_std], lr=0.05)
    recorded, losses = [], []
    for step in range(steps):
        masses = normal_masses(points, mean, log_std.exp())
        loss = DISTANCES[distance](Discrete(points, target), Discrete(points, masses))
        optimizer.zero_grad()
        loss.backward()
        if step % max(1, steps // records) == 0 or step == steps - 1:
            recorded.append(masses.detach())
            losses.append(loss.detach())
        optimizer.step()
    end = (mean.item(), log_std.exp().item())
    return NormalFit(points, target, torch.stack(recorded), torch.stack(losses), *end)


def smoothed_jensen_shannon(stds: Tensor, distance: float = 3.0) -> tuple[Tensor, Tensor]:
    """Compute JS of two points at a distance under normal noise, and its derivative: (D,) each.

    Without noise the derivative with respect to the distance is 0; enough noise makes it positive.
    Diffusion models build on this.
    """
    points = torch.linspace(-20, 20, 2001, dtype=torch.float64)
    values, slopes = [], []
    for std in stds.double():
        shift = torch.tensor(distance, dtype=torch.float64, requires_grad=True)
        p, q = (Discrete(points, normal_masses(points, mean, std)) for mean in (0.0, shift))
        value = jensen_shannon(p, q)
        values.append(value.detach())
        slopes.append(torch.autograd.grad(value, shift)[0])
    return torch.stack(values), torch.stack(slopes)


def transport_example(center: float) -> tuple[Discrete, Discrete]:
    """Two peaks at −2 and 0 with masses 0.7 and 0.3 (p), and one peak around a center (q)."""
    points = torch.linspace(-4, 4, 41, dtype=torch.float64)
    peaks = 0.7 * normal_masses(points, -2.0, 0.3) + 0.3 * normal_masses(points, 0.0, 0.3)
    return Discrete(points, peaks), Discrete(points, normal_masses(points, center, 0.6))
