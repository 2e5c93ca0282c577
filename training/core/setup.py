"""What a run begins with: its devices, its data, and perhaps the weights of another."""

import json
import os
import shutil
from collections.abc import Mapping

import torch
from accelerate import Accelerator
from accelerate.state import PartialState
from accelerate.utils import GradientAccumulationPlugin, parse_flag_from_env
from torch import nn

from genmodels import data, pipelines
from genmodels.data import Images
from genmodels.device import supports_bf16
from genmodels.errors import UserError
from genmodels.networks.classifier import Classifier
from training.configs.config import Config
from training.core.interruption import started_by_accelerate
from training.core.tracking import warn


def start(config: Config) -> Accelerator:
    """Open the devices.

    Raises UserError where they lack the precision, or the tracker or a compiler is not installed.
    """
    tracker = None if config.report_to == "none" else config.report_to
    precision = config.mixed_precision or os.environ.get("ACCELERATE_MIXED_PRECISION")
    # The first state decides for good, so it must know of what Accelerator would tell it.
    state = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))
    if precision == "bf16" and state.device.type == "cpu" and not supports_bf16():
        if state.is_main_process:
            warn("this processor has no bfloat16, so the training is in float32")
        precision = "no"
    try:
        accelerator = Accelerator(
            mixed_precision=precision,
            log_with=tracker,
            project_dir=config.output_dir,
            dynamo_backend="inductor" if config.torch_compile else None,
            # The loop accumulates by itself, whatever `accelerate launch` was told.
            gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
        )
    except (ImportError, ValueError) as error:
        raise UserError(f"accelerate could not start: {error}") from error
    if accelerator.mixed_precision == "fp16" and accelerator.device.type == "cpu":
        raise UserError("expected a GPU for fp16, which would lose small gradients here: take bf16")
    if tracker and not accelerator.log_with:  # it drops in silence what it cannot import
        raise UserError(f"expected {tracker} to be installed for --report_to, but it is not")
    compiler = os.environ.get("CXX", "g++")
    if config.torch_compile and accelerator.device.type == "cpu" and not shutil.which(compiler):
        raise UserError(f"expected a compiler for --torch_compile, but there is no {compiler}")
    # `accelerate launch` and torchrun allow a process one thread unless told otherwise, by
    # OMP_NUM_THREADS; without an accelerator they share all cores.
    started = started_by_accelerate() or "TORCHELASTIC_RUN_ID" in os.environ
    limited = started and os.environ.get("OMP_NUM_THREADS") == "1"
    if accelerator.device.type == "cpu" and limited:
        processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
        allowed = hasattr(os, "sched_getaffinity")  # some of the cores, as in a container
        cores = len(os.sched_getaffinity(0)) if allowed else os.cpu_count() or 1
        torch.set_num_threads(max(1, cores // processes))
    return accelerator


def load(config: Config) -> Images:
    """The training split of the config's data.

    Raises UserError as `data.load`, and where a conditional model finds no classes.
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
        raise UserError(f"expected classes in {real.source!r} for --conditional, but found none")
    return real


def load_pretrained(config: Config, networks: Mapping[str, nn.Module]) -> None:
    """Give the networks that are published the weights of the config's pretrained model.

    Raises UserError where it cannot be had, or differs from what the config makes.
    """
    source, made = config.pretrained_model_name_or_path, config.objective.pipeline(networks)
    if isinstance(made, Classifier):
        raise UserError("expected no --pretrained_model_name_or_path with a classifier")
    given = pipelines.load(source).components
    for name, part in made.components.items():
        if isinstance(part, nn.Module) and part not in networks.values():
            continue  # what no gradient trains
        if name not in given:
            raise UserError(f"expected {name} in {source}, but got {', '.join(given)}")
        wanted, got = (json.loads(it.to_json_string()) for it in (part, given[name]))
        for key, value in wanted.items():
            if got.get(key) != value and key != "_diffusers_version":
                raise UserError(
                    f"expected the {name} in {source} with {key.lstrip('_')} {value}, "
                    f"but got {got.get(key)}"
                )
        if isinstance(part, nn.Module):
            part.load_state_dict(given[name].state_dict())
