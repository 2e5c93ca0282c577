"""Unconditional generation: a model, a seed, and what the model draws from it."""

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import gradio as gr
import torch
from PIL import Image
from torch import Tensor

from genmodels.errors import UserError
from genmodels.media.image import image_grid, to_pil, to_png, to_zip
from genmodels.pipelines import LatentPipeline
from genmodels.pipelines.base import MAX_TRUNCATION, truncate
from genmodels.pipelines.denoising import (
    GUIDANCE_SCALE,
    NUM_INFERENCE_STEPS,
    SCHEDULERS,
    DenoisingPipeline,
)
from genmodels.ui.app_state import AppState, SavedSample
from genmodels.ui.i18n import Texts, translate
from genmodels.ui.models import Models
from genmodels.ui.pictures import gallery, write_download
from genmodels.ui.plots import FORMULAS
from genmodels.ui.validation import (
    EACH,
    LATEST,
    SEEDS,
    parse_choice,
    parse_float,
    parse_int,
    parse_seed,
    show_user_errors,
)

TEXTS: Texts = {
    "generate_what": (
        "Each picture begins as a list of random numbers, the *latent* $z \\sim N(0, I)$, which "
        "the model turns into an image $x = G(z)$. The seed fixes the numbers: the same seed draws "
        "the same pictures. Click one to keep it for the other tabs.",
        "Каждая картинка начинается со списка случайных чисел, *латента* $z \\sim N(0, I)$, "
        "который модель превращает в изображение $x = G(z)$. Зерно задаёт эти числа: то же зерно "
        "рисует те же картинки. Щёлкните по картинке, чтобы взять её в другие вкладки.",
    ),
    "generate_count": ("Images", "Картинок"),
    "generate_new_seed": ("New seed", "Новое зерно"),
    "generate_button": ("Generate", "Породить"),
    "generate_label_info": ("-1: each in turn", "-1: все по очереди"),
    "generate_bound": ("Truncation", "Усечение"),
    "generate_bound_info": (
        "No number of the latent is farther from 0: surer samples, and less of a choice",
        "Ни одно число латента не дальше от 0: картинки надёжнее и однообразнее",
    ),
    "generate_sampler": ("Sampler", "Метод"),
    "generate_steps": ("Steps", "Шагов"),
    "generate_guidance": ("Guidance", "Сила класса"),
    "generate_guidance_info": (
        "How far samples are pushed towards their class; 1: not at all",
        "Насколько картинки тянет к их классу; 1: нисколько",
    ),
    "generate_samples": ("Samples", "Картинки"),
    "generate_png": ("PNG", "PNG"),
    "generate_zip": ("ZIP", "ZIP"),
    "generate_compare": ("All models, side by side", "Все модели рядом"),
    "generate_compared": ("All models, from one seed", "Все модели, от одного зерна"),
    "generate_kept": ("SavedSample for the other tabs", "Взято в другие вкладки"),
    "generate_to_inpaint": ("Complete the last one", "Дорисовать последнюю"),
    "generate_to_interpolate": ("Walk between the last two", "Пройти между двумя последними"),
}

MOST = 64  # images at once
FIRST = 32  # images at first sight
BESIDE = 8  # images of each model at first sight, where models stand side by side
ABREAST = 16  # the same at the most
STEPS = 100  # calls of a denoiser at the most
GUIDANCE = 5.0  # at the most
KEPT = 8  # samples that a visitor can have kept


class Asked(NamedTuple):
    """What a visitor may choose, looked after."""

    model: str
    count: int
    seed: int
    label: int | None  # None: each class in turn, or no classes
    bound: float
    sampler: str
    steps: int
    guidance: float


