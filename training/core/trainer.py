"""Training steps of any objective: optimizer updates of its networks, then of their EMA."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer
from accelerate.utils import DistributedType, broadcast
from diffusers.optimization import get_scheduler
from torch import Tensor, nn

from genmodels.errors import UserError
from training.configs.config import Config
from training.core.batches import Batch, mix_seed
from training.core.checkpoints import Progress
from training.core.cuda_graphs import CudaGraphStep
from training.core.ema import EMA
from training.objectives.base import Losses, Networks


class BatchSequence(Protocol):
    """Batches by index, from 0."""

    def __getitem__(self, index: int) -> Batch: ...


@dataclass
class NetworkState:
    """A network and its optimizer."""

    network: nn.Module  # unwrapped
    model: nn.Module  # the same network, possibly wrapped by DDP, FSDP or torch.compile
    optimizer: AcceleratedOptimizer


class Trainer:
    """Networks, optimizers, EMA and progress of a run, on samples of any kind."""

    def __init__(self, config: Config, networks: Networks, accelerator: Accelerator) -> None:
        for network in networks.values():
            network.to(accelerator.device)
        self.config, self.accelerator = config, accelerator
        self.ema = EMA(networks, config.ema_halflife)
        self.progress = Progress()
        self.states = {
            name: prepare(network, config, accelerator) for name, network in networks.items()
        }
        self.networks = nn.ModuleDict({name: state.network for name, state in self.states.items()})
        self.has_dropout = any(
            isinstance(part, nn.Dropout) and part.p > 0 for part in self.networks.modules()
        )
        self.learning_rate = learning_rate_schedule(config)
        # A graph cannot contain the gradient exchange of several processes, the overflow check of
        # fp16, accumulation over batches, or the random state that checkpointing saves.
        self.use_cuda_graphs = (
            config.cuda_graphs
            and accelerator.device.type == "cuda"
            and accelerator.num_processes == config.gradient_accumulation_steps == 1
            and accelerator.mixed_precision != "fp16"
            and not config.torch_compile
            and not config.gradient_checkpointing
        )
        self.graph_steps = {it: CudaGraphStep(partial(self.micro_step, it)) for it in networks}
        # Graphs read the learning rate from this tensor.
        self.learning_rate_tensor = torch.zeros((), device=accelerator.device)
        accelerator.register_for_checkpointing(self.ema, self.progress)

    def broadcast_buffers(self) -> None:
        """Copy the EMA's buffers from the main process, which publishes them, to the others.

        BatchNorm statistics differ between the processes, because each sees other samples.
        """
        if self.accelerator.num_processes > 1:
            for buffer in self.ema.networks.buffers():
                buffer.copy_(broadcast(buffer))

    def train_step(self, batches: BatchSequence) -> list[tuple[str, Losses]]:
        """Make one training step and return the name and losses of each update, in order."""
        order = self.config.objective.update_order(self.progress.step)
        updates = [(name, self.update(name, batches)) for name in order]
        self.ema.update_parameters(self.networks)
        self.progress.step += 1
        return updates

    def update(self, name: str, batches: BatchSequence) -> Losses:
        """Make one optimizer step of a network and return its losses, averaged over the batches."""
        config, progress = self.config, self.progress
        learning_rate: float | Tensor = self.learning_rate(progress.step)
        if self.use_cuda_graphs:
            learning_rate = self.learning_rate_tensor.fill_(learning_rate)
        for group in self.states[name].optimizer.param_groups:
            group |= {"lr": learning_rate, "capturable": self.use_cuda_graphs}
        use_graph = self.use_cuda_graphs and config.objective.graph_safe(progress.step)
        means: Losses = {}
        count = config.gradient_accumulation_steps
        for index in range(count):
            batch = batches[progress.updates * count + index]
            if self.has_dropout:  # dropout draws from the global generator
                torch.manual_seed(mix_seed("dropout", batch.rng.initial_seed()))
            if use_graph:
                losses = self.graph_steps[name](batch)
            else:
                losses = self.micro_step(name, batch, index == 0, index == count - 1)
            for loss, value in losses.items():
                means[loss] = means.get(loss, 0) + value / count
        progress.updates += 1
        return means

    def micro_step(self, name: str, batch: Batch, first: bool = True, last: bool = True) -> Losses:
        """Run a network's forward and backward pass on one batch and return its losses.

        The first pass of an update clears the gradients, the last one makes the optimizer step.
        """
        self.networks.requires_grad_(False)
        self.networks[name].requires_grad_(True)
        state, config, step = self.states[name], self.config, self.progress.step
        if first:
            # Of all networks: clipping under fp16 checks every optimizer for infinite gradients.
            for other in self.states.values():
                other.optimizer.zero_grad()
        # Processes exchange gradients only once, in the last pass.
        with nullcontext() if last else self.accelerator.no_sync(state.model):
            with self.accelerator.autocast():
                losses = config.objective.losses(name, state.model, self.networks, batch, step)
            self.accelerator.backward(sum(losses.values()) / config.gradient_accumulation_steps)
        if last:
            if config.max_grad_norm is not None:
                self.accelerator.clip_grad_norm_(state.model.parameters(), config.max_grad_norm)
            state.optimizer.step()
            config.objective.constrain(name, state.network)
        return {loss: value.detach() for loss, value in losses.items()}


def learning_rate_schedule(config: Config) -> Callable[[int], float]:
    """Return the learning rate as a function of the number of completed steps."""
    placeholder = torch.optim.SGD([torch.empty(0)], lr=config.learning_rate)
    warmup, total = config.lr_warmup_steps, config.max_train_steps
    factor = get_scheduler(config.lr_scheduler, placeholder, None, warmup, total).lr_lambdas[0]
    return lambda step: config.learning_rate * factor(step)


def prepare(network: nn.Module, config: Config, accelerator: Accelerator) -> NetworkState:
    """Prepare a network and its optimizer. Raises UserError if it cannot be checkpointed."""
    if config.gradient_checkpointing:
        if not getattr(network, "_supports_gradient_checkpointing", False):
            text = "expected no --gradient_checkpointing: only the U-Net of diffusion supports it"
            raise UserError(f"{text}, got {type(network).__name__}")
        network.enable_gradient_checkpointing()
    # FSDP does not support other memory formats.
    if config.channels_last and accelerator.distributed_type != DistributedType.FSDP:
        network.to(memory_format=torch.channels_last)
    network.train()
    weights, learning_rate = network.parameters(), config.learning_rate
    if config.optimizer == "adam":
        betas = (config.adam_beta1, config.adam_beta2)
        optimizer = torch.optim.Adam(weights, learning_rate, betas, fused=True)
    else:
        optimizer = torch.optim.RMSprop(weights, learning_rate, foreach=True)
    model, optimizer = accelerator.prepare(network, optimizer)
    # Remove accelerate's autocast wrapper too: `micro_step` opens autocast once per pass, and an
    # objective may leave it.
    network = accelerator.unwrap_model(model, keep_fp32_wrapper=False, keep_torch_compile=False)
    return NetworkState(network, model, optimizer)
