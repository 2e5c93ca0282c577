"""Model cards, generated from training.json and metrics.json alone."""

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from huggingface_hub import EvalResult, ModelCardData

from training.configs import architectures
from training.objectives import OBJECTIVES
from training.release.records import (
    CLASSIFICATION,
    GENERATION,
    INPAINTING,
    Dataset,
    Measurement,
    Record,
)

# Datasets whose license models may carry too; for others the publisher decides.
LICENSES = {"zalando-datasets/fashion_mnist": "mit"}


@dataclass(frozen=True)
class Words:
    """The parts of a card that depend on the task."""

    preview: str  # caption of samples.png
    usage: str  # Python, run in the model's folder
    limits: str
    classes: str = ""  # for conditional models; with {last} and {classes}


WORDS = {
    GENERATION: Words(
        "Samples from a fixed seed",
        """\
import torch
import genmodels

pipeline = genmodels.load(".")  # this folder, or a Hub id
images = pipeline(batch_size=16, generator=torch.Generator().manual_seed(0)).images
""",
        """\
The model generates small images like its training data, with the errors and the biases of that
data. Use it for teaching and research; generated images are not evidence of anything real.
""",
        "Pass `labels={last}`, or one label per image, to choose classes: {classes}.",
    ),
    CLASSIFICATION: Words(
        "Real images grouped by predicted class",
        """\
import torch
from genmodels.networks.classifier import Classifier

classifier = Classifier.from_pretrained(".").eval()  # this folder, or a Hub id
side, channels = classifier.config.side, classifier.config.channels
logits = classifier(torch.zeros(16, channels, side, side))  # samples in [-1, 1]
""",
        """\
The classifier knows the classes of its training data only and assigns any input to one of them. Its
features and predictions are meant for evaluating generative models of the same kind of images.
""",
        "Classes: {classes}.",
    ),
    INPAINTING: Words(
        "Real images with masked regions, each followed by its inpainted version",
        """\
import torch
import genmodels
from genmodels.inpainting import complete

pipeline = genmodels.load(".")  # this folder, or a Hub id
images = pipeline(batch_size=16).images  # everything masked: unconditional samples
samples = torch.zeros(16, *pipeline.sample_shape)  # in [-1, 1]
mask = torch.ones(16, 1, *samples.shape[2:])  # 1 = keep, 0 = fill
mask[:, :, 8:20, 8:20] = 0
completed = complete(pipeline, samples, mask, torch.Generator().manual_seed(0)).samples
""",
        """\
The model inpaints small images like its training data, with the errors and the biases of that data.
Use it for teaching and research; the filled regions are inventions.
""",
    ),
}

CARD = """\
---
{metadata}
---

# {model}

{description}

![{preview}](samples.png)

## Usage

```python
{usage}```
{classes}
## Training

| | |
|---|---|
| Command | `{command}` |
{earlier}| Dataset | {dataset} |
| Steps | {steps}, batch size {batch}, seed {seed} |
| Time | {time} |
| Objective | `{objective}` |
| Architecture | `{architecture}` |
| Size | {size:.1f} MB, {parameters:,} parameters (exponential moving average of the weights) |

![Training losses and metrics by step](curves.png)

{results}## Limitations

{limits}"""


def model_card(record: Record, measurements: Sequence[Measurement] = ()) -> str:
    """Return a model's card in the Hub's format: a function of the record and metrics alone."""
    words, settings, dataset = WORDS[record.task], record.settings, record.dataset
    classes = ""
    if settings["conditional"]:
        names = ", ".join(f"{label} {name}" for label, name in enumerate(dataset.classes))
        classes = words.classes.format(last=len(dataset.classes) - 1, classes=names)
    steps, planned = record.steps, settings["max_train_steps"]
    batch = settings["train_batch_size"] * settings["gradient_accumulation_steps"]
    return CARD.format(
        metadata=metadata(record, measurements).to_yaml(),
        model=record.model,
        description=inspect.getdoc(OBJECTIVES[record.objective]),
        preview=words.preview,
        usage=words.usage,
        classes=f"\n{classes}\n" if classes else "",
        command=record.command,
        earlier="".join(map(earlier_row, record.earlier_runs)),
        dataset=describe_dataset(dataset),
        steps=f"{steps:,}" + (f" of {planned:,}" if steps < planned else ""),
        batch=batch * record.processes,
        seed=settings["seed"],
        time=describe_time(record.seconds, record.hardware, record.precision),
        objective=describe(record.objective, OBJECTIVES[record.objective], settings),
        architecture=describe(
            record.architecture, getattr(architectures, record.architecture), settings
        ),
        size=record.weight_bytes / 1e6,
        parameters=record.parameters,
        results=results_section(measurements),
        limits=words.limits,
    )


