"""Components of the tab Generate, and their events."""

import random
from collections.abc import Iterator
from typing import NamedTuple

import gradio as gr
from PIL import Image

from genmodels.errors import UserError
from genmodels.media.image import to_pil
from genmodels.pipelines.base import MAX_TRUNCATION
from genmodels.pipelines.denoising import SCHEDULERS
from genmodels.ui.app_state import AppState, SavedSample
from genmodels.ui.generate.actions import (
    ALL_CLASSES,
    DEFAULT_COUNT,
    MAX_COMPARED,
    MAX_COUNT,
    MAX_GUIDANCE,
    MAX_STEPS,
    MIN_TRUNCATION,
    Controls,
    Result,
    Settings,
    compare,
    find_controls,
    generate,
    parse_settings,
    regenerate_one,
)
from genmodels.ui.i18n import translate
from genmodels.ui.models import Models
from genmodels.ui.pictures import gallery
from genmodels.ui.plots import FORMULAS
from genmodels.ui.validation import EACH, LATEST, SEEDS, show_user_errors

COMPARED_AT_START = 8  # images per model in the first comparison
MAX_SAVED = 8  # samples saved for other tabs

DESCRIPTION = (
    f"Generate 1 to {MAX_COUNT} images with a model (a name in checkpoints/ or a Hub id) and a "
    f"seed from 0 to {SEEDS - 1}. label: class of a conditional model; {ALL_CLASSES} cycles "
    "through all. truncation: not for diffusion. scheduler and num_inference_steps: for diffusion. "
    "guidance_scale: for conditional diffusion. Returns the images, the time, a PNG file and a ZIP "
    "archive."
)


class Inputs(NamedTuple):
    """Components of the settings, in the order of the API's parameters."""

    model: gr.Dropdown
    count: gr.Slider
    seed: gr.Textbox
    label: gr.Number
    truncation: gr.Slider
    scheduler: gr.Radio
    num_inference_steps: gr.Slider
    guidance_scale: gr.Slider


class Outputs(NamedTuple):
    """Components of the result."""

    samples: gr.Gallery
    message: gr.Markdown
    png: gr.DownloadButton
    archive: gr.DownloadButton
    settings: gr.State  # Settings of the images in the gallery


def tab(shared: AppState) -> None:
    """Build the tab. It opens with images of the first model."""
    models = shared.models
    settings = Settings(next(iter(models.generators), ""), DEFAULT_COUNT, 0)
    try:
        *_, result = generate(models, settings)
        controls = find_controls(models.get(settings.model))
    except UserError as error:  # the app still serves its other models
        result, controls = Result([], str(error)), Controls()
    *_, grids = ([], *compare(models, COMPARED_AT_START, settings.seed))

    gr.Markdown(translate("generate_what"), latex_delimiters=FORMULAS)
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            inputs, step_settings, new_seed, button = build_inputs(models, settings, controls)
            message = gr.Markdown(result.message, elem_classes="note")
            with gr.Row():
                png = gr.DownloadButton(
                    translate("generate_png"), result.grid_file, size="sm", min_width=80
                )
                archive = gr.DownloadButton(
                    translate("generate_zip"), result.archive_file, size="sm", min_width=80
                )
        with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
            samples = gallery(
                result.images or None, translate("generate_samples"), "samples", show_label=False
            )
            outputs = Outputs(samples, message, png, archive, gr.State(settings))
            build_saved(shared, outputs)
    compare_button = gr.Button(translate("generate_compare"), size="sm")
    compared = gallery(grids, translate("generate_compared"), "compared", show_label=False)

    shared.link(model=inputs.model, seed=inputs.seed)
    connect_generation(shared, inputs, outputs, button, new_seed)
    connect_controls(models, inputs, step_settings)

    def compare_models(count: int, seed: str) -> Iterator[list[tuple[str, str]]]:
        yield from compare(models, count, seed)

    compare_button.click(
        show_user_errors(compare_models),
        [inputs.count, inputs.seed],
        compared,
        concurrency_id="device",
        api_name="compare",
        api_description=f"A grid of at most {MAX_COMPARED} images of every model from one seed.",
    )


