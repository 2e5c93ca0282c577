"""Autoencoders with normal latents: a VAE's by training, an AE's by a fitted Gaussian prior."""

from torch import Tensor

from genmodels.networks.autoencoder import Autoencoder, GaussianPrior
from genmodels.pipelines.base import Labels, OneStepPipeline


class AutoencodingPipeline(OneStepPipeline):
    """Decode and encode with one network each, in one pass."""

    main_component = "autoencoder"

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.register_modules(autoencoder=autoencoder)

    def forward(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        return self.autoencoder.decode(latents, labels)

    def encode(self, samples: Tensor, labels: Labels = None) -> Tensor:
        """Encode samples (B, C, S, S) in [-1, 1] into mean latents (B, Z). Differentiable."""
        self.check_samples(samples)
        return self.autoencoder.encode(samples, self.prepare_labels(labels, len(samples)))[0]


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
