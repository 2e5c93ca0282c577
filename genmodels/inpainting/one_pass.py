"""Completion by a network that was trained for it."""

from collections.abc import Callable

import torch
from torch import Tensor

from genmodels.pipelines.completing import CompletingPipeline


@torch.no_grad()
def complete(
    pipeline: CompletingPipeline,
    images: Tensor,
    mask: Tensor,
    rng: torch.Generator | None,
    labels: Tensor | None,
    progress: Callable[[float], object],
) -> Tensor:
    """Context Encoders: Feature Learning by Inpainting (Pathak et al., 2016)
    https://arxiv.org/abs/1604.07379
    """
    completed = pipeline.complete(images, mask, pipeline.draw(len(images), rng))
    progress(1.0)
    return completed
