"""A pipeline and its card, as a folder that can be loaded and pushed as it is."""

import inspect
import math
import re
import shlex
import shutil
from pathlib import Path

import torch
from accelerate import Accelerator
from huggingface_hub import ModelCard, ModelCardData

from genmodels.data import Images

from .config import Config
from .objectives import OBJECTIVES
from .presets import PRESETS
from .tracking import Sheet

CARD = """\
---
{metadata}
---

# {title}

{description}

![{shown} samples of seed {seed}](samples.png)

## Use

```python
import torch
import genmodels

pipeline = genmodels.load(".")  # this folder, or its id on the Hub
images = pipeline(batch_size=16, generator=torch.Generator().manual_seed(0)).images
```
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
| size | {size:.1f} MB, {parameters:,} parameters: exponential averages of the weights |

## Limits

It draws small pictures of the kind it was trained on and nothing else, with the faults and the
balance of its data. It is for teaching and research: no sample is evidence of anything real.
"""


def publish(
    sheet: Sheet, config: Config, real: Images, seconds: float, accelerator: Accelerator
) -> None:
    """Write the pipeline, its card and a sample grid into `config.output_dir`, whole or not at all.

    A folder is a pipeline once it has a model_index.json: the old goes first, the new comes last.
    """
    folder, pipeline = Path(config.output_dir), sheet.pipeline
    drawn = sheet.draw(fit=math.ceil(len(real.pixels) / config.train_batch_size))
    draft = folder / ".publishing"
    shutil.rmtree(draft, ignore_errors=True)
    pipeline.save_pretrained(draft)
    drawn.save(draft / "samples.png")
    text = card(sheet, draft, config, real, seconds, accelerator)
    ModelCard(text).save(draft / "README.md")

    (folder / "model_index.json").unlink(missing_ok=True)
    for path in sorted(draft.iterdir(), key=lambda path: path.name == "model_index.json"):
        shutil.rmtree(folder / path.name, ignore_errors=True)
        path.replace(folder / path.name)
    draft.rmdir()


def card(
    sheet: Sheet,
    draft: Path,
    config: Config,
    real: Images,
    seconds: float,
    accelerator: Accelerator,
) -> str:
    """What the model is, how it was made and what it is not for, in the Hub's format."""
    on_hub = config.train_data_dir is None and re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", real.source)
    source = real.source if on_hub else f"the folder {Path(real.source).resolve().name}"
    objective = next(name for name, kind in OBJECTIVES.items() if kind is type(config.objective))
    metadata = ModelCardData(
        license="mit" if on_hub else None,
        library_name="genmodels",
        pipeline_tag="unconditional-image-generation",
        tags=[objective, "genmodels"],
        datasets=[real.source] if on_hub else None,
    )
    classes = ""
    if config.conditional:
        named = ", ".join(f"{label} {name}" for label, name in enumerate(real.classes))
        last = len(real.classes) - 1
        classes = f"\nWith `labels={last}`, or one for each image, it draws a class: {named}.\n"
    networks = [
        part for part in sheet.pipeline.components.values() if isinstance(part, torch.nn.Module)
    ]
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
        title=Path(config.output_dir).resolve().name,
        description=inspect.getdoc(config.objective),
        classes=classes,
        shown=len(sheet.latents),
        command=command(config),
        source=source if config.train_data_dir else f"{source}, split `train`",
        count=len(real.pixels),
        side=real.side,
        colour="grey" if real.channels == 1 else "RGB",
        steps=config.max_train_steps,
        batch=config.train_batch_size * config.gradient_accumulation_steps * processes,
        seed=config.seed,
        minutes=seconds / 60,
        hardware=hardware,
        objective=config.objective,
        architecture=config.architecture,
        parameters=sum(weight.numel() for network in networks for weight in network.parameters()),
        size=sum(file.stat().st_size for file in draft.rglob("*.safetensors")) / 1e6,
    )


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
