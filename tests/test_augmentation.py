"""DiffAugment policies: bounds, randomness and gradients."""

import pytest
import torch
from torch import Tensor

from training.objectives.augmentation import POLICIES, augment


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def samples(channels: int = 3, side: int = 32) -> Tensor:
    return torch.rand(64, channels, side, side, generator=rng(1)) * 2 - 1


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("channels", "side"), [(1, 28), (3, 32), (3, 64)])
def test_each_sample_is_augmented_by_the_generator_alone(
    policy: str, channels: int, side: int
) -> None:
    before = samples(channels, side)
    one, again, other = (augment(before, [policy], rng(seed)) for seed in (0, 0, 1))
    assert one.shape == before.shape
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert (one != before).flatten(1).any(1).float().mean() > 0.9


@pytest.mark.parametrize("policy", POLICIES)
def test_every_sample_has_a_gradient(policy: str) -> None:
    before = samples().requires_grad_()
    augment(before, [policy], rng()).square().sum().backward()
    assert (before.grad.flatten(1).abs().sum(1) > 0).all()


def test_no_policy_changes_neither_samples_nor_generator() -> None:
    before, generator = samples(), rng()
    state = generator.get_state()
    assert augment(before, (), generator) is before
    assert torch.equal(generator.get_state(), state)


def test_color_stays_within_the_bounds_of_the_paper() -> None:
    flat = torch.zeros(20_000, 3, 1, 1)
    brightness = POLICIES["color"](flat, rng()).flatten()
    assert brightness.min() >= -0.5
    assert brightness.max() <= 0.5
    assert brightness.std().item() == pytest.approx(1 / 12**0.5, rel=0.05)
    gray = torch.tensor([-1.0, 1.0]).view(1, 1, 1, 2).expand(20_000, 3, 1, 2)
    after = POLICIES["color"](gray, rng())
    contrast = (after[..., 1] - after[..., 0]) / 2  # saturation does not change gray
    assert contrast.min() >= 0.5
    assert contrast.max() <= 1.5


def test_translation_shifts_by_up_to_an_eighth_and_fills_with_zeros() -> None:
    before = torch.zeros(2000, 1, 32, 32)
    before[:, :, 16, 16] = 1
    after = POLICIES["translation"](before, rng())
    _, _, rows, columns = after.nonzero(as_tuple=True)
    assert len(rows) == 2000
    for shifts in (rows - 16, columns - 16):
        assert set(shifts.tolist()) == set(range(-4, 5))
    ones = POLICIES["translation"](torch.ones(2000, 1, 32, 32), rng())
    assert set(ones.unique().tolist()) == {0, 1}


def test_cutout_is_a_possibly_cropped_square_of_half_the_side() -> None:
    after = POLICIES["cutout"](torch.ones(2000, 1, 32, 32), rng())
    areas = (after == 0).flatten(1).sum(1)
    assert areas.max() == 16 * 16
    assert areas.min() >= 8 * 8
    assert (after[:, :, 0, 0] == 0).any()
