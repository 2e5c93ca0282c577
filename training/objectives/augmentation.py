"""DiffAugment: differentiable augmentation of real and generated critic inputs.

Because both are augmented, generated samples do not show the augmentation.

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
    """Apply policies in order to samples (B, C, S, S), with independent draws for each sample."""
    for policy in policies:
        samples = POLICIES[policy](samples, rng)
    return samples


def color(samples: Tensor, rng: torch.Generator) -> Tensor:
    """Change brightness by up to ±0.5, saturation by a factor 0 to 2, contrast by 0.5 to 1.5."""
    shape = (3, len(samples), 1, 1, 1)
    brightness, saturation, contrast = torch.rand(shape, generator=rng, device=samples.device)
    samples = samples + (brightness - 0.5)
    samples = torch.lerp(samples.mean(1, keepdim=True), samples, 2 * saturation)
    return torch.lerp(samples.mean((1, 2, 3), keepdim=True), samples, contrast + 0.5)


def translation(samples: Tensor, rng: torch.Generator) -> Tensor:
    """Shift by up to an eighth of the side along both axes; fill with zeros."""
    count, _, *sides = samples.shape
    vertical, horizontal = limits = [(side + 4) // 8 for side in sides]
    padded = F.pad(samples, (horizontal, horizontal, vertical, vertical))
    indices = []
    for side, limit in zip(sides, limits, strict=True):
        positions = torch.arange(side, device=samples.device)
        indices.append(offsets(count, 2 * limit + 1, samples.device, rng) + positions)
    rows, columns = indices
    batch = torch.arange(count, device=samples.device)[:, None, None]
    return padded.movedim(1, 3)[batch, rows[:, :, None], columns[:, None, :]].movedim(3, 1)


def cutout(samples: Tensor, rng: torch.Generator) -> Tensor:
    """Set a square of half the side to zero; its centre is anywhere, so it may be cropped."""
    count, _, height, width = samples.shape
    inside = []
    for side in (height, width):
        half = side // 4
        centres = offsets(count, side + 1, samples.device, rng)
        positions = torch.arange(side, device=samples.device)
        inside.append((positions >= centres - half) & (positions < centres + half))
    rows, columns = inside
    return samples.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0)


def offsets(count: int, bound: int, device: torch.device, rng: torch.Generator) -> Tensor:
    """Draw integers (count, 1) from 0 to bound - 1."""
    return torch.randint(bound, (count, 1), generator=rng, device=device)


POLICIES = {"color": color, "translation": translation, "cutout": cutout}
