"""Exponential moving average of the weights, which training publishes."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.optim.swa_utils import AveragedModel


class EMA(AveragedModel):
    """Exponential moving average of the weights and buffers of all networks.

    The half-life ramps up with the number of steps, so that early weights are forgotten soon
    (Elucidating the Design Space of Diffusion-Based Generative Models, Karras et al., 2022).
    https://arxiv.org/abs/2206.00364
    """

    RAMP = 0.05  # the half-life is at most this fraction of the steps so far

    def __init__(self, networks: Mapping[str, nn.Module], ema_halflife: float) -> None:
        def average(averages: list[Tensor], current: list[Tensor], steps: Tensor) -> None:
            if not averages[0].is_floating_point():  # the batch counter of BatchNorm
                torch._foreach_copy_(averages, current)
                return
            # `n_averaged` and not `steps`: reading a value from the GPU would synchronise.
            ramped = max(min(ema_halflife, self.RAMP * self.n_averaged.item()), 1e-9)
            torch._foreach_lerp_(averages, current, 1 - 0.5 ** (1 / ramped))

        super().__init__(nn.ModuleDict(networks), multi_avg_fn=average, use_buffers=True)
        self.requires_grad_(False).eval()

    @property
    def networks(self) -> nn.ModuleDict:
        return self.module

    def update_parameters(self, networks: nn.ModuleDict) -> None:
        """Average the current weights in. Call on every process."""
        super().update_parameters(FullParameters(networks))


class FullParameters(NamedTuple):
    """Networks whose sharded parameters (FSDP) are gathered when read."""

    networks: nn.ModuleDict

    def parameters(self) -> Iterator[Tensor]:
        for weight in self.networks.parameters():
            yield weight.full_tensor() if isinstance(weight, DTensor) else weight

    def buffers(self) -> Iterator[Tensor]:
        return self.networks.buffers()
