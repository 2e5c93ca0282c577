"""Actions of the inpainting tab, without components."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from genmodels.errors import UserError
from genmodels.inpainting import METHODS, Completion, complete, methods_for
from genmodels.inpainting.masks import MASKS
from genmodels.media.image import from_pixels, to_pil
from genmodels.pipelines import LatentPipeline
from genmodels.ui.app_state import SavedSample
from genmodels.ui.latents import parse_label
from genmodels.ui.models import Models
from genmodels.ui.pictures import open_picture, to_sample
from genmodels.ui.validation import parse_choice, parse_int, parse_seed

MAX_METHODS = 4  # at once
MAX_COMPLETIONS = 8  # per method
DEFAULT_COMPLETIONS = 6
FAST_METHODS = ("one pass", "pseudo-Gibbs")  # fast enough to run when the app starts
CANVAS_SIDE = 280  # pixels
POLL_SECONDS = 0.2  # between progress reports; a stop takes effect after one
HOLE_COLOR = "#14b8a6"
HOLE = from_pixels(torch.tensor([*bytes.fromhex(HOLE_COLOR[1:])]))[:, None, None]

# Top, bottom, left and right of the area to fill, in 28ths of the side
FIXED_MASKS = {"middle": (8, 20, 8, 20), "left": (0, 28, 0, 14), "lower": (14, 28, 0, 28)}
BRUSH = "brush"
MASK_KINDS = [*FIXED_MASKS, *MASKS, BRUSH]  # those of MASKS depend on the seed

Row = list[tuple[Image.Image, str | None]]  # images and captions


class Inpainter(NamedTuple):
    """A model with an inpainting method."""

    name: str  # "model: method", or a model alone
    pipeline: LatentPipeline
    method: str | None  # None for the default


class Request(NamedTuple):
    """Validated settings."""

    picture: Image.Image
    mask: str
    drawing: object  # value of gr.ImageEditor
    inpainters: list[Inpainter]
    count: int
    label: object  # its range depends on the model
    seed: int
    seamless: bool


def inpainter_names(models: Models) -> list[str]:
    """Return "model: method" for every local model, fastest method first, then Hub ids."""
    pairs = [(method, name) for name, kind in models.kinds.items() for method in methods_for(kind)]
    pairs.sort(key=lambda pair: list(METHODS).index(pair[0]))
    return [*(f"{name}: {method}" for method, name in pairs), *models.repositories]


def parse_inpainter(models: Models, name: object) -> Inpainter:
    """Load the model of "model: method", or of a model alone.

    Raises:
        UserError: a model that cannot be loaded, or a method that does not support it.
    """
    model, _, method = str(name).partition(": ")
    if method:
        parse_choice(method, list(METHODS), "a method")
    pipeline = models.get(model)
    methods = methods_for(type(pipeline))
    if method and method not in methods:
        raise UserError(f"expected {' or '.join(methods)} for {model}, got {method!r}")
    return Inpainter(str(name), pipeline, method or None)


def parse_request(
    models: Models,
    picture: object,
    mask: object,
    drawing: object,
    methods: object,
    count: object,
    label: object,
    seed: object,
    seamless: object,
) -> Request:
    """Validate the settings and load the models.

    Raises:
        UserError: an invalid setting; the drawing and the label are checked later.
    """
    mask = parse_choice(mask, MASK_KINDS, "a mask")
    count = parse_int(count, 1, MAX_COMPLETIONS, "completions")
    seed = parse_seed(seed)
    picture = open_picture(picture)
    if not isinstance(methods, list) or not 1 <= len(methods) <= MAX_METHODS:
        got = len(methods) if isinstance(methods, list) else "none"
        raise UserError(f"expected 1 to {MAX_METHODS} models and methods, got {got}")
    inpainters = [parse_inpainter(models, name) for name in methods]
    return Request(picture, mask, drawing, inpainters, count, label, seed, seamless is True)


def needs_label(models: Models, names: object) -> bool:
    """Return whether any of the models is conditional. Models that do not load are ignored."""
    for name in names if isinstance(names, list) else []:
        try:
            if parse_inpainter(models, name).pipeline.num_classes is not None:
                return True
        except UserError:  # reported when the user runs it
            continue
    return False


def build_mask(kind: str, drawing: object, side: int, generator: torch.Generator) -> Tensor:
    """Return a mask (1, side, side): 1 keeps a pixel, 0 fills it.

    Args:
        kind: one of MASK_KINDS
        drawing: value of gr.ImageEditor for the kind "brush"; the paint is the area to fill

    Raises:
        UserError: a drawing without paint.
    """
    if kind in MASKS:
        return MASKS[kind](1, side, generator)[0]
    if kind in FIXED_MASKS:
        top, bottom, left, right = (math.ceil(side * edge / 28) for edge in FIXED_MASKS[kind])
        mask = torch.ones(1, side, side)
        mask[:, top:bottom, left:right] = 0
        return mask
    layers = drawing.get("layers") or [] if isinstance(drawing, dict) else []
    painted = np.zeros((side, side), bool)
    for layer in layers:
        if isinstance(layer, np.ndarray) and layer.ndim == 3 and layer.shape[2] == 4:
            alpha = Image.fromarray(layer[:, :, 3]).resize((side, side), Image.Resampling.BOX)
            painted |= np.array(alpha) > 127
    if not painted.any():
        raise UserError("expected a painted mask: paint over the area to fill, or choose a mask")
    return 1 - torch.from_numpy(painted)[None].float()


class CancelledError(Exception):
    """The user pressed Stop or closed the page."""


def poll(
    work: Callable[[Callable[[float], object]], Completion],
) -> Iterator[tuple[float, Completion | None]]:
    """Run work(progress) in a thread; yield its progress regularly, and its result at the end.

    Closing this iterator cancels the work: its next call of `progress` raises CancelledError.
    """
    fraction, cancelled = 0.0, threading.Event()

    def progress(value: float) -> None:
        nonlocal fraction
        if cancelled.is_set():
            raise CancelledError
        fraction = value

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work, progress)
        try:
            while not wait([future], POLL_SECONDS).done:
                yield fraction, None
        finally:
            cancelled.set()
    yield 1.0, future.result()


def inpaint(request: Request) -> Iterator[tuple[int, Row | None, str]]:
    """Run the inpainters one after another.

    Yields:
        Index of the inpainter; its images when it is done, None before; a note on the progress
        and the times so far. A row holds the picture, the picture with the hole, the completions.
    """
    notes: list[str] = []
    for index, (name, pipeline, method) in enumerate(request.inpainters):
        generator = torch.Generator().manual_seed(request.seed)
        sample = to_sample(request.picture, pipeline.sample_shape)
        mask = build_mask(request.mask, request.drawing, sample.shape[-1], generator)
        label = parse_label(pipeline, request.label)
        batch = [tensor.expand(request.count, -1, -1, -1) for tensor in (sample, mask)]
        arguments = (pipeline, *batch, generator, method, label, request.seamless)
        start = time.perf_counter()
        for fraction, completion in poll(
            lambda progress, arguments=arguments: complete(*arguments, progress)
        ):
            if completion is None:
                yield index, None, "; ".join([*notes, f"{name}: {fraction:.0%}"])
        seconds = time.perf_counter() - start
        hole = torch.where(mask > 0, sample.expand(3 if len(sample) == 1 else -1, -1, -1), HOLE)
        row: Row = [(to_pil(tensor[None])[0], None) for tensor in (sample, hole)]
        row += [(image, str(i)) for i, image in enumerate(to_pil(completion.samples), 1)]
        notes.append(", ".join([f"{name} in {seconds:.2f} s", *completion.notes]))
        yield index, row, "; ".join(notes)


def initial_rows(
    models: Models, picture: Image.Image, names: list[str]
) -> tuple[list[tuple[Row, str]], str]:
    """Run the inpainters shown when the app starts; return their rows with names, and a note."""
    rows, note = [], "No fast method for this model: choose one and press Inpaint"
    try:
        inpainters = [parse_inpainter(models, name) for name in names]
        request = Request(picture, "middle", None, inpainters, DEFAULT_COMPLETIONS, 0, 0, False)
        for index, row, progress in inpaint(request):
            if row is not None:
                rows.append((row, names[index]))
                note = progress
    except UserError as error:  # the app still offers its other models
        note = str(error)
    return rows, note


def last_saved(saved: list[SavedSample]) -> Image.Image:
    """Return the newest sample that the user saved in the tab Generate."""
    if not saved:
        raise UserError("expected a saved sample: click an image in the tab Generate first")
    return to_pil(saved[-1].image[None])[0]


def canvas_value(file: str | None) -> dict | None:
    """Return the value of gr.ImageEditor that shows a picture to paint on."""
    if file is None:
        return None
    size = (CANVAS_SIDE, CANVAS_SIDE)
    background = open_picture(file).resize(size, Image.Resampling.NEAREST)
    return {"background": background, "layers": [], "composite": None}
