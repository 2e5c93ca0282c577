"""The inner tab for memorisation."""

from functools import partial

import gradio as gr

from genmodels.ui.app_state import AppState
from genmodels.ui.components import fitting_radio, grid_gallery, whole_slider
from genmodels.ui.i18n import label_and_info, translate
from genmodels.ui.metrics.extractor_choices import PIXELS, ExtractorChoices
from genmodels.ui.metrics.memorisation_actions import (
    MAX_SAMPLES,
    Pairs,
    choose_distance,
    find_nearest,
)
from genmodels.ui.reference_dataset import MAX_IMAGES, ReferenceDatasets
from genmodels.ui.validation import PRIVATE, QUIET, map_results, on_device, show_user_errors

NEAREST = f"""\
Find the nearest of at most {MAX_IMAGES:,} training images to each of 1 to {MAX_SAMPLES} samples \
of a model. distance: pixels, LPIPS (by the first network that fits the model), or the name of a \
feature extractor for LPIPS. Returns pictures of the pairs with their distances, and the mean \
distance of samples and held-out images."""


def tab(shared: AppState, references: ReferenceDatasets, extractors: ExtractorChoices) -> None:
    """Build the tab."""
    gr.Markdown(translate("metrics_memory_what"))
    gr.Markdown("$$\\min_i\\; d(G(z),\\,x_i)$$")
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            inputs = build_inputs(shared, extractors, references.name)
            button = gr.Button(translate("metrics_memory_find"), variant="primary")
            stop = gr.Button(translate("stop"))
        with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
            note = gr.Markdown(translate("metrics_memory_first"), elem_classes="note")
            pairs = grid_gallery("metrics_memory_pairs")

    def values(update: tuple[Pairs | None, str]) -> tuple:
        return update[0] or gr.skip(), update[1]

    search = map_results(values, partial(find_nearest, shared.models, references, extractors))
    event = (show_user_errors(search), inputs, [pairs, note])
    searching = button.click(*event, **on_device(note), api_name="nearest", api_description=NEAREST)
    stop.click(None, cancels=[searching], **PRIVATE)


def build_inputs(
    shared: AppState, extractors: ExtractorChoices, reference: str
) -> list[gr.components.Component]:
    """Return the inputs of a search in the order of the API."""
    names = shared.models.generators
    last = names[-1] if names else None
    model = gr.Dropdown(names, value=last, label=translate("model"), allow_custom_value=True)
    count = whole_slider(1, MAX_SAMPLES, MAX_SAMPLES, "metrics_memory_count")
    seed = gr.Textbox("0", label=translate("seed"), max_lines=1)
    distances, _ = choose_distance(shared.models, extractors, last, PIXELS)
    by = fitting_radio(distances, PIXELS, "metrics_memory_by")
    remedy = gr.Markdown(translate("metrics_memory_by_none"), visible=len(distances) == 1)
    dataset = gr.Dropdown(
        [reference], value=reference, **label_and_info("metrics_memory_reference")
    )

    def offer_distances(model: str, distance: str) -> tuple[dict, dict]:
        choices, value = choose_distance(shared.models, extractors, model, distance)
        return gr.update(choices=choices, value=value), gr.update(visible=len(choices) == 1)

    event = {"concurrency_id": "device", **QUIET}
    model.change(offer_distances, [model, by], [by, remedy], **event)
    shared.link(model=model, seed=seed)
    return [model, count, seed, by, dataset]
