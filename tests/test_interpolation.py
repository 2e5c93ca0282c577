"""Paths through latents, and what they are shown as."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

import genmodels
from genmodels import data
from genmodels.latents.interpolation import (
    INTERPOLATIONS,
    Interpolation,
    arc,
    attribute,
    between_corners,
    frames,
    lerp,
    loop,
    slerp,
    spline,
    traverse,
)
from genmodels.media.image import from_pixels, to_pixels
from genmodels.metrics import FeatureExtractors
from genmodels.metrics.path_length import path_lengths
from tests.conftest import FASHION, ROOT

CHECKPOINTS = sorted(path.parent for path in ROOT.glob("checkpoints/*/model_index.json"))


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", INTERPOLATIONS)
@pytest.mark.parametrize("shape", [(64,), (1, 28, 28)])
def test_paths_visit_their_keys_bit_for_bit(name: str, shape: tuple[int, ...]) -> None:
    keys = normal(4, *shape)
    path = INTERPOLATIONS[name](keys, torch.linspace(0, 1, 10))
    assert path.shape == (10, *shape)
    assert torch.equal(path[::3], keys)
    assert torch.equal(INTERPOLATIONS[name](keys, torch.tensor([1.0, 0.0])), keys[[3, 0]])


@pytest.mark.parametrize("name", INTERPOLATIONS)
def test_coarse_numbers_make_no_coarse_paths(name: str) -> None:
    keys, times = normal(10, 64), torch.linspace(0, 1, 201)
    fine, coarse = (
        INTERPOLATIONS[name](keys.to(kind), times) for kind in (keys.dtype, torch.bfloat16)
    )
    assert (fine - coarse).abs().max() < 0.1


@pytest.mark.parametrize("name", INTERPOLATIONS)
def test_paths_are_continuous(name: str) -> None:
    path = INTERPOLATIONS[name](normal(5, 256), torch.linspace(0, 1, 801))
    steps = path.diff(dim=0).norm(dim=1)
    assert steps.max() < 4 * steps.mean()


def test_latents_between_normal_ones_are_as_long_on_a_great_circle_and_shorter_on_a_line() -> None:
    keys, middle = normal(2, 4096), torch.tensor([0.5])
    length = keys.norm(dim=1).mean()
    assert slerp(keys, middle).norm() == pytest.approx(length.item(), rel=0.02)
    assert lerp(keys, middle).norm() == pytest.approx(length.item() / math.sqrt(2), rel=0.05)
    assert spline(normal(4, 4096), middle).norm() == pytest.approx(length.item(), rel=0.1)
    keys /= keys.norm(dim=1, keepdim=True)
    angles = [
        torch.nn.functional.cosine_similarity(slerp(keys, torch.tensor([t])), keys[:1]).acos()
        for t in (0.25, 0.5, 1.0)
    ]
    assert torch.cat(angles) / angles[2] == pytest.approx([0.25, 0.5, 1.0], abs=1e-4)


def test_a_great_circle_of_what_lies_in_line_is_a_line() -> None:
    one = normal(1, 8)
    half = torch.tensor([0.5])
    assert torch.allclose(arc(one, one, half), one)
    assert torch.allclose(arc(one, 3 * one, half), 2 * one)
    assert arc(one, -one, half).isfinite().all()
    assert arc(one, 0 * one, half).isfinite().all()


def test_a_spline_has_no_corners_at_its_keys_and_a_loop_none_at_all() -> None:
    keys = normal(4, 32)
    step = 1e-3
    for key in (1 / 3, 2 / 3):
        before, at, after = spline(keys, torch.tensor([key - step, key, key + step]).double())
        assert torch.allclose(at - before, after - at, atol=0.05 * (at - before).norm().item())
        left, middle, right = slerp(keys, torch.tensor([key - step, key, key + step]))
        assert (middle - left - (right - middle)).norm() > 0.3 * (middle - left).norm()
    round_ = loop(keys, 400)
    assert torch.equal(round_[::100], keys)
    steps = torch.cat([round_, round_[:2]]).diff(dim=0)
    turns = steps.diff(dim=0).norm(dim=1) / steps[:-1].norm(dim=1)
    assert turns.max() < 0.2


def test_a_grid_lies_between_its_corners() -> None:
    corners = normal(4, 16)
    grid = between_corners(corners, 3, 5).view(3, 5, 16)
    for place, corner in zip([(0, 0), (0, -1), (-1, 0), (-1, -1)], corners, strict=True):
        assert torch.equal(grid[place], corner)
    assert torch.allclose(grid[1, 0], slerp(corners[::2], torch.tensor([0.5]))[0])


def test_one_dimension_is_traversed_and_a_class_is_walked_to() -> None:
    latent = normal(2, 3)
    moved = traverse(latent, 4, torch.tensor([-2.0, 0.0, 2.0]))
    assert moved[:, 1, 1].tolist() == [-2, 0, 2]
    moved[:, 1, 1] = latent[1, 1]
    assert torch.equal(moved, latent.expand(3, 2, 3))
    latents, labels = normal(6, 3), torch.tensor([0, 1, 0, 1, 2, 2])
    towards = attribute(latents, labels, plus=1, minus=0)
    assert torch.allclose(towards, latents[[1, 3]].mean(0) - latents[[0, 2]].mean(0))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda: slerp(normal(1, 3), torch.zeros(1)), "two latents or more to go between"),
        (lambda: slerp(normal(2, 3), torch.tensor([1.5])), "expected times from 0 to 1"),
        (lambda: lerp(normal(2, 3) * torch.nan, torch.zeros(1)), "latents that are finite"),
        (lambda: spline(normal(2, 3) * torch.nan, torch.zeros(1)), "latents that are finite"),
        (lambda: between_corners(normal(3, 3), 2, 2), "four corners, but got 3"),
        (lambda: traverse(normal(3), 3, torch.zeros(1)), "dimension from 0 to 2, but got 3"),
        (lambda: slerp(torch.ones(2, 3).long(), torch.zeros(1)), "of floating point"),
        (lambda: list(frames(None, normal(2, 3) * torch.nan)), "latents that are finite"),
        (lambda: attribute(normal(1, 3), torch.tensor([1]), 1, 0), "class 0, but there are none"),
    ],
)
def test_what_is_no_path_is_said(wrong: Interpolation, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        wrong()


@pytest.mark.parametrize("folder", CHECKPOINTS, ids=lambda folder: folder.name)
def test_every_model_is_interpolated_and_refuses_latents_of_another(folder: Path) -> None:
    pipeline = genmodels.load(folder)
    keys = pipeline.draw(2, torch.Generator().manual_seed(1))
    path = slerp(keys, torch.linspace(0, 1, 5))
    boots = None if pipeline.num_classes is None else torch.full((5,), 9)
    shown = list(frames(pipeline.decode, path, boots, batch=2))
    assert len(shown) == 5
    with torch.no_grad():
        ends = pipeline.decode(keys, boots if boots is None else boots[:2])
    assert torch.equal(to_pixels(torch.stack(shown)[[0, -1]]), to_pixels(ends))
    with pytest.raises(ValueError, match=r"expected latents \(B, .*but got \(2, 7\)"):
        pipeline.decode(torch.zeros(2, 7))


@pytest.mark.parametrize("folder", CHECKPOINTS, ids=lambda folder: folder.name)
def test_given_images_are_encoded_by_every_model(folder: Path) -> None:
    pipeline = genmodels.load(folder)
    if not hasattr(pipeline, "encode"):
        pytest.skip("it completes images")
    pixels, labels = data.load(FASHION, split="test")[:2]
    real = from_pixels(pixels[:4])
    labels = None if pipeline.num_classes is None else labels[:4]
    with torch.no_grad():
        again = pipeline.decode(pipeline.encode(real, labels), labels)
    others = (real - real.flip(0)).square().mean()
    assert (again - real).square().mean() < 0.25 * others
    for wrong in (torch.zeros(1, 1, 32, 32), 2 * real, torch.nan * real):
        with pytest.raises(ValueError, match="expected samples"):
            pipeline.encode(wrong, labels)
    with torch.inference_mode():
        assert pipeline.encode(real, labels).isfinite().all()


def test_a_path_length_is_a_squared_slope() -> None:
    perception = FeatureExtractors("domain").perception
    base = from_pixels(data.load(FASHION, split="test").pixels[:1]) * 0.5

    def decode(latents: Tensor) -> Tensor:
        return base + 0.1 * latents.view(-1, 1, 28, 28)

    one, other = normal(6, 784).clamp(-3, 3), normal(6, 784, seed=1).clamp(-3, 3)
    times = torch.linspace(0.1, 0.9, 6)
    still = path_lengths(decode, one, one, times, perception)
    assert still.abs().max() < 1e-3
    model = path_lengths(decode, one, other, times, perception)
    ends = [arc(one, other, times + shift) for shift in (0, 1e-3)]
    slopes = perception.distance(*map(decode, ends)) / 1e-6
    assert model.mean().item() == pytest.approx(slopes.mean().item(), rel=0.1)
