"""The inner tab Memorisation."""

from collections.abc import Iterator

import gradio as gr

from genmodels.ui.app_state import AppState
from genmodels.ui.i18n import translate
from genmodels.ui.metrics.memorisation_actions import DISTANCES, MAX_SAMPLES, find_nearest
from genmodels.ui.reference_dataset import MAX_IMAGES, ReferenceDatasets
from genmodels.ui.validation import show_user_errors


def tab(shared: AppState, references: ReferenceDatasets) -> None:
    """Build the tab."""

    def search(
        model: object, count: object, seed: object, distance: object, reference: object
    ) -> Iterator[tuple]:
        for note, pairs in find_nearest(
            shared.models, references, model, count, seed, distance, reference
        ):
            yield gr.skip() if pairs is None else pairs, note

    gr.Markdown(translate("metrics_memory_what"))
    gr.Markdown("$$\\min_i\\; d(G(z),\\,x_i)$$")
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            inputs = build_inputs(shared, references.name)
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
    searching = button.click(
        show_user_errors(search),
        inputs,
        [pairs, note],
        concurrency_id="device",
        show_progress="minimal",
        show_progress_on=note,
        api_name="nearest",
        api_description=f"Find the nearest of at most {MAX_IMAGES:,} training images to each of 1 "
        f"to {MAX_SAMPLES} samples of a model, by {' or '.join(DISTANCES)}. Returns pictures of "
        "the pairs with their distances, and the mean distance of samples and held-out images.",
    )
    stop.click(None, cancels=[searching], api_visibility="private")


def build_inputs(shared: AppState, reference_name: str) -> list[gr.components.Component]:
    """Return the inputs of a search in the order of the API."""
    names = shared.models.generators
    model = gr.Dropdown(
        names, value=names[-1] if names else None, label=translate("model"), allow_custom_value=True
    )
    count = gr.Slider(
        1, MAX_SAMPLES, value=MAX_SAMPLES, step=1, label=translate("metrics_memory_count")
    )
    seed = gr.Textbox("0", label=translate("seed"), max_lines=1)
    distance = gr.Radio(
        list(DISTANCES),
        value="pixels",
        label=translate("metrics_memory_by"),
        info=translate("metrics_memory_by_info"),
    )
    reference = gr.Dropdown(
        [reference_name],
        value=reference_name,
        label=translate("metrics_memory_reference"),
        info=translate("metrics_memory_reference_info"),
    )
    shared.link(model=model, seed=seed)
    return [model, count, seed, distance, reference]
