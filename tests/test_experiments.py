"""Experiments on distances confirm the claims that they illustrate."""

import math

import pytest
import torch

from genmodels.distances import DISTANCES
from genmodels.distances.experiments import disjoint_supports, fit_normal, smoothed_jensen_shannon
from genmodels.errors import UserError


def test_only_w1_depends_on_the_distance_of_disjoint_supports() -> None:
    shifts = torch.tensor([0.0, 0.5, 1.5, 3.0, 6.0])
    curves = disjoint_supports(shifts)
    assert list(curves) == list(DISTANCES)
    assert curves["W1"].tolist() == pytest.approx(shifts.tolist(), abs=0.01)
    assert curves["JS"][2:].tolist() == pytest.approx([math.log(2)] * 3)
    assert curves["TV"].tolist() == pytest.approx([0, 0.5, 1, 1, 1], abs=0.01)
    for name in ("KL(p‖q)", "KL(q‖p)"):
        assert curves[name][0] == 0
        assert (curves[name][1:] == math.inf).all()


def test_forward_kl_covers_both_modes_and_reverse_kl_fits_one() -> None:
    forward, reverse = fit_normal("KL(p‖q)"), fit_normal("KL(q‖p)")
    # The moments of the mixture: mean 0, variance 2² + ½².
    assert forward.mean == pytest.approx(0, abs=0.05)
    assert forward.std == pytest.approx(math.sqrt(4.25), abs=0.05)
    assert reverse.mean == pytest.approx(2, abs=0.1)
    assert reverse.std == pytest.approx(0.5, abs=0.1)
    assert fit_normal("KL(q‖p)", start=-1.0).mean == pytest.approx(-2, abs=0.1)
    for fit in (forward, reverse):
        assert fit.losses[-1] < 0.5 * fit.losses[0]
        assert fit.masses.shape == (len(fit.losses), len(fit.points))
        assert fit.masses.sum(1).tolist() == pytest.approx([1] * len(fit.losses))
    with pytest.raises(UserError, match="got 'W3'"):
        fit_normal("W3")


@pytest.mark.parametrize("name", ["JS", "W1"])
def test_gradient_descent_reduces_js_and_w1(name: str) -> None:
    fit = fit_normal(name)
    assert fit.losses[-1] < 0.8 * fit.losses[0]


def test_noise_gives_js_a_gradient() -> None:
    values, slopes = smoothed_jensen_shannon(torch.tensor([0.05, 0.5, 1.0, 2.0]))
    assert values[0] == pytest.approx(math.log(2), abs=1e-6)
    assert abs(slopes[0]) < 1e-9
    assert slopes[2] > 0.05
    assert (values.diff() < 0).all()
