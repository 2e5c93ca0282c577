"""Search for the training images nearest to samples of a model."""

from collections.abc import Iterator

import torch
from PIL import Image
from torch import Tensor

from genmodels.errors import UserError
from genmodels.media.image import from_pixels, image_grid, to_pixels
from genmodels.metrics.memorisation import NearestNeighbors, to_distances
from genmodels.ui.metrics.extractor_choices import PIXELS, ExtractorChoices
from genmodels.ui.metrics.live_actions import find_shape, get_generator
from genmodels.ui.models import Models
from genmodels.ui.reference_dataset import ReferenceDatasets
from genmodels.ui.validation import parse_int, parse_seed

MAX_SAMPLES = 8
HELD_OUT = 100  # images
BATCH = 100  # training images between progress messages
Pairs = list[tuple[Image.Image, str]]  # with captions


def find_nearest(
    models: Models,
    references: ReferenceDatasets,
    extractors: ExtractorChoices,
    model: object,
    count: object,
    seed: object,
    distance: object,
    reference: object,
) -> Iterator[tuple[Pairs | None, str]]:
    """Yield None with progress messages; at the end, samples beside nearest training images."""
    count, seed = parse_int(count, 1, MAX_SAMPLES, "samples"), parse_seed(seed)
    yield None, "Loading the model and the training images…"
    pipeline = get_generator(models, model)
    extract = extractors.load_distance(distance, pipeline.sample_shape)
    kind = PIXELS if distance == PIXELS else "LPIPS"
    training = references.get(reference, pipeline.sample_shape[-1]).pixels
    pipeline.check_shape(training, pipeline.sample_shape, "training images")
    rng = torch.Generator().manual_seed(seed)
    samples = to_pixels(pipeline(count, rng, output_type="pt").images)
    queries = torch.cat([samples, *load_held_out(references, reference, training.shape[1:])])
    nearest = NearestNeighbors(extract(queries, torch.arange(len(queries))).values)
    for indices in torch.arange(len(training)).split(BATCH):
        nearest.update(extract(training[indices], indices))
        yield None, f"{int(indices[-1]) + 1:,} of {len(training):,} training images"
    distances = to_distances(nearest, kind.lower()).tolist()
    note = f"The first {len(training):,} training images of {reference}; {extract.protocol}. "
    note += f"Mean distance of these samples: **{sum(distances[:count]) / count:.3f}**"
    if held_out := distances[count:]:
        mean = sum(held_out) / len(held_out)
        note += f"; of {len(held_out)} held-out images: **{mean:.3f}**"
    real = training[nearest.indices[:count]]
    grids = (image_grid(pair, 2) for pair in from_pixels(torch.stack([samples, real], 1)))
    captions = (f"{kind} {value:.3f}" for value in distances)
    yield list(zip(grids, captions, strict=False)), note


def load_held_out(references: ReferenceDatasets, name: str, shape: torch.Size) -> list[Tensor]:
    """Return images of the test split in a list, empty if there are none of this shape."""
    try:
        held_out = references.get(name, shape[-1], "test", HELD_OUT).pixels[:]
    except UserError:
        return []
    return [held_out] if held_out.shape[1:] == shape else []


def choose_distance(
    models: Models, extractors: ExtractorChoices, model: object, distance: object
) -> tuple[list[tuple[str, str]], str]:
    """Return labels and names of the distances for a model's samples, and which one to select."""
    choices = extractors.distances(find_shape(models, model))
    return choices, distance if distance in dict(choices).values() else PIXELS
