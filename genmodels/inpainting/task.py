"""The input of an inpainting method."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Task(NamedTuple):
    """Images to complete, checked and on the pipeline's device."""

    images: Tensor  # (B, C, S, S) in [-1, 1], 0 in the hole
    mask: Tensor  # (B, 1, S, S), 1 keeps a pixel and 0 fills it
    generator: torch.Generator | None
    labels: Tensor | None  # (B,) for a conditional model
    progress: Callable[[float], object]  # called with the completed fraction
