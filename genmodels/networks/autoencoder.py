"""A convolutional autoencoder whose code is a diagonal Gaussian."""

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor

from .convolutions import downward, upward


class Autoencoder(ModelMixin, ConfigMixin):
    """Samples (B, C, S, S) in [-1, 1] <-> latents (B, Z)."""

    @register_to_config
    def __init__(
        self, latent_dim: int = 32, width: int = 64, side: int = 28, channels: int = 1
    ) -> None:
        super().__init__()
        self.encoder = downward(channels, side, width, outputs=2 * latent_dim, normalise=True)
        self.decoder = upward(latent_dim, width, side, channels)

    def encode(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, S, S) -> mean and log variance of the code, (B, Z) each."""
        mean, log_variance = self.encoder(samples).chunk(2, dim=1)
        return mean, log_variance

    def decode(self, latents: Tensor) -> Tensor:
        """(B, Z) -> (B, C, S, S) in [-1, 1]."""
        return self.decoder(latents)

    def forward(self, samples: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """(B, C, S, S) -> reconstruction from a drawn code, and mean and log variance of that code.

        The code is mean + deviation * noise, the reparametrisation of Auto-Encoding Variational
        Bayes (Kingma and Welling, 2014, section 2.4). https://arxiv.org/abs/1312.6114
        """
        mean, log_variance = self.encode(samples)
        noise = torch.empty_like(mean).normal_(generator=rng)
        return self.decode(mean + (log_variance / 2).exp() * noise), mean, log_variance
