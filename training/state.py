"""What survives a restart: weights and their averages, optimizers, and how far the run has come.

Data order and randomness are functions of the step (see batches), so they are not here.
"""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import NamedTuple

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.optim.swa_utils import AveragedModel

from genmodels.data import Images
from genmodels.errors import reason

from .config import Config

WRITE_ERRORS = (OSError, SafetensorError)  # where there is no room, say

# Of a pipeline and of a lone network, in the folder where it is published.
INDICES = ("model_index.json", "config.json")
RUN = "run.json"  # in a run's folder and in each checkpoint: what decided its result


class Averages(AveragedModel):
    """Exponential moving averages of the weights and buffers of all networks.

    The half-life grows with the run up to its full length, so that the first, random weights are
    soon forgotten (Elucidating the Design Space of Diffusion-Based Generative Models, Karras et
    al., 2022). https://arxiv.org/abs/2206.00364
    """

    RAMP = 0.05  # half-life at the most, as a part of the steps so far

    def __init__(self, networks: Mapping[str, nn.Module], halflife: float) -> None:
        def average(averages: list[Tensor], current: list[Tensor], steps: Tensor) -> None:
            if not averages[0].is_floating_point():  # BatchNorm counts its batches
                torch._foreach_copy_(averages, current)
                return
            # Not `steps`, which lies on the device: to read it would be to wait for all before it.
            now = max(min(halflife, self.RAMP * self.n_averaged.item()), 1e-9)
            torch._foreach_lerp_(averages, current, 1 - 0.5 ** (1 / now))

        super().__init__(nn.ModuleDict(networks), multi_avg_fn=average, use_buffers=True)
        self.requires_grad_(False).eval()

    @property
    def networks(self) -> nn.ModuleDict:
        return self.module

    def update_parameters(self, networks: nn.ModuleDict) -> None:
        """Move towards the networks as they are now. To be called on every process."""
        super().update_parameters(Whole(networks))


class Whole(NamedTuple):
    """The weights of networks, those gathered that are sharded over the processes."""

    networks: nn.ModuleDict

    def parameters(self) -> Iterator[Tensor]:
        for weight in self.networks.parameters():
            yield weight.full_tensor() if isinstance(weight, DTensor) else weight

    def buffers(self) -> Iterator[Tensor]:
        return self.networks.buffers()


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
        told |= {"train_data_dir", "image_column", "label_column", "resolution"}
        if config.lr_scheduler in ("linear", "cosine"):  # which depend on it
            told.remove("max_train_steps")
        run |= {name: value for name, value in config.decisive().items() if name not in told}
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
        Raises ValueError where it is no checkpoint, or not one of this run, and where the run would
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
        begun &= not any((self.folder / index).exists() for index in INDICES)
        empty = not self.folder.exists()
        empty |= self.folder.is_dir() and not any(self.folder.iterdir())
        if not (within or begun or empty):
            raise ValueError(
                f"expected a new folder, but {self.folder} holds something already: "
                "give another --output_dir, or --resume_from_checkpoint latest"
            )
        if path is not None:
            self.check(path)
        if within and [path.name] != [last.name for last in self.all()[-1:]]:
            raise ValueError(f"expected the last checkpoint of {self.folder}, but got {path}")
        return path

    def check(self, path: Path) -> None:
        """Raise ValueError unless this run can go on from a checkpoint."""
        try:
            run = json.loads((path / RUN).read_text())
            step = step_of(path)
            differing = {key: run.get(key) for key in self.run if run.get(key) != self.run[key]}
        except (OSError, ValueError, AttributeError) as error:
            raise ValueError(f"expected a checkpoint, but {path} is none") from error
        for key, value in differing.items():
            raise ValueError(f"expected {key} {self.run[key]}, but {path} was made with {value}")
        if step is not None and step > self.steps:
            raise ValueError(
                f"expected --max_train_steps >= {step} for {path}, but got {self.steps}"
            )

    def begin(self) -> None:
        """Mark the folder as this run's. Raises ValueError where nothing can be written there."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / RUN).write_text(json.dumps(self.run, indent=1))
        except OSError as error:
            raise ValueError(f"could not write into {self.folder}: {error}") from error

    def load(self, accelerator: Accelerator, path: Path) -> None:
        """Take up the state at a checkpoint. To be called on every process.

        Raises ValueError where a file of it is missing, broken or truncated.
        """
        try:
            accelerator.load_state(str(path))
        except Exception as error:  # anything may be wrong with damaged files
            kept = [other for other in self.all() if other != path]
            way = f"; {kept[-1].name} is latest without it" if kept else ""
            raise ValueError(f"the checkpoint {path} is broken: {reason(error)}{way}") from error

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
            failures = [reason(error)]
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
