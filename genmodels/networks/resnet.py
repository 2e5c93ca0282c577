"""Residual generator and critic.

Spectral Normalization for Generative Adversarial Networks (Miyato et al., 2018), table 4 and
figure 8, https://arxiv.org/abs/1802.05957, based on Improved Training of Wasserstein GANs
(Gulrajani et al., 2017), appendix F, https://arxiv.org/abs/1704.00028
"""

import math

from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional as F

from genmodels.networks.convolutions import (
    Layers,
    Projection,
    batch_norm,
    normalise_spectrally,
    pyramid,
)


class Generator(ModelMixin, ConfigMixin):
    """Latents (B, Z), and labels (B,) if conditional -> samples (B, C, S, S) in [-1, 1]."""

    @register_to_config
    def __init__(
        self,
        latent_dim: int = 128,
        width: int = 256,
        side: int = 32,
        channels: int = 3,
        num_classes: int | None = None,
    ) -> None:
        super().__init__()
        base, doublings = pyramid(side)
        self.stem = nn.Linear(latent_dim, width * base * base)
        self.base = base
        self.blocks = nn.ModuleList(UpBlock(width, num_classes) for _ in range(doublings))
        self.head = Layers(
            nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, channels, 3, 1, 1), nn.Tanh()
        )
        initialise(self)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        hidden = self.stem(latents).unflatten(1, (-1, self.base, self.base))
        for block in self.blocks:
            hidden = block(hidden, labels)
        return self.head(hidden)


class UpBlock(nn.Module):
    """(B, W, S, S) -> (B, W, 2S, 2S)."""

    def __init__(self, width: int, num_classes: int | None) -> None:
        super().__init__()
        self.residual = Layers(
            batch_norm(width, num_classes),
            nn.ReLU(),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(width, width, 3, 1, 1),
            batch_norm(width, num_classes),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, 1, 1),
        )
        self.shortcut = nn.Conv2d(width, width, 1)

    def forward(self, inputs: Tensor, labels: Tensor | None) -> Tensor:
        # A 1x1 convolution commutes with nearest upsampling and is cheaper before it.
        return F.interpolate(self.shortcut(inputs), scale_factor=2) + self.residual(inputs, labels)


class Critic(ModelMixin, ConfigMixin):
    """Samples (B, C, S, S), and labels (B,) if conditional -> unbounded scores (B,)."""

    @register_to_config
    def __init__(
        self,
        width: int = 128,
        side: int = 32,
        channels: int = 3,
        num_classes: int | None = None,
        spectral_norm: bool = False,
    ) -> None:
        super().__init__()
        _, halvings = pyramid(side)
        # Downsample to 5-8 pixels; the last two blocks keep that resolution.
        downs = halvings - 1 if side // 2**halvings == 4 else halvings
        self.blocks = nn.Sequential(
            DownBlock(channels, width, first=True),
            *(DownBlock(width, width) for _ in range(downs - 1)),
            DownBlock(width, width, pool=False),
            DownBlock(width, width, pool=False),
            nn.ReLU(),
        )
        self.head = Projection(width, num_classes)
        initialise(self)
        if spectral_norm:
            normalise_spectrally(self)

    def forward(self, samples: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.head(self.blocks(samples).sum((2, 3)), labels)


class DownBlock(nn.Module):
    """(B, C, S, S) -> (B, W, S/2, S/2), or (B, W, S, S) without `pool`."""

    def __init__(self, channels: int, width: int, first: bool = False, pool: bool = True) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Identity() if first else nn.ReLU(),  # samples may be negative
            nn.Conv2d(channels, width, 3, 1, 1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, 1, 1),
            nn.AvgPool2d(2) if pool else nn.Identity(),
        )
        same = channels == width and not pool
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels, width, 1)
        self.pool = nn.AvgPool2d(2) if pool else nn.Identity()

    def forward(self, inputs: Tensor) -> Tensor:
        return self.shortcut(self.pool(inputs)) + self.residual(inputs)


def initialise(network: nn.Module) -> None:
    """Initialise by Glorot uniform, with gain √2 in the residual branches."""
    for name, part in network.named_modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(part.weight, math.sqrt(2) if "residual" in name else 1.0)
            nn.init.zeros_(part.bias)
