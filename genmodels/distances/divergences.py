"""Distances between distributions.

    divergence(p, q) -> Tensor

    p, q  Discrete, with points in common or not; their masses (..., N) broadcast
    ->    (...), infinite where the divergence is, never NaN, and differentiable in the masses

N points, D dimensions, B samples.
"""

from collections.abc import Callable
from typing import NamedTuple

import ot
import torch
from torch import Tensor

from genmodels.errors import UserError


class Discrete(NamedTuple):
    """A distribution on points of the line."""

    points: Tensor  # (N,), increasing
    masses: Tensor  # (..., N), summing to 1


Divergence = Callable[[Discrete, Discrete], Tensor]


def total_variation(p: Discrete, q: Discrete) -> Tensor:
    """½ Σ |p − q|, from 0 to 1: the largest difference of the probabilities of an event."""
    _, left, right = common(p, q)
    return (left - right).abs().sum(-1) / 2


def entropy(p: Discrete) -> Tensor:
    """H(p) = −Σ p log p, in nats."""
    check(p)
    return surprises(p.masses).sum(-1)


def surprises(masses: Tensor) -> Tensor:
    """−p log p of each mass, 0 at 0, where its slope counts as flat."""
    return torch.special.entr(torch.where(masses > 0, masses, 1))


def cross_entropy(p: Discrete, q: Discrete) -> Tensor:
    """H(p, q) = −Σ p log q, in nats: what is left of KL when H(p) is constant."""
    _, left, right = common(p, q)
    # Where p is 0 nothing is paid, whatever q is.
    return -(left * torch.where(left > 0, right, 1).log()).sum(-1)


def kullback_leibler(p: Discrete, q: Discrete) -> Tensor:
    """KL(p ‖ q) = Σ p log (p / q) = H(p, q) − H(p), in nats. Infinite where q is 0 and p is not.

    On Information and Sufficiency (Kullback and Leibler, 1951), equation 2.4
    https://doi.org/10.1214/aoms/1177729694
    """
    return cross_entropy(p, q) - entropy(p)


def reverse_kullback_leibler(p: Discrete, q: Discrete) -> Tensor:
    """KL(q ‖ p)."""
    return kullback_leibler(q, p)


def jensen_shannon(p: Discrete, q: Discrete) -> Tensor:
    """½ KL(p ‖ m) + ½ KL(q ‖ m) with m = (p + q) / 2, in nats: H(m) − ½ H(p) − ½ H(q), 0 to ln 2.

    Its root is a metric: A New Metric for Probability Distributions (Endres and Schindelin, 2003)
    https://doi.org/10.1109/TIT.2003.813506
    """
    _, left, right = common(p, q)
    sides = surprises(left) + surprises(right)
    return (surprises((left + right) / 2) - sides / 2).sum(-1)


def wasserstein(p: Discrete, q: Discrete) -> Tensor:
    """W₁ = ∫ |F − G|, the area between the cumulative distributions: the work of moving earth."""
    points, left, right = common(p, q)
    return ((left - right).cumsum(-1)[..., :-1].abs() * points.diff()).sum(-1)


DIVERGENCES: dict[str, Divergence] = {
    "TV": total_variation,
    "KL(p‖q)": kullback_leibler,
    "KL(q‖p)": reverse_kullback_leibler,
    "JS": jensen_shannon,
    "W1": wasserstein,
}


def potential(p: Discrete, q: Discrete) -> Tensor:
    """Where the supremum of E_p f − E_q f over 1-Lipschitz f is attained: f (..., N), first 0.

    The dual of Kantorovich and Rubinstein, in which that difference is W₁. On the line its slope is
    1 where q's cumulative distribution is above p's, −1 where it is below, and 0 where they meet.
    """
    points, left, right = common(p, q)
    slopes = -(left - right).cumsum(-1)[..., :-1].sign()
    rise = (slopes * points.diff()).cumsum(-1)
    return torch.cat([rise.new_zeros(*rise.shape[:-1], 1), rise], -1)


def common(p: Discrete, q: Discrete) -> tuple[Tensor, Tensor, Tensor]:
    """Two distributions on the points of both -> these (N,), and the masses of each (..., N).

    Raises UserError for points that do not increase, and masses that are not of a distribution.
    """
    for side in (p, q):
        check(side)
    if p.points.shape == q.points.shape and torch.equal(p.points, q.points):
        return p.points, p.masses, q.masses
    points = torch.cat([p.points, q.points]).unique()
    spread = []
    for side in (p, q):
        masses = side.masses.new_zeros(*side.masses.shape[:-1], len(points))
        spread.append(masses.index_add(-1, torch.searchsorted(points, side.points), side.masses))
    return points, *spread


def check(p: Discrete) -> None:
    """Raise UserError unless it is a distribution on points of the line."""
    points, masses = p
    if points.dim() != 1 or masses.shape[-1:] != points.shape:
        raise UserError(
            f"expected points (N,) and masses (..., N), but got {tuple(points.shape)} and "
            f"{tuple(masses.shape)}"
        )
    if not (points.diff() > 0).all() or not points.isfinite().all():
        raise UserError("expected points that increase")
    if not (masses >= 0).all() or not ((masses.sum(-1) - 1).abs() < 1e-3).all():
        raise UserError("expected masses of at least 0 that sum to 1")


class Normal(NamedTuple):
    """A normal distribution."""

    mean: Tensor  # (..., D)
    covariance: Tensor  # (..., D, D)


