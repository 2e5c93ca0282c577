"""The Metrics tab: live metrics, training runs and memorisation."""

import gradio as gr

from genmodels.ui.app_state import AppState
from genmodels.ui.i18n import translate
from genmodels.ui.metrics import live_view, memorisation_view, runs_view
from genmodels.ui.metrics.extractor_choices import ExtractorChoices
from genmodels.ui.reference_dataset import ReferenceDatasets


def tab(shared: AppState) -> None:
    """Build the tab with its three inner tabs."""
    references = ReferenceDatasets()
    extractors = ExtractorChoices(shared.extractors, shared.models)
    gr.Markdown(translate("metrics_what"))
    with gr.Tabs(overflow_behavior="wrap") as inner_tabs:
        with gr.Tab(translate("metrics_samples"), id="samples"):
            live_view.tab(shared, references, extractors)
        with gr.Tab(translate("metrics_runs"), id="runs"):
            runs_view.tab(shared, inner_tabs)
        with gr.Tab(translate("metrics_memorisation"), id="memorisation"):
            memorisation_view.tab(shared, references, extractors)
