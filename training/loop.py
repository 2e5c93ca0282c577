"""The one loop, for every objective."""

import os
import shutil
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer
from accelerate.utils import DistributedType, GradientAccumulationPlugin
from diffusers.optimization import get_scheduler
from torch import Tensor, nn
from tqdm import tqdm

from genmodels import data
from genmodels.data import Images
from genmodels.pipelines.base import LatentPipeline

from .batches import Batches
from .config import Config
from .interruption import Interrupted, Interruption, interruptible
from .publishing import publish
from .state import Averages, Checkpoints, Progress
from .tracking import Curves, Losses, Sheet, warn

PATIENCE = 30  # seconds between two attempts to write the last checkpoint


@dataclass
class Player:
    """A network and what trains it."""

    network: nn.Module  # bare
    moving: nn.Module  # the same, perhaps in a wrapper that synchronises gradients or compiles
    optimizer: AcceleratedOptimizer


def train(config: Config) -> LatentPipeline:
    """Train, and publish the averaged pipeline in `config.output_dir`.

    Raises ValueError for what is wrong with the data or the checkpoint, before anything is written;
    FloatingPointError when a loss is no longer finite, Interrupted after SIGTERM or Ctrl-C, and
    OSError where the disk is full. The last good checkpoint is kept in any case.
    """
    run = Run(config)
    progress = run.progress
    bar = tqdm(
        total=config.max_train_steps,
        initial=progress.step,
        unit="step",
        disable=not run.accelerator.is_main_process,
    )
    clock = time.perf_counter() - progress.seconds
    with interruptible() as interruption, closing(run.curves), closing(bar):
        while progress.step < config.max_train_steps:
            for name in config.objective.turns(progress.step):
                run.losses.add(progress.step + 1, name, run.take_turn(name))
            run.averages.update_parameters(run.networks)
            progress.step += 1
            progress.seconds = time.perf_counter() - clock
            bar.update()

            last = progress.step == config.max_train_steps
            stop = interruption.agreed(run.accelerator, progress.step)
            saves = last or stop or progress.step % config.checkpointing_steps == 0
            if saves or progress.step % config.logging_steps == 0:
                bar.set_postfix({name: f"{value:.4g}" for name, value in run.report().items()})
            if last or progress.step % config.sampling_steps == 0:
                run.show()
            if saves:
                run.save(last, interruption)
            if stop and not last:
                steps = f"step {progress.step} of {config.max_train_steps}"
                raise Interrupted(stop, f"stopped after {steps}")
        if run.accelerator.is_main_process:
            publish(run.sheet, config, run.real, progress.seconds, run.accelerator)
            print(f"published in {config.output_dir}")
    return run.sheet.pipeline


class Run:
    """All that a run is played with, at its first step or as a checkpoint left it.

    Raises ValueError for what is wrong with the data or the checkpoint, before anything is written.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.accelerator = accelerator = start(config)
        with accelerator.main_process_first():  # it fills the cache of datasets for the others
            self.real = real = load(config)
        self.checkpoints = Checkpoints(config, real, accelerator)
        resumed = self.checkpoints.find(config.resume_from_checkpoint)
        accelerator.wait_for_everyone()  # until all have looked, before one writes

        torch.manual_seed(config.seed)
        labels = real.labels if config.conditional else None
        num_classes = len(real.classes) if config.conditional else None
        networks = config.architecture.networks(real.channels, real.side, num_classes)
        for network in networks.values():
            network.to(accelerator.device)
        self.averages = Averages(networks, config.halflife)
        self.progress = Progress()
        self.players = {
            name: prepare(network, config, accelerator) for name, network in networks.items()
        }
        self.networks = nn.ModuleDict(
            {name: player.network for name, player in self.players.items()}
        )
        accelerator.register_for_checkpointing(self.averages, self.progress)
        if resumed:
            self.checkpoints.load(accelerator, resumed)

        self.learning_rate = schedule(config)
        self.batches = Batches(
            real.pixels,
            config.train_batch_size,
            config.seed,
            accelerator.device,
            accelerator.process_index,
            accelerator.num_processes,
            labels,
            config.random_flip,
        )
        self.losses = Losses(accelerator)
        self.sheet = Sheet(config, self.averages.networks, real.pixels, labels, accelerator.device)
        if accelerator.is_main_process:
            self.checkpoints.begin()
        self.curves = Curves(accelerator, config, resumed=resumed is not None)

    def take_turn(self, name: str) -> dict[str, Tensor]:
        """One optimizer step of one player -> the terms of its loss, as means over its passes."""
        self.networks.requires_grad_(False)
        self.networks[name].requires_grad_(True)
        player, config, progress = self.players[name], self.config, self.progress
        for group in player.optimizer.param_groups:
            group["lr"] = self.learning_rate(progress.step)
        player.optimizer.zero_grad()
        means: dict[str, Tensor] = {}
        passes = config.gradient_accumulation_steps
        for last in (place == passes - 1 for place in range(passes)):
            batch = self.batches[progress.passes]
            progress.passes += 1
            # Several processes share their gradients once, in the last pass.
            with nullcontext() if last else self.accelerator.no_sync(player.moving):
                with self.accelerator.autocast():
                    terms = config.objective.terms(
                        name, player.moving, self.networks, batch, progress.step
                    )
                self.accelerator.backward(sum(terms.values()) / passes)
            for term, value in terms.items():
                means[term] = means.get(term, 0) + value.detach() / passes
        player.optimizer.step()
        config.objective.constrain(name, player.network)
        return means

    def report(self) -> dict[str, float]:
        """Log the mean of each term of each loss since the last time, on every process.

        Raises FloatingPointError where a term or a weight is not finite.
        """
        try:
            means = self.losses.take()
            if not all(weight.isfinite().all() for weight in self.networks.parameters()):
                raise FloatingPointError(f"at step {self.progress.step} a weight is not finite")
        except FloatingPointError as error:
            raise FloatingPointError(f"{error}; {self.checkpoints.last()}") from error
        self.curves.log(means, self.progress.step)
        return means

    def show(self) -> None:
        """Draw a sample grid. To be called on every process."""
        if self.accelerator.is_main_process:
            self.curves.show(self.sheet.draw(), self.progress.step)

    def save(self, last: bool, interruption: Interruption) -> None:
        """Write a checkpoint, or on a full disk go on without. To be called on every process.

        The last one is waited for, until there is room or the run is asked to stop. Raises OSError
        where it is then not written.
        """
        while True:
            try:
                return self.checkpoints.save(self.accelerator, self.progress.step)
            except OSError as error:
                if interruption.agreed(self.accelerator, 0):
                    raise
                if self.accelerator.is_main_process:
                    goes = f"next attempt in {PATIENCE} s" if last else "training goes on"
                    warn(f"{error}; {goes}")
                if not last:
                    return None
                interruption.wait(PATIENCE)


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
    # `accelerate launch` allows a process one thread unless told otherwise, by OMP_NUM_THREADS;
    # without an accelerator they share all cores.
    if accelerator.device.type == "cpu" and os.environ.get("OMP_NUM_THREADS") == "1":
        processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
        limited = hasattr(os, "sched_getaffinity")  # to some of the cores, as in a container
        cores = len(os.sched_getaffinity(0)) if limited else os.cpu_count() or 1
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
