"""What a run is made of.

The command line is made from these fields, the comments beside them and a preset's values.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

from torch import nn
from tyro.conf import OmitArgPrefixes

from genmodels.networks import autoencoder, dcgan
from genmodels.networks.convolutions import pyramid

from .objectives import Objective


@dataclass(frozen=True)
class Architecture(ABC):
    """Sizes of networks; the data say the rest."""

    @abstractmethod
    def networks(self, channels: int, side: int) -> dict[str, nn.Module]:
        """Fresh networks by name for samples (B, channels, side, side)."""


@dataclass(frozen=True)
class DCGAN(Architecture):
    """A generator and a critic of strided convolutions."""

    latent_dim: int = 128  # of the normal latent
    width: int = 64  # channels of the layer nearest the image

    def networks(self, channels: int, side: int) -> dict[str, nn.Module]:
        return {
            "generator": dcgan.Generator(self.latent_dim, self.width, side, channels),
            "critic": dcgan.Critic(self.width, side, channels),
        }


@dataclass(frozen=True)
class ConvolutionalAutoencoder(Architecture):
    """An encoder and a decoder of strided convolutions."""

    latent_dim: int = 32  # of the code
    width: int = 64  # channels of the layer nearest the image

    def networks(self, channels: int, side: int) -> dict[str, nn.Module]:
        return {"autoencoder": autoencoder.Autoencoder(self.latent_dim, self.width, side, channels)}


# Fields of a run that do not change its result, and its two parts.
INDECISIVE = {"objective", "architecture", "output_dir", "report_to", "resume_from_checkpoint"}
INDECISIVE |= {"logging_steps", "sampling_steps", "checkpointing_steps", "checkpoints_total_limit"}


@dataclass(frozen=True, kw_only=True)
class Config:
    """One run. A step is one of the generator or autoencoder; the critic's turns come inside it."""

    objective: OmitArgPrefixes[Objective]
    architecture: OmitArgPrefixes[Architecture]

    dataset_name: str = "zalando-datasets/fashion_mnist"  # Hub id, or a local folder in Hub layout
    dataset_config_name: str | None = None  # where the dataset has several
    train_data_dir: str | None = None  # a folder of images, instead of dataset_name
    image_column: str | None = None  # None: the first column of images
    resolution: int | None = None  # side in pixels; None: as the images are

    train_batch_size: int = 64  # images of a turn, on each process
    max_train_steps: int = 10_000  # steps of the generator or autoencoder
    learning_rate: float = 2e-4  # of Adam, for every player
    adam_beta1: float = 0.9  # decay of the mean of the gradients
    adam_beta2: float = 0.999  # decay of the mean of their squares
    halflife: float = 500.0  # of the weight averages, in steps
    mixed_precision: Literal["no", "fp16", "bf16"] | None = None  # None: as accelerate was told
    seed: int = 0  # of weights, data order, noise and sample grids

    output_dir: str  # of the pipeline, its card, checkpoints and sample grids
    report_to: Literal["trackio", "tensorboard", "wandb", "none"] = "trackio"  # the losses' tracker
    logging_steps: int = 50  # between two reports of the losses
    sampling_steps: int = 500  # between two sample grids
    checkpointing_steps: int = 1000  # between two checkpoints
    checkpoints_total_limit: int = 2  # newest checkpoints that are kept
    resume_from_checkpoint: str | None = None  # "latest", or a checkpoint's folder

    def __post_init__(self) -> None:
        """Raise ValueError for what no run can be made of."""
        counts = ("train_batch_size", "max_train_steps", "logging_steps", "sampling_steps")
        counts += ("checkpointing_steps", "checkpoints_total_limit")
        fields = {name: getattr(self, name) for name in counts}
        for name, value in (vars(self.objective) | vars(self.architecture) | fields).items():
            least = 1 if isinstance(value, int) else 0
            if not least <= value < math.inf:
                raise ValueError(f"expected --{name} >= {least}, but got {value}")
        for name, least, below in [
            ("learning_rate", 0, math.inf),
            ("adam_beta1", 0, 1),
            ("adam_beta2", 0, 1),
            ("halflife", 0, math.inf),
            ("seed", 0, 2**63),
        ]:
            if not least <= getattr(self, name) < below:
                value = getattr(self, name)
                raise ValueError(f"expected {least} <= --{name} < {below}, but got {value}")
        if self.resolution is not None:
            pyramid(self.resolution)

    def decisive(self) -> dict[str, object]:
        """The fields that decide the result, by name, those of its two parts among them."""
        return {
            name: value
            for part in (self, self.objective, self.architecture)
            for name, value in vars(part).items()
            if name not in INDECISIVE
        }
