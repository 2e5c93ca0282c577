"""The laboratory: any game on any data, the same each time, and critics beside the truth."""

import math

import pytest
import torch

from genmodels.distances.divergences import DIVERGENCES, Discrete, wasserstein
from genmodels.distances.experiments import bump
from training.studies.laboratory import GAMES, SHOWN, critics, run
from training.studies.toy2d import DATA, drawn


@pytest.mark.parametrize("objective", GAMES)
def test_a_game_gives_frames_the_same_each_time(objective: str) -> None:
    courses = [run("ring", objective, steps=8, seed=3, frames=2) for _ in range(2)]
    for one, other in zip(*(course.frames for course in courses), strict=True):
        assert one.step in (0, 4, 8)
        assert torch.equal(one.samples, other.samples)
        assert torch.equal(one.field.arrows, other.field.arrows)
        assert one[4:8] == other[4:8]
        assert one.losses == other.losses
        assert bool(one.losses) == (one.step > 0)
        assert one.samples.shape == (SHOWN, 2)
        assert (one.field.scores is not None) == ("gan" in objective)
        assert 0 <= one.js <= math.log(2) + 1e-9
        assert one.w1 > 0
    *_, elsewhere = run("ring", objective, steps=8, seed=4, frames=1).frames
    assert not torch.equal(elsewhere.samples, one.samples)


@pytest.mark.parametrize("data", [*DATA, "drawn"])
def test_of_its_own_points_every_place_is_covered(data: str) -> None:
    rng = torch.Generator().manual_seed(0)
    marks = torch.tensor([[0.5, 0.5], [-0.5, 0.2], [0.0, -0.9]])
    make = {**DATA, "drawn": lambda count, rng: drawn(marks, count, rng)}[data]
    real = make(4000, rng)
    assert real.points.shape == (4000, 2)
    assert (real.points.abs() <= 1).all()
    covered, near = real.covered(make(2000, rng).points)
    assert covered == len(real.places)
    assert near > 0.7
    assert real.covered(torch.full((100, 2), 5.0)) == (0, 0.0)
    assert real.covered(real.places[:1].repeat(100, 1)) == (1, 1.0)
    course = run(marks if data == "drawn" else data, "gan", steps=1)
    assert course.js < 0.1
    assert course.w1 < 0.2


def test_whoever_asks_for_no_more_ends_the_game() -> None:
    frames = run("ring", "gan", steps=2000).frames
    assert next(frames).step == 0
    frames.close()
    assert list(frames) == []


@pytest.mark.parametrize(
    ("data", "objective", "steps", "seed", "sentence"),
    [
        ("circle", "gan", 8, 0, "expected ring, grid"),
        ("ring", "pix2pix", 8, 0, "expected gan-saturating"),
        ("ring", "gan", 0, 0, "steps"),
        ("ring", "gan", 10**6, 0, "steps"),
        ("ring", "gan", 8, -1, "seed"),
        (torch.zeros(2, 2), "gan", 8, 0, "three points"),
        (torch.full((3, 2), 2.0), "gan", 8, 0, "from -1 to 1"),
        (torch.full((3, 2), math.nan), "gan", 8, 0, "from -1 to 1"),
    ],
)
def test_what_cannot_be_played_is_said_at_once(
    data: object, objective: str, steps: int, seed: int, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        run(data, objective, steps, seed)


def test_critics_fall_short_of_the_true_distance_each_by_its_own_part() -> None:
    points = torch.linspace(-2, 2, 201, dtype=torch.float64)
    p, q = (
        Discrete(points, bump(points, torch.tensor(place).double(), width=0.8))
        for place in (-1.0, 0.8)
    )
    truth = wasserstein(p, q).item()
    found = critics(p, q, steps=150)
    assert all(estimate.distance <= truth + 1e-9 for estimate in found.values())
    assert found["penalty"].distance > 0.85 * truth
    assert found["spectral norm"].distance > 0.9 * truth
    assert found["clipping"].distance < 0.7 * truth
    assert found["clipping"].steepest > 3  # Lipschitz, but to an unknown constant
    assert found["spectral norm"].steepest <= 1 + 1e-4
    assert all(estimate.values.shape == points.shape for estimate in found.values())
    assert DIVERGENCES["JS"](p, q).item() == pytest.approx(math.log(2))