def ask(
    model: object, count: object, seed: object, label: object = -1, bound: object = MAX_TRUNCATION,
    sampler: object = "DPM-Solver++", steps: object = NUM_INFERENCE_STEPS,
    guidance: object = GUIDANCE_SCALE,
) -> Asked:  # fmt: skip
    """Raises UserError for a number out of its range, a sampler that is none, or no model."""
    if not isinstance(model, str) or not model:
        raise UserError("expected a model of the list or the id of one on the Hub")
    each = str(label).strip() in ("-1", "-1.0")
    return Asked(
        model,
        parse_int(count, 1, MOST, "images"),
        parse_seed(seed),
        None if each else parse_int(label, 0, 10**6, "as the class"),
        parse_float(bound, 0.1, MAX_TRUNCATION, "as the truncation"),
        parse_choice(sampler, list(SCHEDULERS), "a sampler"),
        parse_int(steps, 1, STEPS, "steps"),
        parse_float(guidance, 0, GUIDANCE, "as the guidance"),
    )


def prepare(models: Models, asked: Asked) -> tuple[LatentPipeline, Tensor, Tensor | None]:
    """The model with its settings, latents (B, *Z), and labels (B,) where there are classes."""
    pipeline = models.get(asked.model)
    latents = pipeline.draw(asked.count, torch.Generator().manual_seed(asked.seed))
    if not isinstance(pipeline, DenoisingPipeline):
        latents = truncate(latents, asked.bound)
    if asked.label is None:
        return pipeline, latents, pipeline.balanced_labels(asked.count)
    return pipeline, latents, pipeline.prepare_labels(asked.label, asked.count)


def settings_for(pipeline: LatentPipeline, asked: Asked) -> dict[str, object]:
    """Sampling arguments of a diffusion model; none for other models."""
    if not isinstance(pipeline, DenoisingPipeline):
        return {}
    guidance = None if pipeline.num_classes is None else asked.guidance
    return {
        "num_inference_steps": min(asked.steps, pipeline.num_timesteps),
        "guidance_scale": guidance,
        "scheduler": asked.sampler,
    }


@torch.no_grad()
def draw(models: Models, asked: Asked) -> Iterator[tuple[list[Image.Image], str, str, str]]:
    """Draw -> images, the time in words, and two files to download; of diffusion as it forms.

    Raises UserError as `Models.get`, and for a class that the model does not have.
    """
    pipeline, latents, labels = prepare(models, asked)
    settings = settings_for(pipeline, asked)
    start = time.perf_counter()
    if isinstance(pipeline, DenoisingPipeline):
        for step, samples in enumerate(pipeline.sample_steps(latents, labels, **settings), 1):
            if step % 4 == 0 and step < settings["num_inference_steps"]:
                note = f"{step} / {settings['num_inference_steps']}"
                yield to_pil(samples), note, gr.skip(), gr.skip()
    else:
        samples = pipeline.decode(latents, labels)
    seconds = time.perf_counter() - start
    drawn = to_pil(samples)
    name = f"{Path(asked.model).name}-seed-{asked.seed}"
    archive = write_download(to_zip(drawn), f"{name}.zip")
    sheet = write_download(to_png(image_grid(samples)), f"{name}.png")
    note = f"{asked.count} image{'s' if asked.count > 1 else ''} in {seconds:.2f} s"
    yield drawn, note, sheet, archive


@torch.no_grad()
def compare(models: Models, count: int, seed: int) -> Iterator[list[tuple[str, str]]]:
    """A file of a grid of each model from one seed, and beneath it its name; one after another."""
    grids: list[tuple[str, str]] = []
    for name in models.generators:
        try:
            start = time.perf_counter()
            pipeline, latents, labels = prepare(models, ask(name, count, seed))
            samples = pipeline.decode(latents, labels)
            seconds = time.perf_counter() - start
            grid = image_grid(samples, columns=4)
            file = write_download(to_png(grid), f"{Path(name).name}.png")
            grids.append((file, f"{name}, {seconds:.2f} s"))
        except UserError:  # what is wrong with it the tab of the models says
            continue
        yield grids[:]


