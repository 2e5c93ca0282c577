"""A pipeline and its card, as a folder that can be loaded and pushed as it is.

python -m training.publishing FOLDER --hub_model_id NAME [--hub_private_repo]
python -m training.publishing --space NAME [--models ID ...] [--dry_run]
"""

import inspect
import json
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
import tyro
from accelerate import Accelerator
from huggingface_hub import EvalResult, ModelCard, ModelCardData
from safetensors.torch import load_file, save_file

from genmodels import errors
from genmodels.data import Images
from genmodels.metrics.measuring import Result
from genmodels.networks.classifier import Classifier
from genmodels.pipelines import read_index

from .config import Config
from .hub import PAUSES, UNPUSHED, Unpushed, push
from .objectives import OBJECTIVES
from .presets import PRESETS
from .sheets import Sheet
from .space import working_tree
from .state import INDICES, Progress

METRICS, SETTINGS = "metrics.json", "training.json"
BESIDE = ("README.md", "samples.png", METRICS, SETTINGS)  # what is published beside the weights

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
    measured: Result | None,
    accelerator: Accelerator,
) -> None:
    """Write what is published, its card and a sheet into a folder, whole or not at all.

    A folder can be loaded once it has an index: the old goes first, the new comes last.

    measured: how good it is, if that is known
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
    settings = {
        "command": command(config),
        "objective": objective_of(config),
        "architecture": type(config.architecture).__name__,
        "steps": progress.step,
        "processes": accelerator.num_processes,
        **config.decisive(),
    }
    (draft / SETTINGS).write_text(json.dumps(settings, indent=1))
    if measured:
        told = {**measured.numbers, "protocol": measured.protocol, "notes": measured.notes}
        (draft / METRICS).write_text(json.dumps(told, indent=1))

    for name in (*INDICES, METRICS):
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


def published(folder: Path) -> dict[str, Path]:
    """What was published in a folder, by its path there, without all else that a run leaves.

    Raises ValueError where nothing was, or it is broken.
    """
    if (folder / "model_index.json").exists():
        _, parts = read_index(folder)
        inside = [f"{part}/*{suffix}" for part in parts for suffix in (".json", ".safetensors")]
        wanted = ["model_index.json", *inside]
    elif (folder / "config.json").exists():
        kind = Classifier.load_config(folder).get("_class_name")
        if kind != Classifier.__name__:
            raise ValueError(f"expected a pipeline or a classifier in {folder}, but it is a {kind}")
        wanted = ["config.json", "*.safetensors"]
    else:
        raise ValueError(
            f"expected what a run has published, but {folder} has no {' or '.join(INDICES)}; a "
            "run publishes at its end, or goes on to it by --resume_from_checkpoint latest"
        )
    found = [path for pattern in (*wanted, *BESIDE) for path in sorted(folder.glob(pattern))]
    return {str(path.relative_to(folder)): path for path in found}


def push_folder(folder: Path, name: str, private: bool, pauses: Sequence[float] = PAUSES) -> str:
    """Push what was published in a folder -> its address on the Hub.

    Raises ValueError where nothing was, and Unpushed with the command to do it later.
    """
    try:
        return push(name, published(folder), private, replaced=(*INDICES, METRICS), pauses=pauses)
    except Unpushed as error:
        flags = [*flag("hub_model_id", name), *(["--hub_private_repo"] if private else [])]
        later = shlex.join(["python", "-m", "training.publishing", str(folder), *flags])
        raise Unpushed(f"{error}; all of it is in {folder}, to be pushed by: {later}") from error


def main(
    folder: Annotated[Path | None, tyro.conf.Positional] = None,
    hub_model_id: str | None = None,
    hub_private_repo: bool = False,
    space: str | None = None,
    models: tuple[str, ...] = (),
    dry_run: bool = False,
) -> None:
    """Push to the Hub what a run has published, or the app as a Space. In one commit, or none.

    Args:
        folder: where it was published: of a run, its best, or one of checkpoints/
        hub_model_id: user/name of its repository, which is made where there is none
        hub_private_repo: only ever into a private repository
        space: user/name of the Space, which is made or brought up to date
        models: ids on the Hub that the Space shows, and keeps ready
        dry_run: list the files and their sizes, and push nothing
    """
    if (folder is None) == (space is None) or (folder is None) != (hub_model_id is None):
        raise ValueError("expected a folder with --hub_model_id, or --space")
    files = working_tree(models) if folder is None else published(folder)
    if dry_run:
        for path, file in files.items():
            size = len(file) if isinstance(file, bytes) else file.stat().st_size
            print(f"{size:>12,}  {path}")
        return
    try:
        if folder is None:
            address = push(space, files, hub_private_repo, "space")
        else:
            address = push_folder(folder, hub_model_id, hub_private_repo)
    except Unpushed as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(UNPUSHED)
    print(f"pushed to {address}")


if __name__ == "__main__":
    errors.command(main, "python -m training.publishing")
