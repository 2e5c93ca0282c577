"""Autoencoders whose latents are normal: by training, a VAE's, or by a fitted prior, an AE's."""

from torch import Tensor

from genmodels.networks.autoencoder import Autoencoder, GaussianPrior

from .base import Labels, LatentPipeline


class AutoencodingPipeline(LatentPipeline):
    """Decodes with a decoder, in one pass, and encodes."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.register_modules(autoencoder=autoencoder)

    @property
    def latent_shape(self) -> tuple[int]:
        return (self.autoencoder.config.latent_dim,)

    @property
    def sample_shape(self) -> tuple[int, int, int]:
        config = self.autoencoder.config
        return (config.channels, config.side, config.side)

    @property
    def num_classes(self) -> int | None:
        return self.autoencoder.config.num_classes

    def decode(self, latents: Tensor, labels: Labels = None) -> Tensor:
        self.expect(latents, self.latent_shape, "latents")
        labels = self.conform(labels, len(latents))
        return self.autoencoder.decode(latents, labels)

    def encode(self, samples: Tensor, labels: Labels = None) -> Tensor:
        """Samples (B, C, S, S) in [-1, 1] -> the means of their codes (B, Z). Differentiable."""
        self.expect_samples(samples)
        labels = self.conform(labels, len(samples))
        mean, _ = self.autoencoder.encode(samples, labels)
        return mean


class FittedAutoencodingPipeline(AutoencodingPipeline):
    """An autoencoder without a prior of its own, with a Gaussian that was fitted to its codes."""

    def __init__(self, autoencoder: Autoencoder, prior: GaussianPrior) -> None:
        super().__init__(autoencoder)
        self.register_modules(prior=prior)

    def decode(self, latents: Tensor, labels: Labels = None) -> Tensor:
        self.expect(latents, self.latent_shape, "latents")
        return super().decode(self.prior(latents), labels)

    def encode(self, samples: Tensor, labels: Labels = None) -> Tensor:
        """Samples (B, C, S, S) in [-1, 1] -> latents (B, Z) that decode to them. Differentiable."""
        return self.prior.inverse(super().encode(samples, labels))
