"""Losses, metrics and sample grids of a run: in its folder and in an experiment tracker."""

import json
import math
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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

CURVES = "curves.jsonl"  # in a run's folder


def warn(message: str) -> None:
    """Print a warning without breaking the progress bar."""
    tqdm.write(f"warning: {message}", file=sys.stderr)


class LossMeter:
    """Losses since the last report; they stay on the device until then."""

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator
        self.names: list[tuple[int, str, str]] = []  # step, network, loss
        self.values: list[Tensor] = []

    def add(self, step: int, network: str, losses: Mapping[str, Tensor]) -> None:
        """Add the detached losses of one update of a network."""
        self.names += [(step, network, loss) for loss in losses]
        self.values += [value.float() for value in losses.values()]

    def take(self) -> dict[str, float]:
        """Return the mean of each loss over updates and processes, by "network/loss", and reset.

        Raises FloatingPointError on every process if a loss is not finite.
        """
        values = self.accelerator.reduce(torch.stack(self.values), "mean").tolist()
        by_name = defaultdict(list)
        for (step, network, loss), value in zip(self.names, values, strict=True):
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"training diverged: loss {network}/{loss} is {value} at step {step}"
                )
            by_name[f"{network}/{loss}"].append(value)
        self.names, self.values = [], []
        return {name: sum(values) / len(values) for name, values in by_name.items()}


class Curves:
    """The log of a run, in its folder and in its tracker. Failures here never stop training.

    Steps that an earlier, killed process has logged are not logged again.
    """

    def __init__(
        self, accelerator: Accelerator, folder: Path, settings: Mapping[str, object], resumed: bool
    ) -> None:
        self.accelerator, self.folder = accelerator, folder
        self.file = self.folder / CURVES
        self.last_step = 0  # the last step in the file of a resumed run
        self.warnings: set[str] = set()
        if accelerator.is_main_process:
            with self.warn_on_failure():
                rows = read_curves(self.file) if resumed else []  # complete lines only
                self.file.write_text("".join(json.dumps(row) + "\n" for row in rows))
                self.last_step = rows[-1]["step"] if rows else 0
        name, resume = self.folder.resolve().name, "allow" if resumed else "never"
        options = {"trackio": {"name": name, "resume": resume, "embed": False}}
        options["wandb"] = {"name": name}
        fields = {key: str(value) for key, value in settings.items()}
        try:
            accelerator.init_trackers("genmodels", fields, options)
        except Exception as error:  # trackers raise anything
            accelerator.trackers = []
            warn(f"could not start the tracker, losses are not tracked: {first_line(error)}")

    def log(self, values: dict[str, float], step: int) -> None:
        """Log losses or metrics. Call on every process."""
        if step > self.last_step:
            with self.warn_on_failure():
                self.accelerator.log(values, step=step)
            if self.accelerator.is_main_process:
                with self.warn_on_failure(), self.file.open("a") as file:
                    file.write(json.dumps({"step": step, **values}) + "\n")

    def log_preview(self, image: Image.Image, step: int) -> None:
        """Save a sample grid in samples/ and log it. Call on the main process."""
        file = self.folder / "samples" / f"{step:07d}.png"
        with self.warn_on_failure():
            file.parent.mkdir(parents=True, exist_ok=True)
            image.save(file)
        for tracker in self.accelerator.trackers if step > self.last_step else ():
            with self.warn_on_failure():
                log_image(tracker, image, step)

    def close(self) -> None:
        """End the tracker's run, and the process group."""
        if self.accelerator.num_processes > 1:
            # gloo's thread needs the GIL to release the last gathered tensors, while destroying
            # the process group holds the GIL and waits for that thread.
            time.sleep(0.1)
        with self.warn_on_failure():
            self.accelerator.end_training()

    @contextmanager
    def warn_on_failure(self) -> Iterator[None]:
        """Turn errors into warnings, once per message."""
        try:
            yield
        except Exception as error:  # of a tracker, or of a full disk
            message = f"could not log to the run's curves: {first_line(error)}"
            if message not in self.warnings:
                self.warnings.add(message)
                warn(message)


def read_curves(file: Path) -> list[dict[str, float]]:
    """Read a run's log, "step" with losses or metrics, up to the first incomplete line."""
    rows = []
    for text in file.read_text().splitlines() if file.exists() else ():
        try:
            rows.append(json.loads(text))
        except ValueError:
            break
    return rows


def log_image(tracker: GeneralTracker, image: Image.Image, step: int) -> None:
    """Log a sample grid in a tracker."""
    # accelerate's trackio tracker cannot log images; tensorboard needs their layout.
    if tracker.name == "trackio":
        tracker.log({"samples": trackio.Image(image)}, step=step)
    else:
        layout = {"dataformats": "NHWC"} if tracker.name == "tensorboard" else {}
        pixels = np.asarray(image.convert("RGB"))[None]
        tracker.log_images({"samples": pixels}, step=step, **layout)
