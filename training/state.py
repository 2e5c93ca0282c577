"""What survives a restart: weights and their averages, optimizers, and how far the run has come.

Data order and randomness are functions of the step (see batches), so they are not here.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from accelerate import Accelerator
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from .config import Config


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
            now = max(min(halflife, self.RAMP * steps.item()), 1e-9)
            torch._foreach_lerp_(averages, current, 1 - 0.5 ** (1 / now))

        super().__init__(nn.ModuleDict(networks), multi_avg_fn=average, use_buffers=True)
        self.requires_grad_(False).eval()

    @property
    def networks(self) -> nn.ModuleDict:
        return self.module


class Progress:
    """How far a run has come."""

    def __init__(self) -> None:
        self.step = 0
        self.seconds = 0.0  # of training, over all restarts

    def state_dict(self) -> dict[str, float]:
        return vars(self).copy()

    def load_state_dict(self, state: dict[str, float]) -> None:
        vars(self).update(state)


class Checkpoints:
    """The folders checkpoint-STEP of a run. Each appears whole or not at all."""

    def __init__(self, config: Config, channels: int, side: int) -> None:
        self.folder = Path(config.output_dir)
        self.limit = config.checkpoints_total_limit
        # What a checkpoint must share with the run that resumes it.
        self.kind = {
            "objective": type(config.objective).__name__,
            "architecture": repr(config.architecture),
            "samples": [channels, side, side],
        }

    def all(self) -> list[Path]:
        """Oldest first."""
        found = [path for path in self.folder.glob("checkpoint-*") if step_of(path) is not None]
        return sorted(found, key=step_of)

    def find(self, name: str | None) -> Path | None:
        """The checkpoint to resume from, None for a new run.

        name: None, "latest" (a new run where there is none yet) or a checkpoint's folder
        Raises ValueError where it is no checkpoint or one of another kind, and where the run would
        write into a folder that holds something else.
        """
        path = Path(name) if name not in (None, "latest") else None
        if name == "latest" and self.all():
            path = self.all()[-1]
        begun = path is not None and path.resolve().parent == self.folder.resolve()
        # A run that was killed before its first checkpoint may begin anew.
        begun |= name == "latest" and not (self.folder / "model_index.json").exists()
        if (
            self.folder.exists()
            and not begun
            and (not self.folder.is_dir() or any(self.folder.iterdir()))
        ):
            raise ValueError(
                f"expected a new folder, but {self.folder} holds something already: "
                "give another --output_dir, or --resume_from_checkpoint latest"
            )
        if path is None:
            return None
        try:
            kind = json.loads((path / "kind.json").read_text())
        except (OSError, ValueError) as error:
            raise ValueError(f"expected a checkpoint, but {path} is none") from error
        for key, expected in self.kind.items():
            if kind.get(key) != expected:
                raise ValueError(f"expected {key} {expected}, but {path} is of {kind.get(key)}")
        return path

    def load(self, accelerator: Accelerator, path: Path) -> None:
        """Take up the state at a checkpoint. To be called on every process.

        Raises ValueError where a file of it is missing, broken or truncated.
        """
        try:
            accelerator.load_state(str(path))
        except (OSError, EOFError, RuntimeError, SafetensorError, UnpicklingError) as error:
            raise ValueError(f"the checkpoint {path} is broken: {error}") from error

    def save(self, accelerator: Accelerator, step: int) -> None:
        """Write a checkpoint and delete the oldest. To be called on every process."""
        partial = self.folder / f".checkpoint-{step}"
        if accelerator.is_main_process:
            for torn in self.folder.glob(".checkpoint-*"):  # by a run that was killed
                shutil.rmtree(torn)
        accelerator.wait_for_everyone()
        accelerator.save_state(str(partial))
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            (partial / "kind.json").write_text(json.dumps(self.kind))
            whole = self.folder / f"checkpoint-{step}"
            shutil.rmtree(whole, ignore_errors=True)
            partial.rename(whole)
            for old in self.all()[: -self.limit]:
                shutil.rmtree(old)


def step_of(path: Path) -> int | None:
    """checkpoint-1000 -> 1000; None for what is not so named."""
    digits = path.name.removeprefix("checkpoint-")
    return int(digits) if digits.isdecimal() else None
