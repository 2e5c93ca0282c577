"""Model cards, generated from training.json and metrics.json alone."""

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from training.configs import architectures
from training.objectives import OBJECTIVES
from training.release.records import (
    CLASSIFICATION,
    GENERATION,
    INPAINTING,
    Measurement,
    Record,
    read_metrics,
    read_record,
)

CARD = "README.md"

# Datasets whose license models may carry too; for others the publisher decides.
LICENSES = {"zalando-datasets/fashion_mnist": "mit"}

# Names of metrics in the text of a card, where they differ from their keys; as in the zoo's table
METRIC_NAMES = {"is": "IS", "fid": "FID", "kid": "KID", "lpips": "LPIPS", "nearness": "nearest"}

# Parts of a card that depend on the task. Usage is Python, run in the model's folder.
WORDS = {
    GENERATION: {
        "preview": "Samples from a fixed seed",
        "usage": """\
import torch
import genmodels

pipeline = genmodels.load(".")  # this folder, or a Hub id
images = pipeline(batch_size=16, generator=torch.Generator().manual_seed(0)).images
""",
        "limits": """\
The model generates small images like its training data, with the errors and the biases of that
data. Use it for teaching and research; generated images are not evidence of anything real.
""",
        "classes": "Pass `labels={last}`, or one label per image, to choose classes: {classes}.",
    },
    CLASSIFICATION: {
        "preview": "Real images grouped by predicted class",
        "usage": """\
import torch
from genmodels.networks.classifier import Classifier

classifier = Classifier.from_pretrained(".").eval()  # this folder, or a Hub id
side, channels = classifier.config.side, classifier.config.channels
logits = classifier(torch.zeros(16, channels, side, side))  # samples in [-1, 1]
""",
        "limits": """\
The classifier knows the classes of its training data only and assigns any input to one of them. Its
features and predictions are meant for evaluating generative models of the same kind of images.
""",
        "classes": "Classes: {classes}.",
    },
    INPAINTING: {
        "preview": "Real images with masked regions, each followed by its inpainted version",
        "usage": """\
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
        "limits": """\
The model inpaints small images like its training data, with the errors and the biases of that data.
Use it for teaching and research; the filled regions are inventions.
""",
    },
}

TEMPLATE = """\
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


def write_card(folder: Path) -> None:
    """Generate a model's card from its training.json and metrics.json."""
    ModelCard(model_card(read_record(folder), read_metrics(folder))).save(folder / CARD)


def model_card(record: Record, measurements: Sequence[Measurement] = ()) -> str:
    """Return a model's card in the Hub's format: a function of the record and metrics alone."""
    words, names = WORDS[record["task"]], record["dataset"]["classes"]
    classes = ""
    if record["conditional"]:
        classes = ", ".join(f"{label} {name}" for label, name in enumerate(names))
        classes = words["classes"].format(last=len(names) - 1, classes=classes)
    steps, planned = record["steps"], record["max_train_steps"]
    batch = record["train_batch_size"] * record["gradient_accumulation_steps"]
    objective, architecture = record["objective"], record["architecture"]
    values = {
        "metadata": metadata(record, measurements).to_yaml(),
        "description": inspect.getdoc(OBJECTIVES[objective]),
        "classes": f"\n{classes}\n" if classes else "",
        "earlier": "".join(map(earlier_row, record["earlier_runs"])),
        "dataset": describe_dataset(record["dataset"]),
        "steps": f"{steps:,}" + (f" of {planned:,}" if steps < planned else ""),
        "batch": batch * record["processes"],
        "time": describe_time(record),
        "objective": describe(objective, OBJECTIVES[objective], record),
        "architecture": describe(architecture, getattr(architectures, architecture), record),
        "size": record["weight_bytes"] / 1e6,
        "results": results_section(measurements),
    }
    return TEMPLATE.format_map(record | words | values)


def metadata(record: Record, measurements: Sequence[Measurement]) -> ModelCardData:
    """Return the card's front matter, which the Hub and the app read."""
    source = record["dataset"]["source"]
    results = [
        EvalResult(
            task_type=record["task"],
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
        pipeline_tag=record["task"],
        tags=[record["objective"], "genmodels"],
        datasets=[source] if "/" in source else None,
        base_model=record["base_model"],
        model_name=record["model"] if results else None,
        eval_results=results or None,
        genmodels={
            "steps": record["steps"],
            "seconds": total_seconds(record),
            "hardware": total_hardware(record),
            "parameters": record["parameters"],
        },
    )


def protocol_of(measurement: Measurement) -> str:
    return "; ".join([measurement.protocol, *measurement.notes])


def results_section(measurements: Sequence[Measurement]) -> str:
    """Return a Markdown section with a row for each measurement."""
    rows = [
        f"| {describe_numbers(measurement.numbers)} | {protocol_of(measurement)} |"
        for measurement in measurements
    ]
    return "\n".join(["## Evaluation\n\n| | |\n|---|---|", *rows, "\n"]) if rows else ""


def describe_numbers(numbers: Mapping[str, float]) -> str:
    """Return values with their names, standard deviations after ±, and class frequencies last."""
    frequencies = [f"{numbers[name]:.4g}" for name in numbers if name.startswith("classes_")]
    texts = []
    for name, value in numbers.items():
        if not name.startswith("classes_") and not name.endswith("_std"):
            deviation = numbers.get(f"{name}_std")
            suffix = "" if deviation is None else f" ± {deviation:.4g}"
            texts.append(f"{METRIC_NAMES.get(name, name.replace('_', ' '))} {value:.4g}{suffix}")
    if frequencies:
        texts.append(f"class frequencies {' '.join(frequencies)}")
    return ", ".join(texts)


def earlier_row(run: Mapping) -> str:
    """Return the table row of a run whose weights training started from, with its FIDs."""
    time = describe_time(run)
    fids: dict[str, list[str]] = {}
    for measurement in run["metrics"]:
        if "fid" in measurement["numbers"]:
            extractor = re.split("[;,]", measurement["protocol"])[0]
            fids.setdefault(extractor, []).append(f"{measurement['numbers']['fid']:.4g}")
    results = "".join(f"; FID {', '.join(values)} ({name})" for name, values in fids.items())
    return (
        f"| Started from | {run['model']}: {run['steps']:,} steps in {time}, by "
        f"`{run['command']}`{results} |\n"
    )


def describe_dataset(dataset: Record) -> str:
    source = dataset["source"] if "/" in dataset["source"] else f"folder {dataset['source']}"
    split = f", split `{dataset['split']}`" if dataset["split"] else ""
    colour, side = "grayscale" if dataset["channels"] == 1 else "RGB", dataset["side"]
    text = f"{source}{split}: {dataset['count']:,} {colour} images, {side}x{side} pixels"
    return "; ".join([text, *dataset.get("notes", ())])


def describe(name: str, kind: type, record: Record) -> str:
    """Return an objective or architecture with its settings, like a call."""
    names = [field.name for field in fields(kind) if field.name in record]
    return f"{name}({', '.join(f'{key}={record[key]!r}' for key in names)})"


def describe_time(run: Record) -> str:
    return f"{run['seconds'] / 60:.0f} minutes on {run['hardware']}" + precision_suffix(run)


def precision_suffix(run: Record) -> str:
    return "" if run["precision"] == "no" else f", {run['precision']}"


def total_seconds(record: Record) -> float:
    """Return the training time, with that of earlier runs."""
    return sum(run["seconds"] for run in (*record["earlier_runs"], record))


def total_hardware(record: Record) -> str:
    """Return the hardware of all runs, in their order."""
    names = [run["hardware"] for run in (*record["earlier_runs"], record)]
    return ", then ".join(dict.fromkeys(names)) + precision_suffix(record)
