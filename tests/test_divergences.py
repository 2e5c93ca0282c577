"""Each distance against other tools, and against what the lecture says of it."""

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
    DIVERGENCES,
    Discrete,
    Normal,
    cross_entropy,
    entropy,
    jensen_shannon,
    kullback_leibler,
    normal_kullback_leibler,
    potential,
    sinkhorn,
    sliced,
    squared_frechet,
    total_variation,
    transport,
    wasserstein,
)

QUICK = settings(max_examples=60, deadline=None, derandomize=True)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@st.composite
def discrete(draw: st.DrawFn) -> Discrete:
    """Any few points, and masses of which some may be 0."""
    count = draw(st.integers(1, 12))
    places = draw(st.lists(st.integers(-1000, 1000), min_size=count, max_size=count, unique=True))
    weights = draw(
        st.lists(st.sampled_from([0, 0, 1, 2, 7, 100, 1e4]), min_size=count, max_size=count).filter(
            sum
        )
    )
    points = torch.tensor(sorted(places), dtype=torch.float64) / 16
    masses = torch.tensor(weights, dtype=torch.float64)
    return Discrete(points, masses / masses.sum())


@given(discrete(), discrete())
@QUICK
def test_distances_are_those_of_other_tools(p: Discrete, q: Discrete) -> None:
    theirs = scipy.stats.wasserstein_distance(p.points, q.points, p.masses, q.masses)
    assert wasserstein(p, q).item() == pytest.approx(theirs, abs=1e-6)
    plan = ot.emd2_1d(p.points, q.points, p.masses, q.masses, metric="euclidean")
    assert wasserstein(p, q).item() == pytest.approx(float(plan), abs=1e-6)
    points = sorted({*p.points.tolist(), *q.points.tolist()})
    left, right = (
        [dict(zip(*(part.tolist() for part in side), strict=True)).get(x, 0.0) for x in points]
        for side in (p, q)
    )
    assert kullback_leibler(p, q).item() == pytest.approx(scipy.stats.entropy(left, right))
    varied = sum(abs(a - b) for a, b in zip(left, right, strict=True)) / 2
    assert total_variation(p, q).item() == pytest.approx(varied)


@given(discrete(), discrete(), discrete())
@QUICK
def test_the_laws_of_distances(p: Discrete, q: Discrete, r: Discrete) -> None:
    tv, kl, js, w1 = (
        f(p, q).item() for f in (total_variation, kullback_leibler, jensen_shannon, wasserstein)
    )
    assert all(not math.isnan(it) and it >= -1e-12 for it in (tv, kl, js, w1))
    assert tv <= 1 + 1e-12
    assert js <= math.log(2) + 1e-12
    assert tv <= math.sqrt(kl / 2) + 1e-9  # Pinsker
    for function in (total_variation, jensen_shannon, wasserstein):
        assert function(q, p).item() == pytest.approx(function(p, q).item(), abs=1e-12)
    assert all(
        function(p, p).item() == pytest.approx(0, abs=1e-12) for function in DIVERGENCES.values()
    )
    for function in (
        total_variation,
        lambda a, b: jensen_shannon(a, b).clamp(min=0).sqrt(),
        wasserstein,
    ):
        assert function(p, r) <= function(p, q) + function(q, r) + 1e-7
    split = cross_entropy(p, q).item() - entropy(p).item()
    assert kl == pytest.approx(split, abs=1e-9) or kl == split == math.inf


@given(discrete(), discrete())
@QUICK
def test_the_dual_attains_the_distance(p: Discrete, q: Discrete) -> None:
    f = potential(p, q)
    points = torch.cat([p.points, q.points]).unique()
    value = sum(
        sign * (f[torch.searchsorted(points, side.points)] * side.masses).sum()
        for sign, side in ((1, p), (-1, q))
    )
    assert value.item() == pytest.approx(wasserstein(p, q).item(), abs=1e-6)
    assert (f.diff().abs() <= points.diff() + 1e-12).all()


