"""The 2-D laboratory: every objective on every dataset, bit-equal frames, and critics."""

import math
from dataclasses import replace

import pytest
import torch

from genmodels.distances.divergences import Discrete, jensen_shannon, wasserstein
from genmodels.distances.experiments import uniform_masses
from genmodels.errors import UserError
from training.studies.laboratory import EXPERIMENTS, PLOT_SAMPLES, run, train_critics
from training.studies.toy2d import DATASETS, resampled_points


@pytest.mark.parametrize("objective", EXPERIMENTS)
def test_equal_arguments_give_bit_equal_frames(objective: str) -> None:
    runs = [run("ring", objective, steps=8, seed=3, frames=2) for _ in range(2)]
    for frame, again in zip(*(each.frames for each in runs), strict=True):
        assert frame.step in (0, 4, 8)
        assert torch.equal(frame.samples, again.samples)
        assert torch.equal(frame.field.arrows, again.field.arrows)
        assert frame[4:8] == again[4:8]
        assert frame.losses == again.losses
        assert bool(frame.losses) == (frame.step > 0)
        assert frame.samples.shape == (PLOT_SAMPLES, 2)
        assert (frame.field.scores is not None) == ("gan" in objective)
        assert 0 <= frame.js <= math.log(2) + 1e-9
        assert frame.w1 > 0
    *_, other = run("ring", objective, steps=8, seed=4, frames=1).frames
    assert not torch.equal(other.samples, frame.samples)


@pytest.mark.parametrize("data", [*DATASETS, "drawing"])
def test_samples_of_the_data_cover_all_modes(data: str) -> None:
    rng = torch.Generator().manual_seed(0)
    drawing = torch.tensor([[0.5, 0.5], [-0.5, 0.2], [0.0, -0.9]])
    table = {**DATASETS, "drawing": lambda count, rng: resampled_points(drawing, count, rng)}
    real = table[data](4000, rng)
    assert real.points.shape == (4000, 2)
    assert (real.points.abs() <= 1).all()
    covered_modes, fraction = real.mode_coverage(table[data](2000, rng).points)
    assert covered_modes == len(real.modes)
    assert fraction > 0.7
    assert real.mode_coverage(torch.full((100, 2), 5.0)) == (0, 0.0)
    assert real.mode_coverage(real.modes[:1].repeat(100, 1)) == (1, 1.0)
    experiment_run = run(drawing if data == "drawing" else data, "gan", steps=1)
    assert experiment_run.js_floor < 0.1
    assert experiment_run.w1_floor < 0.2


def test_closing_the_frames_ends_training() -> None:
    frames = run("ring", "gan", steps=2000).frames
    assert next(frames).step == 0
    frames.close()
    assert list(frames) == []


@pytest.mark.parametrize(
    ("data", "objective", "steps", "seed", "message"),
    [
        ("circle", "gan", 8, 0, "expected one of ring, grid.*got 'circle'"),
        ("ring", "pix2pix", 8, 0, "expected one of gan-saturating.*got 'pix2pix'"),
        ("ring", "gan", 0, 0, "steps from 1 to 5000, got 0"),
        ("ring", "gan", 10**6, 0, "steps from 1 to 5000, got 1000000"),
        ("ring", "gan", 8, -1, "seed of at least 0, got -1"),
        (torch.zeros(2, 2), "gan", 8, 0, r"N of at least 3, got \(2, 2\)"),
        (torch.full((3, 2), 2.0), "gan", 8, 0, "from -1 to 1, got up to 2"),
        (torch.full((3, 2), math.nan), "gan", 8, 0, "from -1 to 1, got up to nan"),
    ],
)
def test_invalid_arguments_raise_user_errors(
    data: object, objective: str, steps: int, seed: int, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        run(data, objective, steps, seed)


def test_divergence_raises_a_user_error(monkeypatch: pytest.MonkeyPatch) -> None:
    unstable = replace(EXPERIMENTS["vae"].config, learning_rate=1e30)
    experiment = EXPERIMENTS["vae"]._replace(config=unstable)
    monkeypatch.setitem(EXPERIMENTS, "vae", experiment)
    frames = run("ring", "vae", steps=2, frames=2).frames
    assert next(frames).step == 0
    with pytest.raises(UserError, match="training diverged: non-finite values at step 1"):
        next(frames)


def test_each_critic_gives_its_own_lower_bound_of_w1() -> None:
    points = torch.linspace(-2, 2, 201, dtype=torch.float64)
    p, q = (
        Discrete(points, uniform_masses(points, torch.tensor(center).double(), width=0.8))
        for center in (-1.0, 0.8)
    )
    exact = wasserstein(p, q).item()
    estimates = train_critics(p, q, steps=150)
    assert all(estimate.distance <= exact + 1e-9 for estimate in estimates.values())
    assert all(estimate.values.shape == points.shape for estimate in estimates.values())
    assert estimates["gradient penalty"].distance > 0.85 * exact
    assert estimates["spectral norm"].distance > 0.9 * exact
    assert estimates["spectral norm"].lipschitz <= 1 + 1e-4
    assert estimates["weight clipping"].distance < 0.7 * exact
    assert estimates["weight clipping"].lipschitz > 3  # clipping does not bound the constant by 1
    assert jensen_shannon(p, q).item() == pytest.approx(math.log(2))
