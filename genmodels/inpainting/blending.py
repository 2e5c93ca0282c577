"""Completions without a visible border."""

import torch
from torch import Tensor
from torch.nn import functional as F


def blend(samples: Tensor, images: Tensor, mask: Tensor) -> Tensor:
    """Poisson Image Editing (Pérez et al., 2003), equations 7 and 8: the samples' differences of
    neighbours in the hole, and at its border the known pixels. https://doi.org/10.1145/882262.882269

    Samples that are pasted already, so that they are `images` at known pixels, stay as they are.
    By conjugate gradients. samples, images (B, C, S, S); mask (B, 1, S, S) -> (B, C, S, S)
    """
    device, dtype = samples.device, samples.dtype
    samples, images, mask = samples.cpu(), images.cpu(), mask.cpu()  # not all have float64
    hole = (1 - mask).double()
    pasted = torch.where(mask > 0, images, samples).double()
    # What is to be added in the hole: harmonic, and at the border what lies between the two.
    needed = hole * laplacian(torch.where(mask > 0, images - samples, 0).double())
    added = torch.zeros_like(pasted)
    residual, direction = needed, needed
    size = residual.square().sum((2, 3), keepdim=True)
    for _ in range(4 * samples.shape[-1]):
        if size.max() < 1e-12:
            break
        moved = -hole * laplacian(direction)
        step = size / (direction * moved).sum((2, 3), keepdim=True).clamp(min=1e-30)
        added, residual = added + step * direction, residual - step * moved
        new = residual.square().sum((2, 3), keepdim=True)
        direction, size = residual + new / size.clamp(min=1e-30) * direction, new
    return (pasted + added).to(device, dtype).clamp(-1, 1)


def laplacian(values: Tensor) -> Tensor:
    """The sum of a pixel's differences to its neighbours; beyond the edge there is none."""
    padded = F.pad(values, (1, 1, 1, 1), mode="replicate")
    around = padded[..., 1:-1, 2:] + padded[..., 1:-1, :-2]
    around = around + padded[..., 2:, 1:-1] + padded[..., :-2, 1:-1]
    return around - 4 * values
