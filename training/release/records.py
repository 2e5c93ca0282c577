"""The JSON files of a published model: how it was trained, and how good it is."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from genmodels.data import Images
from genmodels.errors import UserError
from genmodels.metrics.evaluation import Result
from genmodels.networks.classifier import Classifier
from genmodels.pipelines.base import LatentPipeline
from genmodels.pipelines.completing import CompletingPipeline
from training.configs.config import EVALUATION_FIELDS, Config
from training.configs.presets import PRESETS
from training.core.checkpoints import Progress
from training.objectives import OBJECTIVES

METRICS, RECORD = "metrics.json", "training.json"

GENERATION, INPAINTING = "unconditional-image-generation", "image-to-image"  # tasks on the Hub
CLASSIFICATION = "image-classification"
TASKS = {Classifier: CLASSIFICATION, CompletingPipeline: INPAINTING}  # others generate

Record = dict[str, Any]  # training.json, see run_record


@dataclass(frozen=True)
class Measurement:
    """One entry of metrics.json."""

    numbers: Mapping[str, float]
    protocol: str
    notes: Sequence[str] = ()
    settings: Mapping[str, object] = field(default_factory=dict)  # identify it in the zoo


def run_record(
    config: Config,
    images: Images,
    progress: Progress,
    accelerator: Accelerator,
    pipeline: LatentPipeline | Classifier,
) -> Record:
    """Describe a run at its current step: the content of training.json."""
    components = getattr(pipeline, "components", {"": pipeline}).values()
    networks = [part for part in components if isinstance(part, torch.nn.Module)]
    kind = type(config.objective)
    base = config.pretrained_model_name_or_path
    base_folder = Path(base) if base and Path(base).is_dir() else None
    return {
        "model": Path(config.output_dir).resolve().name,
        "task": TASKS.get(type(pipeline), GENERATION),
        "command": training_command(config),
        "objective": next(name for name, other in OBJECTIVES.items() if other is kind),
        "architecture": type(config.architecture).__name__,
        "steps": progress.step,
        "seconds": round(progress.seconds),
        "hardware": hardware(accelerator),
        "precision": accelerator.mixed_precision,
        "processes": accelerator.num_processes,
        "parameters": sum(weight.numel() for it in networks for weight in it.parameters()),
        "weight_bytes": 0,  # set by `publish`
        "dataset": dataset_record(config, images),
        "base_model": None if base_folder else base,  # Hub id
        "earlier_runs": earlier_runs(base_folder) if base_folder else [],
        **config.result_fields(),
    }


def dataset_record(config: Config, images: Images) -> Record:
    """Describe the data; the source of a local folder is its name without the path."""
    source = images.source
    local = config.train_data_dir is not None or Path(source).exists()
    if local or not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", source):
        source = Path(source).resolve().name
    return {
        "source": source,  # Hub id, or the name of a local folder, which has no "/"
        "split": images.split,
        "count": len(images.pixels),
        "side": images.side,
        "channels": images.channels,
        "classes": images.classes,
        "class_counts": images.class_counts,
        "notes": list(images.notes),
    }


def earlier_runs(folder: Path) -> list[Record]:
    """Return the records, oldest first, of a model that training starts from, and its metrics."""
    try:
        record = read_record(folder)
    except UserError:  # published by others, or by an older version
        return []
    keys = ("model", "command", "steps", "seconds", "hardware", "precision")
    metrics = [asdict(measurement) for measurement in read_metrics(folder)]
    return [*record["earlier_runs"], {key: record[key] for key in keys} | {"metrics": metrics}]


def read_record(folder: Path) -> Record:
    """Read training.json. Raises UserError if it is missing, or lacks fields of this version."""
    file = folder / RECORD
    try:
        record = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"expected a published model in {folder}, found no {RECORD}") from error
    if not {"model", "dataset"} <= set(record):
        remedy = "got one by an older version; publish the model again"
        raise UserError(f"expected {file} with model and dataset, {remedy}")
    return record


def read_metrics(folder: Path) -> list[Measurement]:
    """Read metrics.json, [] if there is none. Older files hold a single measurement."""
    file = folder / METRICS
    content = json.loads(file.read_text()) if file.exists() else []
    if isinstance(content, dict):
        protocol, notes = content.pop("protocol"), content.pop("notes")
        return [Measurement(content, protocol, notes)]
    return [Measurement(**entry) for entry in content]


def add_metrics(folder: Path, result: Result, settings: Mapping[str, object]) -> None:
    """Add a result to metrics.json; it replaces older numbers of the same metrics and settings."""
    measurements = []
    for old in read_metrics(folder):
        stale = result.numbers if old.settings == settings else ()
        numbers = {name: value for name, value in old.numbers.items() if name not in stale}
        if numbers:
            measurements.append(replace(old, numbers=numbers))
    entries = [asdict(it) for it in (*measurements, Measurement(*result, settings))]
    (folder / METRICS).write_text(json.dumps(entries, indent=1))


def hardware(accelerator: Accelerator) -> str:
    """Describe the hardware of a run, for example "2 CPU cores"."""
    is_gpu, count = accelerator.device.type == "cuda", accelerator.num_processes
    name = torch.cuda.get_device_name(accelerator.device) if is_gpu else cores()
    return f"{count} processes with {name} each" if count > 1 else name


def cores() -> str:
    """Describe the CPU cores that torch uses."""
    count = torch.get_num_threads()
    return f"{count} CPU core{'s' if count > 1 else ''}"


def training_command(config: Config) -> str:
    """Return the shortest command that trains a config: the closest preset, and what differs."""
    kind = (type(config.objective), type(config.architecture))
    fields = config.result_fields()
    if config.eval_every is not None:  # these decide which step is published as the best
        fields |= {name: getattr(config, name) for name in EVALUATION_FIELDS}
    changes = {}
    for preset_name, preset in PRESETS.items():
        if (type(preset.objective), type(preset.architecture)) == kind:
            defaults = vars(preset) | preset.result_fields()
            changes[preset_name] = {key: it for key, it in fields.items() if it != defaults[key]}
    closest = min(changes, key=lambda name: len(changes[name]))
    flags = [word for name, value in changes[closest].items() for word in flag(name, value)]
    return shlex.join(["accelerate", "launch", "-m", "training", closest, *flags])


def flag(name: str, value: object) -> list[str]:
    """Return a config field as command-line words."""
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no_{name}"]
    return [f"--{name}", *map(str, value if isinstance(value, tuple) else [value])]
