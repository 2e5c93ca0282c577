"""Measures: of samples while they are drawn, of training runs, and of what a model remembers."""

import gradio as gr

from . import memorisation, runs, samples
from .reference import References
from .sharing import Shared
from .words import Words, say

WORDS: Words = {
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
    **samples.WORDS,
    **runs.WORDS,
    **memorisation.WORDS,
}


def tab(shared: Shared) -> None:
    """Build the tab: three within it."""
    references = References()
    gr.Markdown(say("metrics_what"))
    with gr.Tabs(overflow_behavior="wrap") as within:
        with gr.Tab(say("metrics_samples"), id="samples"):
            samples.tab(shared, references)
        with gr.Tab(say("metrics_runs"), id="runs"):
            runs.tab(shared, within)
        with gr.Tab(say("metrics_memorisation"), id="memorisation"):
            memorisation.tab(shared, references)
