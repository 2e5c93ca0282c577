"""Networks whose features metrics compare. B batch, C channels, S side, D features, K classes."""

import hashlib
import itertools
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
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

FOLDER = "GENMODELS_WEIGHTS"  # environment variable: a folder with weights as safetensors

# Weights to download: URL and SHA-256
INCEPTION = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth",
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
)
ALEXNET = (
    "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
)
LPIPS = (
    "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/"
    "082bb24f84c091ea94de2867d34c4544f68e0963/lpips/weights/v0.1/alex.pth",
    "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
)

CPU = torch.device("cpu")
DOMAIN = Path(__file__).parents[2] / "checkpoints" / "classifier-fashion"


class Extractor:
    """Map uint8 images (B, C, S, S) to features.

    Args:
        channels, side: required of the images; None for any
        protocol: name of the network and its preprocessing, printed beside every value
        extract: pixels (B, C, S, S) -> features (B, D) and logits (B, K) or None
        batch_size: images per forward pass on a CPU, chosen for its caches
    """

    def __init__(
        self,
        network: nn.Module,
        channels: int | None,
        protocol: str,
        extract: Callable[[Tensor], tuple[Tensor, Tensor | None] | Tensor],
        side: int | None = None,
        batch_size: int = 100,
    ) -> None:
        network = fuse_batch_norm(network.eval().requires_grad_(False))
        self.network = network.to(memory_format=torch.channels_last)
        self.channels, self.protocol, self.extract, self.side = channels, protocol, extract, side
        self.batch_size, self.device = batch_size, CPU

    @torch.inference_mode()
    def __call__(self, pixels: Tensor, indices: Tensor) -> Features:
        """Extract features of images at positions `indices` (B,) of their set; see `conform`."""
        pixels = self.conform(pixels).to(self.device)
        if self.device.type != "cpu":
            return Features(indices, *self.compute(pixels))
        values, parts = zip(*map(self.compute, pixels.split(self.batch_size)), strict=True)
        logits = None if parts[0] is None else torch.cat(parts)
        return Features(indices, torch.cat(values), logits)

    def compute(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return features and logits of pixels (B, C, S, S) that conform to the network."""
        return self.extract(pixels)

    def to(self, device: torch.device) -> Self:
        self.network.to(device)
        self.device = device
        return self

    def conform(self, images: Tensor) -> Tensor:
        """Check channels and side; repeat the channel of grey images (B, 1, S, S) for RGB."""
        _, channels, _, side = images.shape
        if self.channels is not None and channels not in (1, self.channels):
            raise UserError(f"expected images with {self.channels} channels, got {channels}")
        if self.side is not None and side != self.side:
            expected = f"images with a side of {self.side} pixels for this extractor"
            raise UserError(f"expected {expected}, got {side}")
        return images.expand(-1, self.channels or -1, -1, -1)

    def key(self) -> str:
        """Return a hash of everything that the features depend on."""
        digest = hashlib.sha256(self.protocol.encode())
        for name, weight in self.network.state_dict().items():
            digest.update(name.encode() + weight.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


class Perception(Extractor):
    """Map images to embeddings whose squared distance is LPIPS; `extract` gets them in [-1, 1]."""

    def compute(self, pixels: Tensor) -> tuple[Tensor, None]:
        return self.extract(from_pixels(pixels)), None

    def distance(self, first: Tensor, second: Tensor) -> Tensor:
        """Return LPIPS (B,) of pairs of samples (B, C, S, S) in [-1, 1]. Differentiable."""
        if first.shape != second.shape:
            got = f"{tuple(first.shape)} and {tuple(second.shape)}"
            raise UserError(f"expected samples of one shape, got {got}")
        for samples in (first, second):
            low, high = samples.min().item(), samples.max().item()
            if not -1 <= low <= high <= 1:
                raise UserError(f"expected samples in [-1, 1], got {low:g} to {high:g}")
        left, right = (self.extract(self.conform(samples)) for samples in (first, second))
        return (left - right).square().sum(1)


def fuse_batch_norm(network: nn.Module) -> nn.Module:
    """Merge each batch normalization into the convolution before it, for speed."""
    for part in list(network.modules()):
        for (name, layer), (after, norm) in itertools.pairwise(list(part.named_children())):
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(part, name, fuse_conv_bn_eval(layer, norm))
                setattr(part, after, nn.Identity())
    return network


def cache_name(url: str, sha256: str) -> str:
    """Return the name of a file in torch.hub's cache, with the hash that torch.hub checks."""
    return f"{Path(url).stem.removesuffix(f'-{sha256[:8]}')}-{sha256}.pth"


def download_weights(url: str, sha256: str) -> dict[str, Tensor]:
    """Load a file from torch.hub's cache, or download it and check its hash."""
    name = cache_name(url, sha256)
    options = {"map_location": CPU, "progress": False, "check_hash": True, "file_name": name}
    return torch.hub.load_state_dict_from_url(url, **options)


def load_weights(name: str, pattern: str, sources: Sequence[tuple[str, str]]) -> dict[str, Tensor]:
    """Load a file from the folder GENMODELS_WEIGHTS, or else download (URL, SHA-256) pairs."""
    folder = os.environ.get(FOLDER)
    try:
        if folder is not None:
            files = sorted(Path(folder).glob(pattern))
            if not files:
                raise FileNotFoundError(f"there is no {pattern} in {folder}")
            return load_file(files[0])
        files = [download_weights(*source) for source in sources]
        return {key: tensor for file in files for key, tensor in file.items()}
    except Exception as error:  # no connection, a damaged file, or another hash
        reason = f"{first_line(error)}; set {FOLDER} to a folder that contains them"
        raise UserError(f"could not load the weights of {name}: {reason}") from error


def load_state(network: nn.Module, state: dict[str, Tensor], name: str) -> nn.Module:
    """Load weights into a network; UserError if they belong to another network."""
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        reason = first_line(error)
        raise UserError(f"expected the weights of {name}, got others: {reason}") from error
    return network


def inception(bf16: bool = False) -> Extractor:
    """Load the FID Inception: 2048 features and the logits of 1008 classes.

    bfloat16 halves the time on hardware that supports it; FIDs of 32 and 21 changed by 0 and 0.2.
    """
    name = "inception-2015-12-05"
    state = load_weights(name, f"*{name}*.safetensors", [INCEPTION])
    network = load_state(Inception("fc.weight" in state, bf16), state, name)
    protocol = f"{name}, bilinear to {SIDE} as in TensorFlow 1, uint8" + ", bfloat16" * bf16
    return Extractor(network, 3, protocol, network, batch_size=10)


def alexnet_lpips() -> Perception:
    """Load LPIPS 0.1 with AlexNet. Images below 32 pixels are enlarged by an integer factor."""
    state = load_weights("LPIPS", "*lpips-alex*.safetensors", [ALEXNET, LPIPS])
    state = {key: tensor for key, tensor in state.items() if not key.startswith("classifier")}
    network = load_state(Lpips(), state, "LPIPS")

    def embed(samples: Tensor) -> Tensor:
        factor = math.ceil(32 / samples.shape[3])
        return network(samples.repeat_interleave(factor, 2).repeat_interleave(factor, 3))

    protocol = "LPIPS 0.1 of AlexNet, images below 32 pixels enlarged by nearest neighbours"
    return Perception(network, 3, protocol, embed)


def load_classifier(folder: Path) -> Classifier:
    """Load a classifier published by `python -m training classifier-...`."""
    name = f"a classifier in {folder}"
    try:
        network = Classifier.from_config(json.loads((folder / "config.json").read_text()))
        state = load_file(folder / "diffusion_pytorch_model.safetensors")
    except Exception as error:  # a user's folder may contain anything
        raise UserError(f"expected {name}, found none: {first_line(error)}") from error
    return load_state(network, state, name)


def domain(folder: Path = DOMAIN) -> Extractor:
    """Use a classifier's last hidden layer as features."""
    network = load_classifier(folder)

    def extract(pixels: Tensor) -> tuple[Tensor, Tensor]:
        features = network.features(from_pixels(pixels))
        return features, network.head(features)

    config, protocol = network.config, f"the classifier {display_name(folder)}"
    return Extractor(network, config.channels, protocol, extract, config.side)


def domain_lpips(folder: Path = DOMAIN) -> Perception:
    """Use LPIPS of a classifier's activations, without learned weights."""
    network = load_classifier(folder)
    config, protocol = network.config, f"LPIPS of the classifier {display_name(folder)}, unweighted"
    return Perception(network, config.channels, protocol, network.embed, config.side)


def raw_pixels() -> Perception:
    """Use the pixels themselves; squared distances are mean squared errors in [-1, 1]."""
    identity = nn.Identity()
    return Perception(identity, None, "pixels", lambda it: it.flatten(1) / it[0].numel() ** 0.5)


# By name: the extractors of features and of LPIPS embeddings.
EXTRACTORS: dict[str, tuple[Callable[[], Extractor], Callable[[], Perception]]] = {
    "inception": (inception, alexnet_lpips),
    "inception-bf16": (partial(inception, bf16=True), alexnet_lpips),
    "domain": (domain, domain_lpips),
}


class FeatureExtractors:
    """Both extractors of a name in EXTRACTORS or of a classifier's folder, loaded on first use."""

    def __init__(self, name: str, device: torch.device = CPU) -> None:
        if name not in EXTRACTORS and not os.path.isdir(name):
            expected = f"{', '.join(EXTRACTORS)} or the folder of a classifier"
            raise UserError(f"expected --extractor to be {expected}, got {name!r}")
        folder = Path(name)
        own = (lambda: domain(folder), lambda: domain_lpips(folder))
        self.loaders, self.device = EXTRACTORS.get(name, own), device
        # In memory, by the key of their file; filled by reference_statistics.
        self.reference_statistics: dict[str, Mapping[type[Statistic], Statistic]] = {}

    @cached_property
    def features(self) -> Extractor:
        return self.loaders[0]().to(self.device)

    @cached_property
    def perception(self) -> Perception:
        return self.loaders[1]().to(self.device)
