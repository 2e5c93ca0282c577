"""A U-Net for inpainting. B batch, C channels, S side, Z latent."""

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from genmodels.networks.convolutions import channel_widths, pyramid


class Completer(ModelMixin, ConfigMixin):
    """U-Net with strided convolutions and a random latent at the bottleneck.

    U-Net: Convolutional Networks for Biomedical Image Segmentation (Ronneberger et al., 2015),
    https://arxiv.org/abs/1505.04597
    """

    CODE = 256  # width of the bottleneck

    @register_to_config
    def __init__(
        self,
        latent_dim: int = 64,
        width: int = 32,
        side: int = 28,
        channels: int = 1,
        max_width: int | None = None,
    ) -> None:
        super().__init__()
        base, halvings = pyramid(side)
        widths = channel_widths(width, halvings, max_width)
        self.down = nn.ModuleList(
            block(nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False))
            for inputs, outputs in zip([channels + 1, *widths], widths, strict=False)
        )
        features = widths[-1] * base * base
        self.into = nn.Sequential(nn.Flatten(), nn.Linear(features, self.CODE), nn.ReLU())
        self.out = nn.Sequential(
            nn.Linear(self.CODE + latent_dim, features),
            nn.Unflatten(1, (widths[-1], base, base)),
            nn.BatchNorm2d(widths[-1]),
            nn.ReLU(),
        )
        self.up = nn.ModuleList(
            block(nn.ConvTranspose2d(2 * inputs, outputs, 4, 2, 1, bias=False))
            for inputs, outputs in zip(widths[::-1], [*widths[-2::-1], width], strict=True)
        )
        self.head = nn.Sequential(nn.Conv2d(width + channels + 1, channels, 3, 1, 1), nn.Tanh())

    def forward(self, samples: Tensor, mask: Tensor, latents: Tensor) -> Tensor:
        """Fill samples (B, C, S, S) in [-1, 1] where the mask (B, 1, S, S) is 0."""
        mask = mask.to(samples.dtype)
        hidden = torch.cat([torch.where(mask > 0, samples, 0), mask], 1)
        skips = [hidden]
        for layer in self.down:
            hidden = layer(hidden)
            skips.append(hidden)
        hidden = self.out(torch.cat([self.into(hidden), latents], 1))
        for layer in self.up:
            hidden = layer(torch.cat([hidden, skips.pop()], 1))
        completed = self.head(torch.cat([hidden, skips.pop()], 1)).to(samples.dtype)
        return torch.where(mask > 0, samples, completed)


def block(convolution: nn.Module) -> nn.Sequential:
    """Append BatchNorm and LeakyReLU to a convolution."""
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels), nn.LeakyReLU(0.2))
