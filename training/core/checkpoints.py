"""Checkpoints of a run: weights and their EMA, optimizers, and progress.

Data order and randomness are functions of the step (see batches), so checkpoints hold neither.
They lie on the disk of the main process, which other machines need not see.
"""

import json
import math
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import gather_object
from safetensors import SafetensorError

from genmodels.errors import UserError, first_line
from training.core.processes import call_on_main, saves_shards, shared_folder

WRITE_ERRORS = (OSError, SafetensorError)  # a full disk, for example

# Index files of a published pipeline and of a published classifier.
INDEX_FILES = ("model_index.json", "config.json")
# Keys of a run's settings that are no flags
GLOBAL_BATCH = "train_batch_size x gradient_accumulation_steps x processes"
NO_FLAGS = {"objective", "architecture", "data", "precision", GLOBAL_BATCH}
RUN = "run.json"  # in a run's folder and in each checkpoint: the settings that determine the result


class Progress:
    """How far a run has come."""

    def __init__(self) -> None:
        self.step = 0
        self.updates = 0  # optimizer steps, over all networks
        self.seconds = 0.0  # training time, over all restarts
        self.best = math.inf  # lowest score so far
        self.protocol = ""  # how that score was computed

    def state_dict(self) -> dict[str, float]:
        return vars(self).copy()

    def load_state_dict(self, state: dict[str, float]) -> None:
        vars(self).update(state)


