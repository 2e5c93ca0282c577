"""The generator of a GAN of any kind."""

from torch import Tensor

from genmodels.networks import dcgan, resnet

from .base import Labels, LatentPipeline


class AdversarialPipeline(LatentPipeline):
    """Decodes with a generator, in one pass."""

    def __init__(self, generator: dcgan.Generator | resnet.Generator) -> None:
        super().__init__()
        self.register_modules(generator=generator)

    @property
    def latent_shape(self) -> tuple[int]:
        return (self.generator.config.latent_dim,)

    @property
    def num_classes(self) -> int | None:
        return self.generator.config.num_classes

    def decode(self, latents: Tensor, labels: Labels = None) -> Tensor:
        labels = self.conform(labels, len(latents))
        return self.generator(latents, labels)
