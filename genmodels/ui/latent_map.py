"""A map of a latent space: the part of a tab that draws it, and decodes where it is clicked."""

import functools
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import gradio as gr
import torch
from PIL import Image
from torch import Tensor

from genmodels.errors import UserError
from genmodels.latents import latent_map
from genmodels.media.image import from_pixels, image_grid, to_pil
from genmodels.networks.classifier import Classifier
from genmodels.pipelines import LatentPipeline, load_component
from genmodels.ui.i18n import translate
from genmodels.ui.latents import check_vector_latents, decode_batches, parse_label
from genmodels.ui.models import Models
from genmodels.ui.pictures import large_image
from genmodels.ui.validation import EACH, LATEST, parse_float, show_user_errors

REACH = 3.0  # how far from 0 the map goes
TILES = 16  # pictures to a side of it
DRAWN = 256  # latents by which it is laid
SCALE = 3  # a page tells rightly where a picture was clicked only if it shows it no larger
TINT = 0.35  # part of a class's colour in a tile
COLOURS = (
    *("#14b8a6", "#f59e0b", "#2563eb", "#dc2626", "#a3e635"),
    *("#7c3aed", "#f9a8d4", "#78716c", "#22d3ee", "#9a3412"),
)


class Lens(NamedTuple):
    """A classifier, and the names of its classes."""

    classifier: Classifier
    names: list[str]


def find_lens(models: Models, shape: tuple[int, ...]) -> Lens | None:
    """A classifier of samples of that shape that lies beside the models."""
    for parent in dict.fromkeys(folder.parent for folder in models.folders.values()):
        for config in sorted(parent.glob("*/config.json")):
            try:
                found = json.loads(config.read_text())
                if found["_class_name"] != "Classifier":
                    continue
                classifier = load_component(config.parent, Classifier, config.parent.name)
            except (
                OSError,
                UserError,
                ValueError,
                KeyError,
                TypeError,
            ):  # a broken one is as good as none
                continue
            sizes = classifier.config
            if (sizes.channels, sizes.side, sizes.side) == shape:
                return Lens(
                    classifier, class_names(config.with_name("README.md"), sizes.num_classes)
                )
    return None


def class_names(card: Path, count: int) -> list[str]:
    """The names of classes as a model's card lists them; else their numbers."""
    text = card.read_text() if card.exists() else ""
    listed = re.search(r"Its classes are (.*)\.\n", text)
    names = re.sub(r"\b\d+ ", "", listed[1]).split(", ") if listed else []
    return names if len(names) == count else [str(place) for place in range(count)]