def bumps(distance: float) -> tuple[Discrete, Discrete]:
    """Two squares of width 1 so far apart, on the same fine grid."""
    points = torch.linspace(0, 8, 801, dtype=torch.float64)
    sides = []
    for place in (1.0, 1.0 + distance):
        masses = ((points >= place - 1e-9) & (points <= place + 1 + 1e-9)).double()
        sides.append(Discrete(points, masses / masses.sum()))
    return sides[0], sides[1]


def test_two_bumps_that_part() -> None:
    found = {at: [f(*bumps(at)).item() for f in DIVERGENCES.values()] for at in (0, 0.5, 2, 4)}
    assert found[0] == pytest.approx([0] * 5, abs=1e-12)
    for at in (2, 4):  # with nothing in common only the earth mover tells how far
        assert found[at] == pytest.approx([1, math.inf, math.inf, math.log(2), at])
    assert found[0.5][0] == pytest.approx(0.5, abs=0.01)
    assert found[0.5][4] == pytest.approx(0.5)


def test_gradients_are_those_of_finite_differences_and_flat_where_js_is() -> None:
    points = torch.linspace(-1, 1, 9, dtype=torch.float64)
    p = Discrete(points, normal(9).softmax(0))
    logits = normal(9, seed=1).requires_grad_()
    for function in DIVERGENCES.values():
        assert torch.autograd.gradcheck(
            lambda x, f=function: f(p, Discrete(points, x.softmax(0))), logits
        )
    place = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    grid = torch.linspace(-10, 10, 401, dtype=torch.float64)
    still = Discrete(grid, (-(grid + 3).square() * 50).softmax(0))
    moved = Discrete(grid, (-(grid - place).square() * 50).softmax(0))
    slopes = {
        name: torch.autograd.grad(f(still, moved), place, retain_graph=True)[0].item()
        for name, f in DIVERGENCES.items()
    }
    assert slopes["W1"] == pytest.approx(1, abs=1e-3)
    assert abs(slopes["JS"]) < 1e-6
    assert abs(slopes["TV"]) < 1e-6


def test_all_are_batched() -> None:
    points = torch.linspace(0, 1, 30, dtype=torch.float64)
    p, q = (Discrete(points, normal(4, 5, 30, seed=seed).softmax(-1)) for seed in (0, 1))
    for function in DIVERGENCES.values():
        found = function(p, q)
        assert found.shape == (4, 5)
        one = function(Discrete(points, p.masses[2, 3]), Discrete(points, q.masses[2, 3]))
        assert found[2, 3].item() == pytest.approx(one.item(), rel=1e-9)
        assert function(Discrete(points, p.masses[0, 0]), q).shape == (4, 5)
    assert potential(p, q).shape == (4, 5, 30)


@pytest.mark.parametrize(
    ("points", "masses", "sentence"),
    [
        ([0.0, 0.0], [0.5, 0.5], "points that increase"),
        ([0.0, math.nan], [0.5, 0.5], "points that increase"),
        ([0.0, 1.0], [0.5, 0.6], "sum to 1"),
        ([0.0, 1.0], [1.5, -0.5], "sum to 1"),
        ([0.0, 1.0], [math.nan, 1.0], "sum to 1"),
        ([0.0, 1.0], [1.0], r"expected points \(N,\) and masses"),
    ],
)
def test_what_is_no_distribution_is_refused(points: list, masses: list, sentence: str) -> None:
    wrong = Discrete(torch.tensor(points), torch.tensor(masses))
    right = Discrete(torch.tensor([0.0, 1.0]), torch.tensor([0.5, 0.5]))
    for function in DIVERGENCES.values():
        with pytest.raises(ValueError, match=sentence):
            function(right, wrong)


def covariances(count: int, dimensions: int, seed: int) -> Tensor:
    factors = normal(count, dimensions, dimensions, seed=seed)
    return factors @ factors.mT + 0.1 * torch.eye(dimensions)


