"""The inner tab Live metrics."""

from collections.abc import Iterator

import gradio as gr

from genmodels.ui.app_state import AppState
from genmodels.ui.i18n import translate
from genmodels.ui.metrics.live_actions import (
    MAX_MODELS,
    MAX_SAMPLES,
    MIN_SAMPLES,
    TITLES,
    LiveMetrics,
    Update,
    available_networks,
    table_headers,
)
from genmodels.ui.reference_dataset import MAX_IMAGES, ReferenceDatasets
from genmodels.ui.validation import show_user_errors

DEFAULT_METRICS = ["is", "fid", "kid"]


def outputs(update: Update) -> tuple:
    """Return the token, plot, table, progress and report."""
    token, progress, measurement = update
    if measurement is None:
        return token, gr.skip(), gr.skip(), progress, gr.skip()
    return token, measurement.figure(), measurement.table(), progress, measurement.report()


def tab(shared: AppState, references: ReferenceDatasets) -> None:
    """Build the tab."""
    gr.Markdown(translate("metrics_formula"))
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            inputs, count = build_inputs(shared.models.generators, references.name)
            measure = gr.Button(translate("metrics_measure"), variant="primary")
            with gr.Row():
                stop = gr.Button(translate("stop"), min_width=100)
                resume = gr.Button(translate("metrics_resume"), min_width=100)
        with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
            progress = gr.Markdown(translate("metrics_samples_first"), elem_classes="note")
            table = gr.Dataframe(
                headers=table_headers(DEFAULT_METRICS),
                column_count=2 + len(DEFAULT_METRICS),
                label=translate("metrics_table"),
                interactive=False,
            )
            plot = gr.Plot(label=translate("metrics_plot"), show_label=False)
            report = gr.Markdown()
    live = LiveMetrics(shared.models, references)

    def start_measuring(
        names: object,
        metrics: object,
        network: object,
        reference: object,
        count: object,
        seed: object,
    ) -> Iterator[tuple]:
        yield from map(outputs, live.measure(names, metrics, network, reference, count, seed))

    def resume_measuring(token: str, count: object) -> Iterator[tuple]:
        yield from map(outputs, live.resume(token, count))

    token = gr.State("", time_to_live=3600)
    settings = {
        "outputs": [token, plot, table, progress, report],
        "concurrency_id": "device",
        "show_progress": "minimal",
        "show_progress_on": progress,
    }
    measuring = measure.click(
        show_user_errors(start_measuring),
        inputs,
        **settings,
        api_name="measure",
        api_description=f"Compute metrics of 1 to {MAX_MODELS} models while they generate "
        f"{MIN_SAMPLES} to {MAX_SAMPLES} samples each, against at most {MAX_IMAGES:,} images of a "
        "dataset. Streams a plot, a table of the latest values, the progress, and the protocol "
        "with notes.",
    )
    resuming = resume.click(
        show_user_errors(resume_measuring),
        [token, count],
        **settings,
        api_name="resume_measuring",
        api_description="Continue the stopped measurement of this session up to a sample count.",
    )
    stop.click(None, cancels=[measuring, resuming], api_visibility="private")


def build_inputs(
    generators: list[str], reference_name: str
) -> tuple[list[gr.components.Component], gr.Slider]:
    """Return the inputs of a measurement in the order of the API, and the sample count."""
    names = gr.Dropdown(
        generators,
        value=generators[:2],
        label=translate("metrics_models"),
        info=translate("metrics_models_info"),
        multiselect=True,
        max_choices=MAX_MODELS,
        allow_custom_value=True,
    )
    metrics = gr.Dropdown(
        [(title.split(" (")[0], metric) for metric, title in TITLES.items()],
        value=DEFAULT_METRICS,
        label=translate("metrics_kinds"),
        multiselect=True,
    )
    count = gr.Slider(
        MIN_SAMPLES, MAX_SAMPLES, value=1000, step=100, label=translate("metrics_count")
    )
    with gr.Accordion(translate("metrics_protocol"), open=False):
        network = gr.Radio(
            available_networks(),
            value="domain",
            label=translate("metrics_network"),
            info=translate("metrics_network_info"),
        )
        reference = gr.Dropdown(
            [reference_name],
            value=reference_name,
            label=translate("metrics_reference"),
            info=translate("metrics_reference_info"),
        )
        seed = gr.Textbox("0", label=translate("seed"), max_lines=1)
    return [names, metrics, network, reference, count, seed], count
