"""Completion by an autoencoder: encode a guess, decode it, keep what is mask, and again."""

from collections.abc import Callable

import torch
from torch import Tensor

from genmodels.pipelines.autoencoding import AutoencodingPipeline

ROUNDS = 30


@torch.no_grad()
def complete(
    pipeline: AutoencodingPipeline,
    images: Tensor,
    mask: Tensor,
    rng: torch.Generator | None,
    labels: Tensor | None,
    progress: Callable[[float], object],
) -> Tensor:
    """Stochastic Backpropagation and Approximate Inference in Deep Generative Models (Rezende et
    al., 2014), appendix F: a Markov chain of codes and missing pixels.
    https://arxiv.org/abs/1401.4082

    A code is drawn from the encoder's distribution (of a plain autoencoder, which has none, it is
    the code alone); missing pixels are taken as the decoder's means, without the noise of its
    likelihood, of which no encoder has ever seen anything.
    """
    # The chain starts from the pixels of a sample of the model.
    guess = pipeline.decode(pipeline.draw(len(images), rng), labels)
    for round_ in range(ROUNDS):
        guess = torch.where(mask > 0, images, guess)
        guess, *_ = pipeline.autoencoder(guess, labels, rng)
        progress((round_ + 1) / ROUNDS)
    return guess
