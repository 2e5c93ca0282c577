"""A pipeline and its card, as a folder that can be loaded and pushed as it is."""

import json
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from accelerate import Accelerator
from huggingface_hub import ModelCard
from safetensors.torch import load_file, save_file

from genmodels.data import Images
from genmodels.errors import UserError
from genmodels.metrics.evaluation import Result
from genmodels.networks.classifier import Classifier
from genmodels.pipelines import read_index
from training.configs.config import Config
from training.core.checkpoints import INDEX_FILES, Progress
from training.core.tracking import CURVES, history
from training.release.model_cards import card, flag, objective_name, training_command
from training.release.previews import Sheet
from training.release.push import PAUSES, PushError, push

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
    from training.release import figures  # slow to import, and a run is to start soon

    told = history(Path(config.output_dir) / CURVES)
    figures.losses(told).savefig(draft / "curves.png")
    text = card(sheet, draft, config, real, progress, measured, accelerator)
    ModelCard(text).save(draft / "README.md")
    settings = {
        "command": training_command(config),
        "objective": objective_name(config),
        "architecture": type(config.architecture).__name__,
        "steps": progress.step,
        "processes": accelerator.num_processes,
        **config.result_fields(),
    }
    (draft / SETTINGS).write_text(json.dumps(settings, indent=1))
    if measured:
        told = {**measured.numbers, "protocol": measured.protocol, "notes": measured.notes}
        (draft / METRICS).write_text(json.dumps(told, indent=1))

    for name in (*INDEX_FILES, METRICS):
        (folder / name).unlink(missing_ok=True)
    for path in sorted(draft.iterdir(), key=lambda path: path.name in INDEX_FILES):
        shutil.rmtree(folder / path.name, ignore_errors=True)
        path.replace(folder / path.name)
    draft.rmdir()


def published(folder: Path) -> dict[str, Path]:
    """What was published in a folder, by its path there, without all else that a run leaves.

    Raises UserError where nothing was, or it is broken.
    """
    if (folder / "model_index.json").exists():
        _, parts = read_index(folder)
        inside = [f"{part}/*{suffix}" for part in parts for suffix in (".json", ".safetensors")]
        wanted = ["model_index.json", *inside]
    elif (folder / "config.json").exists():
        kind = Classifier.load_config(folder).get("_class_name")
        if kind != Classifier.__name__:
            raise UserError(f"expected a pipeline or a classifier in {folder}, but it is a {kind}")
        wanted = ["config.json", "*.safetensors"]
    else:
        raise UserError(
            f"expected what a run has published, but {folder} has no {' or '.join(INDEX_FILES)}; a "
            "run publishes at its end, or goes on to it by --resume_from_checkpoint latest"
        )
    found = [path for pattern in (*wanted, *BESIDE) for path in sorted(folder.glob(pattern))]
    return {str(path.relative_to(folder)): path for path in found}


def push_folder(folder: Path, name: str, private: bool, pauses: Sequence[float] = PAUSES) -> str:
    """Push what was published in a folder -> its address on the Hub.

    Raises UserError where nothing was, and PushError with the command to do it later.
    """
    try:
        return push(
            name, published(folder), private, replaced=(*INDEX_FILES, METRICS), pauses=pauses
        )
    except PushError as error:
        flags = flag("hub_model_id", name) + (flag("hub_private_repo", True) if private else [])
        later = shlex.join(["python", "-m", "training.publishing", str(folder), *flags])
        raise PushError(f"{error}; all of it is in {folder}, to be pushed by: {later}") from error
