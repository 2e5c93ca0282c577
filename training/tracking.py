"""What one sees of a run while it trains: its losses by name, and sample grids."""

import math
from pathlib import Path

import numpy as np
import torch
import trackio
from accelerate import Accelerator
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from genmodels import images
from genmodels.pipelines.base import LatentPipeline

from .config import Config


def start_trackers(accelerator: Accelerator, config: Config, resumed: bool) -> None:
    """Open the run in its tracker, under the name of its folder."""
    name = Path(config.output_dir).resolve().name
    fields = {key: str(value) for key, value in vars(config).items()}
    trackio = {"name": name, "resume": "allow" if resumed else "never", "embed": False}
    accelerator.init_trackers("genmodels", fields, {"trackio": trackio, "wandb": {"name": name}})


def report(
    accelerator: Accelerator, losses: dict[str, Tensor], step: int, steps: int, bar: tqdm
) -> None:
    """Log each term of each loss: its mean over the steps since the last time and the processes."""
    means = accelerator.reduce(torch.stack(list(losses.values())) / steps, "mean").tolist()
    values = dict(zip(losses, means, strict=True))
    if not all(math.isfinite(value) for value in means):
        raise FloatingPointError(f"at step {step} a loss is not finite: {values}")
    accelerator.log(values, step=step)
    bar.set_postfix({name: f"{value:.4g}" for name, value in values.items()})


@torch.no_grad()
def draw_grid(pipeline: LatentPipeline, latents: Tensor) -> Image.Image:
    return images.grid(pipeline.decode(latents))


def keep_grid(accelerator: Accelerator, sheet: Image.Image, config: Config, step: int) -> None:
    """Write a sample grid into the run's folder and show it in its tracker."""
    file = Path(config.output_dir) / "samples" / f"{step:07d}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(file)
    for tracker in accelerator.trackers:
        # accelerate's tracker for trackio cannot log images, and tensorboard is told their layout.
        if tracker.name == "trackio":
            tracker.log({"samples": trackio.Image(sheet)}, step=step)
        else:
            layout = {"dataformats": "NHWC"} if tracker.name == "tensorboard" else {}
            pixels = np.asarray(sheet.convert("RGB"))[None]
            tracker.log_images({"samples": pixels}, step=step, **layout)
