"""Maps of a latent space: which of its dimensions matter, and what lies on a plane through it.

N points, Z latent, S side, K classes. Latents here are vectors.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Decode = Callable[[Tensor], Tensor]  # latents (N, Z) -> samples (N, C, S, S) in [-1, 1]
Classify = Callable[[Tensor], Tensor]  # samples -> logits (N, K)


@torch.no_grad()
def spreads(decode: Decode, latent: Tensor, reach: float = 3.0) -> Tensor:
    """How much each number of a latent (Z,) matters -> (Z,): the standard deviation of a pixel
    while the number goes from -reach to reach and the others stay, averaged over pixels."""
    values = torch.linspace(-reach, reach, 5)
    each = latent.repeat(len(latent), len(values), 1)
    each[torch.arange(len(latent)), :, torch.arange(len(latent))] = values.to(latent)
    return torch.stack([decode(row).std(0).mean() for row in each])


@torch.no_grad()
def plane(decode: Decode, latents: Tensor, classify: Classify | None) -> Tensor:
    """Two directions (2, Z), orthonormal, of a plane through the origin on which a map is drawn.

    Of normal latents no direction is a principal one. The plane is that on which the means of the
    classes lie furthest apart, each class as heavy as it is frequent, where there are classes; else
    that of the two numbers that matter most (`spreads`). Of two numbers the plane is all there is.

    latents: (N, Z), drawn from the prior
    """
    size = latents.shape[1]
    if size == 2:
        return torch.eye(2).to(latents)
    if classify is None:
        most = spreads(decode, torch.zeros_like(latents[0])).topk(2).indices
        return torch.eye(size).to(latents)[most]
    parts = classify(decode(latents)).softmax(1)  # (N, K)
    weights = parts.sum(0)
    means = (parts.T @ latents) / weights.clamp(min=1e-9)[:, None]
    return torch.linalg.svd(weights.sqrt()[:, None] * means, full_matrices=False).Vh[:2]


def points(directions: Tensor, tiles: int, reach: float = 3.0) -> Tensor:
    """Directions (2, Z) -> latents (tiles * tiles, Z) row by row, across along the first and down
    along the second, in the middles of a plane's tiles from -reach to reach."""
    middles = (torch.arange(tiles) + 0.5) / tiles * 2 * reach - reach
    down, across = torch.meshgrid(middles, middles, indexing="ij")
    return torch.stack([across.flatten(), down.flatten()], 1).to(directions) @ directions
