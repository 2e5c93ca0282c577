"""What one sees of a run while it trains: its losses by name, and sample grids."""

import json
import math
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import trackio
from accelerate import Accelerator
from accelerate.tracking import GeneralTracker
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from genmodels.errors import first_line
from training.configs.config import Config

CURVES = "curves.jsonl"  # in a run's folder


def warn(message: str) -> None:
    """Say what went wrong without an end to the run, beside its progress bar."""
    tqdm.write(f"warning: {message}", file=sys.stderr)


class Losses:
    """The terms of all losses since the last report, which stay on the device until then."""

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator
        self.terms: list[tuple[int, str, str]] = []  # step, player and name of each
        self.values: list[Tensor] = []

    def add(self, step: int, player: str, terms: dict[str, Tensor]) -> None:
        """The terms of a turn, without their graphs."""
        self.terms += [(step, player, term) for term in terms]
        self.values += [value.float() for value in terms.values()]

    def take(self) -> dict[str, float]:
        """Each term's mean over its turns and the processes, by "player/term"; and begin anew.

        Raises FloatingPointError where one was not finite, on every process.
        """
        values = self.accelerator.reduce(torch.stack(self.values), "mean").tolist()
        found = defaultdict(list)
        for (step, player, term), value in zip(self.terms, values, strict=True):
            if not math.isfinite(value):
                raise FloatingPointError(f"at step {step} the {player}'s term {term} is {value}")
            found[f"{player}/{term}"].append(value)
        self.terms, self.values = [], []
        return {name: sum(values) / len(values) for name, values in found.items()}


class Curves:
    """A run in a file of its folder and in its tracker. What goes wrong there ends no run.

    A step that is known already, from before the run was killed, is not told again.
    """

    def __init__(self, accelerator: Accelerator, config: Config, resumed: bool) -> None:
        self.accelerator = accelerator
        self.file = Path(config.output_dir) / CURVES
        self.known = 0  # the last step that was told
        self.warned: set[str] = set()
        if accelerator.is_main_process:
            self.attempt(lambda: self.take_up(resumed))
        name = Path(config.output_dir).resolve().name
        fields = {key: str(value) for key, value in vars(config).items()}
        resume = "allow" if resumed else "never"
        settings = {"trackio": {"name": name, "resume": resume, "embed": False}}
        settings["wandb"] = {"name": name}
        try:
            accelerator.init_trackers("genmodels", fields, settings)
        except Exception as error:
            accelerator.trackers = []
            warn(
                f"{config.report_to} could not be reached, losses are not logged: {first_line(error)}"
            )

    def take_up(self, resumed: bool) -> None:
        """Go on behind the last whole line of the file, or begin it anew."""
        told = history(self.file) if resumed else []
        self.file.write_text("".join(line(it) for it in told))
        self.known = told[-1]["step"] if told else 0

    def log(self, values: dict[str, float], step: int) -> None:
        if step > self.known:
            self.attempt(lambda: self.accelerator.log(values, step=step))
            if self.accelerator.is_main_process:
                self.attempt(lambda: self.write({"step": step, **values}))

    def write(self, values: dict[str, float]) -> None:
        with self.file.open("a") as file:
            file.write(line(values))

    def show(self, sheet: Image.Image, step: int) -> None:
        """Keep a sample grid in the run's folder and the tracker. On the main process."""
        self.attempt(lambda: self.keep(sheet, step))
        if step > self.known:
            for tracker in self.accelerator.trackers:
                self.attempt(lambda tracker=tracker: draw(tracker, sheet, step))

    def keep(self, sheet: Image.Image, step: int) -> None:
        file = self.file.parent / "samples" / f"{step:07d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(file)

    def close(self) -> None:
        """End the tracker's run, and the group of processes."""
        if self.accelerator.num_processes > 1:
            # A thread of gloo's needs the interpreter to drop the tensors that were gathered last;
            # the end of the group waits for that thread, and holds the interpreter.
            time.sleep(0.1)
        self.attempt(self.accelerator.end_training)

    def attempt(self, action: Callable[[], object]) -> None:
        try:
            action()
        except Exception as error:  # of a tracker, or of a full disk
            message = f"something of the run's curves was lost: {first_line(error)}"
            if message not in self.warned:
                self.warned.add(message)
                warn(message)


def line(values: dict[str, float]) -> str:
    return json.dumps(values) + "\n"


def history(file: Path) -> list[dict[str, float]]:
    """What a run has told, by its steps: "step", and the losses or numbers of then.

    A line that was torn ends it.
    """
    told = []
    for text in file.read_text().splitlines() if file.exists() else ():
        try:
            told.append(json.loads(text))
        except ValueError:
            break
    return told


def draw(tracker: GeneralTracker, sheet: Image.Image, step: int) -> None:
    """Show a sample grid in a tracker."""
    # accelerate's tracker for trackio cannot log images, and tensorboard is told their layout.
    if tracker.name == "trackio":
        tracker.log({"samples": trackio.Image(sheet)}, step=step)
    else:
        layout = {"dataformats": "NHWC"} if tracker.name == "tensorboard" else {}
        pixels = np.asarray(sheet.convert("RGB"))[None]
        tracker.log_images({"samples": pixels}, step=step, **layout)
