"""Paths through a latent space.

    interpolation(keys, times) -> latents

    keys   (K, *Z), K >= 2: latents that the path visits in their order
    times  (T,) from 0 to 1 along the whole path; keys lie at even distances
    ->     (T, *Z), at time 0 the first key and at time 1 the last one, bit for bit

B batch, Z latent, K keys, T times.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from genmodels.errors import UserError

Interpolation = Callable[[Tensor, Tensor], Tensor]


def lerp(keys: Tensor, times: Tensor) -> Tensor:
    """Straight from key to key. Between normal latents lie shorter ones, of duller samples."""
    where, part = places(keys, times)
    return blend(keys[where], keys[where + 1], 1 - part, part)


def slerp(keys: Tensor, times: Tensor) -> Tensor:
    """Along great circles from key to key, so that latents stay as long as normal ones are.

    Animating Rotation with Quaternion Curves (Shoemake, 1985), section 3.3
    https://doi.org/10.1145/325334.325242; for latents, Sampling Generative Networks (White, 2016),
    section 2.1. https://arxiv.org/abs/1609.04468
    """
    where, part = places(keys, times)
    return arc(keys[where], keys[where + 1], part)


def spline(keys: Tensor, times: Tensor) -> Tensor:
    """A smooth curve through all keys, near great circles: Catmull and Rom's spline by arcs.

    A Recursive Evaluation Algorithm for a Class of Catmull-Rom Splines (Barry and Goldman, 1988)
    https://doi.org/10.1145/54852.378511, with `slerp` in place of straight lines.
    """
    where, part = places(keys, times)
    # Beyond its ends a path goes on as it came; a closed one goes round.
    closed = torch.equal(keys[0], keys[-1])
    first = keys[-2:-1] if closed else arc(keys[:1], keys[1:2], torch.tensor([-1.0]))
    last = keys[1:2] if closed else arc(keys[-2:-1], keys[-1:], torch.tensor([2.0]))
    around = torch.cat([first, keys, last])
    p, q, r, s = (around[where + shift] for shift in range(4))
    left, middle, right = arc(p, q, part + 1), arc(q, r, part), arc(r, s, part - 1)
    curve = arc(arc(left, middle, (part + 1) / 2), arc(middle, right, part / 2), part)
    # At a key, where rounding might miss it.
    at = part.to(keys).view(-1, *[1] * (keys.dim() - 1))
    return torch.where(at == 0, q, torch.where(at == 1, r, curve))


INTERPOLATIONS: dict[str, Interpolation] = {"lerp": lerp, "slerp": slerp, "spline": spline}


def places(keys: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
    """Times (T,) -> the key before each (T,), and the part of the way to the next one (T,).

    Raises UserError for fewer than two keys, for keys that are not finite, and for times out of
    [0, 1].
    """
    if len(keys) < 2:
        raise UserError(f"expected two latents or more to go between, but got {len(keys)}")
    if not keys.is_floating_point() or not keys.isfinite().all():
        raise UserError("expected latents that are finite numbers of floating point")
    if not ((times >= 0) & (times <= 1)).all():
        raise UserError("expected times from 0 to 1")
    along = times.cpu().double() * (len(keys) - 1)  # which not every device has
    # A time that is a key's but for rounding is the key's.
    at = along.round()
    along = torch.where((along - at).abs() < 1e-6, at, along)
    where = along.floor().clamp(max=len(keys) - 2)
    return where.long(), along - where


def blend(one: Tensor, other: Tensor, weight: Tensor, weight2: Tensor) -> Tensor:
    """Latents (T, *Z) twice, weighted by (T,) each. A weight of 1 and 0 leaves one of them."""
    shape = (-1,) + (1,) * (one.dim() - 1)
    return weight.to(one).view(shape) * one + weight2.to(one).view(shape) * other


def arc(one: Tensor, other: Tensor, part: Tensor) -> Tensor:
    """Part (T,) of the way from (T, *Z) to (T, *Z), beyond 1 and before 0 as well."""
    flat, flat2 = one.flatten(1).cpu().double(), other.flatten(1).cpu().double()
    cosine = (flat * flat2).sum(1) / (flat.norm(dim=1) * flat2.norm(dim=1)).clamp(min=1e-30)
    angle = cosine.clamp(-1, 1).acos()
    part = part.cpu().double()
    # In line, forwards or backwards, there is no one great circle.
    bent = angle.sin() > 1e-6
    sine = torch.where(bent, angle.sin(), 1)
    weight = torch.where(bent, ((1 - part) * angle).sin() / sine, 1 - part)
    weight2 = torch.where(bent, (part * angle).sin() / sine, part)
    return blend(one, other, weight, weight2)


@torch.no_grad()
def frames(
    decode: Callable[[Tensor, Tensor | None], Tensor],
    latents: Tensor,
    labels: Tensor | None = None,
    batch: int = 16,
) -> Iterator[Tensor]:
    """Latents (T, *Z), and labels (T,) of a conditional model -> samples (C, S, S), one by one.

    As many are decoded at once as `batch` says, and no more are held.
    """
    if not latents.isfinite().all():
        raise UserError("expected latents that are finite")
    for first in range(0, len(latents), batch):
        told = None if labels is None else labels[first : first + batch]
        yield from decode(latents[first : first + batch], told)


def between_corners(corners: Tensor, rows: int, columns: int) -> Tensor:
    """Latents (4, *Z), row by row, of the corners of a grid -> (rows * columns, *Z)."""
    if len(corners) != 4:
        raise UserError(f"expected the latents of four corners, but got {len(corners)}")
    down, across = (torch.linspace(0, 1, count) for count in (rows, columns))
    sides = zip(slerp(corners[::2], down), slerp(corners[1::2], down), strict=True)
    return torch.cat([slerp(torch.stack(ends), across) for ends in sides])


def loop(keys: Tensor, frames: int) -> Tensor:
    """Latents (K, *Z) -> (frames, *Z) along a smooth closed curve, that starts anew at its end."""
    times = torch.arange(frames) / frames
    return spline(torch.cat([keys, keys[:1]]), times)


def traverse(latent: Tensor, dimension: int, values: Tensor) -> Tensor:
    """A latent (*Z) -> (T, *Z), of which one number takes each of the values (T,)."""
    flat = latent.flatten().repeat(len(values), 1)
    if not 0 <= dimension < flat.shape[1]:
        raise UserError(f"expected a dimension from 0 to {flat.shape[1] - 1}, but got {dimension}")
    flat[:, dimension] = values.to(flat)
    return flat.view(len(values), *latent.shape)


def attribute(latents: Tensor, labels: Tensor, plus: int, minus: int) -> Tensor:
    """Latents (N, *Z) and their classes (N,) -> (*Z), which leads from one class to another.

    The difference of the means, as in Deep Feature Interpolation for Image Content Changes
    (Upchurch et al., 2017), equation 3. https://arxiv.org/abs/1611.05507
    """
    sides = []
    for label in (plus, minus):
        of = latents[labels == label]
        if not len(of):
            raise UserError(f"expected latents of the class {label}, but there are none")
        sides.append(of.mean(0))
    return sides[0] - sides[1]
