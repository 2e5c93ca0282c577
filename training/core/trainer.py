"""The game that any objective is: its players take turns, and their averages follow."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer
from accelerate.utils import DistributedType
from diffusers.optimization import get_scheduler
from torch import Tensor, nn

from training.configs.config import Config
from training.core.batches import Batch
from training.core.checkpoints import Progress
from training.core.cuda_graphs import CudaGraphStep
from training.core.ema import EMA


class Numbered(Protocol):
    """Batches by their number, counted from 0."""

    def __getitem__(self, number: int) -> Batch: ...


@dataclass
class NetworkState:
    """A network and what trains it."""

    network: nn.Module  # bare
    model: nn.Module  # the same, perhaps in a wrapper that synchronises gradients or compiles
    optimizer: AcceleratedOptimizer


class Trainer:
    """Networks, what trains them, and how far that has come.

    Knows nothing of what the samples are, nor of files: `training.core.loop` plays it on images,
    and `training.studies.laboratory` on points of the plane.
    """

    def __init__(
        self, config: Config, networks: Mapping[str, nn.Module], accelerator: Accelerator
    ) -> None:
        for network in networks.values():
            network.to(accelerator.device)
        self.config, self.accelerator = config, accelerator
        self.ema = EMA(networks, config.ema_halflife)
        self.progress = Progress()
        self.states = {
            name: prepare(network, config, accelerator) for name, network in networks.items()
        }
        self.networks = nn.ModuleDict(
            {name: player.network for name, player in self.states.items()}
        )
        self.learning_rate = schedule(config)
        # Several processes share gradients, float16 looks for infinite ones, and several passes are
        # of a batch each: none of these can be launched ahead.
        self.captures = (
            config.cuda_graphs
            and accelerator.device.type == "cuda"
            and accelerator.num_processes == config.gradient_accumulation_steps == 1
            and accelerator.mixed_precision != "fp16"
            and not config.torch_compile
        )
        self.captured = {name: CudaGraphStep(partial(self.play, name)) for name in networks}
        self.rate = torch.zeros((), device=accelerator.device)  # where a captured turn reads it
        accelerator.register_for_checkpointing(self.ema, self.progress)

    def train_step(self, batches: Numbered) -> list[tuple[str, dict[str, Tensor]]]:
        """Each turn's player, in their order, and the losses of its loss."""
        turns = self.config.objective.update_order(self.progress.step)
        played = [(name, self.update(name, batches)) for name in turns]
        self.ema.update_parameters(self.networks)
        self.progress.step += 1
        return played

    def update(self, name: str, batches: Numbered) -> dict[str, Tensor]:
        """One optimizer step of one player -> the losses of its loss, as means over its passes."""
        config, progress = self.config, self.progress
        rate: float | Tensor = self.learning_rate(progress.step)
        if self.captures:
            rate = self.rate.fill_(rate)
        for group in self.states[name].optimizer.param_groups:
            group |= {"lr": rate, "capturable": self.captures}
        at_once = self.captures and config.objective.steady(progress.step)
        means: dict[str, Tensor] = {}
        passes = config.gradient_accumulation_steps
        for place in range(passes):
            batch = batches[progress.passes]
            progress.passes += 1
            if at_once:
                losses = self.captured[name](batch)
            else:
                losses = self.play(name, batch, place == 0, place == passes - 1)
            for term, value in losses.items():
                means[term] = means.get(term, 0) + value / passes
        return means

    def play(
        self, name: str, batch: Batch, first: bool = True, last: bool = True
    ) -> dict[str, Tensor]:
        """A pass of a player's turn, its first and its last or not -> the losses of its loss."""
        self.networks.requires_grad_(False)
        self.networks[name].requires_grad_(True)
        player, config = self.states[name], self.config
        if first:
            player.optimizer.zero_grad()
        # Several processes share their gradients once, in the last pass.
        with nullcontext() if last else self.accelerator.no_sync(player.model):
            with self.accelerator.autocast():
                losses = config.objective.losses(
                    name, player.model, self.networks, batch, self.progress.step
                )
            self.accelerator.backward(sum(losses.values()) / config.gradient_accumulation_steps)
        if last:
            player.optimizer.step()
            config.objective.constrain(name, player.network)
        return {term: value.detach() for term, value in losses.items()}


def schedule(config: Config) -> Callable[[int], float]:
    """The learning rate, as a function of the steps that were made."""
    nothing = torch.optim.SGD([torch.empty(0)], lr=config.learning_rate)
    factors = get_scheduler(
        config.lr_scheduler,
        nothing,
        num_warmup_steps=config.lr_warmup_steps,
        num_training_steps=config.max_train_steps,
    ).lr_lambdas[0]
    return lambda step: config.learning_rate * factors(step)


def prepare(network: nn.Module, config: Config, accelerator: Accelerator) -> NetworkState:
    """A network on its device, with its optimizer."""
    if config.channels_last and accelerator.distributed_type != DistributedType.FSDP:  # it cannot
        network.to(memory_format=torch.channels_last)
    network.train()
    weights, rate = network.parameters(), config.learning_rate
    if config.optimizer == "adam":
        betas = (config.adam_beta1, config.adam_beta2)
        optimizer = torch.optim.Adam(weights, rate, betas, fused=True)
    else:
        optimizer = torch.optim.RMSprop(weights, rate, foreach=True)
    model, optimizer = accelerator.prepare(network, optimizer)
    # Bare of accelerate's autocast too: the loop opens one per turn, which an objective may leave.
    bare = accelerator.unwrap_model(model, keep_fp32_wrapper=False, keep_torch_compile=False)
    return NetworkState(bare, model, optimizer)
