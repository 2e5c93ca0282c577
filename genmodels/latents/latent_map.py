"""Maps of a space of latent vectors. N items, Z latent, C channels, S side, K classes."""

from collections.abc import Callable

import torch
from torch import Tensor

Decode = Callable[[Tensor], Tensor]  # latents (N, Z) -> samples (N, C, S, S) in [-1, 1]
Classify = Callable[[Tensor], Tensor]  # samples -> logits (N, K)


@torch.no_grad()
def sensitivities(decode: Decode, latent: Tensor, limit: float = 3.0) -> Tensor:
    """Measure how much each dimension of a latent (Z,) changes the sample -> (Z,).

    That is the standard deviation of a pixel, averaged over pixels, while one dimension takes 5
    values from -limit to limit and the others stay fixed.
    """
    values = torch.linspace(-limit, limit, 5)
    dimensions = torch.arange(len(latent))
    latents = latent.repeat(len(latent), len(values), 1)
    latents[dimensions, :, dimensions] = values.to(latent)
    return torch.stack([decode(row).std(0).mean() for row in latents])


@torch.no_grad()
def most_informative_plane(decode: Decode, latents: Tensor, classify: Classify | None) -> Tensor:
    """Choose orthonormal directions (2, Z) of the plane on which samples vary the most.

    PCA does not help: standard normal latents (N, Z) have the same variance in all directions.
    With a classifier, the plane maximizes the distances between the mean latents of the classes,
    weighted by class frequency. Without one, the two most sensitive dimensions span it.
    """
    size = latents.shape[1]
    if size == 2:
        return torch.eye(2).to(latents)
    if classify is None:
        dimensions = sensitivities(decode, torch.zeros_like(latents[0])).topk(2).indices
        return torch.eye(size).to(latents)[dimensions]
    probabilities = classify(decode(latents)).softmax(1)  # (N, K)
    weights = probabilities.sum(0)
    means = (probabilities.T @ latents) / weights.clamp(min=1e-9)[:, None]
    return torch.linalg.svd(weights.sqrt()[:, None] * means, full_matrices=False).Vh[:2]


def plane_grid(directions: Tensor, tiles: int, limit: float = 3.0) -> Tensor:
    """Place latents (tiles * tiles, Z), row by row, on the plane of directions (2, Z).

    Coordinates lie at the centres of tiles, from -limit to limit: the first direction is
    horizontal, the second vertical.
    """
    centres = (torch.arange(tiles) + 0.5) / tiles * 2 * limit - limit
    down, across = torch.meshgrid(centres, centres, indexing="ij")
    return torch.stack([across.flatten(), down.flatten()], 1).to(directions) @ directions
