"""Inpainting with a network trained for it."""

from collections.abc import Callable

import torch
from torch import Tensor

from genmodels.pipelines.completing import CompletingPipeline


@torch.no_grad()
def complete(
    pipeline: CompletingPipeline,
    images: Tensor,
    mask: Tensor,
    generator: torch.Generator | None,
    labels: None,
    progress: Callable[[float], object],
) -> Tensor:
    """Complete images in one pass of the network, with random latents.

    Context Encoders: Feature Learning by Inpainting (Pathak et al., 2016),
    https://arxiv.org/abs/1604.07379
    """
    samples = pipeline.complete(images, mask, pipeline.draw(len(images), generator))
    progress(1.0)
    return samples
