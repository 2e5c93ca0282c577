"""Latents from seeds or pictures, and batched decoding, for all tabs."""

from collections.abc import Iterator

import torch
from PIL import Image
from torch import Tensor

from genmodels.errors import UserError
from genmodels.pipelines import LatentPipeline
from genmodels.ui.models import Models
from genmodels.ui.pictures import to_sample
from genmodels.ui.validation import SEEDS, parse_int

BATCH_SIZE = 8  # the Stop button takes effect after a batch


def parse_seeds(text: object, least: int, most: int) -> list[int]:
    """Parse `least` to `most` seeds, separated by commas."""
    parts = str(text).split(",")
    if not least <= len(parts) <= most:
        counts = f"{least}" if least == most else f"{least} to {most}"
        raise UserError(f"expected {counts} seeds separated by commas, got {len(parts)}")
    return [parse_int(part, 0, SEEDS - 1, "as a seed") for part in parts]


def parse_label(pipeline: LatentPipeline, label: object) -> int | None:
    """Parse the class for a conditional model; return None for an unconditional one."""
    if pipeline.num_classes is None:
        return None
    return parse_int(label, 0, pipeline.num_classes - 1, "as the class")


def is_conditional(models: Models, name: object) -> bool:
    """Return whether a model is conditional; False for a model that cannot be loaded."""
    try:
        return models.get(name).num_classes is not None
    except UserError:
        return False


def seed_latents(pipeline: LatentPipeline, seeds: list[int]) -> Tensor:
    """Draw one latent per seed (K, *Z): the first one that the Generate tab draws for it."""
    return torch.cat([pipeline.draw(1, torch.Generator().manual_seed(seed)) for seed in seeds])


def encode_pictures(
    pipeline: LatentPipeline, pictures: list[Image.Image], label: int | None
) -> Tensor:
    """Encode pictures into latents (K, *Z)."""
    if not hasattr(pipeline, "encode"):
        raise UserError("expected a model that can encode images, got one that only completes them")
    samples = torch.stack([to_sample(picture, pipeline.sample_shape) for picture in pictures])
    with torch.no_grad():
        return pipeline.encode(samples.to(pipeline.device), label)


def check_vector_latents(pipeline: LatentPipeline) -> None:
    """Raise UserError unless the latents of a model are vectors."""
    if len(pipeline.latent_shape) != 1:
        shape = f"latents of shape {pipeline.latent_shape}, whose single dimensions have no meaning"
        raise UserError(f"expected a VAE or a GAN, got a model with {shape}")


def decode_batches(
    pipeline: LatentPipeline, latents: Tensor, label: int | None
) -> Iterator[list[Tensor]]:
    """Decode latents (T, *Z) in batches; yield all samples (C, S, S) so far after each batch."""
    samples: list[Tensor] = []
    for batch in latents.split(BATCH_SIZE):
        # Gradients must not stay off while the generator waits: other code runs in this thread.
        with torch.no_grad():
            samples += pipeline.decode(batch, label)
        yield samples
