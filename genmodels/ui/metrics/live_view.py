"""The inner tab for live metrics."""

from functools import partial

import gradio as gr

from genmodels.ui.app_state import AppState
from genmodels.ui.components import fitting_radio, models_dropdown
from genmodels.ui.i18n import label_and_info, translate
from genmodels.ui.metrics import live_actions
from genmodels.ui.metrics.extractor_choices import ExtractorChoices
from genmodels.ui.metrics.live_actions import MAX_MODELS, MAX_SAMPLES, MIN_SAMPLES, TITLES
from genmodels.ui.models import Models
from genmodels.ui.reference_dataset import MAX_IMAGES, ReferenceDatasets
from genmodels.ui.validation import PRIVATE, QUIET, map_results, on_device, show_user_errors

DEFAULT_METRICS = ["is", "fid", "kid"]

MEASURE = f"""\
Compute metrics of 1 to {MAX_MODELS} models while they generate {MIN_SAMPLES} to {MAX_SAMPLES} \
samples each, against at most {MAX_IMAGES:,} images of a dataset. Streams a plot, a table of the \
latest values, the progress, and the protocol with notes. network: a feature extractor that fits \
the models: domain, inception, inception-bf16 or the name of a classifier of this app."""
RESUME = "Continue the stopped measurement of this session up to a sample count."


def outputs(update: live_actions.Update) -> tuple:
    """Return the token, plot, table, progress and report."""
    token, progress, measurement = update
    if measurement is None:
        return token, gr.skip(), gr.skip(), progress, gr.skip()
    return token, measurement.figure(), measurement.table(), progress, measurement.report()


def tab(shared: AppState, references: ReferenceDatasets, extractors: ExtractorChoices) -> None:
    """Build the tab."""
    gr.Markdown(translate("metrics_formula"))
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            inputs = build_inputs(shared.models, extractors, references.name)
            measure = gr.Button(translate("metrics_measure"), variant="primary")
            with gr.Row():
                stop = gr.Button(translate("stop"), min_width=100)
                resume = gr.Button(translate("metrics_resume"), min_width=100)
        with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
            progress = gr.Markdown(translate("metrics_samples_first"), elem_classes="note")
            table = gr.Dataframe(
                headers=live_actions.table_headers(DEFAULT_METRICS),
                column_count=2 + len(DEFAULT_METRICS),
                label=translate("metrics_table"),
                interactive=False,
            )
            plot = gr.Plot(label=translate("metrics_plot"), show_label=False)
            report = gr.Markdown()
    token, count = gr.State("", time_to_live=3600), inputs[4]
    event = {"outputs": [token, plot, table, progress, report], **on_device(progress)}
    live = live_actions.LiveMetrics(shared.models, references, extractors)
    start = show_user_errors(map_results(outputs, live.measure))
    measuring = measure.click(start, inputs, **event, api_name="measure", api_description=MEASURE)
    more, inputs = show_user_errors(map_results(outputs, live.resume)), [token, count]
    resuming = resume.click(
        more, inputs, **event, api_name="resume_measuring", api_description=RESUME
    )
    stop.click(None, cancels=[measuring, resuming], **PRIVATE)


def build_inputs(
    models: Models, extractors: ExtractorChoices, reference: str
) -> list[gr.components.Component]:
    """Return the inputs of a measurement in the order of the API."""
    chosen = live_actions.initial_models(models, 2)
    networks, selected = live_actions.choose_network(models, extractors, chosen, None)
    names = models_dropdown(models.generators, chosen, "metrics_models", MAX_MODELS)
    metrics = gr.Dropdown(
        [(title.split(" (")[0], metric) for metric, title in TITLES.items()],
        value=live_actions.choose_metrics(extractors, selected, DEFAULT_METRICS),
        label=translate("metrics_kinds"),
        multiselect=True,
    )
    count = gr.Slider(MIN_SAMPLES, MAX_SAMPLES, 1000, step=100, label=translate("metrics_count"))
    remedy = gr.Markdown(translate("metrics_network_none"), visible=not networks)
    with gr.Accordion(translate("metrics_protocol"), open=False):
        network = fitting_radio(networks, selected, "metrics_network")
        dataset = gr.Dropdown([reference], value=reference, **label_and_info("metrics_reference"))
        seed = gr.Textbox("0", label=translate("seed"), max_lines=1)

    def offer_networks(names: list, network: str | None) -> tuple[dict, dict]:
        choices, value = live_actions.choose_network(models, extractors, names, network)
        return gr.update(choices=choices, value=value), gr.update(visible=not choices)

    event = {"concurrency_id": "device", **QUIET}
    names.change(offer_networks, [names, network], [network, remedy], **event)
    allow = partial(live_actions.choose_metrics, extractors)
    network.change(allow, [network, metrics], metrics, **QUIET)
    return [names, metrics, network, dataset, count, seed]
