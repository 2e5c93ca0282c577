"""The start of a run: its devices, its data, its identity, and pretrained weights."""

import json
import os
import shutil
from collections.abc import Sequence

import torch
from accelerate import Accelerator
from accelerate.state import PartialState
from accelerate.utils import GradientAccumulationPlugin, parse_flag_from_env
from torch import nn

from genmodels import data, pipelines
from genmodels.data import Images
from genmodels.device import supports_bf16
from genmodels.errors import UserError, first_line
from genmodels.networks.classifier import Classifier
from training.configs.config import Config
from training.core.checkpoints import GLOBAL_BATCH
from training.core.interruption import started_by_accelerate
from training.core.tracking import warn
from training.objectives import Objective
from training.objectives.base import Networks

# Fields that a resumed run may change: its length, and where the same data is read from.
RESUMABLE = {"max_train_steps", "mixed_precision", "dataset_name", "dataset_config_name"}
RESUMABLE |= {"dataset_revision", "dataset_split", "train_data_dir", "image_column"}
RESUMABLE |= {"label_column", "resolution", "background", "skip_broken"}
# The factors of the number of samples per update, which may not change.
RESUMABLE |= {"train_batch_size", "gradient_accumulation_steps"}


def start(config: Config) -> Accelerator:
    """Set up devices and precision. Raises UserError if something is missing or unsupported."""
    tracker = None if config.report_to == "none" else config.report_to
    precision = config.mixed_precision or os.environ.get("ACCELERATE_MIXED_PRECISION")
    # The first PartialState is final, so it must know what Accelerator would set later.
    state = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))
    if precision == "bf16" and state.device.type == "cpu" and not supports_bf16():
        if state.is_main_process:
            warn("this CPU has no bfloat16 support, training in float32")
        precision = "no"
    try:
        accelerator = Accelerator(
            mixed_precision=precision,
            log_with=tracker,
            project_dir=config.output_dir,
            dynamo_backend="inductor" if config.torch_compile else None,
            # The trainer accumulates gradients itself, whatever `accelerate launch` was given.
            gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
        )
    except (ImportError, ValueError) as error:
        raise UserError(f"accelerate could not start: {first_line(error)}") from error
    if accelerator.mixed_precision == "fp16" and accelerator.device.type == "cpu":
        raise UserError(
            "expected a GPU for --mixed_precision fp16, got a CPU; use bf16 (small fp16 gradients "
            "would be lost)"
        )
    if tracker and not accelerator.log_with:  # accelerate drops missing trackers silently
        missing = f"expected {tracker} to be installed for --report_to {tracker}"
        raise UserError(f"{missing}; install it, or use --report_to none")
    compiler = os.environ.get("CXX", "g++")
    if config.torch_compile and accelerator.device.type == "cpu" and not shutil.which(compiler):
        missing = f"expected a C++ compiler for --torch_compile, found no {compiler}"
        raise UserError(f"{missing}; install it or set CXX")
    warn_of_missing_processes(accelerator)
    set_threads(accelerator)
    return accelerator


def warn_of_missing_processes(accelerator: Accelerator) -> None:
    """Warn if `accelerate launch --num_processes N` started one process, as it does on CPUs.

    It sets MASTER_PORT for several processes only, and starts them on several GPUs only.
    """
    launched = started_by_accelerate() and "MASTER_PORT" in os.environ
    if launched and accelerator.num_processes == 1 and "WORLD_SIZE" not in os.environ:
        warn(
            "accelerate launch was set to start several processes, but it started one, because "
            "they need as many GPUs; to start two on the CPU, use ACCELERATE_USE_CPU=true "
            "torchrun --nproc-per-node 2 -m training ..."
        )


