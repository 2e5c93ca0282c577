"""Inpainting with an autoencoder: encode and decode repeatedly, keeping the known pixels."""

import torch
from torch import Tensor

from genmodels.inpainting.task import Task
from genmodels.pipelines.autoencoding import AutoencodingPipeline

ITERATIONS = 30


@torch.no_grad()
def complete(pipeline: AutoencodingPipeline, task: Task) -> Tensor:
    """Sample latents and missing pixels alternately, starting from a sample of the model.

    Stochastic Backpropagation and Approximate Inference in Deep Generative Models (Rezende et al.,
    2014), appendix F, https://arxiv.org/abs/1401.4082

    A VAE samples the latent from the encoder's distribution; a plain autoencoder uses the code.
    The missing pixels are the decoder's mean without likelihood noise, because the encoder was
    never trained on noisy images.
    """
    images, mask, generator, labels, progress = task
    samples = pipeline.decode(pipeline.draw(len(images), generator), labels)
    for iteration in range(ITERATIONS):
        samples = torch.where(mask > 0, images, samples)
        samples, *_ = pipeline.autoencoder(samples, labels, generator)
        progress((iteration + 1) / ITERATIONS)
    return samples
