"""Augmentation of what a critic sees, real and generated alike, so that none of it leaks.

Differentiable Augmentation for Data-Efficient GAN Training (Zhao et al., 2020), section 4 and
appendix C.3, https://arxiv.org/abs/2006.10738

B batch, C channels, S side.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Policy = Literal["color", "translation", "cutout"]


def augment(samples: Tensor, policies: Sequence[Policy], rng: torch.Generator) -> Tensor:
    """(B, C, S, S) -> the same, each sample changed by a draw of its own. Differentiable."""
    for policy in policies:
        samples = POLICIES[policy](samples, rng)
    return samples


def color(samples: Tensor, rng: torch.Generator) -> Tensor:
    """Brightness within ±0.5, saturation between 0 and 2, contrast between 0.5 and 1.5."""
    shape = (3, len(samples), 1, 1, 1)
    brightness, saturation, contrast = torch.rand(shape, generator=rng, device=samples.device)
    samples = samples + (brightness - 0.5)
    samples = torch.lerp(samples.mean(1, keepdim=True), samples, 2 * saturation)
    return torch.lerp(samples.mean((1, 2, 3), keepdim=True), samples, contrast + 0.5)


def translation(samples: Tensor, rng: torch.Generator) -> Tensor:
    """Moves by up to an eighth of the side, either way along both axes, and zeros behind."""
    count, _, *sides = samples.shape
    high, wide = ((side + 4) // 8 for side in sides)
    padded = F.pad(samples, (wide, wide, high, high))
    moves = []
    for side, most in zip(sides, (high, wide), strict=True):
        places = torch.arange(side, device=samples.device)
        moves.append(offsets(count, 2 * most + 1, samples.device, rng) + places)
    rows, columns = moves
    each = torch.arange(count, device=samples.device)[:, None, None]
    return padded.movedim(1, 3)[each, rows[:, :, None], columns[:, None, :]].movedim(3, 1)


def cutout(samples: Tensor, rng: torch.Generator) -> Tensor:
    """A square of half the side, about a point anywhere, is zero."""
    count, _, height, width = samples.shape
    inside = []
    for side in (height, width):
        half = side // 4
        centres = offsets(count, side + 1, samples.device, rng)
        places = torch.arange(side, device=samples.device)
        inside.append((places >= centres - half) & (places < centres + half))
    rows, columns = inside
    return samples.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0)


def offsets(count: int, below: int, device: torch.device, rng: torch.Generator) -> Tensor:
    """(count, 1) whole numbers from 0."""
    return torch.randint(below, (count, 1), generator=rng, device=device)


POLICIES = {"color": color, "translation": translation, "cutout": cutout}
