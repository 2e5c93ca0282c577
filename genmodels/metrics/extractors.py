"""The networks by whose features samples are measured.

B batch, C channels, S side, D features, K classes.
"""

import os
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from genmodels.errors import reason
from genmodels.networks.inception import SIDE, Inception

from .statistics import Features

FOLDER = "GENMODELS_WEIGHTS"  # the environment's name of a folder with weights
URL = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth"
)


class Extractor:
    """uint8 images (B, C, S, S) -> features, and logits where the network has classes.

    protocol: what stands beside a number: the network, and how images are made fit for it
    """

    def __init__(self, network: torch.nn.Module, channels: int, protocol: str) -> None:
        self.network = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self.channels, self.protocol = channels, protocol

    @torch.inference_mode()
    def __call__(self, pixels: Tensor, numbers: Tensor) -> Features:
        """numbers: (B,) which samples they are, counted from 0. Grey becomes RGB where it must."""
        if pixels.shape[1] == 1 and self.channels == 3:
            pixels = pixels.expand(-1, 3, -1, -1)
        if pixels.shape[1] != self.channels:
            raise ValueError(f"expected {self.channels} channels, but got {pixels.shape[1]}")
        device = next(self.network.parameters()).device
        values, logits = self.network(pixels.to(device))
        return Features(numbers, values, logits)


def inception() -> Extractor:
    """The FID Inception: weights from the folder GENMODELS_WEIGHTS, or as torch.hub keeps them.

    Raises ValueError where the weights cannot be had.
    """
    folder = os.environ.get(FOLDER)
    try:
        if folder is None:
            state = torch.hub.load_state_dict_from_url(URL, map_location="cpu", progress=False)
        else:
            (file, *_) = sorted(Path(folder).glob("*inception-2015-12-05*.safetensors"))
            state = load_file(file)
        network = Inception(head="fc.weight" in state)
        network.load_state_dict(state)
    except ValueError as error:
        raise ValueError(f"expected inception-2015-12-05 as safetensors in {folder}") from error
    except Exception as error:  # of the network, or of a broken file
        raise ValueError(
            f"could not get the weights of inception: {reason(error)}; "
            f"set {FOLDER} to a folder that holds them"
        ) from error
    resized = f"bilinear to {SIDE} as in TensorFlow 1, uint8"
    return Extractor(network, 3, f"inception-2015-12-05, {resized}")


EXTRACTORS: dict[str, Callable[[], Extractor]] = {"inception": inception}
