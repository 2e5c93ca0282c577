"""Autoencoders with normal latents: a VAE's by training, an AE's by a fitted Gaussian prior."""

from torch import Tensor

from genmodels.networks.autoencoder import Autoencoder, GaussianPrior
from genmodels.pipelines.base import Labels, OneStepPipeline


class AutoencodingPipeline(OneStepPipeline):
    """Decode and encode with one network each, in one pass."""

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

    def forward(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        return self.autoencoder.decode(latents, labels)

    def encode(self, samples: Tensor, labels: Labels = None) -> Tensor:
        """Encode samples (B, C, S, S) in [-1, 1] into mean latents (B, Z). Differentiable."""
        self.check_samples(samples)
        labels = self.prepare_labels(labels, len(samples))
        mean, _ = self.autoencoder.encode(samples, labels)
        return mean


class FittedAutoencodingPipeline(AutoencodingPipeline):
    """A plain autoencoder, with a Gaussian fitted to its codes as the prior."""

    def __init__(self, autoencoder: Autoencoder, prior: GaussianPrior) -> None:
        super().__init__(autoencoder)
        self.register_modules(prior=prior)

    def forward(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        return super().forward(self.prior(latents), labels)

    def encode(self, samples: Tensor, labels: Labels = None) -> Tensor:
        """Encode samples (B, C, S, S) in [-1, 1] into standard normal latents (B, Z)."""
        return self.prior.inverse(super().encode(samples, labels))
