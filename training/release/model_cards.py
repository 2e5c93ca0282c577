"""The card of what is published: what it is, how it was made and what it is not for."""

import inspect
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate import Accelerator
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from genmodels.data import Images
from genmodels.metrics.evaluation import Result
from training.configs.config import EVALUATION_FIELDS, Config
from training.configs.presets import PRESETS
from training.core.checkpoints import Progress
from training.objectives import OBJECTIVES
from training.release.previews import Sheet

# Of data on the Hub. By which a model of any other may go, its publisher has to know.
LICENSES = {"zalando-datasets/fashion_mnist": "mit"}

CARD = """\
---
{metadata}
---

# {title}

{description}

![{caption}](samples.png)

## Use

```python
{use}```
{classes}
## Training

| | |
|---|---|
| command | `{command}` |
| data | {source}: {count:,} images of {side}x{side} pixels, {colour} |
| steps | {steps} of {batch} images a turn, seed {seed} |
| time | {minutes:.0f} minutes on {hardware} |
| objective | `{objective}` |
| architecture | `{architecture}` |
| size | {size:.1f} MB, {parameters:,} parameters: exponential averages of the weights |

![Each term of the losses by the steps, and what was measured](curves.png)

{measured}## Limits

{limits}"""


def card(
    sheet: Sheet,
    draft: Path,
    config: Config,
    real: Images,
    progress: Progress,
    measured: Result | None,
    accelerator: Accelerator,
) -> str:
    """What the model is, how it was made and what it is not for, in the Hub's format."""
    on_hub = re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", real.source)
    on_hub = on_hub and config.train_data_dir is None and not Path(real.source).exists()
    source = real.source if on_hub else f"the folder {Path(real.source).resolve().name}"
    title = Path(config.output_dir).resolve().name
    results = entries(measured, sheet.pipeline_tag, source) if measured else []
    parts = getattr(sheet.published, "components", {"": sheet.published}).values()
    networks = [part for part in parts if isinstance(part, torch.nn.Module)]
    count = sum(weight.numel() for network in networks for weight in network.parameters())
    last, base = config.max_train_steps, config.pretrained_model_name_or_path
    metadata = ModelCardData(
        license=LICENSES.get(real.source) if on_hub else None,
        library_name="genmodels",
        pipeline_tag=sheet.pipeline_tag,
        tags=[objective_name(config), "genmodels"],
        datasets=[real.source] if on_hub else None,
        base_model=base if base and not Path(base).is_dir() else None,
        model_name=title if results else None,
        eval_results=results or None,
        genmodels={
            "steps": progress.step,
            "seconds": round(progress.seconds),
            "hardware": hardware(accelerator),
            "parameters": count,
        },
    )
    return CARD.format(
        metadata=metadata.to_yaml(),
        title=title,
        description=inspect.getdoc(config.objective),
        classes=f"\n{sheet.told(real.classes)}\n" if config.conditional else "",
        caption=sheet.caption,
        use=sheet.use,
        limits=sheet.limits,
        command=training_command(config),
        source=source if config.train_data_dir else f"{source}, split `train`",
        count=len(real.pixels),
        side=real.side,
        colour="grey" if real.channels == 1 else "RGB",
        steps=f"{progress.step:,}" + (f" (of {last:,})" if progress.step < last else ""),
        measured=section(results),
        batch=config.train_batch_size
        * config.gradient_accumulation_steps
        * accelerator.num_processes,
        seed=config.seed,
        minutes=progress.seconds / 60,
        hardware=hardware(accelerator),
        objective=config.objective,
        architecture=config.architecture,
        parameters=count,
        size=sum(file.stat().st_size for file in draft.rglob("*.safetensors")) / 1e6,
    )


def hardware(accelerator: Accelerator) -> str:
    """What a run was on, in words."""
    told = cores()
    if accelerator.device.type == "cuda":
        told = torch.cuda.get_device_name(accelerator.device)
    if accelerator.num_processes > 1:
        told = f"{accelerator.num_processes} processes with {told} each"
    return told + (f", {it}" if (it := accelerator.mixed_precision) != "no" else "")


def cores() -> str:
    count = torch.get_num_threads()
    return f"{count} CPU core{'s' if count > 1 else ''}"


def entries(measured: Result, task: str, dataset: str, **settings: object) -> list[EvalResult]:
    """Numbers as a card's metadata have them, each with its protocol and notes in its name, without
    which it would be taken for any other's.

    settings: of the measurement, by which a number is found again
    """
    told = "; ".join([measured.protocol, *measured.notes])
    return [
        EvalResult(
            task_type=task,
            dataset_type=dataset,
            dataset_name=dataset,
            metric_type=name,
            metric_value=value,
            metric_name=f"{name}, {told}",
            metric_args=settings or None,
        )
        for name, value in measured.numbers.items()
    ]


def section(results: Sequence[EvalResult]) -> str:
    """The numbers of the metadata for a reader: a row for each protocol."""
    by_protocol: dict[str, list[str]] = {}
    for it in results:
        protocol = it.metric_name.removeprefix(f"{it.metric_type}, ")
        number = f"{it.metric_type} {it.metric_value:.4g}"
        by_protocol.setdefault(protocol, []).append(number)
    rows = [f"| {', '.join(numbers)} | {told} |" for told, numbers in by_protocol.items()]
    return "\n".join(["## Measured", "", "| | |", "|---|---|", *rows, "", ""]) if rows else ""


def enter(file: Path, results: Sequence[EvalResult]) -> None:
    """Put numbers into a card, in the place of those of the same kind and settings."""
    card = ModelCard.load(file)
    new = [(it.metric_type, it.metric_args) for it in results]
    old = card.data.eval_results or []
    old = [it for it in old if (it.metric_type, it.metric_args) not in new]
    card.data.eval_results = [*old, *results]
    card.data.model_name = file.resolve().parent.name
    text = re.sub(r"## Measured\n.*?(?=## Limits)", "", card.text, flags=re.DOTALL)
    card.text = text.replace("## Limits", f"{section(card.data.eval_results)}## Limits")
    card.save(file)


def objective_name(config: Config) -> str:
    """Its name in OBJECTIVES."""
    return next(name for name, kind in OBJECTIVES.items() if kind is type(config.objective))


def training_command(config: Config) -> str:
    """The shortest command that trains this config: the nearest preset and what differs from it."""
    kind = (type(config.objective), type(config.architecture))
    fields = config.result_fields()
    if config.eval_every is not None:  # by which the best was found
        fields |= {field: getattr(config, field) for field in EVALUATION_FIELDS}
    differing = {}
    for name, preset in PRESETS.items():
        if (type(preset.objective), type(preset.architecture)) == kind:
            theirs = {
                field: getattr(preset, field) for field in EVALUATION_FIELDS
            } | preset.result_fields()
            differing[name] = {
                field: value for field, value in fields.items() if value != theirs[field]
            }
    name = min(differing, key=lambda name: len(differing[name]))
    flags = [word for field, value in differing[name].items() for word in flag(field, value)]
    return shlex.join(["accelerate", "launch", "-m", "training", name, *flags])


def flag(field: str, value: object) -> list[str]:
    """A field of the command line and its value, as words."""
    if isinstance(value, bool):
        return [f"--{field}" if value else f"--no_{field}"]
    return [f"--{field}", *map(str, value if isinstance(value, tuple) else [value])]
