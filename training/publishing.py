"""A pipeline and its card, as a folder that can be loaded and pushed as it is.

python -m training.publishing FOLDER --hub_model_id NAME [--hub_private_repo]
python -m training.publishing --space NAME [--models ID ...] [--dry_run]
"""

import json
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro
from accelerate import Accelerator
from huggingface_hub import ModelCard
from safetensors.torch import load_file, save_file

from genmodels import errors
from genmodels.data import Images
from genmodels.metrics.measuring import Result
from genmodels.networks.classifier import Classifier
from genmodels.pipelines import read_index

from .cards import card, command, flag, objective_of
from .config import Config
from .hub import PAUSES, UNPUSHED, Unpushed, push
from .sheets import Sheet
from .space import working_tree
from .state import INDICES, Progress
from .tracking import CURVES, history

METRICS, SETTINGS = "metrics.json", "training.json"
BESIDE = ("README.md", "samples.png", "curves.png", METRICS, SETTINGS)  # what is beside the weights


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
    from . import figures  # slow to import, and a run is to start soon

    told = history(Path(config.output_dir) / CURVES)
    figures.losses(told).savefig(draft / "curves.png")
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
        flags = flag("hub_model_id", name) + (flag("hub_private_repo", True) if private else [])
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
