"""Measures: of samples while they are drawn, of training runs, and of what a model remembers."""

import gradio as gr

from genmodels.ui import live_metrics, memorisation, training_runs
from genmodels.ui.app_state import AppState
from genmodels.ui.i18n import Texts, translate
from genmodels.ui.reference_dataset import ReferenceDatasets

TEXTS: Texts = {
    "metrics_what": (
        "How good is a model? Its samples are held against real images by what a network sees in "
        "them, its training by its losses, and its memory by how near each sample lies to a "
        "training image.",
        "Насколько хороша модель? Её картинки сравниваются с настоящими через признаки сети, "
        "обучение видно по функциям потерь, а память — по тому, как близко картинка лежит к "
        "обучающей.",
    ),
    "metrics_samples": ("Samples, live", "Картинки вживую"),
    "metrics_runs": ("Training runs", "Обучение"),
    "metrics_memorisation": ("Memorisation", "Запоминание"),
    **live_metrics.TEXTS,
    **training_runs.TEXTS,
    **memorisation.TEXTS,
}


def tab(shared: AppState) -> None:
    """Build the tab: three within it."""
    references = ReferenceDatasets()
    gr.Markdown(translate("metrics_what"))
    with gr.Tabs(overflow_behavior="wrap") as within:
        with gr.Tab(translate("metrics_samples"), id="samples"):
            live_metrics.tab(shared, references)
        with gr.Tab(translate("metrics_runs"), id="runs"):
            training_runs.tab(shared, within)
        with gr.Tab(translate("metrics_memorisation"), id="memorisation"):
            memorisation.tab(shared, references)
