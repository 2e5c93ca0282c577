"""Divergences and optimal transport against other libraries and mathematical properties."""

import math

import ot
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import MultivariateNormal, kl_divergence

from genmodels.distances.divergences import (
    DISTANCES,
    Discrete,
    Normal,
    cross_entropy,
    entropy,
    jensen_shannon,
    kullback_leibler,
    normal_kullback_leibler,
    squared_frechet,
    total_variation,
    wasserstein,
)
from genmodels.distances.experiments import transport_example, uniform_masses
from genmodels.distances.optimal_transport import (
    exact_transport,
    kantorovich_potential,
    monotone_transport,
    sinkhorn,
    sliced_wasserstein,
)
from genmodels.errors import UserError

QUICK = settings(max_examples=60, deadline=None, derandomize=True)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@st.composite
def discrete(draw: st.DrawFn) -> Discrete:
    """A distribution on a few points; some masses may be 0."""
    count = draw(st.integers(1, 12))
    points = draw(st.lists(st.integers(-1000, 1000), min_size=count, max_size=count, unique=True))
    weights = draw(
        st.lists(st.sampled_from([0, 0, 1, 2, 7, 100, 1e4]), min_size=count, max_size=count).filter(
            sum
        )
    )
    masses = torch.tensor(weights, dtype=torch.float64)
    return Discrete(torch.tensor(sorted(points), dtype=torch.float64) / 16, masses / masses.sum())


@given(discrete(), discrete())
@QUICK
def test_distances_match_scipy_and_pot(p: Discrete, q: Discrete) -> None:
    expected = scipy.stats.wasserstein_distance(p.points, q.points, p.masses, q.masses)
    assert wasserstein(p, q).item() == pytest.approx(expected, abs=1e-6)
    expected = ot.emd2_1d(p.points, q.points, p.masses, q.masses, metric="euclidean")
    assert wasserstein(p, q).item() == pytest.approx(float(expected), abs=1e-6)
    assert monotone_transport(p, q).cost.item() == pytest.approx(float(expected), abs=1e-6)
    points = sorted({*p.points.tolist(), *q.points.tolist()})
    left, right = (
        [dict(zip(*(part.tolist() for part in side), strict=True)).get(x, 0.0) for x in points]
        for side in (p, q)
    )
    assert kullback_leibler(p, q).item() == pytest.approx(scipy.stats.entropy(left, right))
    variation = sum(abs(a - b) for a, b in zip(left, right, strict=True)) / 2
    assert total_variation(p, q).item() == pytest.approx(variation)


@given(discrete(), discrete(), discrete())
@QUICK
def test_bounds_symmetry_identity_and_triangle_inequality(
    p: Discrete, q: Discrete, r: Discrete
) -> None:
    tv, kl, js, w1 = (
        f(p, q).item() for f in (total_variation, kullback_leibler, jensen_shannon, wasserstein)
    )
    assert all(not math.isnan(value) and value >= -1e-12 for value in (tv, kl, js, w1))
    assert tv <= 1 + 1e-12
    assert js <= math.log(2) + 1e-12
    assert tv <= math.sqrt(kl / 2) + 1e-9  # Pinsker's inequality
    for distance in (total_variation, jensen_shannon, wasserstein):
        assert distance(q, p).item() == pytest.approx(distance(p, q).item(), abs=1e-12)
    assert all(f(p, p).item() == pytest.approx(0, abs=1e-12) for f in DISTANCES.values())
    for metric in (
        total_variation,
        lambda a, b: jensen_shannon(a, b).clamp(min=0).sqrt(),
        wasserstein,
    ):
        assert metric(p, r) <= metric(p, q) + metric(q, r) + 1e-7
    difference = cross_entropy(p, q).item() - entropy(p).item()
    assert kl == pytest.approx(difference, abs=1e-9) or kl == difference == math.inf


@given(discrete(), discrete())
@QUICK
def test_kantorovich_potential_is_lipschitz_and_attains_w1(p: Discrete, q: Discrete) -> None:
    f = kantorovich_potential(p, q)
    points = torch.cat([p.points, q.points]).unique()
    value = sum(
        sign * (f[torch.searchsorted(points, side.points)] * side.masses).sum()
        for sign, side in ((1, p), (-1, q))
    )
    assert value.item() == pytest.approx(wasserstein(p, q).item(), abs=1e-6)
    assert (f.diff().abs() <= points.diff() + 1e-12).all()


