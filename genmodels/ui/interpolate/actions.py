"""Paths, grids and traversals in a latent space, as the Interpolate tab shows them."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

from genmodels.errors import UserError
from genmodels.latents import INTERPOLATIONS, corner_grid, sensitivities, traverse_dimension
from genmodels.media.image import image_grid, to_pil, to_video
from genmodels.pipelines import AdversarialPipeline, AutoencodingPipeline, LatentPipeline
from genmodels.ui.app_state import SavedSample
from genmodels.ui.latents import (
    check_vector_latents,
    decode_batches,
    encode_pictures,
    parse_label,
    parse_seeds,
    seed_latents,
)
from genmodels.ui.models import Models
from genmodels.ui.pictures import open_picture, write_download
from genmodels.ui.validation import parse_choice, parse_float, parse_int, parse_seed

ENDS = ["seeds", "pictures", "samples"]
MAX_KEYS = 6  # seeds of a path
FRAMES, MAX_FRAMES = 17, 64  # of a path
STRIP = 8  # frames that are shown side by side
RATE, SCALE = 8.0, 6  # frames per second of a film, and its magnification
SIDE, MAX_SIDE = 7, 10  # images per side of a grid
ROWS, MAX_ROWS = 6, 12  # dimensions of a traversal
LIMIT, VALUES = 3.0, 9  # a traversal takes so many values from -LIMIT to LIMIT


class PathResult(NamedTuple):
    """Decoded part of a path. A path without a frame has not been decoded yet."""

    frame: Image.Image | None = None  # the first one
    strip: list[Image.Image] | None = None
    note: str = ""
    gif: str | None = None
    mp4: str | None = None
    samples: Tensor | None = None  # (T, C, S, S) in [-1, 1]


def interpolate(
    models: Models,
    model: str,
    label: int,
    ends: str,
    seeds: str,
    start: str | None,
    end: str | None,
    interpolation: str,
    frames: int,
    saved: list[SavedSample],
) -> Iterator[PathResult]:
    """Decode a path between latents: of seeds, of two picture files, or of two saved samples."""
    parse_choice(ends, ENDS, "ends of the path")
    parse_choice(interpolation, list(INTERPOLATIONS), "an interpolation")
    count = parse_int(frames, 2, MAX_FRAMES, "frames")
    pipeline = models.get(model)
    class_label = parse_label(pipeline, label)
    if ends == "seeds":
        keys = seed_latents(pipeline, parse_seeds(seeds, 2, MAX_KEYS))
    elif ends == "pictures":
        pictures = [open_picture(start), open_picture(end)]
        yield PathResult(note="Encoding the images")
        keys = encode_pictures(pipeline, pictures, class_label)
    else:
        keys, class_label = saved_latents(saved, model)
    yield from decode_path(model, pipeline, keys, interpolation, count, class_label)


def decode_path(
    name: str, pipeline: LatentPipeline, keys: Tensor, method: str, count: int, label: int | None
) -> Iterator[PathResult]:
    """Decode a path through keys (K, *Z); yield the frames so far, and finally the films too."""
    latents = INTERPOLATIONS[method](keys, torch.linspace(0, 1, count))
    for frames in decode_batches(pipeline, latents, label):
        samples = torch.stack(frames)
        indices = torch.linspace(0, len(samples) - 1, min(STRIP, len(samples))).round().long()
        strip = to_pil(samples[indices])
        result = PathResult(strip[0], strip, f"{len(samples)} of {count} frames", samples=samples)
        yield result
    stem = f"{Path(name).name}-{method}"
    gif, mp4 = (write_film(samples, f"{stem}.{suffix}") for suffix in ("gif", "mp4"))
    note = f"{count} frames by {method}" + f"; {STRIP} of them below" * (count > STRIP)
    yield result._replace(note=note, gif=gif, mp4=mp4)


def write_film(samples: Tensor, name: str) -> str:
    """Write samples (T, C, S, S) as a film for download; the suffix of the name is its format."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        to_video(samples, file, RATE, SCALE)
        return write_download(file.read_bytes(), name)


