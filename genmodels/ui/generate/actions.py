"""Draw samples with a user's settings."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

from genmodels.errors import UserError
from genmodels.media.image import image_grid, to_pil, to_png, to_zip
from genmodels.pipelines import LatentPipeline, denoising
from genmodels.pipelines.base import MAX_TRUNCATION, truncate
from genmodels.ui.app_state import SavedSample
from genmodels.ui.models import Models
from genmodels.ui.pictures import write_download
from genmodels.ui.validation import parse_choice, parse_float, parse_int, parse_seed

DEFAULT_COUNT = 32  # images
MAX_COUNT = 64
MAX_COMPARED = 16  # images per model in a comparison
MIN_TRUNCATION = 0.1
MAX_STEPS = 100
MAX_GUIDANCE = 5.0
ALL_CLASSES = -1  # label that cycles through the classes
MAX_LABEL = 10**6
PREVIEW_STEPS = 4  # diffusion steps between two intermediate results


@dataclass(frozen=True)
class Settings:
    """Validated settings of a user."""

    model: str
    count: int
    seed: int
    label: int | None = None  # None cycles through the classes, if any
    truncation: float = MAX_TRUNCATION
    scheduler: str = next(iter(denoising.SCHEDULERS))
    num_inference_steps: int = denoising.NUM_INFERENCE_STEPS
    guidance_scale: float = denoising.GUIDANCE_SCALE


class Result(NamedTuple):
    """Images with a message, and files to download once they are final."""

    images: list[Image.Image]
    message: str
    grid_file: str | None = None  # PNG
    archive_file: str | None = None  # ZIP


class Controls(NamedTuple):
    """Which settings apply to a model."""

    label: bool = False
    truncation: bool = False
    steps: bool = False
    guidance: bool = False


def parse_settings(
    model: object,
    count: object,
    seed: object,
    label: object = ALL_CLASSES,
    truncation: object = Settings.truncation,
    scheduler: object = Settings.scheduler,
    num_inference_steps: object = Settings.num_inference_steps,
    guidance_scale: object = Settings.guidance_scale,
) -> Settings:
    """Validate the values of the page or the API."""
    if not isinstance(model, str) or not model:
        raise UserError("expected a model of the list or the id of one on the Hub")
    all_classes = str(label).strip() in (f"{ALL_CLASSES}", f"{ALL_CLASSES}.0")
    return Settings(
        model,
        parse_int(count, 1, MAX_COUNT, "images"),
        parse_seed(seed),
        None if all_classes else parse_int(label, 0, MAX_LABEL, "as the class"),
        parse_float(truncation, MIN_TRUNCATION, MAX_TRUNCATION, "as the truncation"),
        parse_choice(scheduler, list(denoising.SCHEDULERS), "a scheduler"),
        parse_int(num_inference_steps, 1, MAX_STEPS, "steps"),
        parse_float(guidance_scale, 0, MAX_GUIDANCE, "as the guidance scale"),
    )


def find_controls(pipeline: LatentPipeline) -> Controls:
    """Return which settings apply to a pipeline."""
    conditional, diffusion = pipeline.num_classes is not None, is_diffusion(pipeline)
    return Controls(conditional, not diffusion, diffusion, diffusion and pipeline.has_guidance)


def is_diffusion(pipeline: LatentPipeline) -> bool:
    return isinstance(pipeline, denoising.DenoisingPipeline)


def draw_latents(pipeline: LatentPipeline, settings: Settings) -> tuple[Tensor, Tensor | None]:
    """Return latents (B, *Z), truncated unless the model is diffusion, and labels (B,) or None."""
    latents = pipeline.draw(settings.count, torch.Generator().manual_seed(settings.seed))
    if not is_diffusion(pipeline):
        latents = truncate(latents, settings.truncation)
    if settings.label is None:
        return latents, pipeline.balanced_labels(settings.count)
    return latents, pipeline.prepare_labels(settings.label, settings.count)


def sampling_arguments(pipeline: LatentPipeline, settings: Settings) -> dict[str, object]:
    """Return the sampling arguments of `decode`: empty unless the model is diffusion."""
    if not is_diffusion(pipeline):
        return {}
    return {
        "num_inference_steps": min(settings.num_inference_steps, pipeline.num_timesteps),
        "guidance_scale": settings.guidance_scale if pipeline.has_guidance else None,
        "scheduler": settings.scheduler,
    }


@torch.no_grad()
def generate(models: Models, settings: Settings) -> Iterator[Result]:
    """Yield the samples; for diffusion, after every few steps too."""
    pipeline = models.get(settings.model)
    latents, labels = draw_latents(pipeline, settings)
    arguments = sampling_arguments(pipeline, settings)
    start = time.perf_counter()
    if is_diffusion(pipeline):
        total = arguments["num_inference_steps"]
        for step, samples in enumerate(pipeline.sample_steps(latents, labels, **arguments), 1):
            if step % PREVIEW_STEPS == 0 and step < total:
                yield Result(to_pil(samples), f"{step} / {total}")
    else:
        samples = pipeline.decode(latents, labels)
    seconds = time.perf_counter() - start
    images = to_pil(samples)
    name = f"{Path(settings.model).name}-seed-{settings.seed}"
    yield Result(
        images,
        f"{len(images)} image{'s' if len(images) > 1 else ''} in {seconds:.2f} s",
        write_download(to_png(image_grid(samples)), f"{name}.png"),
        write_download(to_zip(images), f"{name}.zip"),
    )


@torch.no_grad()
def compare(models: Models, count: object, seed: object) -> Iterator[list[tuple[str, str]]]:
    """Yield the list of PNG files with captions after each model: a grid of its samples."""
    count, seed = min(parse_int(count, 1, MAX_COUNT, "images"), MAX_COMPARED), parse_seed(seed)
    grids: list[tuple[str, str]] = []
    for name in models.generators:
        try:
            start = time.perf_counter()
            pipeline = models.get(name)
            samples = pipeline.decode(*draw_latents(pipeline, Settings(name, count, seed)))
            caption = f"{name}, {time.perf_counter() - start:.2f} s"
        except UserError:  # reported by the Models tab
            continue
        grid = image_grid(samples, columns=4)
        grids.append((write_download(to_png(grid), f"{Path(name).name}.png"), caption))
        yield grids[:]


@torch.no_grad()
def regenerate_one(models: Models, settings: Settings, index: int) -> SavedSample:
    """Return one of the samples that `generate` gives, with its latent and label."""
    pipeline = models.get(settings.model)
    latents, labels = draw_latents(pipeline, settings)
    one = slice(index, index + 1)
    label = None if labels is None else labels[one]
    image = pipeline.decode(latents[one], label, **sampling_arguments(pipeline, settings))[0]
    return SavedSample(settings.model, latents[index], None if label is None else int(label), image)
