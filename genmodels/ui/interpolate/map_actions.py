"""Maps of a latent space: samples on a plane, coloured by their predicted classes."""

import functools
import html
import json

import torch
from PIL import Image
from torch import Tensor

from genmodels.class_labels import read_classes
from genmodels.errors import UserError
from genmodels.latents import most_informative_plane, plane_grid
from genmodels.media.image import from_pixels, image_grid, to_pil
from genmodels.networks.classifier import Classifier
from genmodels.pipelines import load_component
from genmodels.ui.latents import check_vector_latents, decode_batches, parse_label
from genmodels.ui.models import Models
from genmodels.ui.validation import parse_float

LIMIT = 3.0  # coordinates range from -LIMIT to LIMIT
TILES = 16  # samples per side of a map
LATENTS = 256  # from which the plane is computed
SCALE = 3  # gradio reports clicks correctly only if the page shows the image no larger than it is
TINT = 0.35  # opacity of the class colours
COLOURS = (
    *("#14b8a6", "#f59e0b", "#2563eb", "#dc2626", "#a3e635"),
    *("#7c3aed", "#f9a8d4", "#78716c", "#22d3ee", "#9a3412"),
)


def find_classifier(models: Models, shape: tuple[int, ...]) -> tuple[Classifier, list[str]] | None:
    """Load the first classifier of samples (C, S, S) beside the models, and its class names."""
    for parent in dict.fromkeys(folder.parent for folder in models.folders.values()):
        for file in sorted(parent.glob("*/config.json")):
            try:
                if json.loads(file.read_text())["_class_name"] != "Classifier":
                    continue
                classifier = load_component(file.parent, Classifier, file.parent.name)
            except (OSError, json.JSONDecodeError, KeyError, TypeError, UserError):
                continue  # a broken classifier only costs the colours
            config = classifier.config
            if (config.channels, config.side, config.side) == shape:
                classes = read_classes(file.parent, config.num_classes)
                names = classes.names if classes else map(str, range(config.num_classes))
                return classifier, list(names)
    return None


@functools.lru_cache(16)
def map_plane(
    models: Models, model: str, label: int | None
) -> tuple[Tensor, Classifier | None, list[str]]:
    """Compute the plane (2, Z) of a model's map, and load the classifier for its colours."""
    pipeline = models.get(model)
    check_vector_latents(pipeline)
    classifier, names = find_classifier(models, pipeline.sample_shape) or (None, [])
    latents = pipeline.draw(LATENTS, torch.Generator().manual_seed(0))
    decode = functools.partial(pipeline.decode, labels=label)
    return most_informative_plane(decode, latents, classifier), classifier, names


def draw_map(models: Models, model: str, label: int) -> tuple[Image.Image, str]:
    """Decode a grid on a model's plane; return its image with class colours, and a legend."""
    pipeline = models.get(model)
    class_label = parse_label(pipeline, label)
    directions, classifier, names = map_plane(models, model, class_label)
    *_, samples = decode_batches(pipeline, plane_grid(directions, TILES, LIMIT), class_label)
    tiles = torch.stack(samples)
    if classifier is None:
        return map_image(tiles), "No colours: there is no classifier for these samples."
    with torch.no_grad():
        classes = classifier(tiles).argmax(1)
    return map_image(tint(tiles, classes)), legend(classes.unique().tolist(), names)


def decode_point(
    models: Models, model: str, label: int, horizontal: float, vertical: float
) -> Image.Image:
    """Decode the point of a model's map at coordinates from -LIMIT to LIMIT."""
    coordinates = [
        parse_float(value, -LIMIT, LIMIT, "as a coordinate") for value in (horizontal, vertical)
    ]
    pipeline = models.get(model)
    class_label = parse_label(pipeline, label)
    directions, *_ = map_plane(models, model, class_label)
    with torch.no_grad():
        return to_pil(pipeline.decode(torch.tensor([coordinates]) @ directions, class_label))[0]


def coordinates_at(models: Models, model: str, pixel: object) -> list[float]:
    """Convert a pixel (column, row) of a model's map to coordinates."""
    if not isinstance(pixel, list | tuple) or len(pixel) != 2:
        raise UserError(f"expected a pixel (column, row) of the map, got {pixel!r}")
    side = SCALE * (TILES * (models.get(model).sample_shape[1] + 2) + 2)
    fractions = [parse_float(value, 0, side, "as a pixel of the map") / side for value in pixel]
    return [round(2 * LIMIT * fraction - LIMIT, 2) for fraction in fractions]


def map_image(tiles: Tensor) -> Image.Image:
    """Arrange tiles (N, C, S, S) in one magnified image."""
    grid = image_grid(tiles, columns=TILES)
    return grid.resize((SCALE * grid.width, SCALE * grid.height), Image.Resampling.NEAREST)


def tint(tiles: Tensor, classes: Tensor) -> Tensor:
    """Blend tiles (N, C, S, S) with the colours of their classes (N,) into (N, 3, S, S)."""
    pixels = [[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in COLOURS]
    colours = from_pixels(torch.tensor(pixels))[classes % len(COLOURS)]
    return torch.lerp(tiles.expand(-1, 3, -1, -1), colours[:, :, None, None], TINT)


def legend(classes: list[int], names: list[str]) -> str:
    """Return a legend of the class colours in HTML."""
    entries = [
        f'<span style="white-space: nowrap"><span style="color: {COLOURS[label % len(COLOURS)]}">'
        f"&#9632;</span> {html.escape(names[label])}</span>"
        for label in classes
    ]
    return " &ensp; ".join(entries)