def set_threads(accelerator: Accelerator) -> None:
    """Share the CPU cores among the processes of a CPU run.

    `accelerate launch` and torchrun set OMP_NUM_THREADS=1, which would leave most cores idle.
    """
    launched = started_by_accelerate() or "TORCHELASTIC_RUN_ID" in os.environ
    if accelerator.device.type != "cpu" or not launched or os.environ.get("OMP_NUM_THREADS") != "1":
        return
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    has_affinity = hasattr(os, "sched_getaffinity")  # a container may own only some cores
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    torch.set_num_threads(max(1, cores // processes))


def load(config: Config) -> Images:
    """Load the training data.

    Raises UserError if a conditional model has no classes to learn, or if the networks do not
    accept the side of the images.
    """
    images = load_split(config, config.dataset_split)
    if config.conditional and not images.classes:
        missing = f"expected class labels in {images.source!r} for --conditional, found "
        missing += images.unlabelled or "none"
        raise UserError(f"{missing}; set --label_column or use --no_conditional")
    config.architecture.check_side(images.side)
    return images


def load_test(config: Config, classes: Sequence[str]) -> Images:
    """Load the test split, with labels that number the classes as the training images do.

    Raises UserError if there is no such split, or it has other classes.
    """
    try:
        return load_split(config, "test").with_classes(classes)
    except UserError as error:
        raise UserError(f"{error}; use --eval_every None to train without a test split") from error


def load_split(config: Config, split: str | None) -> Images:
    """Load a split of the data."""
    folder = config.train_data_dir
    if folder is not None and not os.path.exists(folder):
        raise UserError(f"expected --train_data_dir to exist, got {folder!r}")
    return data.load(
        config.dataset_name if folder is None else folder,
        config.dataset_config_name,
        split,
        config.image_column,
        config.label_column,
        config.dataset_revision,
        data.Decoding(config.resolution, config.resize_mode, config.background),
        config.skip_broken,
    )


def run_settings(config: Config, images: Images, accelerator: Accelerator) -> dict[str, str]:
    """Return the settings that determine the result of a run, except its length.

    The data is identified by its content: it may move between two starts, but not change.
    """
    if not config.conditional:
        images = images._replace(labels=None)
    settings = {
        "objective": type(config.objective).__name__,
        "architecture": type(config.architecture).__name__,
        "data": f"{tuple(images.pixels.shape)}, {images.fingerprint}",
        GLOBAL_BATCH: config.train_batch_size
        * config.gradient_accumulation_steps
        * accelerator.num_processes,
        "precision": accelerator.mixed_precision,
    }
    excluded = set(RESUMABLE)
    if config.lr_scheduler in ("linear", "cosine"):  # these depend on the length
        excluded.remove("max_train_steps")
    settings |= config.result_fields()
    return {name: str(value) for name, value in settings.items() if name not in excluded}


def load_pretrained(source: str, objective: Objective, networks: Networks) -> None:
    """Copy the weights of a published model (folder or Hub id) into those networks that it has.

    Raises UserError if it cannot be loaded, or its networks have another architecture.
    """
    pipeline = objective.pipeline(networks)
    if isinstance(pipeline, Classifier):
        raise UserError("expected no --pretrained_model_name_or_path with a classifier")
    pretrained = pipelines.load(source).components
    for name, part in pipeline.components.items():
        if isinstance(part, nn.Module) and part not in networks.values():
            continue  # no gradient trains it
        if name not in pretrained:
            raise UserError(f"expected {name} in {source}, got {', '.join(pretrained)}")
        ours, theirs = (json.loads(it.to_json_string()) for it in (part, pretrained[name]))
        ignored = {"_diffusers_version"}
        if isinstance(part, nn.Module) and shapes(part) == shapes(pretrained[name]):
            ignored.add("max_width")  # no layer reaches it
        if ours.get("trained_betas") != theirs.get("trained_betas"):
            expected = f"expected the noise schedule of {source} for images of its side"
            raise UserError(f"{expected}, got another one; set --schedule_base_side")
        for key, value in ours.items():
            if (other := theirs.get(key)) != value and key not in ignored:
                setting = f"{key.lstrip('_')} {value}"
                raise UserError(f"expected the {name} in {source} with {setting}, got {other}")
        if isinstance(part, nn.Module):
            part.load_state_dict(pretrained[name].state_dict())


def shapes(network: nn.Module) -> dict[str, torch.Size]:
    """Return the shapes of a network's weights and buffers by name."""
    return {name: tensor.shape for name, tensor in network.state_dict().items()}
