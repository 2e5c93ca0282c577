"""A U-Net that completes an image of which only some pixels are mask.

B batch, C channels, S side, Z latent.
"""

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from genmodels.networks.convolutions import pyramid


class Completer(ModelMixin, ConfigMixin):
    """Samples (B, C, S, S) in [-1, 1], known pixels (B, 1, S, S), latents (B, Z) -> samples.

    Known pixels are 1 and unknown ones 0; known pixels come back as they are, and what stands in
    unknown ones is never read. Strided convolutions, a code of the whole picture to which the
    latents are added, and back with skip connections, as in U-Net: Convolutional Networks for
    Biomedical Image Segmentation (Ronneberger et al., 2015). https://arxiv.org/abs/1505.04597
    """

    CODE = 256

    @register_to_config
    def __init__(
        self, latent_dim: int = 64, width: int = 32, side: int = 28, channels: int = 1
    ) -> None:
        super().__init__()
        base, halvings = pyramid(side)
        widths = [width * 2**level for level in range(halvings)]
        self.down = nn.ModuleList(
            block(nn.Conv2d(inputs, wide, 4, 2, 1, bias=False))
            for inputs, wide in zip([channels + 1, *widths], widths, strict=False)
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
            block(nn.ConvTranspose2d(2 * wide, outputs, 4, 2, 1, bias=False))
            for wide, outputs in zip(widths[::-1], [*widths[-2::-1], width], strict=True)
        )
        self.head = nn.Sequential(nn.Conv2d(width + channels + 1, channels, 3, 1, 1), nn.Tanh())

    def forward(self, samples: Tensor, mask: Tensor, latents: Tensor) -> Tensor:
        mask = mask.to(samples.dtype)
        given = torch.where(mask > 0, samples, 0)
        hidden = torch.cat([given, mask], 1)
        seen = [hidden]
        for layer in self.down:
            hidden = layer(hidden)
            seen.append(hidden)
        hidden = self.out(torch.cat([self.into(hidden), latents], 1))
        for layer in self.up:
            hidden = layer(torch.cat([hidden, seen.pop()], 1))
        completed = self.head(torch.cat([hidden, seen.pop()], 1)).to(samples.dtype)
        return torch.where(mask > 0, samples, completed)


def block(convolution: nn.Module) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels), nn.LeakyReLU(0.2))
