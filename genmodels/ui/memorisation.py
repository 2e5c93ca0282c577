"""Memorisation: samples beside the training images that are nearest to them."""

from collections.abc import Callable, Iterator

import gradio as gr
import torch
from PIL import Image
from torch import Tensor

from genmodels.errors import UserError
from genmodels.media.image import from_pixels, image_grid, to_pixels
from genmodels.metrics import FeatureExtractors, Nearest
from genmodels.metrics.extractors import Extractor, plain
from genmodels.ui.app_state import AppState
from genmodels.ui.i18n import Texts, translate
from genmodels.ui.measurement import expect_sampling
from genmodels.ui.models import Models
from genmodels.ui.reference_dataset import MOST as IMAGES
from genmodels.ui.reference_dataset import ReferenceDatasets
from genmodels.ui.validation import parse_choice, parse_int, parse_seed, show_user_errors

TEXTS: Texts = {
    "metrics_memory_what": (
        "Does the model draw anew, or copy what it was shown? Each picture is a sample and beside "
        "it the training image nearest to it. A small distance alone proves nothing, since what "
        "is blurred is near to everything: real images that no training saw are the measure.",
        "Рисует ли модель новое или копирует показанное? На каждой картинке — образец и рядом "
        "ближайшая к нему обучающая картинка. Само по себе малое расстояние ничего не "
        "доказывает: размытое близко ко всему. Мерой служат настоящие картинки, которых "
        "обучение не видело.",
    ),
    "metrics_memory_first": (
        "Find the nearest: a sample on the left, its training image on the right.",
        "Найдите ближайшие: слева образец, справа обучающая картинка.",
    ),
    "metrics_memory_count": ("Samples", "Образцы"),
    "metrics_memory_by": ("Distance", "Расстояние"),
    "metrics_memory_by_info": (
        "LPIPS, of a classifier's features, takes some seconds for each 1,000 images",
        "LPIPS, по признакам классификатора, занимает секунды на каждую 1000 картинок",
    ),
    "metrics_memory_reference": ("Training images", "Обучающие картинки"),
    "metrics_memory_reference_info": (
        "The dataset the model was trained on; its first 10,000 images",
        "Набор, на котором училась модель; его первые 10 000 картинок",
    ),
    "metrics_memory_find": ("Find the nearest", "Найти ближайшие"),
    "metrics_memory_pairs": ("Samples and their nearest", "Образцы и ближайшие к ним"),
}

MOST = 8  # samples
HELD_OUT = 100  # real images that no training saw
BATCH = 100  # training images between two words to the visitor
KINDS: dict[str, Callable[[], Extractor]] = {
    "pixels": plain,
    "LPIPS": lambda: FeatureExtractors("domain").perception,
}
Shown = tuple[list[tuple[Image.Image, str]] | dict, str]


def look(found: Nearest, training: Tensor, extract: Extractor) -> Iterator[int]:
    """Show it all training images (N, C, S, S) uint8 -> how many it has seen, after each batch."""
    for numbers in torch.arange(len(training)).split(BATCH):
        found.update(extract(training[numbers], numbers))
        yield int(numbers[-1]) + 1


def distances(found: Nearest, by: str) -> list[float]:
    """LPIPS is a squared distance of embeddings, and pixels differ by a root mean square."""
    return (found.squares if by == "LPIPS" else found.squares.sqrt()).tolist()


def beside(samples: Tensor, real: Tensor) -> list[Image.Image]:
    """Samples and their nearest, (B, C, S, S) uint8 each -> pictures of two side by side."""
    pairs = from_pixels(torch.stack([samples, real], 1))
    return [image_grid(pair, 2) for pair in pairs]


