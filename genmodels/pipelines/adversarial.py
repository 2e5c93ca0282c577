"""The generator of a GAN of any kind."""

import torch
from torch import Tensor

from genmodels.networks import dcgan, resnet

from .base import Labels, LatentPipeline
from .descent import search


class AdversarialPipeline(LatentPipeline):
    """Decodes with a generator, in one pass, and encodes by a search."""

    VARIANCE = 0.1  # of a pixel about what is generated

    def __init__(self, generator: dcgan.Generator | resnet.Generator) -> None:
        super().__init__()
        self.register_modules(generator=generator)

    @property
    def latent_shape(self) -> tuple[int]:
        return (self.generator.config.latent_dim,)

    @property
    def sample_shape(self) -> tuple[int, int, int]:
        config = self.generator.config
        return (config.channels, config.side, config.side)

    @property
    def num_classes(self) -> int | None:
        return self.generator.config.num_classes

    def decode(self, latents: Tensor, labels: Labels = None) -> Tensor:
        self.expect(latents, self.latent_shape, "latents")
        labels = self.conform(labels, len(latents))
        return self.generator(latents, labels)

    def encode(
        self, samples: Tensor, labels: Labels = None, rng: torch.Generator | None = None
    ) -> Tensor:
        """Samples (B, C, S, S) in [-1, 1] -> latents (B, Z) that decode to something near them.

        A generator has no inverse: the likeliest latents are searched for, if samples are normal
        about what is generated. Takes seconds. rng: of where the search begins; None for a fixed
        one. Generative Visual Manipulation on the Natural Image Manifold (Zhu et al., 2016),
        equation 3. https://arxiv.org/abs/1609.03552
        """
        self.expect_samples(samples)
        labels = self.conform(labels, len(samples))

        def loss(drawn: Tensor, wanted: Tensor) -> Tensor:
            return (drawn - wanted).square().flatten(1).sum(1) / (2 * self.VARIANCE)

        return search(self, loss, [samples], labels, rng or torch.Generator().manual_seed(0))
