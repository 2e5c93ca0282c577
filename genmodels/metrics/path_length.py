"""Perceptual path length."""

from collections.abc import Callable

import torch
from torch import Tensor

from genmodels.latents.interpolation import slerp_pairs
from genmodels.metrics.extractors import Perception

STEP = 1e-4  # fraction of the path between two latents


@torch.no_grad()
def path_lengths(
    decode: Callable[[Tensor], Tensor],
    start: Tensor,
    end: Tensor,
    times: Tensor,
    perception: Perception,
) -> Tensor:
    """Return LPIPS per squared step between neighbouring samples on great circles, (B,).

    A Style-Based Generator Architecture for Generative Adversarial Networks (Karras et al., 2019),
    equation 2. https://arxiv.org/abs/1812.04948
    `decode` maps latents (B, *Z) to samples (B, C, S, S) in [-1, 1]; times (B,) are in [0, 1].
    """
    samples = (decode(slerp_pairs(start, end, time)) for time in (times, times + STEP))
    return perception.distance(*samples) / STEP**2
