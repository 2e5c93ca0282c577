"""The networks by whose features samples are measured.

B batch, C channels, S side, D features, K classes.
"""

import hashlib
import itertools
import json
import math
import os
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Self

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from genmodels.errors import UserError, display_name, first_line
from genmodels.media.image import from_pixels
from genmodels.metrics.statistics import Features, Statistic
from genmodels.networks.alexnet import Lpips
from genmodels.networks.classifier import Classifier
from genmodels.networks.inception import SIDE, Inception

FOLDER = "GENMODELS_WEIGHTS"  # the environment's name of a folder with weights
INCEPTION = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth"
)
ALEXNET = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
LPIPS = (
    "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/"
    "lpips/weights/v0.1/alex.pth"
)
CPU = torch.device("cpu")
DOMAIN = Path(__file__).parents[2] / "checkpoints" / "classifier-fashion"


class Extractor:
    """uint8 images (B, C, S, S) -> features.

    protocol: what stands beside a number: the network, and how images are made fit for it
    """

    def __init__(
        self,
        network: nn.Module,
        channels: int | None,  # that it must have
        protocol: str,
        look: Callable[[Tensor], tuple[Tensor, Tensor | None]],  # pixels -> features and logits
        side: int | None = None,  # the only one that the network sees
        at_once: int = 100,  # images, on a CPU: as many as its caches hold best
    ) -> None:
        network = fold(network.eval().requires_grad_(False))
        self.network = network.to(memory_format=torch.channels_last)
        self.channels, self.protocol, self.look, self.side = channels, protocol, look, side
        self.at_once, self.device = at_once, CPU

    @torch.inference_mode()
    def __call__(self, pixels: Tensor, numbers: Tensor) -> Features:
        """numbers: (B,) which samples they are, counted from 0. Grey becomes RGB where it must.

        Raises UserError where the network cannot see such images.
        """
        pixels = self.conform(pixels).to(self.device)
        if self.device.type != "cpu":
            return Features(numbers, *self.look(pixels))
        values, logits = zip(*map(self.look, pixels.split(self.at_once)), strict=True)
        return Features(
            numbers, torch.cat(values), None if logits[0] is None else torch.cat(logits)
        )

    def to(self, device: torch.device) -> Self:
        self.network.to(device)
        self.device = device
        return self

    def conform(self, pictures: Tensor) -> Tensor:
        """(B, C, S, S) with as many channels as the network needs: grey is repeated."""
        _, channels, _, side = pictures.shape
        if self.channels is not None and channels not in (1, self.channels):
            raise UserError(f"expected {self.channels} channels, but got {channels}")
        if self.side is not None and side != self.side:
            raise UserError(f"expected images with a side of {self.side}, but got {side}")
        return pictures.expand(-1, self.channels or -1, -1, -1)

    def key(self) -> str:
        """What its features depend on, as a hash."""
        digest = hashlib.sha256(self.protocol.encode())
        for name, weight in self.network.state_dict().items():
            digest.update(name.encode() + weight.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


class Perception(Extractor):
    """uint8 images -> embeddings, whose squared distance is LPIPS."""

    def __init__(
        self,
        network: nn.Module,
        channels: int | None,  # that it must have
        protocol: str,
        embed: Callable[[Tensor], Tensor],  # samples (B, C, S, S) in [-1, 1] -> (B, D)
        side: int | None = None,
    ) -> None:
        def look(pixels: Tensor) -> tuple[Tensor, None]:
            return embed(from_pixels(pixels)), None

        super().__init__(network, channels, protocol, look, side)
        self.embed = embed

    def distance(self, one: Tensor, other: Tensor) -> Tensor:
        """Samples (B, C, S, S) in [-1, 1], twice -> the distance (B,) of each pair. Differentiable.

        Raises UserError where they differ in shape or reach out of [-1, 1].
        """
        if one.shape != other.shape:
            raise UserError(
                f"expected samples of one shape, but got {tuple(one.shape)} and "
                f"{tuple(other.shape)}"
            )
        for samples in (one, other):
            least, most = samples.min().item(), samples.max().item()
            if not -1 <= least <= most <= 1:
                raise UserError(f"expected samples in [-1, 1], but got {least:g} to {most:g}")
        left, right = (self.embed(self.conform(samples)) for samples in (one, other))
        return (left - right).square().sum(1)


def fold(network: nn.Module) -> nn.Module:
    """Put each batch normalisation into the convolution before it, which is then as fast alone."""
    for part in list(network.modules()):
        for (name, layer), (after, norm) in itertools.pairwise(list(part.named_children())):
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(part, name, fuse_conv_bn_eval(layer, norm))
                setattr(part, after, nn.Identity())
    return network


def weights(name: str, pattern: str, urls: dict[str, str]) -> dict[str, Tensor]:
    """A safetensors file in the folder GENMODELS_WEIGHTS, or else what torch.hub keeps of URLs.

    urls: with what stands before the names of each file's tensors
    Raises UserError where the weights cannot be had.
    """
    folder = os.environ.get(FOLDER)
    try:
        if folder is not None:
            files = sorted(Path(folder).glob(pattern))
            if not files:
                raise FileNotFoundError(f"there is no {pattern} in {folder}")
            return load_file(files[0])
        return {
            prefix + key: tensor
            for url, prefix in urls.items()
            for key, tensor in torch.hub.load_state_dict_from_url(
                url, map_location="cpu", progress=False
            ).items()
        }
    except Exception as error:  # of the network, or of a broken file
        raise UserError(
            f"could not get the weights of {name}: {first_line(error)}; "
            f"set {FOLDER} to a folder that holds them"
        ) from error


def fill(network: nn.Module, state: dict[str, Tensor], name: str) -> nn.Module:
    """Raises UserError where the weights are another network's."""
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(f"expected the weights of {name}, but {first_line(error)}") from error
    return network


def inception(bf16: bool = False) -> Extractor:
    """The FID Inception: 2048 features, and the predictions of 1008 classes.

    bf16: half the time where bfloat16 is computed fast; FIDs of 32 and 21 moved by 0.0 and 0.2
    """
    name = "inception-2015-12-05"
    state = weights(name, f"*{name}*.safetensors", {INCEPTION: ""})
    network = fill(Inception("fc.weight" in state, bf16), state, name)
    protocol = f"{name}, bilinear to {SIDE} as in TensorFlow 1, uint8"
    if bf16:
        protocol += ", bfloat16"
    return Extractor(network, 3, protocol, network, at_once=10)


def alex() -> Perception:
    """LPIPS by AlexNet, version 0.1. Images of a side below 32 are enlarged by a whole factor."""
    state = weights("LPIPS", "*lpips-alex*.safetensors", {ALEXNET: "", LPIPS: ""})
    state = {key: tensor for key, tensor in state.items() if not key.startswith("classifier")}
    network = fill(Lpips(), state, "LPIPS")

    def embed(samples: Tensor) -> Tensor:
        factor = math.ceil(32 / samples.shape[3])
        larger = samples.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
        return network(larger)

    protocol = "LPIPS 0.1 of AlexNet, a side below 32 multiplied by nearest neighbours"
    return Perception(network, 3, protocol, embed)


def classifier(folder: Path) -> Classifier:
    """A folder in which `python -m training classifier-...` published -> its network."""
    name = f"a classifier in {folder}"
    try:
        network = Classifier.from_config(json.loads((folder / "config.json").read_text()))
        state = load_file(folder / "diffusion_pytorch_model.safetensors")
    except Exception as error:  # anything may be wrong with the files of others
        raise UserError(f"expected {name}, but there is none: {first_line(error)}") from error
    return fill(network, state, name)


def domain(folder: Path = DOMAIN) -> Extractor:
    """A classifier's last features, and its predictions."""
    network = classifier(folder)

    def look(pixels: Tensor) -> tuple[Tensor, Tensor]:
        features = network.features(from_pixels(pixels))
        return features, network.head(features)

    config, protocol = network.config, f"the classifier {display_name(folder)}"
    return Extractor(network, config.channels, protocol, look, config.side)


def domain_perception(folder: Path = DOMAIN) -> Perception:
    """LPIPS of a classifier's activations, without weights, as in the lecture."""
    network = classifier(folder)
    config, protocol = network.config, f"LPIPS of the classifier {display_name(folder)}, unweighted"
    return Perception(network, config.channels, protocol, network.embed, config.side)


def plain() -> Perception:
    """The pixels themselves: squared distances are mean squared errors, of samples in [-1, 1]."""

    def embed(samples: Tensor) -> Tensor:
        return samples.flatten(1) / samples[0].numel() ** 0.5

    return Perception(nn.Identity(), None, "pixels", embed)


# What looks at samples: for their features, and for how far apart they look.
EXTRACTORS: dict[str, tuple[Callable[[], Extractor], Callable[[], Perception]]] = {
    "inception": (inception, alex),
    "inception-bf16": (partial(inception, bf16=True), alex),
    "domain": (domain, domain_perception),
}


class FeatureExtractors:
    """A row of EXTRACTORS, or the folder of a classifier, on a device. Loaded where it is needed.

    Raises UserError where it is neither, and then where the weights cannot be had.
    """

    def __init__(self, name: str, device: torch.device = CPU) -> None:
        if name not in EXTRACTORS and not os.path.isdir(name):
            raise UserError(
                f"expected {', '.join(EXTRACTORS)} or the folder of a classifier, but got {name!r}"
            )
        folder = Path(name)
        own = (lambda: domain(folder), lambda: domain_perception(folder))
        self.row, self.device = EXTRACTORS.get(name, own), device
        self.seen: dict[str, Mapping[type[Statistic], Statistic]] = {}  # of real images

    @cached_property
    def features(self) -> Extractor:
        return self.row[0]().to(self.device)

    @cached_property
    def perception(self) -> Perception:
        return self.row[1]().to(self.device)
