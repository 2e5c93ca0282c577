"""Latents that a visitor asks for, and what they decode to, part by part."""

from collections.abc import Iterator

import torch
from PIL import Image
from torch import Tensor

from genmodels.errors import UserError
from genmodels.latents.interpolation import frames
from genmodels.pipelines import LatentPipeline
from genmodels.ui.models import Models
from genmodels.ui.pictures import to_sample
from genmodels.ui.validation import SEEDS, parse_int

BATCH = 8  # pictures that are decoded between two looks at whether to stop


def parse_seeds(text: object, least: int, most: int) -> list[int]:
    """Seeds between commas."""
    parts = str(text).split(",")
    if not least <= len(parts) <= most:
        wanted = f"{least}" if least == most else f"{least} to {most}"
        raise UserError(f"expected {wanted} seeds with commas between them, but got {len(parts)}")
    return [parse_int(part, 0, SEEDS - 1, "as a seed") for part in parts]


def parse_label(pipeline: LatentPipeline, label: object) -> int | None:
    """The class that a conditional model is told; None of any other."""
    if pipeline.num_classes is None:
        return None
    return parse_int(label, 0, pipeline.num_classes - 1, "as the class")


def is_conditional(models: Models, name: object) -> bool:
    """Whether a model is conditional. What is wrong with one is said when it is asked for."""
    try:
        return models.get(name).num_classes is not None
    except UserError:
        return False


def seed_latents(pipeline: LatentPipeline, seeds: list[int]) -> Tensor:
    """A latent of each seed (K, *Z): the first that the tab of samples shows for it."""
    rngs = [torch.Generator().manual_seed(seed) for seed in seeds]
    return torch.cat([pipeline.draw(1, rng) for rng in rngs])


def encode_pictures(
    pipeline: LatentPipeline, pictures: list[Image.Image], label: int | None
) -> Tensor:
    """Latents (K, *Z) of pictures."""
    if not hasattr(pipeline, "encode"):
        raise UserError("expected a model that encodes: this one knows no latents of pictures")
    samples = torch.stack([to_sample(picture, pipeline.sample_shape) for picture in pictures])
    with torch.no_grad():
        return pipeline.encode(samples.to(pipeline.device), label)


def check_vector_latents(pipeline: LatentPipeline) -> None:
    """Raise UserError where a latent is no list of numbers."""
    if len(pipeline.latent_shape) != 1:
        raise UserError("expected a VAE or a GAN: no number of a noise image means anything alone")


def decode_batches(
    pipeline: LatentPipeline, latents: Tensor, label: int | None
) -> Iterator[list[Tensor]]:
    """Decode (T, *Z) -> the samples (C, S, S) that are there, again and again until it is all."""
    labels = None if label is None else torch.full((len(latents),), label)
    found: list[Tensor] = []
    for first in range(0, len(latents), BATCH):
        part = slice(first, first + BATCH)
        # To its end at once: the next part may be another thread's, which must not find gradients
        # switched off by a generator that is still open.
        told = None if labels is None else labels[part]
        found += list(frames(pipeline.decode, latents[part], told, BATCH))
        yield found
