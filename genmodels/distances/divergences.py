"""Divergences between discrete distributions on the line, and between normal distributions.

A row of DISTANCES maps two Discrete, whose masses (..., N) broadcast, to a tensor (...): possibly
infinite, never NaN, and differentiable in the masses. The supports may differ.
N points, D dimensions.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from genmodels.errors import UserError


class Discrete(NamedTuple):
    """A discrete distribution on the line."""

    points: Tensor  # (N,), increasing
    masses: Tensor  # (..., N), sums to 1


Distance = Callable[[Discrete, Discrete], Tensor]


def total_variation(p: Discrete, q: Discrete) -> Tensor:
    """½ Σ |p − q|, from 0 to 1: the largest difference in the probability of an event."""
    _, left, right = align_supports(p, q)
    return (left - right).abs().sum(-1) / 2


def entropy(p: Discrete) -> Tensor:
    """H(p) = −Σ p log p, in nats."""
    check_distribution(p)
    return pointwise_entropy(p.masses).sum(-1)


def pointwise_entropy(masses: Tensor) -> Tensor:
    """−p log p of each mass; value and gradient are 0 at p = 0."""
    return torch.special.entr(torch.where(masses > 0, masses, 1))


def cross_entropy(p: Discrete, q: Discrete) -> Tensor:
    """H(p, q) = −Σ p log q, in nats. Minimising it over q minimises KL(p ‖ q)."""
    _, left, right = align_supports(p, q)
    # A point without mass in p contributes nothing, even where q is 0.
    return -(left * torch.where(left > 0, right, 1).log()).sum(-1)


def kullback_leibler(p: Discrete, q: Discrete) -> Tensor:
    """KL(p ‖ q) = Σ p log (p / q) = H(p, q) − H(p), in nats. Infinite if q = 0 < p at a point.

    On Information and Sufficiency (Kullback and Leibler, 1951), equation 2.4
    https://doi.org/10.1214/aoms/1177729694
    """
    return cross_entropy(p, q) - entropy(p)


def jensen_shannon(p: Discrete, q: Discrete) -> Tensor:
    """½ KL(p ‖ m) + ½ KL(q ‖ m) with m = (p + q) / 2, in nats: H(m) − ½ H(p) − ½ H(q), 0 to ln 2.

    Its square root is a metric: A New Metric for Probability Distributions (Endres and Schindelin,
    2003). https://doi.org/10.1109/TIT.2003.813506
    """
    _, left, right = align_supports(p, q)
    separate = pointwise_entropy(left) + pointwise_entropy(right)
    return (pointwise_entropy((left + right) / 2) - separate / 2).sum(-1)


def wasserstein(p: Discrete, q: Discrete) -> Tensor:
    """W₁ = ∫ |F − G|, the area between the cumulative distribution functions."""
    points, left, right = align_supports(p, q)
    return ((left - right).cumsum(-1)[..., :-1].abs() * points.diff()).sum(-1)


DISTANCES: dict[str, Distance] = {
    "TV": total_variation,
    "KL(p‖q)": kullback_leibler,
    "KL(q‖p)": lambda p, q: kullback_leibler(q, p),
    "JS": jensen_shannon,
    "W1": wasserstein,
}


def align_supports(p: Discrete, q: Discrete) -> tuple[Tensor, Tensor, Tensor]:
    """Return the union of the supports (N,) and the masses (..., N) of p and q on it."""
    check_distribution(p)
    check_distribution(q)
    if p.points.shape == q.points.shape and torch.equal(p.points, q.points):
        return p.points, p.masses, q.masses
    points = torch.cat([p.points, q.points]).unique()
    aligned = []
    for side in (p, q):
        masses = side.masses.new_zeros(*side.masses.shape[:-1], len(points))
        aligned.append(masses.index_add(-1, torch.searchsorted(points, side.points), side.masses))
    return points, *aligned


def check_distribution(p: Discrete) -> None:
    """Raise UserError unless points and masses form a distribution on the line."""
    points, masses = p
    if points.dim() != 1 or masses.shape[-1:] != points.shape:
        got = f"{tuple(points.shape)} and {tuple(masses.shape)}"
        raise UserError(f"expected points (N,) and masses (..., N), got {got}")
    if not (points.diff() > 0).all() or not points.isfinite().all():
        raise UserError("expected finite points in increasing order")
    if not (masses >= 0).all() or not ((masses.sum(-1) - 1).abs() < 1e-3).all():
        raise UserError(
            f"expected masses of at least 0 that sum to 1, got a minimum of {masses.min():g} and "
            f"sums from {masses.sum(-1).min():g} to {masses.sum(-1).max():g}"
        )


class Normal(NamedTuple):
    """A normal distribution."""

    mean: Tensor  # (..., D)
    covariance: Tensor  # (..., D, D)


def normal_kullback_leibler(p: Normal, q: Normal) -> Tensor:
    """KL(p ‖ q) in nats: ½ (tr(Σ₂⁻¹ Σ₁) + (μ₂ − μ₁)ᵀ Σ₂⁻¹ (μ₂ − μ₁) − D + ln |Σ₂| / |Σ₁|).

    Infinite if the covariance of q is singular.
    """
    factor, failed = torch.linalg.cholesky_ex(q.covariance)
    identity = torch.eye(factor.shape[-1]).to(factor)
    factor = torch.where(failed[..., None, None] > 0, identity, factor)
    trace = torch.cholesky_solve(p.covariance, factor).diagonal(dim1=-2, dim2=-1).sum(-1)
    shift = (q.mean - p.mean)[..., None]
    distance = (shift * torch.cholesky_solve(shift, factor)).sum((-2, -1))
    logs = 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1) - torch.logdet(p.covariance)
    value = (trace + distance - p.mean.shape[-1] + logs) / 2
    return torch.where(failed > 0, torch.inf, value)


def squared_frechet(p: Normal, q: Normal) -> Tensor:
    """W₂² of two normal distributions: ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁^½ Σ₂ Σ₁^½)^½).

    Covariances may be singular.

    The Fréchet Distance between Multivariate Normal Distributions (Dowson and Landau, 1982)
    https://doi.org/10.1016/0047-259X(82)90077-X
    """
    if p.mean.dim() > 1:
        rows = ([Normal(*row) for row in zip(*side, strict=True)] for side in (p, q))
        return torch.stack([squared_frechet(*pair) for pair in zip(*rows, strict=True)])
    values, vectors = torch.linalg.eigh(p.covariance)
    # Drop eigenvalues that are rounding errors: their square roots would be much larger.
    positive = values > values.abs().max() * len(values) * torch.finfo(values.dtype).eps
    root = vectors[:, positive] * values[positive].sqrt()  # root rootᵀ = Σ₁
    # rootᵀ Σ₂ root and Σ₁^½ Σ₂ Σ₁^½ are equal up to a rotation, so their eigenvalues are equal:
    # real and, up to rounding, at least 0.
    products = torch.linalg.eigvalsh(root.T @ q.covariance @ root)
    traces = p.covariance.trace() + q.covariance.trace() - 2 * products.clamp(min=0).sqrt().sum()
    return (p.mean - q.mean).square().sum() + traces
