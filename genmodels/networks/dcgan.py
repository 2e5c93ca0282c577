"""DCGAN: a generator and a critic of strided convolutions.

Unsupervised Representation Learning with Deep Convolutional GANs (Radford et al., 2016, section 3)
https://arxiv.org/abs/1511.06434
"""

from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor

from .convolutions import downward, upward


class Generator(ModelMixin, ConfigMixin):
    """Latents (B, Z) -> samples (B, C, S, S) in [-1, 1]."""

    @register_to_config
    def __init__(
        self, latent_dim: int = 128, width: int = 64, side: int = 28, channels: int = 1
    ) -> None:
        super().__init__()
        self.layers = upward(latent_dim, width, side, channels)

    def forward(self, latents: Tensor) -> Tensor:
        return self.layers(latents)


class Critic(ModelMixin, ConfigMixin):
    """Samples (B, C, S, S) -> scores (B,), unbounded.

    Without batch normalisation, which would make the score of one sample depend on the others of
    its batch: a gradient penalty asks for a slope per sample (Gulrajani et al., 2017, section 4).
    """

    @register_to_config
    def __init__(self, width: int = 64, side: int = 28, channels: int = 1) -> None:
        super().__init__()
        self.layers = downward(channels, side, width, outputs=1, normalise=False)

    def forward(self, samples: Tensor) -> Tensor:
        return self.layers(samples).squeeze(1)
