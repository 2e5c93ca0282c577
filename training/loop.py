"""The one loop, for every objective."""

import os
import time
from collections import defaultdict
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer
from torch import Tensor, nn
from tqdm import tqdm

from genmodels import data
from genmodels.data import Images
from genmodels.pipelines.base import LatentPipeline

from .batches import Batch, Batches
from .config import Config
from .objectives import Objective
from .publishing import publish
from .state import Averages, Checkpoints, Progress
from .tracking import draw_grid, keep_grid, report, start_trackers

GRID = 64  # images of a sample grid


@dataclass
class Player:
    """A network and what trains it."""

    network: nn.Module  # bare
    moving: nn.Module  # the same, perhaps in a wrapper that synchronises gradients
    optimizer: AcceleratedOptimizer


def train(config: Config) -> LatentPipeline:
    """Train, and publish the averaged pipeline in `config.output_dir`.

    Raises ValueError for what is wrong with the data or the checkpoint, before anything is written,
    and FloatingPointError when a loss is no longer finite.
    """
    accelerator = start(config)
    with accelerator.main_process_first():  # it fills the cache of datasets for the others
        real = load(config)
    checkpoints = Checkpoints(config, real, accelerator)
    resumed = checkpoints.find(config.resume_from_checkpoint)
    accelerator.wait_for_everyone()  # until all have looked, before one writes

    torch.manual_seed(config.seed)
    networks = config.architecture.networks(real.channels, real.side)
    averages = Averages(networks, config.halflife).to(accelerator.device)
    progress = Progress()
    players = {name: prepare(network, config, accelerator) for name, network in networks.items()}
    accelerator.register_for_checkpointing(averages, progress)
    if resumed:
        checkpoints.load(accelerator, resumed)
    batches = Batches(
        real.pixels,
        config.train_batch_size,
        config.seed,
        accelerator.device,
        accelerator.process_index,
        accelerator.num_processes,
    )
    pipeline = config.objective.pipeline(averages.networks)
    latents = pipeline.draw(GRID, torch.Generator().manual_seed(config.seed))

    if accelerator.is_main_process:
        checkpoints.begin()
    start_trackers(accelerator, config, resumed=resumed is not None)
    bare = nn.ModuleDict({name: player.network for name, player in players.items()})
    drawn = sum(len(config.objective.turns(step)) for step in range(progress.step))
    losses: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=accelerator.device))
    reported = progress.step
    bar = tqdm(
        total=config.max_train_steps,
        initial=progress.step,
        unit="step",
        disable=not accelerator.is_main_process,
    )
    clock = time.perf_counter() - progress.seconds
    while progress.step < config.max_train_steps:
        turns = config.objective.turns(progress.step)
        for number, name in enumerate(turns, start=drawn):
            terms = take_turn(config.objective, name, players, batches[number], accelerator)
            for term, value in terms.items():
                losses[f"{name}/{term}"] += value.detach() / turns.count(name)
        drawn += len(turns)
        averages.update_parameters(bare)
        progress.step += 1
        progress.seconds = time.perf_counter() - clock
        bar.update()

        last = progress.step == config.max_train_steps
        if progress.step % config.logging_steps == 0 or last:
            report(accelerator, losses, progress.step, progress.step - reported, bar)
            losses.clear()
            reported = progress.step
        if accelerator.is_main_process and (progress.step % config.sampling_steps == 0 or last):
            keep_grid(accelerator, draw_grid(pipeline, latents), config, progress.step)
        if progress.step % config.checkpointing_steps == 0 or last:
            if not all(weight.isfinite().all() for weight in bare.parameters()):
                raise FloatingPointError(f"at step {progress.step} a weight is not finite")
            checkpoints.save(accelerator, progress.step)
    bar.close()
    if accelerator.is_main_process:
        sheet = draw_grid(pipeline, latents)
        publish(pipeline, sheet, config, real, progress.seconds, accelerator)
        print(f"published in {config.output_dir}")
    accelerator.end_training()
    return pipeline


def start(config: Config) -> Accelerator:
    """Open the devices.

    Raises ValueError where they lack the precision, or the tracker is not installed.
    """
    tracker = None if config.report_to == "none" else config.report_to
    try:
        accelerator = Accelerator(
            mixed_precision=config.mixed_precision, log_with=tracker, project_dir=config.output_dir
        )
    except (ImportError, ValueError) as error:
        raise ValueError(f"accelerate could not start: {error}") from error
    if accelerator.mixed_precision == "fp16" and accelerator.device.type == "cpu":
        raise ValueError(
            "expected a GPU for fp16, which would lose small gradients here: take bf16"
        )
    if tracker and not accelerator.log_with:  # it drops in silence what it cannot import
        raise ValueError(f"expected {tracker} to be installed for --report_to, but it is not")
    # `accelerate launch` allows a process one thread unless told otherwise, by OMP_NUM_THREADS;
    # without an accelerator they share all cores.
    if accelerator.device.type == "cpu" and os.environ.get("OMP_NUM_THREADS") == "1":
        processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
        limited = hasattr(os, "sched_getaffinity")  # to some of the cores, as in a container
        cores = len(os.sched_getaffinity(0)) if limited else os.cpu_count() or 1
        torch.set_num_threads(max(1, cores // processes))
    return accelerator


def load(config: Config) -> Images:
    """The training split of the config's data."""
    if config.train_data_dir is not None:
        return data.load_folder(config.train_data_dir, config.resolution)
    return data.load(
        config.dataset_name,
        config.dataset_config_name,
        image_column=config.image_column,
        resolution=config.resolution,
    )


def prepare(network: nn.Module, config: Config, accelerator: Accelerator) -> Player:
    """A network on its device, with its optimizer."""
    network.train().to(memory_format=torch.channels_last)
    betas = (config.adam_beta1, config.adam_beta2)
    optimizer = torch.optim.Adam(network.parameters(), config.learning_rate, betas, fused=True)
    moving, optimizer = accelerator.prepare(network, optimizer)
    # Bare of accelerate's autocast too: the loop opens one per turn, which an objective may leave.
    return Player(accelerator.unwrap_model(moving, keep_fp32_wrapper=False), moving, optimizer)


def take_turn(
    objective: Objective,
    name: str,
    players: dict[str, Player],
    batch: Batch,
    accelerator: Accelerator,
) -> dict[str, Tensor]:
    """One optimizer step of one player -> the terms of its loss."""
    networks = {other: player.network for other, player in players.items()}
    for other, network in networks.items():
        network.requires_grad_(other == name)
    player = players[name]
    with accelerator.autocast():
        terms = objective.terms(name, player.moving, networks, batch)
    player.optimizer.zero_grad()
    accelerator.backward(sum(terms.values()))
    player.optimizer.step()
    objective.constrain(name, player.network)
    return terms