def uniform_pair(shift: float) -> tuple[Discrete, Discrete]:
    """Two uniform distributions of width 1 on the same fine grid."""
    points = torch.linspace(0, 8, 801, dtype=torch.float64)
    centers = torch.tensor([1.5, 1.5 + shift], dtype=torch.float64)
    p, q = (Discrete(points, masses) for masses in uniform_masses(points, centers))
    return p, q


def test_distances_of_disjoint_uniform_distributions() -> None:
    values = {d: [f(*uniform_pair(d)).item() for f in DISTANCES.values()] for d in (0, 0.5, 2, 4)}
    assert values[0] == pytest.approx([0] * 5, abs=1e-12)
    for shift in (2, 4):
        assert values[shift] == pytest.approx([1, math.inf, math.inf, math.log(2), shift])
    assert values[0.5][0] == pytest.approx(0.5, abs=0.01)
    assert values[0.5][4] == pytest.approx(0.5)


def test_gradients_match_finite_differences_and_vanish_for_disjoint_supports() -> None:
    points = torch.linspace(-1, 1, 9, dtype=torch.float64)
    p = Discrete(points, randn(9).softmax(0))
    logits = randn(9, seed=1).requires_grad_()
    for distance in DISTANCES.values():
        assert torch.autograd.gradcheck(
            lambda x, f=distance: f(p, Discrete(points, x.softmax(0))), logits
        )
    mean = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    points = torch.linspace(-10, 10, 401, dtype=torch.float64)
    p = Discrete(points, (-(points + 3).square() * 50).softmax(0))
    q = Discrete(points, (-(points - mean).square() * 50).softmax(0))
    gradients = {
        name: torch.autograd.grad(f(p, q), mean, retain_graph=True)[0].item()
        for name, f in DISTANCES.items()
    }
    assert gradients["W1"] == pytest.approx(1, abs=1e-3)
    assert abs(gradients["JS"]) < 1e-6
    assert abs(gradients["TV"]) < 1e-6


def test_batches_of_masses() -> None:
    points = torch.linspace(0, 1, 30, dtype=torch.float64)
    p, q = (Discrete(points, randn(4, 5, 30, seed=seed).softmax(-1)) for seed in (0, 1))
    for distance in DISTANCES.values():
        values = distance(p, q)
        assert values.shape == (4, 5)
        single = distance(Discrete(points, p.masses[2, 3]), Discrete(points, q.masses[2, 3]))
        assert values[2, 3].item() == pytest.approx(single.item(), rel=1e-9)
        assert distance(Discrete(points, p.masses[0, 0]), q).shape == (4, 5)
    assert kantorovich_potential(p, q).shape == (4, 5, 30)


@pytest.mark.parametrize(
    ("points", "masses", "message"),
    [
        ([0.0, 0.0], [0.5, 0.5], "points in increasing order"),
        ([0.0, math.nan], [0.5, 0.5], "points in increasing order"),
        ([0.0, 1.0], [0.5, 0.6], "sum to 1, got a minimum of 0.5 and sums from 1.1 to 1.1"),
        ([0.0, 1.0], [1.5, -0.5], "sum to 1, got a minimum of -0.5"),
        ([0.0, 1.0], [math.nan, 1.0], "sum to 1"),
        ([0.0, 1.0], [1.0], r"expected points \(N,\) and masses"),
    ],
)
def test_invalid_distributions_raise_user_errors(points: list, masses: list, message: str) -> None:
    invalid = Discrete(torch.tensor(points), torch.tensor(masses))
    valid = Discrete(torch.tensor([0.0, 1.0]), torch.tensor([0.5, 0.5]))
    for distance in DISTANCES.values():
        with pytest.raises(UserError, match=message):
            distance(valid, invalid)


def covariances(count: int, dimensions: int, seed: int) -> Tensor:
    factors = randn(count, dimensions, dimensions, seed=seed)
    return factors @ factors.mT + 0.1 * torch.eye(dimensions)


