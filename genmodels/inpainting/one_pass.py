"""Inpainting with a network trained for it."""

import torch
from torch import Tensor

from genmodels.inpainting.task import Task
from genmodels.pipelines.completing import CompletingPipeline


@torch.no_grad()
def complete(pipeline: CompletingPipeline, task: Task) -> Tensor:
    """Complete images in one pass of the network, with random latents.

    Context Encoders: Feature Learning by Inpainting (Pathak et al., 2016),
    https://arxiv.org/abs/1604.07379
    """
    latents = pipeline.draw(len(task.images), task.generator)
    samples = pipeline.complete(task.images, task.mask, latents)
    task.progress(1.0)
    return samples
