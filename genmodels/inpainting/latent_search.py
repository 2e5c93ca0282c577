"""Inpainting by optimising the latent of a generator or autoencoder."""

import torch
from torch import Tensor
from torch.nn import functional as F

from genmodels.inpainting.masks import mean_fill
from genmodels.inpainting.task import Task
from genmodels.latents.latent_optimization import optimize_latents
from genmodels.pipelines.autoencoding import AutoencodingPipeline
from genmodels.pipelines.base import LatentPipeline

WINDOW = 7  # side, in pixels, of the neighbourhood that sets a known pixel's weight
MIN_WEIGHT = 1e-3  # of a known pixel with no missing pixel in its window
PRIOR_WEIGHT = 0.03  # of the latent's negative log density


def complete(pipeline: LatentPipeline, task: Task) -> Tensor:
    """Decode the latent whose sample is nearest to the known pixels.

    Semantic Image Inpainting with Deep Generative Models (Yeh et al., 2017), section 3.2,
    https://arxiv.org/abs/1607.07539: a known pixel's weight is the fraction of missing pixels
    around it. The prior loss is the latent's log density, because critics are not published.
    """
    images, mask, generator, labels, progress = task
    missing = F.avg_pool2d(1 - mask, WINDOW, 1, WINDOW // 2, count_include_pad=False)
    weights = mask * (missing + MIN_WEIGHT)

    def loss(samples: Tensor, images: Tensor, weights: Tensor) -> Tensor:
        return (weights * (samples - images).abs()).flatten(1).sum(1)

    start = None
    if isinstance(pipeline, AutoencodingPipeline):
        with torch.no_grad():
            start = pipeline.encode(mean_fill(images, mask), labels)
    latents = optimize_latents(
        pipeline, loss, [images, weights], labels, generator, start, PRIOR_WEIGHT, progress
    )
    with torch.no_grad():
        return pipeline.decode(latents, labels)
