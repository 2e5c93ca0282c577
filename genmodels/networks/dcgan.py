"""DCGAN: generator and critic of strided convolutions.

Unsupervised Representation Learning with Deep Convolutional GANs (Radford et al., 2016, section 3)
https://arxiv.org/abs/1511.06434
"""

from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from genmodels.networks.convolutions import Projection, downward, normalise_spectrally, upward


class Generator(ModelMixin, ConfigMixin):
    """Latents (B, Z), and labels (B,) if conditional -> samples (B, C, S, S) in [-1, 1]."""

    @register_to_config
    def __init__(
        self,
        latent_dim: int = 128,
        width: int = 64,
        side: int = 28,
        channels: int = 1,
        num_classes: int | None = None,
        blocks: int = 0,
        max_width: int | None = None,
    ) -> None:
        super().__init__()
        self.layers = upward(latent_dim, width, side, channels, num_classes, blocks, max_width)
        self.layers.append(nn.Tanh())

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.layers(latents, labels)


class Critic(ModelMixin, ConfigMixin):
    """Samples (B, C, S, S), and labels (B,) if conditional -> unbounded scores (B,).

    It has no batch normalisation, because a gradient penalty needs a score that depends on one
    sample only (Gulrajani et al., 2017, section 4).
    """

    @register_to_config
    def __init__(
        self,
        width: int = 64,
        side: int = 28,
        channels: int = 1,
        num_classes: int | None = None,
        spectral_norm: bool = False,
        blocks: int = 0,
        max_width: int | None = None,
    ) -> None:
        super().__init__()
        self.layers, features = downward(channels, side, width, False, blocks, max_width)
        self.head = Projection(features, num_classes)
        if spectral_norm:
            normalise_spectrally(self)

    def forward(self, samples: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.head(self.layers(samples), labels)
