"""An autoencoder whose latents are normal: a VAE."""

from torch import Tensor

from genmodels.networks.autoencoder import Autoencoder

from .base import LatentPipeline


class AutoencodingPipeline(LatentPipeline):
    """Decodes with a decoder, in one pass, and encodes."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.register_modules(autoencoder=autoencoder)

    @property
    def latent_shape(self) -> tuple[int]:
        return (self.autoencoder.config.latent_dim,)

    def decode(self, latents: Tensor) -> Tensor:
        return self.autoencoder.decode(latents)

    def encode(self, samples: Tensor) -> Tensor:
        """Samples (B, C, S, S) in [-1, 1] -> the means of their codes (B, Z). Differentiable."""
        mean, _ = self.autoencoder.encode(samples)
        return mean
