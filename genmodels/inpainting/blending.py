"""Poisson blending: completions without a visible border."""

import torch
from torch import Tensor
from torch.nn import functional as F

TOLERANCE = 1e-12  # squared norm of the residual


def blend(samples: Tensor, images: Tensor, mask: Tensor) -> Tensor:
    """Shift the colours inside the hole so that they meet the known pixels at its border.

    Poisson Image Editing (Pérez et al., 2003), equations 7 and 8,
    https://doi.org/10.1145/882262.882269: keeps the differences between neighbouring pixels of the
    hole. Solved by conjugate gradients. Samples that equal the images where the mask is 1 are
    returned unchanged.
    """
    device, dtype = samples.device, samples.dtype
    samples, images, mask = samples.cpu(), images.cpu(), mask.cpu()  # MPS has no float64
    hole = (1 - mask).double()
    pasted = torch.where(mask > 0, images, samples).double()
    # The correction is harmonic in the hole and equals images - samples on its border.
    residual = hole * laplacian(torch.where(mask > 0, images - samples, 0).double())
    correction, direction = torch.zeros_like(pasted), residual
    norm = residual.square().sum((2, 3), keepdim=True)
    for _ in range(4 * samples.shape[-1]):
        if norm.max() < TOLERANCE:
            break
        product = -hole * laplacian(direction)
        step = norm / (direction * product).sum((2, 3), keepdim=True).clamp(min=1e-30)
        correction, residual = correction + step * direction, residual - step * product
        new_norm = residual.square().sum((2, 3), keepdim=True)
        direction = residual + new_norm / norm.clamp(min=1e-30) * direction
        norm = new_norm
    return (pasted + correction).to(device, dtype).clamp(-1, 1)


def laplacian(values: Tensor) -> Tensor:
    """Sum the differences between each pixel's neighbours and itself (Neumann boundary)."""
    padded = F.pad(values, (1, 1, 1, 1), mode="replicate")
    neighbours = padded[..., 1:-1, 2:] + padded[..., 1:-1, :-2]
    neighbours = neighbours + padded[..., 2:, 1:-1] + padded[..., :-2, 1:-1]
    return neighbours - 4 * values
