"""Sizes of networks, as dataclasses whose fields are flags of the command line."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from diffusers import UNet2DModel
from torch import nn
from tyro.conf import Fixed

from genmodels.errors import UserError
from genmodels.networks import autoencoder, dcgan, resnet
from genmodels.networks.classifier import Classifier
from genmodels.networks.completer import Completer
from genmodels.networks.convolutions import pyramid


@dataclass(frozen=True)
class Architecture(ABC):
    """Sizes of networks; the data say the rest."""

    @abstractmethod
    def networks(
        self, channels: int, side: int, num_classes: int | None = None
    ) -> dict[str, nn.Module]:
        """Fresh networks by name for samples (B, channels, side, side).

        num_classes: makes the networks conditional
        """


@dataclass(frozen=True)
class DCGAN(Architecture):
    """A generator and a critic of strided convolutions."""

    latent_dim: int = 128  # of the normal latent
    width: int = 64  # channels of the layer nearest the image
    blocks: int = 0  # residual blocks behind each change of side; a DCGAN has none
    spectral_norm: bool = False  # of the critic's weights

    def networks(
        self, channels: int, side: int, num_classes: int | None = None
    ) -> dict[str, nn.Module]:
        data = (side, channels, num_classes)
        return {
            "generator": dcgan.Generator(self.latent_dim, self.width, *data, self.blocks),
            "critic": dcgan.Critic(self.width, *data, self.spectral_norm, self.blocks),
        }


@dataclass(frozen=True)
class ResNet(Architecture):
    """A residual generator and critic."""

    latent_dim: int = 128  # of the normal latent
    width: int = 256  # channels of the generator
    critic_width: int = 128  # channels of the critic
    spectral_norm: bool = False  # of the critic's weights

    def networks(
        self, channels: int, side: int, num_classes: int | None = None
    ) -> dict[str, nn.Module]:
        data = (side, channels, num_classes)
        return {
            "generator": resnet.Generator(self.latent_dim, self.width, *data),
            "critic": resnet.Critic(self.critic_width, *data, self.spectral_norm),
        }


@dataclass(frozen=True)
class ConvolutionalAutoencoder(Architecture):
    """An encoder and a decoder of strided convolutions."""

    latent_dim: int = 32  # of the code
    width: int = 64  # channels of the layer nearest the image
    blocks: int = 0  # residual blocks behind each change of side
    variational: Fixed[bool] = True  # the encoder gives a distribution of the code

    def networks(
        self, channels: int, side: int, num_classes: int | None = None
    ) -> dict[str, nn.Module]:
        return {
            "autoencoder": autoencoder.Autoencoder(
                self.latent_dim,
                self.width,
                side,
                channels,
                num_classes,
                self.variational,
                self.blocks,
            )
        }


@dataclass(frozen=True)
class UNet(Architecture):
    """The U-Net of diffusers, halved three times at the most, with attention at 8 pixels or less.

    After Denoising Diffusion Probabilistic Models (Ho et al., 2020), appendix B, where it is at 16.
    https://arxiv.org/abs/2006.11239
    """

    width: int = 128  # channels at full side, and twice as many below
    layers_per_block: int = 2  # residual blocks at each side
    attention_head_dim: int = 64  # channels of a head of attention
    dropout: float = 0.0  # part of each residual's channels

    def networks(
        self, channels: int, side: int, num_classes: int | None = None
    ) -> dict[str, nn.Module]:
        _, halvings = pyramid(side)
        widths = (self.width,) + (2 * self.width,) * min(halvings, 3)
        attends = [side // 2**level <= 8 for level in range(len(widths))]
        unet = UNet2DModel(
            sample_size=side,
            in_channels=channels,
            out_channels=channels,
            block_out_channels=widths,
            layers_per_block=self.layers_per_block,
            down_block_types=tuple("AttnDownBlock2D" if it else "DownBlock2D" for it in attends),
            up_block_types=tuple("AttnUpBlock2D" if it else "UpBlock2D" for it in attends[::-1]),
            attention_head_dim=min(self.attention_head_dim, 2 * self.width),
            norm_num_groups=math.gcd(32, self.width),
            dropout=self.dropout,
            # One more class stands for none of them.
            num_class_embeds=None if num_classes is None else num_classes + 1,
        )
        return {"unet": unet}


@dataclass(frozen=True)
class Completion(Architecture):
    """A U-Net that completes images, and a critic that also sees which pixels were known."""

    latent_dim: int = 64  # of the normal latent
    width: int = 48  # channels of the layer nearest the image
    critic_width: int = 48  # the same of the critic

    def networks(
        self, channels: int, side: int, num_classes: int | None = None
    ) -> dict[str, nn.Module]:
        if num_classes is not None:
            raise UserError("expected no --conditional, since a completion is of no class")
        return {
            "generator": Completer(self.latent_dim, self.width, side, channels),
            "critic": dcgan.Critic(self.critic_width, side, channels + 1),
        }


@dataclass(frozen=True)
class ConvolutionalClassifier(Architecture):
    """Convolutions with batch normalisation, two at each side."""

    width: int = 32  # channels at full side, and twice as many at each below

    def networks(
        self, channels: int, side: int, num_classes: int | None = None
    ) -> dict[str, nn.Module]:
        if num_classes is None:
            raise UserError("expected --conditional, since a classifier is taught the classes")
        return {"classifier": Classifier(num_classes, self.width, side, channels)}