def build_inputs(
    models: Models, settings: Settings, controls: Controls
) -> tuple[Inputs, gr.Group, gr.Button, gr.Button]:
    """Return the settings, the group of the diffusion settings, and two buttons."""
    model = gr.Dropdown(
        models.generators,
        value=settings.model or None,
        label=translate("model"),
        info=translate("model_info"),
        allow_custom_value=True,
    )
    count = gr.Slider(1, MAX_COUNT, settings.count, step=1, label=translate("generate_count"))
    seed = gr.Textbox(
        str(settings.seed), label=translate("seed"), info=translate("seed_info"), max_lines=1
    )
    with gr.Row():
        new_seed = gr.Button(translate("generate_new_seed"), min_width=100)
        button = gr.Button(translate("generate_button"), variant="primary", min_width=100)
    label = gr.Number(
        ALL_CLASSES,
        label=translate("class"),
        info=translate("generate_label_info"),
        precision=0,
        visible=controls.label,
    )
    truncation = gr.Slider(
        MIN_TRUNCATION,
        MAX_TRUNCATION,
        settings.truncation,
        label=translate("generate_truncation"),
        info=translate("generate_truncation_info"),
        visible=controls.truncation,
    )
    with gr.Group(visible=controls.steps) as step_settings:
        scheduler = gr.Radio(
            list(SCHEDULERS), value=settings.scheduler, label=translate("generate_scheduler")
        )
        steps = gr.Slider(
            1, MAX_STEPS, settings.num_inference_steps, step=1, label=translate("generate_steps")
        )
    guidance = gr.Slider(
        0,
        MAX_GUIDANCE,
        settings.guidance_scale,
        step=0.1,
        label=translate("generate_guidance"),
        info=translate("generate_guidance_info"),
        visible=controls.guidance,
    )
    inputs = Inputs(model, count, seed, label, truncation, scheduler, steps, guidance)
    return inputs, step_settings, new_seed, button


def connect_generation(
    shared: AppState, inputs: Inputs, outputs: Outputs, button: gr.Button, new_seed: gr.Button
) -> None:
    """Generate on a click, with a new seed, and for a link."""

    def draw(
        model: str,
        count: int,
        seed: str,
        label: int = ALL_CLASSES,
        truncation: float = Settings.truncation,
        scheduler: str = Settings.scheduler,
        num_inference_steps: int = Settings.num_inference_steps,
        guidance_scale: float = Settings.guidance_scale,
    ) -> Iterator[tuple[list[Image.Image], str, str | dict, str | dict, Settings]]:
        settings = parse_settings(
            model, count, seed, label, truncation, scheduler, num_inference_steps, guidance_scale
        )
        for images, message, *files in generate(shared.models, settings):
            yield images, message, *(file or gr.skip() for file in files), settings

    def draw_linked(request: gr.Request, *values: object) -> Iterator[tuple]:
        if {"model", "seed"} & set(request.query_params):
            yield from draw(*values)
        else:  # the images of the first model are there already
            yield (gr.skip(),) * len(outputs)

    event = {
        "fn": show_user_errors(draw),
        "inputs": list(inputs),
        "outputs": list(outputs),
        "concurrency_id": "device",
        "show_progress": "minimal",
        "show_progress_on": outputs.message,  # keep the images visible after an error
    }
    button.click(**event, api_name="generate", api_description=DESCRIPTION)
    shared.run_after_links(event | {"fn": show_user_errors(draw_linked)})
    seeded = new_seed.click(
        lambda: str(random.randrange(SEEDS)), None, inputs.seed, api_visibility="private"
    )
    for trigger in (inputs.seed.submit, seeded.then):
        trigger(**event, **LATEST, api_visibility="private")


def connect_controls(models: Models, inputs: Inputs, step_settings: gr.Group) -> None:
    """Show only the settings that apply to the selected model."""

    def show_controls(model: str) -> list[dict]:
        try:
            label, *others = find_controls(models.get(model))
        except UserError:  # reported when images are generated
            return [gr.skip()] * len(Controls._fields)
        # Reset a hidden class, so that it is not sent to an unconditional model.
        update = gr.update(visible=True) if label else gr.update(visible=False, value=ALL_CLASSES)
        return [update, *(gr.update(visible=visible) for visible in others)]

    inputs.model.change(
        show_controls,
        inputs.model,
        [inputs.label, inputs.truncation, step_settings, inputs.guidance_scale],
        concurrency_id="device",
        api_visibility="private",
        show_progress="hidden",
    )


def build_saved(shared: AppState, outputs: Outputs) -> None:
    """Build the gallery of the samples that were clicked, and the buttons to other tabs."""
    saved_gallery = gallery(None, translate("generate_saved"), "saved", visible=False)
    with gr.Row(visible=False) as tab_buttons:
        for name in ("inpaint", "interpolate"):
            gr.Button(translate(f"generate_to_{name}"), size="sm").click(
                lambda name=name: gr.Tabs(selected=name),
                None,
                shared.tabs,
                api_visibility="private",
            )

    def save(
        settings: Settings, saved: list[SavedSample], event: gr.SelectData
    ) -> tuple[list[SavedSample], dict, dict]:
        sample = regenerate_one(shared.models, settings, event.index)
        saved = [*saved, sample][-MAX_SAVED:]
        images = [(to_pil(one.image[None])[0], one.model) for one in saved]
        return saved, gr.update(value=images, visible=True), gr.update(visible=True)

    outputs.samples.select(
        show_user_errors(save),
        [outputs.settings, shared.saved_samples],
        [shared.saved_samples, saved_gallery, tab_buttons],
        concurrency_id="device",
        **EACH,
        api_visibility="private",
        show_progress="hidden",
    )
