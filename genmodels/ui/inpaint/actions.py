"""Actions of the Inpaint tab, without components."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait

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
MASK_KINDS = [*FIXED_MASKS, *MASKS, BRUSH]  # MASKS are random, by the seed

Row = list[tuple[Image.Image, str | None]]  # images and captions


def inpainter_names(models: Models) -> list[str]:
    """Return "model: method" for every local model, fastest method first, then Hub ids."""
    pairs = [(method, name) for name, kind in models.kinds.items() for method in methods_for(kind)]
    pairs.sort(key=lambda pair: list(METHODS).index(pair[0]))
    return [*(f"{name}: {method}" for method, name in pairs), *models.repositories]


def parse_inpainter(models: Models, name: object) -> tuple[LatentPipeline, str | None]:
    """Load the model of "model: method", or of a model alone; its default method is None."""
    model, _, method = str(name).partition(": ")
    if method:
        parse_choice(method, list(METHODS), "a method")
    pipeline = models.get(model)
    methods = methods_for(type(pipeline))
    if method and method not in methods:
        raise UserError(f"expected {' or '.join(methods)} for {model}, got {method!r}")
    return pipeline, method or None


def needs_label(models: Models, names: object) -> bool:
    """Return whether any of the models is conditional. Models that do not load are ignored."""
    for name in names if isinstance(names, list) else []:
        try:
            if parse_inpainter(models, name)[0].num_classes is not None:
                return True
        except UserError:  # reported when the user runs it
            continue
    return False


def build_mask(kind: str, drawing: object, side: int, generator: torch.Generator) -> Tensor:
    """Return a mask (1, side, side): 1 keeps a pixel, 0 fills it.

    Args:
        kind: one of MASK_KINDS
        drawing: value of gr.ImageEditor for the kind "brush"; the paint is the area to fill
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


def inpaint(
    models: Models,
    picture: object,
    mask: object,
    drawing: object,
    methods: object,
    count: object,
    label: object,
    seed: object,
    seamless: object,
) -> Iterator[tuple[int, Row | None, str]]:
    """Complete a picture, an image or an uploaded file, with one method after another.

    Yields:
        Index of the method; its images when it is done, None before; a note on the progress
        and the times so far. A row holds the picture, the picture with the hole, the completions.
    """
    kind = parse_choice(mask, MASK_KINDS, "a mask")
    count, seed = parse_int(count, 1, MAX_COMPLETIONS, "completions"), parse_seed(seed)
    picture = picture if isinstance(picture, Image.Image) else open_picture(picture)
    if not isinstance(methods, list) or not 1 <= len(methods) <= MAX_METHODS:
        got = len(methods) if isinstance(methods, list) else "none"
        raise UserError(f"expected 1 to {MAX_METHODS} models and methods, got {got}")
    notes: list[str] = []
    inpainters = [parse_inpainter(models, name) for name in methods]
    for index, (name, (pipeline, method)) in enumerate(zip(methods, inpainters, strict=True)):
        generator = torch.Generator().manual_seed(seed)
        sample = to_sample(picture, pipeline.sample_shape)
        mask = build_mask(kind, drawing, sample.shape[-1], generator)
        batch = [tensor.expand(count, -1, -1, -1) for tensor in (sample, mask)]
        classes = parse_label(pipeline, label)
        arguments = (pipeline, *batch, generator, method, classes, seamless is True)
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
    if not names:
        return [], "No fast method for this model: choose one and press Inpaint"
    settings, rows = ("middle", None, names, DEFAULT_COMPLETIONS, 0, 0, False), []
    try:
        for index, row, progress in inpaint(models, picture, *settings):
            if row is not None:
                rows.append((row, names[index]))
                note = progress
    except UserError as error:  # the app still offers its other models
        note = str(error)
    return rows, note


def last_saved(saved: list[SavedSample]) -> Image.Image:
    """Return the newest sample that the user saved in the Generate tab."""
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
