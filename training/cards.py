"""The card of what is published: what it is, how it was made and what it is not for."""

import inspect
import re
import shlex
from pathlib import Path

import torch
from accelerate import Accelerator
from huggingface_hub import EvalResult, ModelCardData

from genmodels.data import Images
from genmodels.metrics.measuring import Result

from .config import Config
from .objectives import OBJECTIVES
from .presets import PRESETS
from .sheets import Sheet
from .state import Progress

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
| steps | {steps:,} of {batch} images a turn, seed {seed} |
| time | {minutes:.0f} minutes on {hardware} |
| objective | `{objective}` |
| architecture | `{architecture}` |
| size | {size:.1f} MB, {parameters:,} parameters: exponential averages of the weights |{measured}

## Limits

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
    on_hub = config.train_data_dir is None and re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", real.source)
    source = real.source if on_hub else f"the folder {Path(real.source).resolve().name}"
    title = Path(config.output_dir).resolve().name
    results = [
        EvalResult(
            task_type=sheet.pipeline_tag,
            dataset_type=source,
            dataset_name=source,
            metric_type=name,
            metric_value=value,
            metric_name=f"{name}, {measured.protocol}",  # or it would be taken for any other's
        )
        for name, value in (measured.numbers if measured else {}).items()
    ]
    metadata = ModelCardData(
        license="mit" if on_hub else None,
        library_name="genmodels",
        pipeline_tag=sheet.pipeline_tag,
        tags=[objective_of(config), "genmodels"],
        datasets=[real.source] if on_hub else None,
        model_name=title if results else None,
        eval_results=results or None,
    )
    told = ""
    if measured:
        numbers = ", ".join(f"{name} {value:.4g}" for name, value in measured.numbers.items())
        told = "; ".join([f"{numbers}: {measured.protocol}", *measured.notes])
    parts = getattr(sheet.published, "components", {"": sheet.published}).values()
    networks = [part for part in parts if isinstance(part, torch.nn.Module)]
    cores = torch.get_num_threads()
    hardware = f"{cores} CPU core{'s' if cores > 1 else ''}"
    if accelerator.device.type == "cuda":
        hardware = torch.cuda.get_device_name(accelerator.device)
    processes = accelerator.num_processes
    if processes > 1:
        hardware = f"{processes} processes with {hardware} each"
    if accelerator.mixed_precision != "no":
        hardware += f", {accelerator.mixed_precision}"
    return CARD.format(
        metadata=metadata.to_yaml(),
        title=title,
        description=inspect.getdoc(config.objective),
        classes=f"\n{sheet.told(real.classes)}\n" if config.conditional else "",
        caption=sheet.caption,
        use=sheet.use,
        limits=sheet.limits,
        command=command(config),
        source=source if config.train_data_dir else f"{source}, split `train`",
        count=len(real.pixels),
        side=real.side,
        colour="grey" if real.channels == 1 else "RGB",
        steps=progress.step,
        measured=f"\n| measured | {told} |" if told else "",
        batch=config.train_batch_size * config.gradient_accumulation_steps * processes,
        seed=config.seed,
        minutes=progress.seconds / 60,
        hardware=hardware,
        objective=config.objective,
        architecture=config.architecture,
        parameters=sum(weight.numel() for network in networks for weight in network.parameters()),
        size=sum(file.stat().st_size for file in draft.rglob("*.safetensors")) / 1e6,
    )


def objective_of(config: Config) -> str:
    """Its name in OBJECTIVES."""
    return next(name for name, kind in OBJECTIVES.items() if kind is type(config.objective))


def command(config: Config) -> str:
    """The shortest command that trains this config: the nearest preset and what differs from it."""
    kind = (type(config.objective), type(config.architecture))
    differing = {}
    for name, preset in PRESETS.items():
        if (type(preset.objective), type(preset.architecture)) == kind:
            theirs = preset.decisive()
            fields = config.decisive().items()
            differing[name] = {field: value for field, value in fields if value != theirs[field]}
    name = min(differing, key=lambda name: len(differing[name]))
    flags = [word for field, value in differing[name].items() for word in flag(field, value)]
    return shlex.join(["accelerate", "launch", "-m", "training", name, *flags])


def flag(field: str, value: object) -> list[str]:
    """A field of the command line and its value, as words."""
    if isinstance(value, bool):
        return [f"--{field}" if value else f"--no_{field}"]
    return [f"--{field}", *map(str, value if isinstance(value, tuple) else [value])]
