"""Components of the Generate tab, and their events."""

import functools
import random
from collections.abc import Iterator

import gradio as gr

from genmodels.errors import UserError
from genmodels.media.image import to_pil
from genmodels.pipelines.base import MAX_TRUNCATION
from genmodels.pipelines.denoising import SCHEDULERS
from genmodels.ui.app_state import AppState, SavedSample
from genmodels.ui.components import class_number, model_dropdown, whole_slider
from genmodels.ui.generate import actions
from genmodels.ui.generate.actions import ALL_CLASSES, Controls, Result, Settings
from genmodels.ui.i18n import label_and_info, translate
from genmodels.ui.models import Models
from genmodels.ui.pictures import gallery
from genmodels.ui.plots import FORMULAS
from genmodels.ui.validation import (
    EACH,
    LATEST,
    PRIVATE,
    QUIET,
    SEEDS,
    on_device,
    show_user_errors,
)

COMPARED_AT_START = 8  # images per model in the first comparison
MAX_SAVED = 8  # samples saved for other tabs

DESCRIPTION = (
    f"Generate 1 to {actions.MAX_COUNT} images with a model (a name in checkpoints/ or a Hub id) "
    f"and a seed from 0 to {SEEDS - 1}. label: class of a conditional model; {ALL_CLASSES} cycles "
    "through all. truncation: not for diffusion. scheduler and num_inference_steps: for diffusion. "
    "guidance_scale: for conditional diffusion. Returns the images, the time, a PNG file and a ZIP "
    "archive."
)
COMPARE = f"A grid of at most {actions.MAX_COMPARED} images of every model from one seed."


def tab(shared: AppState) -> None:
    """Build the tab. It opens with images of the first model."""
    models = shared.models
    settings = Settings(next(iter(models.generators), ""), actions.DEFAULT_COUNT, 0)
    try:
        *_, result = actions.generate(models, settings)
        controls = actions.find_controls(models.get(settings.model))
    except UserError as error:  # the app still serves its other models
        result, controls = Result([], str(error)), Controls()
    *_, grids = ([], *actions.compare(models, COMPARED_AT_START, settings.seed))

    gr.Markdown(translate("generate_what"), latex_delimiters=FORMULAS)
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            inputs, step_settings, new_seed, button = build_inputs(models, settings, controls)
            message = gr.Markdown(result.message, elem_classes="note")
            with gr.Row():
                downloads = [
                    gr.DownloadButton(translate(f"generate_{kind}"), file, size="sm", min_width=80)
                    for kind, file in (("png", result.grid_file), ("zip", result.archive_file))
                ]
        with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
            label, images = translate("generate_samples"), result.images or None
            samples = gallery(images, label, "samples", show_label=False)
            shown_settings = gr.State(settings)
            build_saved(shared, samples, shown_settings)
    compare_button = gr.Button(translate("generate_compare"), size="sm")
    compared = gallery(grids, translate("generate_compared"), "compared captions", show_label=False)

    model, count, seed, *_ = inputs
    shared.link(model=model, seed=seed)
    outputs = [samples, message, *downloads, shown_settings]
    connect_generation(shared, inputs, outputs, button, new_seed)
    connect_controls(models, inputs, step_settings)
    event = (show_user_errors(functools.partial(actions.compare, models)), [count, seed], compared)
    compare_button.click(
        *event, concurrency_id="device", api_name="compare", api_description=COMPARE
    )


def build_inputs(
    models: Models, settings: Settings, controls: Controls
) -> tuple[list[gr.components.Component], gr.Group, gr.Button, gr.Button]:
    """Return the inputs in the order of the API, the diffusion settings' group, and two buttons."""
    model = model_dropdown(models.generators, settings.model or None)
    count = whole_slider(1, actions.MAX_COUNT, settings.count, "generate_count")
    seed = gr.Textbox(str(settings.seed), **label_and_info("seed"), max_lines=1)
    with gr.Row():
        new_seed = gr.Button(translate("generate_new_seed"), min_width=100)
        button = gr.Button(translate("generate_button"), variant="primary", min_width=100)
    label = class_number(ALL_CLASSES, controls.label, "generate_label_info")
    texts, limits = label_and_info("generate_truncation"), (actions.MIN_TRUNCATION, MAX_TRUNCATION)
    truncation = gr.Slider(*limits, settings.truncation, **texts, visible=controls.truncation)
    with gr.Group(visible=controls.steps) as step_settings:
        texts = label_and_info("generate_scheduler")
        scheduler = gr.Radio(list(SCHEDULERS), value=settings.scheduler, **texts)
        default = settings.num_inference_steps
        steps = whole_slider(1, actions.MAX_STEPS, default, "generate_steps")
    texts, limits = label_and_info("generate_guidance"), (0, actions.MAX_GUIDANCE)
    guidance = gr.Slider(
        *limits, settings.guidance_scale, step=0.1, **texts, visible=controls.guidance
    )
    inputs = [model, count, seed, label, truncation, scheduler, steps, guidance]
    return inputs, step_settings, new_seed, button