def find(
    models: Models,
    references: ReferenceDatasets,
    name: object,
    count: object,
    seed: object,
    by: object,
    reference: object,
) -> Iterator[Shown]:
    """Pictures of each sample beside its nearest, with their distance, and a sentence."""
    count, seed = parse_int(count, 1, MOST, "samples"), parse_seed(seed)
    extract = KINDS[parse_choice(by, list(KINDS), "a distance")]()
    yield gr.skip(), "Loading the model and the training images…"
    pipeline = models.get(name)
    expect_sampling(pipeline, name)
    training = references.get(reference, pipeline.sample_shape[-1]).pixels
    pipeline.check_shape(training, pipeline.sample_shape, "training images")
    rng = torch.Generator().manual_seed(seed)
    samples = to_pixels(pipeline(count, rng, output_type="pt").images)
    queries = torch.cat([samples, *unseen(references, reference, training.shape[1:])])
    found = Nearest(extract(queries, torch.arange(len(queries))).values)
    for seen in look(found, training, extract):
        yield gr.skip(), f"{seen:,} of {len(training):,} training images"
    far = distances(found, by)
    pictures = beside(samples, training[found.numbers[:count]])
    note = f"The first {len(training):,} training images of {reference}; {extract.protocol}. "
    note += f"Mean distance of these samples: **{sum(far[:count]) / count:.3f}**"
    if far[count:]:
        held_out = sum(far[count:]) / len(far[count:])
        note += f"; of {len(far) - count} real images that no training saw: **{held_out:.3f}**"
    captions = [f"{by} {distance:.3f}" for distance in far]
    yield list(zip(pictures, captions, strict=False)), note


def unseen(references: ReferenceDatasets, name: str, shape: torch.Size) -> list[Tensor]:
    """Some images of split test, where there are such."""
    try:
        held_out = references.get(name, shape[-1], "test", HELD_OUT).pixels
    except UserError:
        return []
    return [held_out] if held_out.shape[1:] == shape else []


def tab(shared: AppState, references: ReferenceDatasets) -> None:
    """Build the tab."""

    def search(
        model: object, count: object, seed: object, by: object, reference: object
    ) -> Iterator[Shown]:
        yield from find(shared.models, references, model, count, seed, by, reference)

    gr.Markdown(translate("metrics_memory_what"))
    gr.Markdown("$$\\min_i\\; d(G(z),\\,x_i)$$")
    names = shared.models.generators
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            model = gr.Dropdown(
                names,
                value=names[-1] if names else None,
                label=translate("model"),
                allow_custom_value=True,
            )
            count = gr.Slider(1, MOST, value=MOST, step=1, label=translate("metrics_memory_count"))
            seed = gr.Textbox("0", label=translate("seed"), max_lines=1)
            by = gr.Radio(
                list(KINDS),
                value="pixels",
                label=translate("metrics_memory_by"),
                info=translate("metrics_memory_by_info"),
            )
            reference = gr.Dropdown(
                [references.name],
                value=references.name,
                label=translate("metrics_memory_reference"),
                info=translate("metrics_memory_reference_info"),
            )
            button = gr.Button(translate("metrics_memory_find"), variant="primary")
            stop = gr.Button(translate("stop"))
        with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
            note = gr.Markdown(translate("metrics_memory_first"), elem_classes="note")
            pairs = gr.Gallery(
                label=translate("metrics_memory_pairs"),
                show_label=False,
                format="png",
                height="auto",
                object_fit="contain",
                elem_classes="sheets",
                interactive=False,
            )
    shared.link(model=model, seed=seed)
    finding = button.click(
        show_user_errors(search),
        [model, count, seed, by, reference],
        [pairs, note],
        concurrency_id="device",
        show_progress="minimal",
        show_progress_on=note,
        api_name="nearest",
        api_description=f"1 to {MOST} samples of a model by a seed, each beside the nearest of at "
        f"most {IMAGES:,} training images of a dataset, by {' or '.join(KINDS)}: pictures with "
        "their distances, and the mean distance beside that of held-out images.",
    )
    stop.click(None, cancels=[finding], api_visibility="private")
