"""The generator of a GAN of any kind."""

from torch import Tensor

from genmodels.networks.dcgan import Generator

from .base import LatentPipeline


class AdversarialPipeline(LatentPipeline):
    """Decodes with a generator, in one pass."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.register_modules(generator=generator)

    @property
    def latent_shape(self) -> tuple[int]:
        return (self.generator.config.latent_dim,)

    def decode(self, latents: Tensor) -> Tensor:
        return self.generator(latents)