def normal_kullback_leibler(p: Normal, q: Normal) -> Tensor:
    """KL(p ‖ q) in nats: ½ (tr(Σ₂⁻¹ Σ₁) + (μ₂ − μ₁)ᵀ Σ₂⁻¹ (μ₂ − μ₁) − D + ln |Σ₂| / |Σ₁|).

    Infinite where q's covariance is singular.
    """
    factor, failed = torch.linalg.cholesky_ex(q.covariance)
    factor = torch.where(
        failed[..., None, None] > 0, torch.eye(factor.shape[-1]).to(factor), factor
    )
    trace = torch.cholesky_solve(p.covariance, factor).diagonal(dim1=-2, dim2=-1).sum(-1)
    shift = (q.mean - p.mean)[..., None]
    distance = (shift * torch.cholesky_solve(shift, factor)).sum((-2, -1))
    logs = 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1) - torch.logdet(p.covariance)
    value = (trace + distance - p.mean.shape[-1] + logs) / 2
    return torch.where(failed > 0, torch.inf, value)


def squared_frechet(p: Normal, q: Normal) -> Tensor:
    """W₂² of two normal distributions: ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁^½ Σ₂ Σ₁^½)^½).

    The Fréchet Distance between Multivariate Normal Distributions (Dowson and Landau, 1982)
    https://doi.org/10.1016/0047-259X(82)90077-X

    Covariances may be singular. The root's trace is that of the eigenvalues' roots, which are real
    and not negative, but for rounding.
    """
    if p.mean.dim() > 1:
        sides = ([Normal(*row) for row in zip(*it, strict=True)] for it in (p, q))
        return torch.stack([squared_frechet(a, b) for a, b in zip(*sides, strict=True)])
    values, vectors = torch.linalg.eigh(p.covariance)
    # Of a singular one some values are rounding alone, whose roots would be much larger.
    kept = values > values.abs().max() * len(values) * torch.finfo(values.dtype).eps
    root = vectors[:, kept] * values[kept].sqrt()  # root rootᵀ = Σ₁
    # rootᵀ Σ₂ root has the eigenvalues of Σ₁^½ Σ₂ Σ₁^½, from which it differs by a rotation.
    crossed = torch.linalg.eigvalsh(root.T @ q.covariance @ root)
    traces = p.covariance.trace() + q.covariance.trace() - 2 * crossed.clamp(min=0).sqrt().sum()
    return (p.mean - q.mean).square().sum() + traces


class Transport(NamedTuple):
    """How the earth of one set of samples is moved to another."""

    cost: Tensor  # (), the p-th root of the mean p-th power of the distances
    plan: Tensor  # (B, B'), masses that sum to 1


def transport(one: Tensor, other: Tensor, power: int = 1) -> Transport:
    """Samples (B, D) and (B', D) -> W₁ or W₂ of their empirical distributions, exactly.

    Differentiable in the samples. The solver is POT's (Flamary et al., 2021), a network simplex
    https://jmlr.org/papers/v22/20-451.html
    """
    costs = distances(one, other, power)
    uniform = [torch.full((len(side),), 1 / len(side)).to(costs) for side in (one, other)]
    plan = ot.emd(*uniform, costs.detach())
    return Transport((plan * costs).sum() ** (1 / power), plan)


def earth_moving(p: Discrete, q: Discrete) -> Transport:
    """The plan (N, N) by which one histogram becomes another, on the points of both, and W₁.

    It keeps the earth in its order, which on the line no other plan beats.
    """
    points, left, right = common(p, q)
    ends = left.cumsum(-1)[:, None], right.cumsum(-1)
    starts = ends[0] - left[:, None], ends[1] - right
    plan = (torch.minimum(*ends) - torch.maximum(*starts)).clamp(min=0)
    return Transport((plan * (points[:, None] - points).abs()).sum(), plan)


def sinkhorn(one: Tensor, other: Tensor, blur: float = 0.05, power: int = 1) -> Transport:
    """Nearly as `transport`, for samples too many for it: of a plan that is blurred on purpose.

    blur: weight of the plan's entropy, as a part of the mean cost
    Sinkhorn Distances: Lightspeed Computation of Optimal Transport (Cuturi, 2013)
    https://arxiv.org/abs/1306.0895
    """
    costs = distances(one, other, power)
    uniform = [torch.full((len(side),), 1 / len(side)).to(costs) for side in (one, other)]
    weight = blur * costs.detach().mean().item()
    plan = ot.sinkhorn(*uniform, costs.detach(), max(weight, 1e-12), method="sinkhorn_log")
    return Transport((plan * costs).sum() ** (1 / power), plan)


def sliced(
    one: Tensor, other: Tensor, rng: torch.Generator, count: int = 200, power: int = 1
) -> Tensor:
    """The p-th root of the mean p-th power of W_p over so many random directions.

    Sliced and Radon Wasserstein Barycenters of Measures (Bonneel et al., 2015), section 3
    https://doi.org/10.1007/s10851-014-0506-3
    """
    directions = torch.randn(one.shape[1], count, generator=rng, dtype=one.dtype, device=one.device)
    directions = directions / directions.norm(dim=0)
    return ot.sliced_wasserstein_distance(one, other, projections=directions, p=power)


def distances(one: Tensor, other: Tensor, power: int) -> Tensor:
    """(B, D) and (B', D) -> the power of their distances (B, B')."""
    if one.dim() != 2 or other.dim() != 2 or one.shape[1] != other.shape[1]:
        raise UserError(
            f"expected samples (B, D) twice, but got {tuple(one.shape)} and {tuple(other.shape)}"
        )
    if power not in (1, 2):
        raise UserError(f"expected the power 1 or 2, but got {power}")
    squares = (one[:, None] - other).square().sum(-1)
    # The root's slope at 0 is infinite: there it counts as flat.
    return squares if power == 2 else torch.where(squares > 0, squares, 1).sqrt() * (squares > 0)
