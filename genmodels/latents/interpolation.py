"""Interpolation and traversal of latents, and decoding of the resulting paths.

    interpolation(keys, times) -> latents

    keys   (K, *Z), K >= 2: latents that the path visits in order
    times  (T,) in [0, 1] along the whole path; the keys are evenly spaced in time
    ->     (T, *Z), exactly the first key at time 0 and the last key at time 1

Z latent, K keys, T times, N items, C channels, S side.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from genmodels.errors import UserError

Interpolation = Callable[[Tensor, Tensor], Tensor]
Decode = Callable[[Tensor, Tensor | None], Tensor]  # latents and labels to samples


def lerp(keys: Tensor, times: Tensor) -> Tensor:
    """Interpolate linearly between consecutive keys.

    The norm of standard normal latents shrinks between the keys, where samples are less distinct.
    """
    index, fraction = locate(keys, times)
    return weighted_sum(keys[index], keys[index + 1], 1 - fraction, fraction)


def slerp(keys: Tensor, times: Tensor) -> Tensor:
    """Interpolate along great circles, which preserves the norm of standard normal latents.

    Animating Rotation with Quaternion Curves (Shoemake, 1985), section 3.3
    https://doi.org/10.1145/325334.325242; for latents, Sampling Generative Networks (White, 2016),
    section 2.1. https://arxiv.org/abs/1609.04468
    """
    index, fraction = locate(keys, times)
    return slerp_pairs(keys[index], keys[index + 1], fraction)


def spline(keys: Tensor, times: Tensor) -> Tensor:
    """Interpolate by a spherical Catmull-Rom spline, smooth at the keys.

    A Recursive Evaluation Algorithm for a Class of Catmull-Rom Splines (Barry and Goldman, 1988)
    https://doi.org/10.1145/54852.378511, with slerp in place of lerp.
    """
    index, fraction = locate(keys, times)
    # Extrapolate an open path beyond its ends; wrap a closed one around.
    closed = torch.equal(keys[0], keys[-1])
    before = keys[-2:-1] if closed else slerp_pairs(keys[:1], keys[1:2], torch.tensor([-1.0]))
    after = keys[1:2] if closed else slerp_pairs(keys[-2:-1], keys[-1:], torch.tensor([2.0]))
    padded = torch.cat([before, keys, after])
    p, q, r, s = (padded[index + shift] for shift in range(4))
    left, right = slerp_pairs(p, q, fraction + 1), slerp_pairs(r, s, fraction - 1)
    middle = slerp_pairs(q, r, fraction)
    left = slerp_pairs(left, middle, (fraction + 1) / 2)
    right = slerp_pairs(middle, right, fraction / 2)
    curve = slerp_pairs(left, right, fraction)
    # Rounding must not move the curve off its keys.
    weight = fraction.to(keys).view(-1, *[1] * (keys.dim() - 1))
    return torch.where(weight == 0, q, torch.where(weight == 1, r, curve))


INTERPOLATIONS: dict[str, Interpolation] = {"lerp": lerp, "slerp": slerp, "spline": spline}


def locate(keys: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
    """Find the key before each time (T,), and the fraction (T,) of the way to the next key."""
    if len(keys) < 2:
        raise UserError(f"expected at least 2 latents to interpolate, got {len(keys)}")
    if not keys.is_floating_point():
        raise UserError(f"expected floating-point latents, got {keys.dtype}")
    check_finite(keys)
    if not ((times >= 0) & (times <= 1)).all():
        raise UserError(f"expected times in [0, 1], got {times.min():g} to {times.max():g}")
    positions = times.cpu().double() * (len(keys) - 1)  # not every device has float64
    # Without rounding errors, the time of a key is the key's exactly.
    nearest = positions.round()
    positions = torch.where((positions - nearest).abs() < 1e-6, nearest, positions)
    index = positions.floor().clamp(max=len(keys) - 2)
    return index.long(), positions - index


def check_finite(latents: Tensor) -> None:
    """Raise UserError if latents contain NaN or infinity."""
    if not latents.isfinite().all():
        raise UserError("expected finite latents, got NaN or infinity")


def weighted_sum(start: Tensor, end: Tensor, start_weight: Tensor, end_weight: Tensor) -> Tensor:
    """Add pairs of latents (T, *Z), weighted by (T,) each; weights 1 and 0 return one exactly."""
    shape = (-1,) + (1,) * (start.dim() - 1)
    return start_weight.to(start).view(shape) * start + end_weight.to(start).view(shape) * end


def slerp_pairs(start: Tensor, end: Tensor, fraction: Tensor) -> Tensor:
    """Slerp between each pair of latents (T, *Z); fractions (T,) outside [0, 1] extrapolate."""
    a, b = start.flatten(1).cpu().double(), end.flatten(1).cpu().double()
    cosine = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1)).clamp(min=1e-30)
    angle = cosine.clamp(-1, 1).acos()
    fraction = fraction.cpu().double()
    # Parallel and antiparallel latents have no unique great circle: interpolate linearly.
    curved = angle.sin() > 1e-6
    sine = torch.where(curved, angle.sin(), 1)
    start_weight = torch.where(curved, ((1 - fraction) * angle).sin() / sine, 1 - fraction)
    end_weight = torch.where(curved, (fraction * angle).sin() / sine, fraction)
    return weighted_sum(start, end, start_weight, end_weight)


@torch.no_grad()
def decode_frames(
    decode: Decode, latents: Tensor, labels: Tensor | None = None, batch_size: int = 16
) -> Iterator[Tensor]:
    """Decode latents (T, *Z), with labels (T,) for a conditional model, into samples (C, S, S).

    Yields them one by one and holds only one batch in memory. `decode` is a pipeline's method.
    """
    check_finite(latents)
    for first in range(0, len(latents), batch_size):
        batch = slice(first, first + batch_size)
        yield from decode(latents[batch], None if labels is None else labels[batch])


def corner_grid(corners: Tensor, rows: int, columns: int) -> Tensor:
    """Interpolate four corners (4, *Z), row by row, into a grid (rows * columns, *Z)."""
    if len(corners) != 4:
        raise UserError(f"expected 4 corner latents, got {len(corners)}")
    down, across = (torch.linspace(0, 1, count) for count in (rows, columns))
    sides = zip(slerp(corners[::2], down), slerp(corners[1::2], down), strict=True)
    return torch.cat([slerp(torch.stack(ends), across) for ends in sides])


def loop(keys: Tensor, frames: int) -> Tensor:
    """Interpolate keys (K, *Z) by a smooth closed curve (frames, *Z) that repeats seamlessly."""
    times = torch.arange(frames) / frames
    return spline(torch.cat([keys, keys[:1]]), times)


def traverse_dimension(latent: Tensor, dimension: int, values: Tensor) -> Tensor:
    """Repeat a latent (*Z) as (T, *Z), with one dimension set to each of the values (T,)."""
    latents = latent.flatten().repeat(len(values), 1)
    if not 0 <= dimension < latents.shape[1]:
        raise UserError(f"expected a dimension from 0 to {latents.shape[1] - 1}, got {dimension}")
    latents[:, dimension] = values.to(latents)
    return latents.view(len(values), *latent.shape)


def attribute_direction(latents: Tensor, labels: Tensor, target: int, source: int) -> Tensor:
    """Subtract the mean latent of a source class from a target class's mean: (N, *Z) -> (*Z).

    Deep Feature Interpolation for Image Content Changes (Upchurch et al., 2017), equation 3.
    https://arxiv.org/abs/1611.05507
    """
    for label in (target, source):
        if not (labels == label).any():
            raise UserError(f"expected latents of class {label}, got none")
    return latents[labels == target].mean(0) - latents[labels == source].mean(0)
