"""Optimal transport on the line and between samples. B samples, D dimensions, N points."""

from typing import NamedTuple

import ot
import torch
from torch import Tensor

from genmodels.distances.divergences import Discrete, align_supports
from genmodels.errors import UserError


class Transport(NamedTuple):
    """A transport plan and its cost."""

    cost: Tensor  # (), (Σ plan · distance^power)^(1/power)
    plan: Tensor  # (B, B') or (N, N), masses that sum to 1


def kantorovich_potential(p: Discrete, q: Discrete) -> Tensor:
    """The 1-Lipschitz f (..., N) that maximises E_p f − E_q f, on the union of supports; f₀ = 0.

    By Kantorovich-Rubinstein duality the maximum is W₁. On the line f has slope 1 where the
    cumulative distribution function of q is above that of p, −1 where it is below, 0 where they
    are equal.
    """
    points, left, right = align_supports(p, q)
    slopes = -(left - right).cumsum(-1)[..., :-1].sign()
    values = (slopes * points.diff()).cumsum(-1)
    return torch.cat([values.new_zeros(*values.shape[:-1], 1), values], -1)


def monotone_transport(p: Discrete, q: Discrete) -> Transport:
    """Compute W₁ and its optimal plan (N, N) on the union of supports; it keeps the order."""
    points, left, right = align_supports(p, q)
    ends = left.cumsum(-1)[:, None], right.cumsum(-1)
    starts = ends[0] - left[:, None], ends[1] - right
    plan = (torch.minimum(*ends) - torch.maximum(*starts)).clamp(min=0)
    return Transport((plan * (points[:, None] - points).abs()).sum(), plan)


def exact_transport(x: Tensor, y: Tensor, power: int = 1) -> Transport:
    """Compute W₁ or W₂ of the empirical distributions of samples (B, D) and (B', D).

    Differentiable in the samples. The solver is the network simplex of POT (Flamary et al., 2021)
    https://jmlr.org/papers/v22/20-451.html
    """
    costs = cost_matrix(x, y, power)
    plan = ot.emd(*uniform_weights(costs), costs.detach())
    return Transport((plan * costs).sum() ** (1 / power), plan)


def sinkhorn(x: Tensor, y: Tensor, regularization: float = 0.05, power: int = 1) -> Transport:
    """Approximate `exact_transport` with entropic regularization, for large sets of samples.

    The weight of the plan's entropy is a fraction of the mean cost, `regularization`. Sinkhorn
    Distances: Lightspeed Computation of Optimal Transport (Cuturi, 2013)
    https://arxiv.org/abs/1306.0895
    """
    costs = cost_matrix(x, y, power)
    weight = max(regularization * costs.detach().mean().item(), 1e-12)
    plan = ot.sinkhorn(*uniform_weights(costs), costs.detach(), weight, method="sinkhorn_log")
    return Transport((plan * costs).sum() ** (1 / power), plan)


def sliced_wasserstein(
    x: Tensor, y: Tensor, rng: torch.Generator, num_projections: int = 200, power: int = 1
) -> Tensor:
    """(mean W_p^p over random one-dimensional projections)^(1/p) of samples (B, D) and (B', D).

    Sliced and Radon Wasserstein Barycenters of Measures (Bonneel et al., 2015), section 3
    https://doi.org/10.1007/s10851-014-0506-3
    """
    shape = (x.shape[1], num_projections)
    directions = torch.randn(shape, generator=rng, dtype=x.dtype, device=x.device)
    directions = directions / directions.norm(dim=0)
    return ot.sliced_wasserstein_distance(x, y, projections=directions, p=power)


def cost_matrix(x: Tensor, y: Tensor, power: int) -> Tensor:
    """Euclidean distances of samples (B, D) and (B', D) to a power of 1 or 2: (B, B')."""
    if x.dim() != 2 or y.dim() != 2 or x.shape[1] != y.shape[1]:
        got = f"{tuple(x.shape)} and {tuple(y.shape)}"
        raise UserError(f"expected samples (B, D) and (B', D), got {got}")
    if power not in (1, 2):
        raise UserError(f"expected a power of 1 or 2, got {power}")
    squares = (x[:, None] - y).square().sum(-1)
    # The gradient of the square root is infinite at 0; define it as 0 there.
    return squares if power == 2 else torch.where(squares > 0, squares, 1).sqrt() * (squares > 0)


def uniform_weights(costs: Tensor) -> list[Tensor]:
    """Weights (B,) and (B',) of the samples of a cost matrix (B, B')."""
    return [torch.full((size,), 1 / size).to(costs) for size in costs.shape]
