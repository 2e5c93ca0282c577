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
from genmodels.networks.convolutions import PYRAMID_SIDES, pyramid
from training.objectives.base import Networks

MAX_SIDE = 1024  # largest image side in pixels of any architecture


@dataclass(frozen=True)
class Architecture(ABC):
    """Network sizes. The data determine channels, resolution and number of classes."""

    @property
    def sides(self) -> str:
        """Image sides in pixels that the networks accept, in words."""
        return PYRAMID_SIDES

    def accepts(self, side: int) -> bool:
        """Return whether the networks accept images of a side in pixels."""
        try:
            pyramid(side)
        except UserError:
            return False
        return True

    def check_side(self, side: int) -> None:
        """Raise UserError, with the nearest sides that work, unless the networks accept a side."""
        if self.accepts(side):
            return
        sides = [it for it in range(1, MAX_SIDE + 1) if self.accepts(it)]
        nearest = [it for it in sides if it < side][-1:] + [it for it in sides if it > side][:1]
        remedy = f"try {' or '.join(map(str, nearest))}"
        raise UserError(f"expected --resolution to be {self.sides}, got {side}; {remedy}")

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
    max_width: int | None = 512  # maximum channels at low resolutions; None: no maximum

    def networks(self, channels: int, side: int, num_classes: int | None = None) -> Networks:
        data, depth = (side, channels, num_classes), (self.blocks, self.max_width)
        return {
            "generator": dcgan.Generator(self.latent_dim, self.width, *data, *depth),
            "critic": dcgan.Critic(self.width, *data, self.spectral_norm, *depth),
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
    max_width: int | None = 512  # maximum channels at low resolutions; None: no maximum

    def networks(self, channels: int, side: int, num_classes: int | None = None) -> Networks:
        sizes = (self.latent_dim, self.width, side, channels, num_classes)
        depth = (self.blocks, self.max_width)
        return {"autoencoder": autoencoder.Autoencoder(*sizes, self.variational, *depth)}


@dataclass(frozen=True)
class UNet(Architecture):
    """U-Net of diffusers with self-attention at low resolutions.

    Denoising Diffusion Probabilistic Models (Ho et al., 2020), appendix B,
    https://arxiv.org/abs/2006.11239. Resolutions down to 8 pixels, and attention at several of
    them: Diffusion Models Beat GANs on Image Synthesis (Dhariwal and Nichol, 2021), section 3,
    https://arxiv.org/abs/2105.05233
    """

    width: int = 128  # channels at the highest resolution and at 64 pixels or more; lower: twice
    layers_per_block: int = 2  # residual blocks per resolution
    # number of resolutions, each half of the one before; None: as many as lead to 8 pixels, or to 4
    # for images of 32 pixels or less
    levels: int | None = None
    attention: int = 16  # self-attention at this side and lower; the middle block always has it
    attention_head_dim: int = 64  # channels per attention head
    dropout: float = 0.0  # dropout probability in the residual blocks

    @property
    def sides(self) -> str:
        factor, least = (8, 16) if self.levels is None else (2 ** (self.levels - 1),) * 2
        return f"a multiple of {factor} from {least} to {MAX_SIDE}"

    def accepts(self, side: int) -> bool:
        if not 0 < side <= MAX_SIDE:
            return False
        if self.levels is not None:
            return side % 2 ** (self.levels - 1) == 0
        *higher, lowest = self.resolutions(side)
        return len(higher) >= 3 or (len(higher) == 2 and lowest <= 8)  # 28 -> 14 -> 7

    def resolutions(self, side: int) -> list[int]:
        """Return the side in pixels of each level, from the highest one."""
        if self.levels is not None:
            return [side // 2**level for level in range(self.levels)]
        sides = [side]
        while sides[-1] % 2 == 0 and (sides[-1] > 8 or (sides[-1] > 4 and len(sides) < 4)):
            sides.append(sides[-1] // 2)
        return sides

    def networks(self, channels: int, side: int, num_classes: int | None = None) -> Networks:
        self.check_side(side)
        highest, *lower = self.resolutions(side)
        widths = (self.width, *(self.width if it >= 64 else 2 * self.width for it in lower))
        attention = [it <= self.attention for it in (highest, *lower)]
        # Widths do not decrease, and the middle block always has attention.
        narrowest = widths[attention.index(True) if any(attention) else -1]
        unet = UNet2DModel(
            sample_size=side,
            in_channels=channels,
            out_channels=channels,
            block_out_channels=widths,
            layers_per_block=self.layers_per_block,
            down_block_types=tuple("AttnDownBlock2D" if it else "DownBlock2D" for it in attention),
            up_block_types=tuple("AttnUpBlock2D" if it else "UpBlock2D" for it in attention[::-1]),
            attention_head_dim=min(self.attention_head_dim, narrowest),
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
    max_width: int | None = 512  # maximum channels at low resolutions; None: no maximum

    def networks(self, channels: int, side: int, num_classes: int | None = None) -> Networks:
        if num_classes is not None:
            raise UserError("expected no --conditional: the inpainting network takes no labels")
        return {
            "generator": Completer(self.latent_dim, self.width, side, channels, self.max_width),
            "critic": dcgan.Critic(self.critic_width, side, channels + 1, max_width=self.max_width),
        }


@dataclass(frozen=True)
class ConvolutionalClassifier(Architecture):
    """Classifier with two convolutions and batch normalisation per resolution."""

    width: int = 32  # channels at the highest resolution, doubled at each lower one
    max_width: int | None = 512  # maximum channels at low resolutions; None: no maximum

    def networks(self, channels: int, side: int, num_classes: int | None = None) -> Networks:
        if num_classes is None:
            raise UserError("expected --conditional: a classifier needs labels")
        return {"classifier": Classifier(num_classes, self.width, side, channels, self.max_width)}
