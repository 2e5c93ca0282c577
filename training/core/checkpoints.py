"""What survives a restart: weights and their averages, optimizers, and how far the run has come.

Data order and randomness are functions of the step (see batches), so they are not here.
"""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterable
from contextlib import nullcontext, suppress
from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import gather_object
from safetensors import SafetensorError

from genmodels.data import Images
from genmodels.errors import UserError, first_line
from training.configs.config import Config

WRITE_ERRORS = (OSError, SafetensorError)  # where there is no room, say

# Of a pipeline and of a lone network, in the folder where it is published.
INDEX_FILES = ("model_index.json", "config.json")
RUN = "run.json"  # in a run's folder and in each checkpoint: what decided its result


class Progress:
    """How far a run has come."""

    def __init__(self) -> None:
        self.step = 0
        self.passes = 0  # of any player, and so batches
        self.seconds = 0.0  # of training, over all restarts
        self.best = math.inf  # score of all that was measured
        self.protocol = ""  # of these scores

    def state_dict(self) -> dict[str, float]:
        return vars(self).copy()

    def load_state_dict(self, state: dict[str, float]) -> None:
        vars(self).update(state)


class Checkpoints:
    """The folders checkpoint-STEP of a run. Each appears whole or not at all."""

    def __init__(self, config: Config, real: Images, accelerator: Accelerator) -> None:
        self.folder = Path(config.output_dir)
        self.limit = config.checkpoints_total_limit
        self.steps = config.max_train_steps
        # All that decides the result but how long the run is. Data may have moved, not changed.
        digest = hashlib.sha256(real.pixels.numpy())
        if config.conditional:
            digest.update(real.labels.numpy())
        run = {
            "objective": type(config.objective).__name__,
            "architecture": type(config.architecture).__name__,
            "data": f"{tuple(real.pixels.shape)}, SHA-256 {digest.hexdigest()}",
            "processes": accelerator.num_processes,
            "precision": accelerator.mixed_precision,
        }
        told = {"max_train_steps", "mixed_precision", "dataset_name", "dataset_config_name"}
        told |= {"dataset_revision"}
        told |= {"train_data_dir", "image_column", "label_column", "resolution"}
        if config.lr_scheduler in ("linear", "cosine"):  # which depend on it
            told.remove("max_train_steps")
        run |= {name: value for name, value in config.result_fields().items() if name not in told}
        self.run = {name: str(value) for name, value in run.items()}

    def all(self) -> list[Path]:
        """Oldest first."""
        found = [path for path in self.folder.glob("checkpoint-*") if step_of(path) is not None]
        return sorted(found, key=step_of)

    def last(self) -> str:
        """What is left of a run that fails, in words."""
        kept = self.all()[-1:]
        return f"its last good checkpoint is {kept[0]}" if kept else "it has no checkpoint yet"

    def find(self, name: str | None) -> Path | None:
        """The checkpoint to resume from, None for a new run.

        name: None, "latest" (a new run where there is none yet) or a checkpoint's folder
        Raises UserError where it is no checkpoint, or not one of this run, and where the run would
        write over something.
        """
        path = None
        if name == "latest" and self.all():
            path = self.all()[-1]
        elif name not in (None, "latest"):
            path = Path(name)
        within = path is not None and path.resolve().parent == self.folder.resolve()
        # A run that was killed before its first checkpoint may begin anew.
        begun = name == "latest" and (self.folder / RUN).exists()
        begun &= not any((self.folder / index).exists() for index in INDEX_FILES)
        empty = not self.folder.exists()
        empty |= self.folder.is_dir() and not any(self.folder.iterdir())
        if not (within or begun or empty):
            raise UserError(
                f"expected a new folder, but {self.folder} holds something already: "
                "give another --output_dir, or --resume_from_checkpoint latest"
            )
        if path is not None:
            self.check(path)
        if within and [path.name] != [last.name for last in self.all()[-1:]]:
            raise UserError(f"expected the last checkpoint of {self.folder}, but got {path}")
        return path

    def check(self, path: Path) -> None:
        """Raise UserError unless this run can go on from a checkpoint."""
        try:
            run = json.loads((path / RUN).read_text())
            step = step_of(path)
            differing = {key: run.get(key) for key in self.run if run.get(key) != self.run[key]}
        except (OSError, ValueError, AttributeError) as error:
            raise UserError(f"expected a checkpoint, but {path} is none") from error
        for key, value in differing.items():
            raise UserError(f"expected {key} {self.run[key]}, but {path} was made with {value}")
        if step is not None and step > self.steps:
            raise UserError(
                f"expected --max_train_steps >= {step} for {path}, but got {self.steps}"
            )

    def begin(self) -> None:
        """Mark the folder as this run's. Raises UserError where nothing can be written there."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / RUN).write_text(json.dumps(self.run, indent=1))
        except OSError as error:
            raise UserError(f"could not write into {self.folder}: {error}") from error

    def load(self, accelerator: Accelerator, path: Path) -> None:
        """Take up the state at a checkpoint. To be called on every process.

        Raises UserError where a file of it is missing, broken or truncated.
        """
        try:
            accelerator.load_state(str(path))
        except Exception as error:  # anything may be wrong with damaged files
            kept = [other for other in self.all() if other != path]
            way = f"; {kept[-1].name} is latest without it" if kept else ""
            raise UserError(f"the checkpoint {path} is broken: {first_line(error)}{way}") from error

    def save(self, accelerator: Accelerator, step: int) -> None:
        """Write a checkpoint and delete the oldest. To be called on every process.

        Raises OSError, on every process, where that failed on one: the disk is full, say. All
        earlier checkpoints but the last have then given room to it, in vain.
        """
        failed = self.write(accelerator, step)
        if failed:
            self.keep(1, accelerator)
            failed = self.write(accelerator, step)
        if failed:
            raise OSError(f"could not write a checkpoint at step {step}: {failed}")
        self.keep(self.limit, accelerator)

    def write(self, accelerator: Accelerator, step: int) -> str:
        """Write a checkpoint -> why it failed on some process, or nothing."""
        partial, whole = self.folder / f".checkpoint-{step}", self.folder / f"checkpoint-{step}"
        if accelerator.is_main_process:
            for torn in self.folder.glob(".checkpoint-*"):  # by a run that was killed
                shutil.rmtree(torn, ignore_errors=True)
        accelerator.wait_for_everyone()
        failures = [""]
        try:
            accelerator.save_state(str(partial))
            shutil.copy(self.folder / RUN, partial)
            flush([*partial.rglob("*"), partial])
        except (*WRITE_ERRORS, RuntimeError) as error:
            # torch's writer gives a RuntimeError, as much else does.
            if isinstance(error, RuntimeError) and "write" not in str(error).lower():
                raise
            failures = [first_line(error)]
        failed = next(filter(None, gather_object(failures)), "")
        if accelerator.is_main_process:
            if failed:
                shutil.rmtree(partial, ignore_errors=True)
            else:
                shutil.rmtree(whole, ignore_errors=True)
                partial.rename(whole)
                flush([self.folder])
        return failed

    def keep(self, count: int, accelerator: Accelerator) -> None:
        """Delete all checkpoints but the newest."""
        if accelerator.is_main_process:
            for old in self.all()[:-count]:
                shutil.rmtree(old, ignore_errors=True)


def flush(places: Iterable[Path]) -> None:
    """Put files and folders on the disk, where a loss of power leaves them."""
    for place in places:
        # Not every system has that for folders.
        with suppress(OSError) if place.is_dir() else nullcontext():
            handle = os.open(place, os.O_RDONLY if place.is_dir() else os.O_RDWR)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def step_of(path: Path) -> int | None:
    """checkpoint-1000 -> 1000; None for what is not so named."""
    digits = path.name.removeprefix("checkpoint-")
    return int(digits) if digits.isdecimal() else None