def test_normal_distributions_match_closed_forms() -> None:
    p, q = (Normal(randn(3, 4, seed=seed), covariances(3, 4, seed)) for seed in (2, 3))
    expected = kl_divergence(*(MultivariateNormal(*side) for side in (p, q)))
    assert torch.allclose(normal_kullback_leibler(p, q), expected)
    singular = Normal(
        q.mean, torch.diag(torch.tensor([1.0, 1.0, 1.0, 0.0])).double().expand(3, 4, 4)
    )
    assert (normal_kullback_leibler(p, singular) == torch.inf).all()
    stds = randn(2, 6, seed=4).abs()
    rotation, _ = torch.linalg.qr(randn(6, 6, seed=5))
    means = randn(2, 6, seed=6)
    rotated = [
        Normal(rotation @ mean, rotation @ std.square().diag() @ rotation.T)
        for mean, std in zip(means, stds, strict=True)
    ]
    exact = (means[0] - means[1]).square().sum() + (stds[0] - stds[1]).square().sum()
    assert squared_frechet(*rotated).item() == pytest.approx(exact.item(), rel=1e-9)
    batch = squared_frechet(p, q)
    assert batch.shape == (3,)
    single = (Normal(side.mean[1], side.covariance[1]) for side in (p, q))
    assert batch[1].item() == pytest.approx(squared_frechet(*single).item())


def test_exact_transport_of_samples_and_its_gradient() -> None:
    x, y = randn(40, 3), randn(50, 3, seed=1) + 1
    cost, plan = exact_transport(x, y)
    assert plan.sum(1) == pytest.approx([1 / 40] * 40)
    assert plan.sum(0) == pytest.approx([1 / 50] * 50)
    assert cost.item() == pytest.approx((plan * torch.cdist(x, y)).sum().item())
    expected = scipy.stats.wasserstein_distance(x[:, 0], y[:, 0])
    assert exact_transport(x[:, :1], y[:, :1]).cost.item() == pytest.approx(expected, abs=1e-6)
    shift = torch.tensor([0.3, -0.4, 1.2], dtype=torch.float64)  # of length 1.3
    for power in (1, 2):
        assert exact_transport(x, x + shift, power).cost.item() == pytest.approx(1.3, abs=1e-6)
    assert exact_transport(x, x).cost.item() == 0
    regularized = sinkhorn(x, y, regularization=0.01)
    assert cost.item() <= regularized.cost.item() < 1.05 * cost.item()
    for power in (1, 2):
        samples = x.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(exact_transport(samples, y, power).cost, samples)
        step = 1e-6 * gradient
        cost_forward, cost_backward = (
            exact_transport(x + sign * step, y, power).cost for sign in (1, -1)
        )
        expected = (gradient * step).sum().item()
        assert ((cost_forward - cost_backward) / 2).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("center", [-2, -0.8, 0.3, 2])
def test_monotone_transport_is_a_plan_with_the_optimal_cost(center: float) -> None:
    p, q = transport_example(center)
    cost, plan = monotone_transport(p, q)
    assert torch.allclose(plan.sum(1), p.masses, atol=1e-9)
    assert torch.allclose(plan.sum(0), q.masses, atol=1e-9)
    expected = ot.emd2(p.masses, q.masses, (p.points[:, None] - q.points).abs()).item()
    assert cost.item() == pytest.approx(expected, abs=1e-6)


def test_sliced_wasserstein_averages_projections() -> None:
    rng = torch.Generator().manual_seed(0)
    x, y = randn(500, 1), randn(500, 1, seed=1) + 2
    exact = exact_transport(x, y).cost.item()
    assert sliced_wasserstein(x, y, rng).item() == pytest.approx(exact, rel=1e-6)
    # In two dimensions the mean projection of a shift has 2/π of its length.
    x = randn(500, 2)
    shift = torch.tensor([3.0, 0.0], dtype=torch.float64)
    value = sliced_wasserstein(x, x + shift, rng, num_projections=2000).item()
    assert value == pytest.approx(6 / math.pi, rel=0.05)
    samples = x.clone().requires_grad_()
    sliced_wasserstein(samples, x + 1, rng).backward()
    assert (samples.grad.sum(0) < 0).all()


def test_invalid_samples_and_powers_raise_user_errors() -> None:
    with pytest.raises(UserError, match=r"expected samples .* got \(3, 2\) and \(3, 4\)"):
        exact_transport(randn(3, 2), randn(3, 4))
    with pytest.raises(UserError, match="power of 1 or 2, got 3"):
        exact_transport(randn(3, 2), randn(3, 2), 3)