def connect_generation(
    shared: AppState,
    inputs: list[gr.components.Component],
    outputs: list[gr.components.Component],
    button: gr.Button,
    new_seed: gr.Button,
) -> None:
    """Generate on a click, with a new seed, and for a link."""

    @functools.wraps(actions.parse_settings)  # names and defaults of the API's parameters
    def draw(*values: object) -> Iterator[tuple]:
        settings = actions.parse_settings(*values)
        for images, message, *files in actions.generate(shared.models, settings):
            yield images, message, *(file or gr.skip() for file in files), settings

    def draw_linked(request: gr.Request, *values: object) -> Iterator[tuple]:
        if {"model", "seed"} & set(request.query_params):
            # Clear the first model's images, in case the model in the link does not load.
            yield [], "", None, None, gr.skip()
            yield from draw(*values)
        else:  # the images of the first model are there already
            yield (gr.skip(),) * len(outputs)

    seed, message = inputs[2], outputs[1]  # with progress there, images stay visible after an error
    settings = {"inputs": inputs, "outputs": outputs, **on_device(message)}
    button.click(
        show_user_errors(draw), **settings, api_name="generate", api_description=DESCRIPTION
    )
    shared.run_after_links({"fn": show_user_errors(draw_linked), **settings})
    seeded = new_seed.click(lambda: str(random.randrange(SEEDS)), None, seed, **PRIVATE)
    for trigger in (seed.submit, seeded.then):
        trigger(show_user_errors(draw), **settings, **LATEST, **PRIVATE)


def connect_controls(
    models: Models, inputs: list[gr.components.Component], step_settings: gr.Group
) -> None:
    """Show only the settings that apply to the selected model."""
    model, _, _, label, truncation, *_, guidance = inputs

    def show_controls(model: str) -> list[dict]:
        try:
            label, *others = actions.find_controls(models.get(model))
        except UserError:  # reported when images are generated
            return [gr.skip()] * len(Controls._fields)
        # Reset a hidden class, so that it is not sent to an unconditional model.
        update = gr.update(visible=True) if label else gr.update(visible=False, value=ALL_CLASSES)
        return [update, *(gr.update(visible=visible) for visible in others)]

    outputs = [label, truncation, step_settings, guidance]
    model.change(show_controls, model, outputs, concurrency_id="device", **QUIET)


def build_saved(shared: AppState, samples: gr.Gallery, settings: gr.State) -> None:
    """Build the gallery of the samples that were clicked, and the buttons to other tabs."""
    saved_gallery = gallery(None, translate("generate_saved"), "saved captions", visible=False)
    with gr.Row(visible=False) as tab_buttons:
        for name in ("inpaint", "interpolate"):
            button = gr.Button(translate(f"generate_to_{name}"), size="sm")
            button.click(lambda name=name: gr.Tabs(selected=name), None, shared.tabs, **PRIVATE)

    def save(
        settings: Settings, saved: list[SavedSample], event: gr.SelectData
    ) -> tuple[list[SavedSample], dict, dict]:
        sample = actions.regenerate_one(shared.models, settings, event.index)
        saved = [*saved, sample][-MAX_SAVED:]
        images = [(to_pil(one.image[None])[0], one.model) for one in saved]
        return saved, gr.update(value=images, visible=True), gr.update(visible=True)

    outputs = [shared.saved_samples, saved_gallery, tab_buttons]
    event = (show_user_errors(save), [settings, shared.saved_samples], outputs)
    samples.select(*event, concurrency_id="device", **EACH, **QUIET)