def tab(shared: AppState) -> None:
    """Build the tab. It opens with images of the first model, so that there is something to see."""
    models = shared.models
    first = next(iter(models.generators), None)
    try:
        *_, (samples, note, sheet, archive) = draw(models, ask(first, FIRST, 0))
        classes, truncates, samples_in_steps, guided = settings_of(models.get(first))
    except UserError as error:  # the app serves its other models all the same
        samples, note, sheet, archive = None, str(error), None, None
        classes, truncates, samples_in_steps, guided = False, False, False, False
    beside = [grids[-1] for grids in compare(models, BESIDE, 0)]

    gr.Markdown(translate("generate_what"), latex_delimiters=FORMULAS)
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            model = gr.Dropdown(
                models.generators,
                value=first,
                label=translate("model"),
                info=translate("model_info"),
                allow_custom_value=True,
            )
            count = gr.Slider(1, MOST, value=FIRST, step=1, label=translate("generate_count"))
            seed = gr.Textbox(
                "0", label=translate("seed"), info=translate("seed_info"), max_lines=1
            )
            with gr.Row():
                new_seed = gr.Button(translate("generate_new_seed"), min_width=100)
                button = gr.Button(translate("generate_button"), variant="primary", min_width=100)
            label = gr.Number(
                -1,
                label=translate("class"),
                info=translate("generate_label_info"),
                precision=0,
                visible=classes,
            )
            bound = gr.Slider(
                0.1,
                MAX_TRUNCATION,
                MAX_TRUNCATION,
                label=translate("generate_bound"),
                info=translate("generate_bound_info"),
                visible=truncates,
            )
            with gr.Group(visible=samples_in_steps) as in_steps:
                sampler = gr.Radio(
                    list(SCHEDULERS), value="DPM-Solver++", label=translate("generate_sampler")
                )
                steps = gr.Slider(
                    1, STEPS, NUM_INFERENCE_STEPS, step=1, label=translate("generate_steps")
                )
            guidance = gr.Slider(
                0,
                GUIDANCE,
                GUIDANCE_SCALE,
                step=0.1,
                label=translate("generate_guidance"),
                info=translate("generate_guidance_info"),
                visible=guided,
            )
            note = gr.Markdown(note, elem_classes="note")
            with gr.Row():
                png = gr.DownloadButton(translate("generate_png"), sheet, size="sm", min_width=80)
                download = gr.DownloadButton(
                    translate("generate_zip"), archive, size="sm", min_width=80
                )
        with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
            drawn = gallery(samples, translate("generate_samples"), "samples", show_label=False)
            kept = gallery(None, translate("generate_kept"), "kept", visible=False)
            with gr.Row(visible=False) as ways:
                to_inpaint = gr.Button(translate("generate_to_inpaint"), size="sm")
                to_interpolate = gr.Button(translate("generate_to_interpolate"), size="sm")
    side_by_side = gr.Button(translate("generate_compare"), size="sm")
    grids = gallery(beside, translate("generate_compared"), "compared", show_label=False)

    shared.link(model=model, seed=seed)
    inputs = [model, count, seed, label, bound, sampler, steps, guidance]
    last = gr.State(tuple(component.value for component in inputs))  # what the gallery shows

    def generate(
        model: str,
        count: int,
        seed: str,
        label: int = -1,
        bound: float = MAX_TRUNCATION,
        sampler: str = "DPM-Solver++",
        steps: int = NUM_INFERENCE_STEPS,
        guidance: float = GUIDANCE_SCALE,
    ) -> Iterator[tuple[list[Image.Image], str, str, str, tuple]]:
        given = (model, count, seed, label, bound, sampler, steps, guidance)
        for shown in draw(models, ask(*given)):
            yield *shown, given

    def draw_linked(
        model: str, count: int, seed: str, label: int, bound: float, sampler: str, steps: int,
        guidance: float, request: gr.Request,
    ) -> Iterator[tuple]:  # fmt: skip
        """What a link asks for; the pictures of first sight stay where it asks for none."""
        if {"model", "seed"} & set(request.query_params):
            yield from generate(model, count, seed, label, bound, sampler, steps, guidance)
        else:
            yield (gr.skip(),) * 5

    settings = {
        "fn": show_user_errors(generate),
        "inputs": inputs,
        "outputs": [drawn, note, png, download, last],
        "concurrency_id": "device",
        "show_progress": "minimal",
        "show_progress_on": note,  # not over the pictures, which stay when something is wrong
    }
    button.click(
        **settings,
        api_name="generate",
        api_description=f"Images of a model (a name in checkpoints/ or a Hub id): 1 to {MOST} of "
        f"them, by a seed from 0 to {SEEDS - 1}; of a conditional model of a class (-1: each in "
        "turn); of diffusion by a sampler in so many steps, with guidance where it is conditional, "
        "and of others with no number of the latent beyond the truncation. Gives the images, the "
        "time, a PNG and a ZIP archive.",
    )
    shared.reopen = settings | {"fn": show_user_errors(draw_linked)}
    fresh = new_seed.click(
        lambda: str(random.randrange(SEEDS)), None, seed, api_visibility="private"
    )
    for event in (seed.submit, fresh.then):
        event(**settings, **LATEST, api_visibility="private")

    def adapt(model: str) -> list[dict]:
        try:
            classes, *rest = settings_of(models.get(model))
            # A class that is not seen must not be asked for.
            told = gr.update(visible=True) if classes else gr.update(visible=False, value=-1)
            return [told, *(gr.update(visible=seen) for seen in rest)]
        except UserError:  # it is said when it is asked for
            return [gr.skip()] * 4

    model.change(
        adapt,
        model,
        [label, bound, in_steps, guidance],
        concurrency_id="device",
        api_visibility="private",
        show_progress="hidden",
    )

    def place_beside(count: int, seed: str) -> Iterator[list[tuple[Image.Image, str]]]:
        asked = ask("any", count, seed)
        yield from compare(models, min(asked.count, ABREAST), asked.seed)

    side_by_side.click(
        show_user_errors(place_beside),
        [count, seed],
        grids,
        concurrency_id="device",
        api_name="compare",
        api_description=f"A grid of at most {ABREAST} images of every model from one seed.",
    )

    def keep(
        last: tuple, held: list[SavedSample], event: gr.SelectData
    ) -> tuple[list[SavedSample], dict, dict]:
        asked = ask(*last)
        pipeline, latents, labels = prepare(models, asked)
        place = event.index
        with torch.no_grad():
            chosen = None if labels is None else labels[place : place + 1]
            settings = settings_for(pipeline, asked)
            image = pipeline.decode(latents[place : place + 1], chosen, **settings)[0]
        new = SavedSample(
            asked.model, latents[place], None if chosen is None else int(chosen), image
        )
        held = [*held, new][-KEPT:]
        shown = [(to_pil(one.image[None])[0], one.model) for one in held]
        return held, gr.update(value=shown, visible=True), gr.update(visible=True)

    drawn.select(
        show_user_errors(keep),
        [last, shared.kept],
        [shared.kept, kept, ways],
        concurrency_id="device",
        **EACH,
        api_visibility="private",
        show_progress="hidden",
    )
    for way, name in ((to_inpaint, "inpaint"), (to_interpolate, "interpolate")):
        way.click(
            lambda name=name: gr.Tabs(selected=name), None, shared.tabs, api_visibility="private"
        )


def settings_of(pipeline: LatentPipeline) -> tuple[bool, bool, bool, bool]:
    """Whether a model has classes, latents to truncate, a sampler with steps, and guidance."""
    classes, diffusion = pipeline.num_classes is not None, isinstance(pipeline, DenoisingPipeline)
    return classes, not diffusion, diffusion, classes and diffusion
