"""How smoothly samples change with their latents."""

from collections.abc import Callable

import torch
from torch import Tensor

from genmodels.latents.interpolation import slerp_pairs
from genmodels.metrics.extractors import Perception

STEP = 1e-4  # of the way from one latent to the other


@torch.no_grad()
def path_lengths(
    decode: Callable[[Tensor], Tensor],
    one: Tensor,
    other: Tensor,
    times: Tensor,
    perception: Perception,
) -> Tensor:
    """Latents (B, *Z) twice, and the part of the way between (B,) -> (B,).

    LPIPS of two samples close by on a great circle, by their squared distance: A Style-Based
    Generator Architecture for Generative Adversarial Networks (Karras et al., 2019), equation 2.
    https://arxiv.org/abs/1812.04948
    """
    ends = (decode(slerp_pairs(one, other, place)) for place in (times, times + STEP))
    return perception.distance(*ends) / STEP**2
