"""The lecture's claims, held to the experiments that show them."""

import math

import pytest
import torch

from genmodels.distances.divergences import DIVERGENCES, Discrete, earth_moving, wasserstein
from genmodels.distances.experiments import bump, fitting, parting, smoothing


def test_of_parted_bumps_only_w1_tells_how_far() -> None:
    apart = torch.tensor([0.0, 0.5, 1.5, 3.0, 6.0])
    curves = parting(apart)
    assert list(curves) == list(DIVERGENCES)
    assert curves["W1"].tolist() == pytest.approx(apart.tolist(), abs=0.01)
    assert curves["JS"][2:].tolist() == pytest.approx([math.log(2)] * 3)
    assert curves["TV"].tolist() == pytest.approx([0, 0.5, 1, 1, 1], abs=0.01)
    for name in ("KL(p‖q)", "KL(q‖p)"):
        assert curves[name][0] == 0
        assert (curves[name][1:] == math.inf).all()


def test_forward_kl_covers_both_modes_and_reverse_kl_seeks_one() -> None:
    covers, seeks = fitting("KL(p‖q)"), fitting("KL(q‖p)")
    # The moments of the mixture: mean 0, variance 2² + ½².
    assert covers.mean == pytest.approx(0, abs=0.05)
    assert covers.deviation == pytest.approx(math.sqrt(4.25), abs=0.05)
    assert seeks.mean == pytest.approx(2, abs=0.1)
    assert seeks.deviation == pytest.approx(0.5, abs=0.1)
    assert fitting("KL(q‖p)", start=-1.0).mean == pytest.approx(-2, abs=0.1)
    for fit in (covers, seeks):
        assert fit.losses[-1] < 0.5 * fit.losses[0]
        assert fit.frames.shape == (len(fit.losses), len(fit.points))
        assert fit.frames.sum(1).tolist() == pytest.approx([1] * len(fit.losses))
    with pytest.raises(ValueError, match="but got 'W3'"):
        fitting("W3")


@pytest.mark.parametrize("name", ["JS", "W1"])
def test_other_divergences_are_descended_too(name: str) -> None:
    fit = fitting(name)
    assert fit.losses[-1] < 0.8 * fit.losses[0]


def test_the_plan_s_cost_is_w1() -> None:
    points = torch.linspace(0, 4, 41, dtype=torch.float64)
    p, q = (
        Discrete(points, bump(points, torch.tensor(at, dtype=torch.float64))) for at in (1, 2.5)
    )
    cost, plan = earth_moving(p, q)
    assert cost.item() == pytest.approx(wasserstein(p, q).item(), abs=1e-9)
    assert torch.allclose(plan.sum(1), p.masses)
    assert torch.allclose(plan.sum(0), q.masses)


def test_noise_brings_the_slope_of_js_back() -> None:
    values, slopes = smoothing(torch.tensor([0.05, 0.5, 1.0, 2.0]))
    assert values[0] == pytest.approx(math.log(2), abs=1e-6)
    assert abs(slopes[0]) < 1e-9
    assert slopes[2] > 0.05
    assert (values.diff() < 0).all()
