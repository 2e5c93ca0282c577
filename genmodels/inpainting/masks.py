"""Random masks, (count, side, generator) -> (count, 1, side, side): 1 keeps a pixel, 0 fills it."""

from collections.abc import Callable

import torch
from torch import Tensor

STROKES = 100  # masks drawn at once, because each needs the memory of some 50 masks


def box(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Fill a rectangle whose height and width are 1/4 to 5/8 of the image's side."""
    lengths = side * (0.25 + 0.375 * uniform((count, 2), generator))
    starts = uniform((count, 2), generator) * (side - lengths)
    pixels = torch.arange(side, device=generator.device)
    ends = starts + lengths
    inside = (pixels >= starts[..., None].floor()) & (pixels < ends[..., None].floor())
    rows, columns = inside.unbind(1)
    return 1 - (rows[:, None, :, None] & columns[:, None, None, :]).float()


def half(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Fill the upper, lower, left or right half."""
    index = torch.randint(0, 4, (count, 1, 1, 1), generator=generator, device=generator.device)
    first = torch.arange(side, device=generator.device) < side // 2
    rows, columns = first[:, None].expand(side, side), first.expand(side, side)
    holes = torch.stack([rows, ~rows, columns, ~columns])
    return 1 - holes[index[:, 0, 0, 0]][:, None].float()


def stroke(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Fill a polyline of four segments, 1/10 to 1/5 of the image's side wide."""
    corners = uniform((count, 5, 1, 1, 2), generator) * side
    radius = side * (0.05 + 0.05 * uniform((count, 1, 1, 1), generator))
    parts = zip(corners.split(STROKES), radius.split(STROKES), strict=True)
    return torch.cat([draw_strokes(*part, side) for part in parts])


def draw_strokes(corners: Tensor, radius: Tensor, side: int) -> Tensor:
    """Fill the pixels near polylines with corners (B, 5, 1, 1, 2)."""
    centers = torch.arange(side, device=corners.device) + 0.5
    pixels = torch.stack(torch.meshgrid(centers, centers, indexing="ij"), -1)
    starts, segments = corners[:, :-1], corners.diff(dim=1)
    lengths = segments.square().sum(-1).clamp(min=1e-9)  # squared
    position = ((pixels - starts) * segments).sum(-1) / lengths
    nearest = starts + position.clamp(0, 1)[..., None] * segments
    inside = (pixels - nearest).square().sum(-1).sqrt() <= radius
    return 1 - inside.any(1, keepdim=True).float()


def uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Draw uniform numbers in [0, 1) on the generator's device."""
    return torch.rand(shape, generator=generator, device=generator.device)


# The order of the rows fixes the random masks of a seed.
Mask = Callable[[int, int, torch.Generator], Tensor]
MASKS: dict[str, Mask] = {"box": box, "stroke": stroke, "half": half}


def random_masks(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Draw masks of a random kind each."""
    candidates = torch.stack([draw(count, side, generator) for draw in MASKS.values()])
    device = generator.device
    kinds = torch.randint(0, len(candidates), (count,), generator=generator, device=device)
    return candidates[kinds, torch.arange(count, device=device)]


def mean_fill(images: Tensor, mask: Tensor) -> Tensor:
    """Fill the holes of images (B, C, S, S) with the mean known colour, or 0 if none is known."""
    mean = (images * mask).sum((2, 3), keepdim=True) / mask.sum((2, 3), keepdim=True).clamp(min=1)
    return torch.where(mask > 0, images, mean)