class Checkpoints:
    """The folders checkpoint-STEP of a run. Each is complete: it is renamed after the last write.

    `settings` determine the result of the run (`run_settings`). Call the methods that take an
    accelerator on every process.
    """

    def __init__(
        self, folder: Path, limit: int, max_steps: int, settings: Mapping[str, str]
    ) -> None:
        self.folder, self.limit, self.max_steps, self.settings = folder, limit, max_steps, settings
        self.last: Path | None = None  # known on every process

    def all(self) -> list[Path]:
        """List checkpoints, oldest first."""
        paths = [path for path in self.folder.glob("checkpoint-*") if step_of(path) is not None]
        return sorted(paths, key=step_of)

    def describe_last(self) -> str:
        """Name the last checkpoint, for error messages."""
        if self.last is None:
            return "there is no checkpoint yet"
        return f"the last good checkpoint is {self.last}"

    def find(self, accelerator: Accelerator, name: str | None) -> Path | None:
        """Return the checkpoint to resume from, None for a new run.

        The name is None, "latest" (a new run if there is no checkpoint) or a checkpoint's folder.
        Raises UserError if that is no checkpoint of this run, or the run would overwrite files.
        """
        self.last = call_on_main(accelerator, lambda: self.find_on_disk(name))
        return self.last

    def find_on_disk(self, name: str | None) -> Path | None:
        """Return the checkpoint to resume from; see `find`."""
        last = self.all()[-1:]
        path = None if name in (None, "latest") else Path(name)
        if name == "latest" and last:
            path = last[0]
        own = path is not None and path.resolve().parent == self.folder.resolve()
        # A run that was killed before its first checkpoint may start again.
        restart = name == "latest" and (self.folder / RUN).exists()
        restart &= not any((self.folder / index).exists() for index in INDEX_FILES)
        empty = not self.folder.exists()
        empty |= self.folder.is_dir() and not any(self.folder.iterdir())
        if not (own or restart or empty):
            raise UserError(
                f"expected a new or empty --output_dir, got {self.folder}, which contains files: "
                "choose another one, or resume with --resume_from_checkpoint latest"
            )
        if path is not None:
            self.check(path)
        if own and [path.name] != [checkpoint.name for checkpoint in last]:
            expected = f"{last[0]}, the last checkpoint" if last else "a checkpoint"
            raise UserError(f"expected {expected}, got {path}")
        return path

    def check(self, path: Path) -> None:
        """Raise UserError unless this run can resume from a checkpoint."""
        try:
            settings = json.loads((path / RUN).read_text())
            differing = [key for key in self.settings if settings.get(key) != self.settings[key]]
        except (OSError, ValueError, AttributeError) as error:
            raise UserError(
                f"expected a checkpoint folder to resume from, got {path}; use "
                "--resume_from_checkpoint latest or RUN/checkpoint-STEP"
            ) from error
        for key in differing:
            flag = key if key in NO_FLAGS else f"--{key}"
            reason = ""
            if key == "max_train_steps":
                reason = f" (--lr_scheduler {self.settings['lr_scheduler']} depends on it)"
            raise UserError(
                f"expected {flag} {settings.get(key)}{reason}, as in {path}, got "
                f"{self.settings[key]}: resume with the run's own settings, or start a new run in "
                "another --output_dir"
            )
        step = step_of(path)
        if step is not None and step > self.max_steps:
            raise UserError(
                f"expected --max_train_steps >= {step} to resume from {path}, got {self.max_steps}"
            )

    def begin(self, accelerator: Accelerator) -> None:
        """Create the run's folder. Raises UserError if it is not writable, or must be shared."""
        call_on_main(accelerator, self.create_folder)
        if saves_shards(accelerator) and not all(gather_object([(self.folder / RUN).exists()])):
            raise UserError(
                f"expected --output_dir {self.folder} on a disk that all machines share, because "
                "with FSDP and DeepSpeed every process saves its part; use a shared disk, or DDP"
            )

    def create_folder(self) -> None:
        """Create the run's folder with its settings. Raises UserError if it is not writable."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / RUN).write_text(json.dumps(self.settings, indent=1))
        except OSError as error:
            reason = first_line(error)
            raise UserError(f"could not write to --output_dir {self.folder}: {reason}") from error

    def load(self, accelerator: Accelerator, path: Path) -> None:
        """Load a checkpoint. Raises UserError if it is damaged."""
        errors: list[Exception | None] = [None]
        with shared_folder(accelerator, path) as folder:
            try:
                accelerator.load_state(str(folder))
            except Exception as error:  # damaged files fail in many ways
                errors = [error]
        reasons = [first_line(error) if error else "" for error in errors]
        if reason := next(filter(None, gather_object(reasons)), ""):
            others = [other for other in self.all() if other != path]
            remedy = f"; delete it to resume from {others[-1].name}" if others else ""
            raise UserError(f"checkpoint {path} is damaged: {reason}{remedy}") from errors[0]

    def save(self, accelerator: Accelerator, step: int) -> None:
        """Write a checkpoint and delete old ones.

        If the write fails, all earlier checkpoints but the last are deleted to make room before a
        second attempt. If that fails on any process, all of them raise OSError.
        """
        failure = self.write(accelerator, step)
        if failure:
            self.delete_old(1, accelerator)
            failure = self.write(accelerator, step)
        if failure:
            raise OSError(f"could not write a checkpoint at step {step}: {failure}")
        self.last = self.folder / f"checkpoint-{step}"
        self.delete_old(self.limit, accelerator)

    def write(self, accelerator: Accelerator, step: int) -> str:
        """Write a checkpoint -> the error message of a process that failed, or ""."""
        partial, complete = self.folder / f".checkpoint-{step}", self.folder / f"checkpoint-{step}"
        is_main = accelerator.is_main_process

        def save() -> None:
            accelerator.save_state(str(partial))
            if is_main:
                shutil.copy(self.folder / RUN, partial)
            flush([*partial.rglob("*"), partial])

        def rename() -> None:
            shutil.rmtree(complete, ignore_errors=True)
            partial.rename(complete)
            flush([self.folder])

        self.delete_partial(accelerator)  # of a killed run
        accelerator.wait_for_everyone()
        # All processes have the same networks, unless they are sharded.
        failure = try_write(save if is_main or saves_shards(accelerator) else None)
        failure = failure or try_write(rename if is_main else None)
        if failure:
            self.delete_partial(accelerator)
        return failure

    def delete_partial(self, accelerator: Accelerator) -> None:
        """Delete incomplete checkpoints."""
        if accelerator.is_main_process:
            for partial in self.folder.glob(".checkpoint-*"):
                shutil.rmtree(partial, ignore_errors=True)

    def delete_old(self, count: int, accelerator: Accelerator) -> None:
        """Delete all checkpoints but the newest."""
        if accelerator.is_main_process:
            for old in self.all()[:-count]:
                shutil.rmtree(old, ignore_errors=True)


def try_write(function: Callable[[], None] | None) -> str:
    """Call a function that writes -> the error message of a process that failed, or "".

    Call on every process; those that have nothing to write pass None.
    """
    failures = [""]
    try:
        if function is not None:
            function()
    except (*WRITE_ERRORS, RuntimeError) as error:
        # torch's writer raises RuntimeError, which many bugs raise too.
        if isinstance(error, RuntimeError) and "write" not in str(error).lower():
            raise
        failures = [first_line(error)]
    return next(filter(None, gather_object(failures)), "")


def flush(paths: Iterable[Path]) -> None:
    """Write files and folders through to the disk, so that they survive a power failure."""
    for path in paths:
        # Some systems cannot open or sync folders.
        with suppress(OSError) if path.is_dir() else nullcontext():
            handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def step_of(path: Path) -> int | None:
    """Return 1000 for checkpoint-1000, None for other names."""
    digits = path.name.removeprefix("checkpoint-")
    return int(digits) if digits.isdecimal() else None