def tinted(tiles: Tensor, classes: Tensor) -> Tensor:
    """Tiles (N, C, S, S) and their classes (N,) -> (N, 3, S, S), each with its class's colour."""
    pixels = [[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in COLOURS]
    colours = from_pixels(torch.tensor(pixels))[classes % len(COLOURS)]
    return torch.lerp(tiles.expand(-1, 3, -1, -1), colours[:, :, None, None], TINT)


def draw(
    pipeline: LatentPipeline, directions: Tensor, label: int | None, lens: Lens | None
) -> Iterator[tuple[Image.Image, str]]:
    """A picture in each place of a plane; then the same in the colours of classes, and as HTML
    which colour stands for which."""
    *_, samples = decode_batches(pipeline, latent_map.points(directions, TILES, REACH), label)
    tiles = torch.stack(samples)
    if lens is None:
        yield sheet(tiles), "No classifier lies beside the models."
        return
    yield sheet(tiles), "The classifier is looking at them."
    with torch.no_grad():
        classes = lens.classifier(tiles).argmax(1)
    yield sheet(tinted(tiles, classes)), legend(classes.unique().tolist(), lens.names)


def sheet(tiles: Tensor) -> Image.Image:
    """All tiles in one picture, enlarged."""
    grid = image_grid(tiles, columns=TILES)
    sides = (SCALE * grid.width, SCALE * grid.height)
    return grid.resize(sides, Image.Resampling.NEAREST)


def legend(classes: list[int], names: list[str]) -> str:
    """HTML that says which colour stands for which class."""
    parts = [
        f'<span style="white-space: nowrap"><span style="color: {COLOURS[place % len(COLOURS)]}">'
        f"&#9632;</span> {html.escape(names[place])}</span>"
        for place in classes
    ]
    return " &ensp; ".join(parts)


def whereabouts(index: object, side: int) -> list[float]:
    """A pixel (column, row) of a map of so many pixels -> the point of the plane that it shows."""
    if not isinstance(index, list | tuple) or len(index) != 2:
        raise UserError("expected a pixel of the map")
    parts = [parse_float(value, 0, side, "as a pixel of the map") / side for value in index]
    return [round(2 * REACH * part - REACH, 2) for part in parts]


def build_map(models: Models, model: gr.Dropdown, label: gr.Number) -> None:
    """A plane through the latent space, and the point of it that is clicked."""

    @functools.lru_cache(16)
    def lay(name: str, label: int | None) -> tuple[Tensor, Lens | None]:
        """The directions of a model's plane, and by what it is coloured."""
        pipeline = models.get(name)
        check_vector_latents(pipeline)
        lens = find_lens(models, pipeline.sample_shape)
        latents = pipeline.draw(DRAWN, torch.Generator().manual_seed(0))
        decode = functools.partial(pipeline.decode, labels=label)
        return latent_map.plane(decode, latents, lens and lens.classifier), lens

    def draw_map(model: str, label: int) -> Iterator[tuple]:
        pipeline = models.get(model)
        told = parse_label(pipeline, label)
        yield gr.skip(), "The plane is being looked for."
        directions, lens = lay(model, told)
        yield from draw(pipeline, directions, told, lens)

    def decode_point(model: str, label: int, across: float, down: float) -> Image.Image:
        place = [parse_float(value, -REACH, REACH, "as a coordinate") for value in (across, down)]
        pipeline = models.get(model)
        told = parse_label(pipeline, label)
        directions, _ = lay(model, told)
        with torch.no_grad():
            return to_pil(pipeline.decode(torch.tensor([place]) @ directions, told))[0]

    def clicked(model: str, event: gr.SelectData) -> list[float]:
        side = SCALE * (TILES * (models.get(model).sample_shape[1] + 2) + 2)
        return whereabouts(event.index, side)

    gr.Markdown(translate("interpolate_map_what"))
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            button = gr.Button(translate("interpolate_draw_map"), variant="primary")
            across = gr.Slider(-REACH, REACH, 0, step=0.01, label=translate("interpolate_across"))
            down = gr.Slider(-REACH, REACH, 0, step=0.01, label=translate("interpolate_down"))
            point = large_image(None, translate("interpolate_point"), "point")
        with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
            whole_map = large_image(None, translate("interpolate_map"), "map")
            note = gr.HTML(elem_classes="note")
    button.click(
        show_user_errors(draw_map),
        [model, label],
        [whole_map, note],
        concurrency_id="device",
        show_progress="minimal",
        show_progress_on=note,
        api_name="map",
        api_description="A map of a VAE's or a GAN's latent space: a picture in each place of a "
        "plane, and which colour stands for which class.",
    )
    decode = {
        "fn": show_user_errors(decode_point),
        "inputs": [model, label, across, down],
        "outputs": point,
        **LATEST,
        "show_progress": "hidden",
    }
    across.input(
        **decode,
        api_name="decode_point",
        api_description=f"The picture at a point of the map: from -{REACH:g} to {REACH:g} across "
        "and down.",
    )
    down.input(**decode, api_visibility="private")
    clicking = whole_map.select(
        show_user_errors(clicked), model, [across, down], **EACH, api_visibility="private"
    )
    clicking.success(**decode, api_visibility="private")
