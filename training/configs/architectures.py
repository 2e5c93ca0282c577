"""Network architectures as dataclasses, whose fields become flags of the command line.

Class names are stored in training.json, so renaming one breaks published files.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from diffusers import UNet2DModel
from tyro.conf import Fixed

from genmodels.errors import UserError
from genmodels.networks import autoencoder, dcgan, resnet
from genmodels.networks.classifier import Classifier
from genmodels.networks.completer import Completer
from genmodels.networks.convolutions import pyramid
from training.objectives.base import Networks


@dataclass(frozen=True)
class Architecture(ABC):
    """Network sizes. The data determine channels, resolution and number of classes."""

    @abstractmethod
    def networks(self, channels: int, side: int, num_classes: int | None = None) -> Networks:
        """Build randomly initialised networks by name for samples (B, channels, side, side).

        They are unconditional if `num_classes` is None.
        """


@dataclass(frozen=True)
class DCGAN(Architecture):
    """Generator and critic of strided convolutions (DCGAN)."""

    latent_dim: int = 128  # dimensions of the Gaussian latent
    width: int = 64  # channels at the highest resolution
    blocks: int = 0  # residual blocks after each change of resolution; 0 as in DCGAN
    spectral_norm: bool = False  # normalise the critic's weights spectrally

    def networks(self, channels: int, side: int, num_classes: int | None = None) -> Networks:
        data = (side, channels, num_classes)
        return {
            "generator": dcgan.Generator(self.latent_dim, self.width, *data, self.blocks),
            "critic": dcgan.Critic(self.width, *data, self.spectral_norm, self.blocks),
        }


@dataclass(frozen=True)
class ResNet(Architecture):
    """Residual generator and critic."""

    latent_dim: int = 128  # dimensions of the Gaussian latent
    width: int = 256  # channels of the generator
    critic_width: int = 128  # channels of the critic
    spectral_norm: bool = False  # normalise the critic's weights spectrally

    def networks(self, channels: int, side: int, num_classes: int | None = None) -> Networks:
        data = (side, channels, num_classes)
        return {
            "generator": resnet.Generator(self.latent_dim, self.width, *data),
            "critic": resnet.Critic(self.critic_width, *data, self.spectral_norm),
        }


@dataclass(frozen=True)
class ConvolutionalAutoencoder(Architecture):
    """Encoder and decoder of strided convolutions."""

    latent_dim: int = 32  # dimensions of the code
    width: int = 64  # channels at the highest resolution
    blocks: int = 0  # residual blocks after each change of resolution
    variational: Fixed[bool] = True  # the encoder predicts a Gaussian of the code

    def networks(self, channels: int, side: int, num_classes: int | None = None) -> Networks:
        sizes = (self.latent_dim, self.width, side, channels, num_classes)
        return {"autoencoder": autoencoder.Autoencoder(*sizes, self.variational, self.blocks)}


@dataclass(frozen=True)
class UNet(Architecture):
    """U-Net of diffusers with up to three downsamplings and attention at 8x8 pixels or less.

    Denoising Diffusion Probabilistic Models (Ho et al., 2020), appendix B (attention at 16x16)
    https://arxiv.org/abs/2006.11239
    """

    width: int = 128  # channels at the highest resolution, doubled at the lower ones
    layers_per_block: int = 2  # residual blocks per resolution
    attention_head_dim: int = 64  # channels per attention head
    dropout: float = 0.0  # dropout probability in the residual blocks

    def networks(self, channels: int, side: int, num_classes: int | None = None) -> Networks:
        _, halvings = pyramid(side)
        widths = (self.width,) + (2 * self.width,) * min(halvings, 3)
        attention = [side // 2**level <= 8 for level in range(len(widths))]
        unet = UNet2DModel(
            sample_size=side,
            in_channels=channels,
            out_channels=channels,
            block_out_channels=widths,
            layers_per_block=self.layers_per_block,
            down_block_types=tuple("AttnDownBlock2D" if it else "DownBlock2D" for it in attention),
            up_block_types=tuple("AttnUpBlock2D" if it else "UpBlock2D" for it in attention[::-1]),
            attention_head_dim=min(self.attention_head_dim, 2 * self.width),
            norm_num_groups=math.gcd(32, self.width),
            dropout=self.dropout,
            # The last embedding is the null label of classifier-free guidance.
            num_class_embeds=None if num_classes is None else num_classes + 1,
        )
        return {"unet": unet}


@dataclass(frozen=True)
class Completion(Architecture):
    """Inpainting U-Net and a critic with the mask as an additional input channel."""

    latent_dim: int = 64  # dimensions of the Gaussian latent
    width: int = 48  # channels at the highest resolution
    critic_width: int = 48  # channels of the critic at the highest resolution

    def networks(self, channels: int, side: int, num_classes: int | None = None) -> Networks:
        if num_classes is not None:
            raise UserError("expected no --conditional: the inpainting network takes no labels")
        return {
            "generator": Completer(self.latent_dim, self.width, side, channels),
            "critic": dcgan.Critic(self.critic_width, side, channels + 1),
        }


@dataclass(frozen=True)
class ConvolutionalClassifier(Architecture):
    """Classifier with two convolutions and batch normalisation per resolution."""

    width: int = 32  # channels at the highest resolution, doubled at each lower one

    def networks(self, channels: int, side: int, num_classes: int | None = None) -> Networks:
        if num_classes is None:
            raise UserError("expected --conditional: a classifier needs labels")
        return {"classifier": Classifier(num_classes, self.width, side, channels)}