def saved_latents(saved: list[SavedSample], model: str) -> tuple[Tensor, int | None]:
    """Return the latents (2, *Z) and the class of the last two saved samples of a model."""
    pair = [sample for sample in saved if sample.model == model][-2:]
    if len(pair) < 2:
        raise UserError(
            f"expected two saved samples of {model}, got {len(pair)}; "
            "click on samples in the Generate tab"
        )
    first, second = (sample.label for sample in pair)
    if first != second:
        raise UserError(
            f"expected two saved samples of one class, got classes {first} and {second}"
        )
    return torch.stack([sample.latent for sample in pair]), first


def frame_at(samples: Tensor | None, position: float) -> Image.Image:
    """Return the frame at a position from 0 to 1 of a decoded path."""
    if not isinstance(samples, Tensor):
        raise UserError("expected a decoded path, got none; press Interpolate first")
    fraction = parse_float(position, 0, 1, "as the position on the path")
    return to_pil(samples[round(fraction * (len(samples) - 1)), None])[0]


def draw_grid(
    models: Models, model: str, label: int, seeds: str, side: int
) -> Iterator[tuple[Image.Image, str]]:
    """Decode a grid between four seeds; yield the image so far and the progress."""
    corners, side = parse_seeds(seeds, 4, 4), parse_int(side, 2, MAX_SIDE, "images per side")
    pipeline = models.get(model)
    latents = corner_grid(seed_latents(pipeline, corners), side, side)
    for samples in decode_batches(pipeline, latents, parse_label(pipeline, label)):
        yield image_grid(torch.stack(samples), columns=side), f"{len(samples)} of {side * side}"


def draw_traversals(
    models: Models, model: str, label: int, seed: str, rows: int
) -> tuple[Image.Image, str]:
    """Traverse the most sensitive dimensions of a seed's latent: a row of images for each."""
    number, rows = parse_seed(seed), parse_int(rows, 1, MAX_ROWS, "dimensions")
    pipeline = models.get(model)
    class_label = parse_label(pipeline, label)
    check_vector_latents(pipeline)
    (latent,) = seed_latents(pipeline, [number])
    scores = sensitivities(lambda latents: pipeline.decode(latents, class_label), latent, LIMIT)
    dimensions = scores.topk(min(rows, len(scores))).indices.tolist()
    values = torch.linspace(-LIMIT, LIMIT, VALUES)
    latents = torch.cat([traverse_dimension(latent, dim, values) for dim in dimensions])
    *_, samples = decode_batches(pipeline, latents, class_label)
    note = (
        f"Rows: dimensions {', '.join(map(str, dimensions))} of {len(scores)} (from 0), the most "
        f"sensitive first. Columns: values from -{LIMIT:g} to {LIMIT:g}."
    )
    return image_grid(torch.stack(samples), columns=VALUES), note


def first_model(models: Models) -> str | None:
    """Return the first autoencoder, which encodes and decodes fast, else the first generator."""
    encoding = (name for name, kind in models.kinds.items() if kind is AutoencodingPipeline)
    return next(encoding, next(iter(models.generators), None))


def initial_path(models: Models, name: str | None, seeds: list[int]) -> PathResult:
    """Decode the path that the tab opens with; only a note if that fails or takes too long."""
    try:
        pipeline = models.get(name)
        if not isinstance(pipeline, AutoencodingPipeline | AdversarialPipeline):
            return PathResult(note="Choose a model and press Interpolate.")
        label = None if pipeline.num_classes is None else 0
        keys = seed_latents(pipeline, seeds)
        *_, result = decode_path(name, pipeline, keys, "slerp", FRAMES, label)
    except UserError as error:  # the app still serves the other models
        return PathResult(note=str(error))
    return result