def test_normal_distributions_have_closed_forms() -> None:
    p, q = (Normal(normal(3, 4, seed=seed), covariances(3, 4, seed)) for seed in (2, 3))
    theirs = kl_divergence(*(MultivariateNormal(*side) for side in (p, q)))
    assert torch.allclose(normal_kullback_leibler(p, q), theirs)
    singular = Normal(
        q.mean, torch.diag(torch.tensor([1.0, 1.0, 1.0, 0.0])).double().expand(3, 4, 4)
    )
    assert (normal_kullback_leibler(p, singular) == torch.inf).all()
    deviations = normal(2, 6, seed=4).abs()
    turn, _ = torch.linalg.qr(normal(6, 6, seed=5))
    means = normal(2, 6, seed=6)
    turned = [
        Normal(turn @ mean, turn @ deviation.square().diag() @ turn.T)
        for mean, deviation in zip(means, deviations, strict=True)
    ]
    exact = (means[0] - means[1]).square().sum() + (deviations[0] - deviations[1]).square().sum()
    assert squared_frechet(*turned).item() == pytest.approx(exact.item(), rel=1e-9)
    both = squared_frechet(p, q)
    assert both.shape == (3,)
    assert both[1].item() == pytest.approx(
        squared_frechet(
            Normal(p.mean[1], p.covariance[1]), Normal(q.mean[1], q.covariance[1])
        ).item()
    )


def test_transport_of_samples_is_exact_and_follows_them() -> None:
    one, other = normal(40, 3), normal(50, 3, seed=1) + 1
    cost, plan = transport(one, other)
    assert plan.sum(1) == pytest.approx([1 / 40] * 40)
    assert plan.sum(0) == pytest.approx([1 / 50] * 50)
    assert cost.item() == pytest.approx((plan * torch.cdist(one, other)).sum().item())
    line = [side[:, :1] for side in (one, other)]
    theirs = scipy.stats.wasserstein_distance(*(side[:, 0] for side in line))
    assert transport(*line).cost.item() == pytest.approx(theirs, abs=1e-6)
    # A shift of all by the same is as far as the shift, by either power.
    shift = torch.tensor([0.3, -0.4, 1.2], dtype=torch.float64)
    for power in (1, 2):
        assert transport(one, one + shift, power).cost.item() == pytest.approx(1.3, abs=1e-6)
    assert transport(one, one).cost.item() == 0
    blurred = sinkhorn(one, other, blur=0.01)
    assert cost.item() <= blurred.cost.item() < 1.05 * cost.item()
    for function in (lambda x: transport(x, other).cost, lambda x: transport(x, other, 2).cost):
        place = one.clone().requires_grad_()
        (slope,) = torch.autograd.grad(function(place), place)
        step = 1e-6 * slope
        moved = (function(one + step) - function(one - step)) / 2
        assert moved.item() == pytest.approx((slope * step).sum().item(), rel=1e-4)


def test_sliced_distances_are_those_of_shadows() -> None:
    rng = torch.Generator().manual_seed(0)
    one, other = normal(500, 1), normal(500, 1, seed=1) + 2
    exact = transport(one, other).cost.item()
    assert sliced(one, other, rng).item() == pytest.approx(exact, rel=1e-6)
    # In the plane the mean shadow of a shift is 2/π of it.
    flat = normal(500, 2)
    shift = torch.tensor([3.0, 0.0], dtype=torch.float64)
    assert sliced(flat, flat + shift, rng, count=2000).item() == pytest.approx(
        6 / math.pi, rel=0.05
    )
    model = flat.clone().requires_grad_()
    sliced(model, flat + 1, rng).backward()
    assert (model.grad.sum(0) < 0).all()


def test_samples_of_two_spaces_have_no_distance() -> None:
    with pytest.raises(ValueError, match="expected samples"):
        transport(normal(3, 2), normal(3, 4))
    with pytest.raises(ValueError, match="power 1 or 2, but got 3"):
        transport(normal(3, 2), normal(3, 2), 3)
