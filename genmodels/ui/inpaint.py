"""Inpainting: a picture with a hole, and how several models and methods complete it."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import NamedTuple

import gradio as gr
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from genmodels.errors import UserError
from genmodels.inpainting import METHODS, Completion, complete, methods_of
from genmodels.inpainting.masks import HOLES
from genmodels.media.image import from_pixels, to_pil
from genmodels.pipelines import LatentPipeline
from genmodels.ui.app_state import AppState, SavedSample
from genmodels.ui.i18n import Texts, translate
from genmodels.ui.latents import parse_label
from genmodels.ui.models import Models
from genmodels.ui.pictures import ACCEPTED_PICTURE, example_images, gallery, open_picture, to_sample
from genmodels.ui.plots import FORMULAS
from genmodels.ui.validation import (
    EACH,
    LATEST,
    SEEDS,
    check_component,
    connect_stop,
    parse_choice,
    parse_int,
    parse_seed,
    show_user_errors,
)

TEXTS: Texts = {
    "inpaint_what": (
        "A part of a picture is hidden, and each model draws what might be there, "
        r"$x_{hidden} \sim p(x_{hidden} \mid x_{known})$. No answer is the right one: "
        "several are drawn. Known pixels stay as they are.",
        "Часть картинки скрыта, и каждая модель рисует, что могло бы там быть: "
        r"$x_{hidden} \sim p(x_{hidden} \mid x_{known})$. Единственного ответа нет, поэтому "
        "рисуется несколько. Известные пиксели не меняются.",
    ),
    "inpaint_examples": (
        "Held-out images: pick one",
        "Незнакомые моделям: выберите",
    ),
    "inpaint_picture": ("The picture, or one of yours", "Картинка; можно загрузить свою"),
    "inpaint_kept": ("Take the sample kept last", "Взять последнюю сохранённую"),
    "inpaint_hole": ("Hole", "Дыра"),
    "inpaint_hole_middle": ("a box in the middle", "квадрат посередине"),
    "inpaint_hole_left": ("the left half", "левая половина"),
    "inpaint_hole_lower": ("the lower half", "нижняя половина"),
    "inpaint_hole_box": ("a box, by the seed", "прямоугольник по зерну"),
    "inpaint_hole_stroke": ("a stroke, by the seed", "штрих по зерну"),
    "inpaint_hole_half": ("a half, by the seed", "половина по зерну"),
    "inpaint_hole_drawn": ("drawn by hand", "нарисованная от руки"),
    "inpaint_drawn": (
        "Draw the hole with the brush, then press Complete",
        "Закрасьте дыру кистью и нажмите «Дорисовать»",
    ),
    "inpaint_ways": ("Models and methods", "Модели и методы"),
    "inpaint_ways_info": (
        "Up to 4; or the id of a model on the Hub: user/name",
        "До 4; можно имя модели на Hub: user/name",
    ),
    "inpaint_count": ("Completions", "Вариантов"),
    "inpaint_label_info": ("For models that are told one", "Для моделей, которым он нужен"),
    "inpaint_seamless": ("Hide the border (Poisson)", "Скрыть границу (Пуассон)"),
    "inpaint_button": ("Complete", "Дорисовать"),
}

MOST_WAYS = 4
ROWS = range(MOST_WAYS)
MOST = 8  # completions of each
COUNT = 6  # at first sight
FIRST = 9  # the example at first sight
CANVAS = 280  # pixels of the side of what is drawn on
PROMPT = 0.2  # seconds until a stop is heard
ACCENT = from_pixels(torch.tensor([20, 184, 166]))[:, None, None]  # of a hole
FAST = ("one pass", "pseudo-Gibbs")  # methods that take less than that


def rectangle(rows: slice, columns: slice) -> Callable[[int], Tensor]:
    """A hole (side -> known (1, side, side)), in 28ths of the side."""

    def hole(side: int) -> Tensor:
        known = torch.ones(1, 28, 28)
        known[:, rows, columns] = 0
        return torch.nn.functional.interpolate(known[None], size=(side, side))[0]

    return hole


FIXED = {
    "middle": rectangle(slice(8, 20), slice(8, 20)),
    "left": rectangle(slice(0, 28), slice(0, 14)),
    "lower": rectangle(slice(14, 28), slice(0, 28)),
}
DRAWN = "drawn"
KINDS = [*FIXED, *HOLES, DRAWN]  # of holes: the second ones are of the seed


class Asked(NamedTuple):
    """What a visitor asked for, looked after."""

    picture: Image.Image
    hole: str
    drawn: object  # of gr.ImageEditor
    ways: list[tuple[str, LatentPipeline, str | None]]  # name, model, and method
    count: int
    label: object
    seed: int
    seamless: bool


def offered(models: Models) -> list[str]:
    """Ways to complete: "model: method", the fastest first, and models of the Hub by their id."""
    found = []
    for name, kind in models.kinds.items():
        able = [method for method, row in METHODS.items() if issubclass(kind, row.pipelines)]
        found += [(method, name) for method in able]
    found.sort(key=lambda way: list(METHODS).index(way[0]))
    return [*(f"{name}: {method}" for method, name in found), *models.repositories]


def ask(
    models: Models,
    file: object,
    hole: object,
    drawn: object,
    ways: object,
    count: object,
    label: object,
    seed: object,
    seamless: object,
) -> Asked:
    """Raises UserError for what is no picture, hole, way, count, or seed."""
    hole = parse_choice(hole, KINDS, "a hole")
    count = parse_int(count, 1, MOST, "completions")
    seed = parse_seed(seed)
    picture = open_picture(file)
    if not isinstance(ways, list) or not 1 <= len(ways) <= MOST_WAYS:
        raise UserError(f"expected 1 to {MOST_WAYS} of the models and methods")
    found = [(str(way), *model_and_method(models, way)) for way in ways]
    return Asked(picture, hole, drawn, found, count, label, seed, seamless is True)


def model_and_method(models: Models, way: object) -> tuple[LatentPipeline, str | None]:
    """A way "model: method", or a model alone, which is then used in the way that is best for it.

    Raises UserError as `Models.get`, and for a method that is none or cannot use the model.
    """
    model, _, method = str(way).partition(": ")
    if method:
        parse_choice(method, list(METHODS), "a method")
    pipeline = models.get(model)
    if method and method not in methods_of(pipeline):
        able = " or ".join(methods_of(pipeline))
        raise UserError(f"expected {able} for {model}, but got {method!r}")
    return pipeline, method or None


def known_of(hole: str, drawn: object, side: int, rng: torch.Generator) -> Tensor:
    """The pixels (1, side, side) that a hole leaves known.

    drawn: of gr.ImageEditor, which may have no layer, or one of another size
    """
    if hole in FIXED:
        return FIXED[hole](side)
    if hole in HOLES:
        return HOLES[hole](1, side, rng)[0]
    layers = drawn.get("layers") or [] if isinstance(drawn, dict) else []
    hidden = np.zeros((side, side), bool)
    for layer in layers:
        if isinstance(layer, np.ndarray) and layer.ndim == 3 and layer.shape[2] == 4:
            paint = Image.fromarray(layer[:, :, 3]).resize((side, side), Image.Resampling.BOX)
            hidden |= np.array(paint) > 127
    if not hidden.any():
        raise UserError("expected a hole: draw one with the brush, or choose one of the others")
    return 1 - torch.from_numpy(hidden)[None].float()


class StoppedError(Exception):
    """The visitor has gone, or does not want to wait."""


def at_work(
    work: Callable[[Callable[[float], object]], Completion],
) -> Iterator[float | Completion]:
    """Do work that tells its progress -> the part done, now and then, and at last what it gives.

    It is done beside, so that between two parts the work can be stopped: by closing this.
    """
    done, stopped = [0.0], threading.Event()

    def progress(part: float) -> None:
        if stopped.is_set():
            raise StoppedError
        done[0] = part

    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(work, progress)
        try:
            while not wait([result], PROMPT).done:
                yield done[0]
        finally:
            stopped.set()
    yield result.result()


def finish(asked: Asked) -> Iterator[tuple[int, list[tuple[Image.Image, str]] | None, str]]:
    """Complete in each way -> its place, its row of pictures (None until it is there), and how far
    it is in words."""
    for place, (way, pipeline, method) in enumerate(asked.ways):
        rng = torch.Generator().manual_seed(asked.seed)
        given = to_sample(asked.picture, pipeline.sample_shape)
        known = known_of(asked.hole, asked.drawn, given.shape[-1], rng)
        label = parse_label(pipeline, asked.label)
        several = [part.expand(asked.count, -1, -1, -1) for part in (given, known)]
        settings = (pipeline, *several, rng, method, label, asked.seamless)
        start = time.perf_counter()
        for found in at_work(lambda progress, settings=settings: complete(*settings, progress)):
            if isinstance(found, float):
                yield place, None, f"{way}: {found:.0%}"
        seconds = time.perf_counter() - start
        holed = torch.where(known > 0, given.expand(3 if len(given) == 1 else -1, -1, -1), ACCENT)
        row = [*to_pil(given[None]), *to_pil(holed[None])]
        row += to_pil(found.samples)
        captions = [
            None,
            None,
            *map(str, range(1, asked.count + 1)),
        ]  # the first two tell themselves
        note = ", ".join([f"{way} in {seconds:.2f} s", *found.notes])
        yield place, list(zip(row, captions, strict=True)), note


def show(row: list[tuple] | None, label: str) -> gr.Gallery:
    """Pictures of one way and their captions; unseen where there are none."""
    return gallery(row, label, "completions", visible=row is not None)


def tab(shared: AppState) -> None:
    """Build the tab. It opens with completions by the fastest ways, where there are any."""
    models, choices, known_ways = shared.models, example_images(), offered(shared.models)
    first = [way for way in known_ways if way.endswith(FAST)][:2]
    rows, note = begin(models, choices[FIRST], first)

    gr.Markdown(translate("inpaint_what"), latex_delimiters=FORMULAS)
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            picture = gr.Image(
                choices[FIRST],
                label=translate("inpaint_picture"),
                type="filepath",
                image_mode=None,
                format="png",
                height=180,
                sources=["upload", "clipboard"],
                elem_classes=["pixels", "held"],
            )
            check_component(picture, ACCEPTED_PICTURE)
            take = gr.Button(translate("inpaint_kept"), size="sm")
            hole = gr.Dropdown(
                [(translate(f"inpaint_hole_{kind}"), kind) for kind in KINDS],
                value="middle",
                label=translate("inpaint_hole"),
            )
            with gr.Column(visible=False) as by_hand:
                gr.Markdown(translate("inpaint_drawn"))
                editor = canvas()
            ways = gr.Dropdown(
                known_ways,
                value=first,
                multiselect=True,
                max_choices=MOST_WAYS,
                allow_custom_value=True,
                label=translate("inpaint_ways"),
                info=translate("inpaint_ways_info"),
            )
            count = gr.Slider(1, MOST, value=COUNT, step=1, label=translate("inpaint_count"))
            label = gr.Number(
                0,
                label=translate("class"),
                info=translate("inpaint_label_info"),
                precision=0,
                visible=conditional(models, first),
            )
            seed = gr.Textbox("0", label=translate("seed"), max_lines=1)
            seamless = gr.Checkbox(label=translate("inpaint_seamless"))
        with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
            galleries = [show(*row) for row in rows]
            note = gr.Markdown(note, elem_classes="note")
            with gr.Row():
                button = gr.Button(translate("inpaint_button"), variant="primary", min_width=100)
                stop = gr.Button(translate("stop"), min_width=100)
            held_out = gallery(
                [(image, None) for image in choices], translate("inpaint_examples"), "examples"
            )

    def run(
        picture: str,
        hole: str,
        drawn: object,
        ways: list[str],
        count: int,
        label: int,
        seed: str,
        seamless: bool,
    ) -> Iterator[list[object]]:
        asked = ask(models, picture, hole, drawn, ways, count, label, seed, seamless)
        # What is shown stays until what follows it is there; rows that nothing follows go.
        rows = [gr.skip() if place < len(asked.ways) else show(None, "") for place in ROWS]
        notes = []
        for place, row, note in finish(asked):
            if row is None:
                yield [*[gr.skip()] * MOST_WAYS, "; ".join([*notes, note])]
            else:
                rows[place] = show(row, asked.ways[place][0])
                notes.append(note)
                yield [*rows, "; ".join(notes)]

    def follow(picture: str, hole: str, *settings: object) -> Iterator[list[object]]:
        """The same where the hole needs no drawing first."""
        if hole == DRAWN:
            yield [gr.skip()] * (MOST_WAYS + 1)
        else:
            yield from run(picture, hole, *settings)

    def pick(event: gr.SelectData) -> Image.Image:
        return choices[parse_int(event.index, 0, len(choices) - 1, "as the example")]

    def latest(kept: list[SavedSample]) -> Image.Image:
        if not kept:
            raise UserError("expected a sample: click one in the tab Generate first")
        return to_pil(kept[-1].image[None])[0]

    inputs = [picture, hole, editor, ways, count, label, seed, seamless]
    outputs = [*galleries, note]
    settings = {
        "inputs": inputs,
        "outputs": outputs,
        "concurrency_id": "device",
        "show_progress": "minimal",
        "show_progress_on": note,
    }
    event = button.click(
        show_user_errors(run),
        **settings,
        api_name="complete",
        api_description="Complete a picture (a file; it is made square, and grey where the model "
        f"is) in 1 to {MOST_WAYS} ways, each 'model: method' or a model alone. Holes: "
        f"{', '.join(KINDS)}, the last of which is what has paint in the layers of the editor. "
        f"1 to {MOST} completions each; a class of conditional models; a seed from 0 to "
        f"{SEEDS - 1}; seamless shifts colours so that no border is seen. Gives a row of pictures "
        "for each way (the original, the hole, completions), and the times.",
    )
    events = [
        event,
        seed.submit(show_user_errors(run), **settings, **LATEST, api_visibility="private"),
    ]
    chosen = [
        held_out.select(pick, None, picture, **EACH, api_visibility="private"),
        take.click(
            show_user_errors(latest), shared.saved_samples, picture, api_visibility="private"
        ),
        picture.upload(lambda: None, api_visibility="private"),
        hole.input(
            lambda hole: gr.Column(visible=hole == DRAWN),
            hole,
            by_hand,
            show_progress="hidden",
            api_visibility="private",
        ),
    ]
    for choosing in chosen:
        after = choosing.success(
            show_user_errors(follow), **settings, **LATEST, api_visibility="private"
        )
        events.append(after)
    connect_stop(stop, events, note)
    gr.on(
        [picture.change, hole.input],
        show_user_errors(lay),
        picture,
        editor,
        **LATEST,
        show_progress="hidden",
        api_visibility="private",
    )
    shared.saved_samples.change(
        lambda kept: latest(kept) if kept else gr.skip(),
        shared.saved_samples,
        picture,
        show_progress="hidden",
        api_visibility="private",
    )
    ways.change(
        lambda ways: gr.Number(visible=conditional(models, ways)),
        ways,
        label,
        show_progress="hidden",
        api_visibility="private",
    )


def begin(models: Models, picture: Image.Image, ways: list[str]) -> tuple[list[tuple], str]:
    """What is seen at first: a row for each way, empty ones, and the times or what is wrong."""
    rows, notes = [(None, "")] * MOST_WAYS, []
    try:
        found = [(way, *model_and_method(models, way)) for way in ways]
        asked = Asked(picture, "middle", None, found, COUNT, 0, 0, False)
        for place, row, note in finish(asked):
            if row is not None:
                rows[place] = (row, ways[place])
                notes.append(note)
    except UserError as error:  # the app serves its other models all the same
        return rows, str(error)
    return rows, "; ".join(notes) or "None of these models completes at once: choose, and press."


def canvas() -> gr.ImageEditor:
    """What a hole is drawn on, with a brush and nothing else."""
    editor = gr.ImageEditor(
        show_label=False,
        sources=(),
        transforms=(),
        layers=False,
        format="png",
        canvas_size=(CANVAS, CANVAS),
        fixed_canvas=True,
        height=CANVAS + 60,
        brush=gr.Brush(CANVAS // 8, ["#14b8a6"], "#14b8a6", "fixed"),
        eraser=gr.Eraser(CANVAS // 8),
        elem_id="inpaint-canvas",
    )
    check_component(editor, ACCEPTED_PICTURE)
    return editor


def lay(file: str | None) -> dict | None:
    """Lay a picture under the brush."""
    if file is None:
        return None
    ground = open_picture(file).resize((CANVAS, CANVAS), Image.Resampling.NEAREST)
    return {"background": ground, "layers": [], "composite": None}


def conditional(models: Models, ways: object) -> bool:
    """Whether a model among the ways needs a class. An unknown one is said when it is asked for."""
    for way in ways if isinstance(ways, list) else []:
        try:
            pipeline, _ = model_and_method(models, way)
        except UserError:
            continue
        if pipeline.num_classes is not None:
            return True
    return False
