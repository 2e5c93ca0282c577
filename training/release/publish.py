"""Published models: a folder that users load and push as it is."""

import json
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from safetensors.torch import load_file, save_file

from genmodels.errors import UserError, first_line
from genmodels.metrics.evaluation import Result
from genmodels.networks.classifier import Classifier
from genmodels.pipelines import read_index
from genmodels.pipelines.base import LatentPipeline
from training.core.checkpoints import INDEX_FILES
from training.release.model_cards import CARD, write_card
from training.release.push import PAUSES, PushError, push
from training.release.records import METRICS, RECORD, Record, add_metrics, flag

EXTRAS = (CARD, "samples.png", "curves.png", METRICS, RECORD)  # published beside the weights


def publish(
    folder: Path,
    pipeline: LatentPipeline | Classifier,
    preview: Image.Image,
    curves: Sequence[dict[str, float]],
    record: Record,
    result: Result | None = None,
    half: bool = False,
) -> None:
    """Write a model, its card and its pictures into a folder, completely or not at all.

    The index file makes a folder loadable: the old one goes first, the new one comes last.
    The result is that of exactly these weights, which are stored as float16 if `half`.
    """
    draft = folder / ".publishing"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    pipeline.save_pretrained(draft)
    weights = list(draft.rglob("*.safetensors"))
    for file in weights if half else ():
        state = load_file(file)
        halves = {name: it.half() if it.is_floating_point() else it for name, it in state.items()}
        save_file(halves, file, {"format": "pt"})
    preview.save(draft / "samples.png")
    from training.release import figures  # slow to import, and training must start quickly

    figures.losses(curves).savefig(draft / "curves.png")
    record = record | {"weight_bytes": sum(file.stat().st_size for file in weights)}
    (draft / RECORD).write_text(json.dumps(record, indent=1))
    if result:
        add_metrics(draft, result, {})
    write_card(draft)

    for name in (*INDEX_FILES, METRICS):
        (folder / name).unlink(missing_ok=True)
    for path in sorted(draft.iterdir(), key=lambda path: path.name in INDEX_FILES):
        shutil.rmtree(folder / path.name, ignore_errors=True)
        path.replace(folder / path.name)
    draft.rmdir()


def published(folder: Path) -> dict[str, Path]:
    """List the published files in a folder, by relative path, without a run's other files.

    Raises UserError if there are none, or if they are damaged.
    """
    if (folder / "model_index.json").exists():
        _, parts = read_index(folder)
        inside = [f"{part}/*{suffix}" for part in parts for suffix in (".json", ".safetensors")]
        patterns = ["model_index.json", *inside]
    elif (folder / "config.json").exists():
        try:
            kind = Classifier.load_config(folder).get("_class_name")
        except OSError as error:  # diffusers raises it for invalid JSON too
            raise UserError(
                f"the config.json in {folder} is broken: {first_line(error)}"
            ) from error
        if kind != Classifier.__name__:
            raise UserError(f"expected a pipeline or a classifier in {folder}, got {kind}")
        patterns = ["config.json", "*.safetensors"]
    else:
        raise UserError(
            f"expected a published model, found no {' or '.join(INDEX_FILES)} in {folder}; a run "
            "publishes at its end, resume it with --resume_from_checkpoint latest"
        )
    files = [path for pattern in (*patterns, *EXTRAS) for path in sorted(folder.glob(pattern))]
    return {str(path.relative_to(folder)): path for path in files}


def push_folder(folder: Path, name: str, private: bool, pauses: Sequence[float] = PAUSES) -> str:
    """Push a published model -> its URL on the Hub.

    Raises UserError if the folder has none, and PushError with the command to push later.
    """
    try:
        return push(name, published(folder), private, "model", (*INDEX_FILES, METRICS), pauses)
    except PushError as error:
        flags = flag("hub_model_id", name) + (flag("hub_private_repo", True) if private else [])
        command = shlex.join(["python", "-m", "training.publishing", str(folder), *flags])
        remedy = f"the published files are in {folder}, push them with: {command}"
        raise PushError(f"{error}; {remedy}") from error
