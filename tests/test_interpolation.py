"""Interpolation and traversal of latents, encoding of images, and animated paths."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

import genmodels
from genmodels import data
from genmodels.errors import UserError
from genmodels.latents.interpolation import (
    INTERPOLATIONS,
    attribute_direction,
    corner_grid,
    decode_frames,
    lerp,
    loop,
    slerp,
    slerp_pairs,
    spline,
    traverse_dimension,
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
def test_paths_equal_the_keys_bit_for_bit(name: str, shape: tuple[int, ...]) -> None:
    keys = normal(4, *shape)
    path = INTERPOLATIONS[name](keys, torch.linspace(0, 1, 10))
    assert path.shape == (10, *shape)
    assert torch.equal(path[::3], keys)
    assert torch.equal(INTERPOLATIONS[name](keys, torch.tensor([1.0, 0.0])), keys[[3, 0]])


@pytest.mark.parametrize("name", INTERPOLATIONS)
def test_bfloat16_paths_follow_float32_paths(name: str) -> None:
    keys, times = normal(10, 64), torch.linspace(0, 1, 201)
    full, half = (
        INTERPOLATIONS[name](keys.to(dtype), times) for dtype in (keys.dtype, torch.bfloat16)
    )
    assert (full - half).abs().max() < 0.1


@pytest.mark.parametrize("name", INTERPOLATIONS)
def test_paths_are_continuous(name: str) -> None:
    path = INTERPOLATIONS[name](normal(5, 256), torch.linspace(0, 1, 801))
    steps = path.diff(dim=0).norm(dim=1)
    assert steps.max() < 4 * steps.mean()


def test_slerp_preserves_the_norm_and_lerp_shrinks_it() -> None:
    keys, middle = normal(2, 4096), torch.tensor([0.5])
    norm = keys.norm(dim=1).mean().item()
    assert slerp(keys, middle).norm() == pytest.approx(norm, rel=0.02)
    assert lerp(keys, middle).norm() == pytest.approx(norm / math.sqrt(2), rel=0.05)
    assert spline(normal(4, 4096), middle).norm() == pytest.approx(norm, rel=0.1)
    keys /= keys.norm(dim=1, keepdim=True)
    angles = [
        torch.nn.functional.cosine_similarity(slerp(keys, torch.tensor([t])), keys[:1]).acos()
        for t in (0.25, 0.5, 1.0)
    ]
    assert torch.cat(angles) / angles[2] == pytest.approx([0.25, 0.5, 1.0], abs=1e-4)


def test_slerp_of_parallel_latents_is_linear() -> None:
    latent = normal(1, 8)
    half = torch.tensor([0.5])
    assert torch.allclose(slerp_pairs(latent, latent, half), latent)
    assert torch.allclose(slerp_pairs(latent, 3 * latent, half), 2 * latent)
    assert slerp_pairs(latent, -latent, half).isfinite().all()
    assert slerp_pairs(latent, 0 * latent, half).isfinite().all()


def test_splines_are_smooth_at_their_keys_and_loops_everywhere() -> None:
    keys = normal(4, 32)
    step = 1e-3
    for key in (1 / 3, 2 / 3):
        before, at, after = spline(keys, torch.tensor([key - step, key, key + step]).double())
        assert torch.allclose(at - before, after - at, atol=0.05 * (at - before).norm().item())
        left, middle, right = slerp(keys, torch.tensor([key - step, key, key + step]))
        assert (middle - left - (right - middle)).norm() > 0.3 * (middle - left).norm()
    closed = loop(keys, 400)
    assert torch.equal(closed[::100], keys)
    steps = torch.cat([closed, closed[:2]]).diff(dim=0)
    bends = steps.diff(dim=0).norm(dim=1) / steps[:-1].norm(dim=1)
    assert bends.max() < 0.2


def test_a_grid_interpolates_its_corners() -> None:
    corners = normal(4, 16)
    grid = corner_grid(corners, 3, 5).view(3, 5, 16)
    for cell, corner in zip([(0, 0), (0, -1), (-1, 0), (-1, -1)], corners, strict=True):
        assert torch.equal(grid[cell], corner)
    assert torch.allclose(grid[1, 0], slerp(corners[::2], torch.tensor([0.5]))[0])


def test_traversal_changes_one_dimension() -> None:
    latent = normal(2, 3)
    latents = traverse_dimension(latent, 4, torch.tensor([-2.0, 0.0, 2.0]))
    assert latents[:, 1, 1].tolist() == [-2, 0, 2]
    latents[:, 1, 1] = latent[1, 1]
    assert torch.equal(latents, latent.expand(3, 2, 3))


def test_attribute_direction_is_the_difference_of_class_means() -> None:
    latents, labels = normal(6, 3), torch.tensor([0, 1, 0, 1, 2, 2])
    direction = attribute_direction(latents, labels, target=1, source=0)
    assert torch.allclose(direction, latents[[1, 3]].mean(0) - latents[[0, 2]].mean(0))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda: slerp(normal(1, 3), torch.zeros(1)), "at least 2 latents to interpolate, got 1"),
        (lambda: slerp(normal(2, 3), torch.tensor([1.5])), r"times in \[0, 1\], got 1.5 to 1.5"),
        (lambda: lerp(normal(2, 3) * torch.nan, torch.zeros(1)), "expected finite latents"),
        (lambda: spline(normal(2, 3) * torch.nan, torch.zeros(1)), "expected finite latents"),
        (lambda: corner_grid(normal(3, 3), 2, 2), "expected 4 corner latents, got 3"),
        (
            lambda: traverse_dimension(normal(3), 3, torch.zeros(1)),
            "expected a dimension from 0 to 2, got 3",
        ),
        (
            lambda: slerp(torch.ones(2, 3).long(), torch.zeros(1)),
            "expected floating-point latents, got torch.int64",
        ),
        (lambda: list(decode_frames(None, normal(2, 3) * torch.nan)), "expected finite latents"),
        (
            lambda: attribute_direction(normal(1, 3), torch.tensor([1]), 1, 0),
            "expected latents of class 0, got none",
        ),
    ],
)
def test_invalid_arguments_are_reported(function: Callable[[], object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        function()


@pytest.mark.parametrize("folder", CHECKPOINTS, ids=lambda folder: folder.name)
def test_every_published_model_decodes_a_path(folder: Path) -> None:
    pipeline = genmodels.load(folder)
    keys = pipeline.draw(2, torch.Generator().manual_seed(1))
    path = slerp(keys, torch.linspace(0, 1, 5))
    labels = None if pipeline.num_classes is None else torch.full((5,), 9)
    frames = list(decode_frames(pipeline.decode, path, labels, batch_size=2))
    assert len(frames) == 5
    with torch.no_grad():
        ends = pipeline.decode(keys, None if labels is None else labels[:2])
    assert torch.equal(to_pixels(torch.stack(frames)[[0, -1]]), to_pixels(ends))
    with pytest.raises(UserError, match=r"expected latents \(B, .*got \(2, 7\)"):
        pipeline.decode(torch.zeros(2, 7))


@pytest.mark.parametrize("folder", CHECKPOINTS, ids=lambda folder: folder.name)
def test_every_published_model_encodes_images(folder: Path) -> None:
    pipeline = genmodels.load(folder)
    if not hasattr(pipeline, "encode"):
        pytest.skip("the model only completes images")
    pixels, labels = data.load(FASHION, split="test")[:2]
    real = from_pixels(pixels[:4])
    labels = None if pipeline.num_classes is None else labels[:4]
    with torch.no_grad():
        decoded = pipeline.decode(pipeline.encode(real, labels), labels)
    distance = (real - real.flip(0)).square().mean()
    assert (decoded - real).square().mean() < 0.25 * distance
    for invalid in (torch.zeros(1, 1, 32, 32), 2 * real, torch.nan * real):
        with pytest.raises(UserError, match="expected samples"):
            pipeline.encode(invalid, labels)
    with torch.inference_mode():
        assert pipeline.encode(real, labels).isfinite().all()


def test_a_path_length_is_a_squared_slope() -> None:
    perception = FeatureExtractors("domain").perception
    base = from_pixels(data.load(FASHION, split="test").pixels[:1]) * 0.5

    def decode(latents: Tensor) -> Tensor:
        return base + 0.1 * latents.view(-1, 1, 28, 28)

    start, end = normal(6, 784).clamp(-3, 3), normal(6, 784, seed=1).clamp(-3, 3)
    times = torch.linspace(0.1, 0.9, 6)
    assert path_lengths(decode, start, start, times, perception).abs().max() < 1e-3
    lengths = path_lengths(decode, start, end, times, perception)
    pair = [slerp_pairs(start, end, times + shift) for shift in (0, 1e-3)]
    slopes = perception.distance(*map(decode, pair)) / 1e-6
    assert lengths.mean().item() == pytest.approx(slopes.mean().item(), rel=0.1)
