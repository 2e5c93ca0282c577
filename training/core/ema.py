"""Exponential moving averages of weights, which are what a run publishes."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.optim.swa_utils import AveragedModel


class EMA(AveragedModel):
    """Exponential model averages of the weights and buffers of all networks.

    The half-life grows with the run up to its full length, so that the first, random weights are
    soon forgotten (Elucidating the Design Space of Diffusion-Based Generative Models, Karras et
    al., 2022). https://arxiv.org/abs/2206.00364
    """

    RAMP = 0.05  # half-life at the most, as a part of the steps so far

    def __init__(self, networks: Mapping[str, nn.Module], ema_halflife: float) -> None:
        def average(averages: list[Tensor], current: list[Tensor], steps: Tensor) -> None:
            if not averages[0].is_floating_point():  # BatchNorm counts its batches
                torch._foreach_copy_(averages, current)
                return
            # Not `steps`, which lies on the device: to read it would be to wait for all before it.
            now = max(min(ema_halflife, self.RAMP * self.n_averaged.item()), 1e-9)
            torch._foreach_lerp_(averages, current, 1 - 0.5 ** (1 / now))

        super().__init__(nn.ModuleDict(networks), multi_avg_fn=average, use_buffers=True)
        self.requires_grad_(False).eval()

    @property
    def networks(self) -> nn.ModuleDict:
        return self.module

    def update_parameters(self, networks: nn.ModuleDict) -> None:
        """Move towards the networks as they are now. To be called on every process."""
        super().update_parameters(Whole(networks))


class Whole(NamedTuple):
    """The weights of networks, those gathered that are sharded over the processes."""

    networks: nn.ModuleDict

    def parameters(self) -> Iterator[Tensor]:
        for weight in self.networks.parameters():
            yield weight.full_tensor() if isinstance(weight, DTensor) else weight

    def buffers(self) -> Iterator[Tensor]:
        return self.networks.buffers()