def metadata(record: Record, measurements: Sequence[Measurement]) -> ModelCardData:
    """Return the card's front matter, which the Hub and the app read."""
    source = record.dataset.source
    on_hub = "/" in source
    results = [
        EvalResult(
            task_type=record.task,
            dataset_type=source,
            dataset_name=source,
            metric_type=name,
            metric_value=value,
            # The Hub shows the name alone, so it carries the protocol.
            metric_name=f"{name}, {protocol_of(measurement)}",
            metric_args=dict(measurement.settings) or None,
        )
        for measurement in measurements
        for name, value in measurement.numbers.items()
    ]
    return ModelCardData(
        license=LICENSES.get(source),
        library_name="genmodels",
        pipeline_tag=record.task,
        tags=[record.objective, "genmodels"],
        datasets=[source] if on_hub else None,
        base_model=record.base_model,
        model_name=record.model if results else None,
        eval_results=results or None,
        genmodels={
            "steps": record.steps,
            "seconds": total_seconds(record),
            "hardware": total_hardware(record),
            "parameters": record.parameters,
        },
    )


def protocol_of(measurement: Measurement) -> str:
    return "; ".join([measurement.protocol, *measurement.notes])


def results_section(measurements: Sequence[Measurement]) -> str:
    """Return a Markdown section with a row for each measurement."""
    rows = [
        f"| {', '.join(f'{name} {value:.4g}' for name, value in measurement.numbers.items())} "
        f"| {protocol_of(measurement)} |"
        for measurement in measurements
    ]
    head = ["## Evaluation", "", "| | |", "|---|---|"]
    return "\n".join([*head, *rows, "", ""]) if rows else ""


def earlier_row(run: Mapping) -> str:
    """Return the table row of a run whose weights training started from, with its FIDs."""
    time = describe_time(run["seconds"], run["hardware"], run["precision"])
    fids: dict[str, list[str]] = {}
    for measurement in run["metrics"]:
        if "fid" in measurement["numbers"]:
            extractor = re.split("[;,]", measurement["protocol"])[0]
            fids.setdefault(extractor, []).append(f"{measurement['numbers']['fid']:.4g}")
    results = "".join(f"; fid {', '.join(values)} ({name})" for name, values in fids.items())
    return (
        f"| Started from | {run['model']}: {run['steps']:,} steps in {time}, by "
        f"`{run['command']}`{results} |\n"
    )


def describe_dataset(dataset: Dataset) -> str:
    source = dataset.source if "/" in dataset.source else f"folder {dataset.source}"
    split = f", split `{dataset.split}`" if dataset.split else ""
    colour = "grayscale" if dataset.channels == 1 else "RGB"
    return (
        f"{source}{split}: {dataset.count:,} {colour} images, {dataset.side}x{dataset.side} pixels"
    )


def describe(name: str, kind: type, settings: Mapping[str, object]) -> str:
    """Return an objective or architecture with its settings, like a call."""
    values = {it.name: settings[it.name] for it in fields(kind) if it.name in settings}
    pairs = [
        f"{key}={list(value) if isinstance(value, tuple) else value!r}"
        for key, value in values.items()
    ]
    return f"{name}({', '.join(pairs)})"


def describe_time(seconds: float, hardware: str, precision: str) -> str:
    return f"{seconds / 60:.0f} minutes on {hardware}" + precision_suffix(precision)


def precision_suffix(precision: str) -> str:
    return "" if precision == "no" else f", {precision}"


def total_seconds(record: Record) -> float:
    """Return the training time, with that of earlier runs."""
    return record.seconds + sum(run["seconds"] for run in record.earlier_runs)


def total_hardware(record: Record) -> str:
    """Return the hardware of all runs, in their order."""
    names = dict.fromkeys([*(run["hardware"] for run in record.earlier_runs), record.hardware])
    return ", then ".join(names) + precision_suffix(record.precision)
