"""Completion by the sample of a model that is nearest to what is mask."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from genmodels.inpainting.masks import mean_fill
from genmodels.latents.latent_optimization import optimize_latents
from genmodels.pipelines.autoencoding import AutoencodingPipeline
from genmodels.pipelines.base import LatentPipeline

WINDOW = 7  # pixels, in which a known one's unknown neighbours are counted
FAR = 1e-3  # weight of a known pixel that is far from the hole
PRIOR = 0.03  # weight of half a latent's squared length


def complete(
    pipeline: LatentPipeline,
    images: Tensor,
    mask: Tensor,
    rng: torch.Generator | None,
    labels: Tensor | None,
    progress: Callable[[float], object],
) -> Tensor:
    """Semantic Image Inpainting with Deep Generative Models (Yeh et al., 2017), section 3.2:
    known pixels weigh by how many of their neighbours are unknown. https://arxiv.org/abs/1607.07539

    The prior is the latent's own, as nothing that is published has a critic.
    """
    hidden = F.avg_pool2d(1 - mask, WINDOW, 1, WINDOW // 2, count_include_pad=False)
    weights = mask * (hidden + FAR)

    def loss(drawn: Tensor, images: Tensor, weights: Tensor) -> Tensor:
        return (weights * (drawn - images).abs()).flatten(1).sum(1)

    guess = None
    if isinstance(pipeline, AutoencodingPipeline):
        with torch.no_grad():
            guess = pipeline.encode(mean_fill(images, mask), labels)
    found = optimize_latents(pipeline, loss, [images, weights], labels, rng, guess, PRIOR, progress)
    with torch.no_grad():
        return pipeline.decode(found, labels)
