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

from .batches import Batch
from .config import Config
from .graphs import Captured
from .state import Averages, Progress


class Numbered(Protocol):
    """Batches by their number, counted from 0."""

    def __getitem__(self, number: int) -> Batch: ...


@dataclass
class Player:
    """A network and what trains it."""

    network: nn.Module  # bare
    moving: nn.Module  # the same, perhaps in a wrapper that synchronises gradients or compiles
    optimizer: AcceleratedOptimizer


class Game:
    """Networks, what trains them, and how far that has come.

    Knows nothing of what the samples are, nor of files: `training.loop` plays it on images, and
    `training.laboratory` on points of the plane.
    """

    def __init__(
        self, config: Config, networks: Mapping[str, nn.Module], accelerator: Accelerator
    ) -> None:
        for network in networks.values():
            network.to(accelerator.device)
        self.config, self.accelerator = config, accelerator
        self.averages = Averages(networks, config.halflife)
        self.progress = Progress()
        self.players = {
            name: prepare(network, config, accelerator) for name, network in networks.items()
        }
        self.networks = nn.ModuleDict(
            {name: player.network for name, player in self.players.items()}
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
        self.captured = {name: Captured(partial(self.play, name)) for name in networks}
        self.rate = torch.zeros((), device=accelerator.device)  # where a captured turn reads it
        accelerator.register_for_checkpointing(self.averages, self.progress)

    def step(self, batches: Numbered) -> list[tuple[str, dict[str, Tensor]]]:
        """Each turn's player, in their order, and the terms of its loss."""
        turns = self.config.objective.turns(self.progress.step)
        played = [(name, self.take_turn(name, batches)) for name in turns]
        self.averages.update_parameters(self.networks)
        self.progress.step += 1
        return played

    def take_turn(self, name: str, batches: Numbered) -> dict[str, Tensor]:
        """One optimizer step of one player -> the terms of its loss, as means over its passes."""
        config, progress = self.config, self.progress
        rate: float | Tensor = self.learning_rate(progress.step)
        if self.captures:
            rate = self.rate.fill_(rate)
        for group in self.players[name].optimizer.param_groups:
            group |= {"lr": rate, "capturable": self.captures}
        at_once = self.captures and config.objective.steady(progress.step)
        means: dict[str, Tensor] = {}
        passes = config.gradient_accumulation_steps
        for place in range(passes):
            batch = batches[progress.passes]
            progress.passes += 1
            if at_once:
                terms = self.captured[name](batch)
            else:
                terms = self.play(name, batch, place == 0, place == passes - 1)
            for term, value in terms.items():
                means[term] = means.get(term, 0) + value / passes
        return means

    def play(
        self, name: str, batch: Batch, first: bool = True, last: bool = True
    ) -> dict[str, Tensor]:
        """A pass of a player's turn, its first and its last or not -> the terms of its loss."""
        self.networks.requires_grad_(False)
        self.networks[name].requires_grad_(True)
        player, config = self.players[name], self.config
        if first:
            player.optimizer.zero_grad()
        # Several processes share their gradients once, in the last pass.
        with nullcontext() if last else self.accelerator.no_sync(player.moving):
            with self.accelerator.autocast():
                terms = config.objective.terms(
                    name, player.moving, self.networks, batch, self.progress.step
                )
            self.accelerator.backward(sum(terms.values()) / config.gradient_accumulation_steps)
        if last:
            player.optimizer.step()
            config.objective.constrain(name, player.network)
        return {term: value.detach() for term, value in terms.items()}


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


def prepare(network: nn.Module, config: Config, accelerator: Accelerator) -> Player:
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
    moving, optimizer = accelerator.prepare(network, optimizer)
    # Bare of accelerate's autocast too: the loop opens one per turn, which an objective may leave.
    bare = accelerator.unwrap_model(moving, keep_fp32_wrapper=False, keep_torch_compile=False)
    return Player(bare, moving, optimizer)
