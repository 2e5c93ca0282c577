"""A pipeline and its card, as a folder that can be loaded and pushed as it is."""

import inspect
import re
import shlex
import shutil
from pathlib import Path

import torch
from accelerate import Accelerator
from huggingface_hub import ModelCard, ModelCardData
from safetensors.torch import load_file, save_file

from genmodels.data import Images

from .config import Config
from .objectives import OBJECTIVES
from .presets import PRESETS
from .sheets import Sheet
from .state import INDICES, Progress

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


def publish(
    folder: Path,
    sheet: Sheet,
    config: Config,
    real: Images,
    progress: Progress,
    measured: str,
    accelerator: Accelerator,
) -> None:
    """Write what is published, its card and a sheet into a folder, whole or not at all.

    A folder can be loaded once it has an index: the old goes first, the new comes last.

    measured: in words, how good it is; or nothing
    """
    sheet.fit(whole=True)
    draft = folder / ".publishing"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    sheet.published.save_pretrained(draft)
    if config.save_precision == "fp16":
        for file in draft.rglob("*.safetensors"):
            state = load_file(file)
            halves = {
                name: it.half() if it.is_floating_point() else it for name, it in state.items()
            }
            save_file(halves, file, {"format": "pt"})
    sheet.draw().save(draft / "samples.png")
    text = card(sheet, draft, config, real, progress, measured, accelerator)
    ModelCard(text).save(draft / "README.md")

    for name in INDICES:
        (folder / name).unlink(missing_ok=True)
    for path in sorted(draft.iterdir(), key=lambda path: path.name in INDICES):
        shutil.rmtree(folder / path.name, ignore_errors=True)
        path.replace(folder / path.name)
    draft.rmdir()


def card(
    sheet: Sheet,
    draft: Path,
    config: Config,
    real: Images,
    progress: Progress,
    measured: str,
    accelerator: Accelerator,
) -> str:
    """What the model is, how it was made and what it is not for, in the Hub's format."""
    on_hub = config.train_data_dir is None and re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", real.source)
    source = real.source if on_hub else f"the folder {Path(real.source).resolve().name}"
    objective = next(name for name, kind in OBJECTIVES.items() if kind is type(config.objective))
    metadata = ModelCardData(
        license="mit" if on_hub else None,
        library_name="genmodels",
        pipeline_tag=sheet.pipeline_tag,
        tags=[objective, "genmodels"],
        datasets=[real.source] if on_hub else None,
    )
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
        title=Path(config.output_dir).resolve().name,
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
        measured=f"\n| measured | {measured} |" if measured else "",
        batch=config.train_batch_size * config.gradient_accumulation_steps * processes,
        seed=config.seed,
        minutes=progress.seconds / 60,
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
