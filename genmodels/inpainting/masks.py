"""Holes to be completed: which pixels are mask.

    hole(count, side, rng) -> mask (count, 1, side, side), 1 at known pixels and 0 at unknown ones

on the device of `rng`.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Hole = Callable[[int, int, torch.Generator], Tensor]


def box(count: int, side: int, rng: torch.Generator) -> Tensor:
    """A rectangle, each of its sides from a quarter to five eighths of the image's."""
    lengths = side * (0.25 + 0.375 * uniform((count, 2), rng))
    firsts = uniform((count, 2), rng) * (side - lengths)
    places = torch.arange(side, device=rng.device)
    inside = (places >= firsts[..., None].floor()) & (
        places < (firsts + lengths)[..., None].floor()
    )
    rows, columns = inside.unbind(1)
    return 1 - (rows[:, None, :, None] & columns[:, None, None, :]).float()


def half(count: int, side: int, rng: torch.Generator) -> Tensor:
    """One of the four halves."""
    which = torch.randint(0, 4, (count, 1, 1, 1), generator=rng, device=rng.device)
    places = torch.arange(side, device=rng.device) < side // 2
    rows, columns = places[:, None].expand(side, side), places.expand(side, side)
    hidden = torch.stack([rows, ~rows, columns, ~columns])
    return 1 - hidden[which[:, 0, 0, 0]][:, None].float()


def stroke(count: int, side: int, rng: torch.Generator) -> Tensor:
    """A line with three bends, from a twentieth to a tenth of the side to either side of it."""
    corners = uniform((count, 5, 1, 1, 2), rng) * side
    width = side * (0.05 + 0.05 * uniform((count, 1, 1, 1), rng))
    places = torch.arange(side, device=rng.device) + 0.5
    pixels = torch.stack(torch.meshgrid(places, places, indexing="ij"), -1)
    starts, along = corners[:, :-1], corners.diff(dim=1)
    part = ((pixels - starts) * along).sum(-1) / along.square().sum(-1).clamp(min=1e-9)
    nearest = starts + part.clamp(0, 1)[..., None] * along
    near = (pixels - nearest).square().sum(-1).sqrt() <= width
    return 1 - near.any(1, keepdim=True).float()


def uniform(shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=rng, device=rng.device)


HOLES: dict[str, Hole] = {"box": box, "stroke": stroke, "half": half}


def mixed(count: int, side: int, rng: torch.Generator) -> Tensor:
    """Holes of all kinds, by chance."""
    each = torch.stack([hole(count, side, rng) for hole in HOLES.values()])
    which = torch.randint(0, len(each), (count,), generator=rng, device=rng.device)
    return each[which, torch.arange(count, device=rng.device)]


def mean_fill(images: Tensor, mask: Tensor) -> Tensor:
    """Images (B, C, S, S) whose holes are of one colour, the mean of the known pixels, or grey."""
    mean = (images * mask).sum((2, 3), keepdim=True) / mask.sum((2, 3), keepdim=True).clamp(min=1)
    return torch.where(mask > 0, images, mean)
