"""The generator of a GAN."""

import torch
from torch import Tensor

from genmodels.latents.latent_optimization import optimize_latents
from genmodels.networks import dcgan, resnet
from genmodels.pipelines.base import Labels, OneStepPipeline


class AdversarialPipeline(OneStepPipeline):
    """Decode with a generator in one pass; encode by latent optimization."""

    main_component = "generator"
    PIXEL_VARIANCE = 0.1  # of an image around the generator's output, for `encode`

    def __init__(self, generator: dcgan.Generator | resnet.Generator) -> None:
        super().__init__()
        self.register_modules(generator=generator)

    def forward(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        return self.generator(latents, labels)

    def encode(
        self, samples: Tensor, labels: Labels = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Find latents (B, Z) that decode to images near the samples (B, C, S, S) in [-1, 1].

        A generator has no inverse, so this maximizes the posterior of the latents, with pixels
        normally distributed around the generator's output. Takes seconds. Generative Visual
        Manipulation on the Natural Image Manifold (Zhu et al., 2016), equation 3,
        https://arxiv.org/abs/1609.03552.

        Args:
            generator: draws the starting points; None for a fixed seed
        """
        self.check_samples(samples)
        labels = self.prepare_labels(labels, len(samples))

        def loss(output: Tensor, target: Tensor) -> Tensor:
            return (output - target).square().flatten(1).sum(1) / (2 * self.PIXEL_VARIANCE)

        generator = generator or torch.Generator().manual_seed(0)
        return optimize_latents(self, loss, [samples], labels, generator)
