"""What a run is prepared of: its devices, its data, and players with their optimizers."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer
from accelerate.utils import DistributedType, GradientAccumulationPlugin
from diffusers.optimization import get_scheduler
from torch import nn

from genmodels import data
from genmodels.data import Images

from .config import Config
from .interruption import launched


@dataclass
class Player:
    """A network and what trains it."""

    network: nn.Module  # bare
    moving: nn.Module  # the same, perhaps in a wrapper that synchronises gradients or compiles
    optimizer: AcceleratedOptimizer


def start(config: Config) -> Accelerator:
    """Open the devices.

    Raises ValueError where they lack the precision, or the tracker or a compiler is not installed.
    """
    tracker = None if config.report_to == "none" else config.report_to
    try:
        accelerator = Accelerator(
            mixed_precision=config.mixed_precision,
            log_with=tracker,
            project_dir=config.output_dir,
            dynamo_backend="inductor" if config.torch_compile else None,
            # The loop accumulates by itself, whatever `accelerate launch` was told.
            gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
        )
    except (ImportError, ValueError) as error:
        raise ValueError(f"accelerate could not start: {error}") from error
    if accelerator.mixed_precision == "fp16" and accelerator.device.type == "cpu":
        raise ValueError(
            "expected a GPU for fp16, which would lose small gradients here: take bf16"
        )
    if tracker and not accelerator.log_with:  # it drops in silence what it cannot import
        raise ValueError(f"expected {tracker} to be installed for --report_to, but it is not")
    compiler = os.environ.get("CXX", "g++")
    if config.torch_compile and accelerator.device.type == "cpu" and not shutil.which(compiler):
        raise ValueError(f"expected a compiler for --torch_compile, but there is no {compiler}")
    # `accelerate launch` and torchrun allow a process one thread unless told otherwise, by
    # OMP_NUM_THREADS; without an accelerator they share all cores.
    started = launched() or "TORCHELASTIC_RUN_ID" in os.environ
    limited = started and os.environ.get("OMP_NUM_THREADS") == "1"
    if accelerator.device.type == "cpu" and limited:
        processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
        allowed = hasattr(os, "sched_getaffinity")  # some of the cores, as in a container
        cores = len(os.sched_getaffinity(0)) if allowed else os.cpu_count() or 1
        torch.set_num_threads(max(1, cores // processes))
    return accelerator


def load(config: Config) -> Images:
    """The training split of the config's data.

    Raises ValueError as `data.load`, and where a conditional model finds no classes.
    """
    if config.train_data_dir is not None:
        real = data.load_folder(config.train_data_dir, config.resolution)
    else:
        real = data.load(
            config.dataset_name,
            config.dataset_config_name,
            image_column=config.image_column,
            label_column=config.label_column,
            resolution=config.resolution,
        )
    if config.conditional and not real.classes:
        raise ValueError(f"expected classes in {real.source!r} for --conditional, but found none")
    return real


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
