"""Samples, live: what metrics say of models while these draw, the more the surer."""

import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import gradio as gr
import plotly.graph_objects as go
import torch

from genmodels.errors import UserError
from genmodels.metrics import FeatureExtractors
from genmodels.metrics.extractors import FOLDER, INCEPTION
from genmodels.ui.app_state import AppState
from genmodels.ui.i18n import Texts, translate
from genmodels.ui.measurement import TITLES, Measurement, expect_sampling, heads
from genmodels.ui.models import Models
from genmodels.ui.reference_dataset import MOST as IMAGES
from genmodels.ui.reference_dataset import ReferenceDatasets
from genmodels.ui.validation import (
    parse_choice,
    parse_choices,
    parse_int,
    parse_seed,
    show_user_errors,
)

TEXTS: Texts = {
    "metrics_formula": (
        "$$\\mathrm{IS}=\\exp\\mathbb{E}_x\\,\\mathrm{KL}\\big(p(y|x)\\,\\|\\,p(y)\\big)$$$$"
        "\\mathrm{FID}=\\|\\mu_r-\\mu_g\\|^2+\\mathrm{tr}\\big(\\Sigma_r+\\Sigma_g-"
        "2(\\Sigma_r\\Sigma_g)^{1/2}\\big)$$\n\nA band is one standard deviation. The "
        "numbers of few samples are off: FID comes out too high, and IS too low.",
        "$$\\mathrm{IS}=\\exp\\mathbb{E}_x\\,\\mathrm{KL}\\big(p(y|x)\\,\\|\\,p(y)\\big)$$$$"
        "\\mathrm{FID}=\\|\\mu_r-\\mu_g\\|^2+\\mathrm{tr}\\big(\\Sigma_r+\\Sigma_g-"
        "2(\\Sigma_r\\Sigma_g)^{1/2}\\big)$$\n\nПолоса — одно стандартное отклонение. Числа "
        "малых выборок смещены: FID завышен, а IS занижен.",
    ),
    "metrics_samples_first": (
        "Measure: the numbers grow here while the models draw.",
        "Измерьте: числа растут здесь, пока модели рисуют.",
    ),
    "metrics_models": ("Models", "Модели"),
    "metrics_models_info": (
        "Up to 4: of these, or ids on the Hub",
        "До 4: из списка или имена на Hub",
    ),
    "metrics_kinds": ("Metrics", "Метрики"),
    "metrics_count": ("Samples of each", "Картинок каждой"),
    "metrics_protocol": ("Protocol", "Протокол"),
    "metrics_network": ("Network", "Сеть"),
    "metrics_network_info": (
        "domain is a classifier of Fashion-MNIST",
        "domain — классификатор Fashion-MNIST",
    ),
    "metrics_reference": ("Reference dataset", "Эталонный набор"),
    "metrics_reference_info": (
        "Its first 10,000 images",
        "Его первые 10 000 картинок",
    ),
    "metrics_measure": ("Measure", "Измерить"),
    "metrics_resume": ("Resume", "Продолжить"),
    "metrics_plot": ("Numbers by the count of samples", "Числа по количеству картинок"),
    "metrics_table": ("Latest numbers", "Последние числа"),
}

MOST = 5000  # samples of a model
FEWEST = 100
PATIENCE = 120  # seconds after which it stops by itself, for others wait: it may be resumed
MODELS = 4  # at once
KEPT = 4  # measurements, to be gone on with
FIRST = ["is", "fid", "kid"]  # metrics at first sight
Shown = tuple[str, go.Figure | dict, dict, str, str | dict]  # token, plot, table, progress, note


@cache
def extractors(network: str) -> FeatureExtractors:
    """Those of a row of EXTRACTORS: one for the app."""
    return FeatureExtractors(network)


def networks() -> list[str]:
    """Rows of EXTRACTORS whose weights are on this machine."""
    kept = Path(torch.hub.get_dir()) / "checkpoints" / Path(INCEPTION).name
    return ["domain", *["inception"] * (FOLDER in os.environ or kept.exists())]


class Desk:
    """Measurements that are under way or stopped, the newest last."""

    def __init__(self, models: Models, references: ReferenceDatasets) -> None:
        self.models, self.references = models, references
        self.kept = OrderedDict[str, Measurement]()

    def measure(
        self,
        names: object,
        kinds: object,
        network: object,
        reference: object,
        count: object,
        seed: object,
    ) -> Iterator[Shown]:
        """Begin anew. Raises UserError for what a visitor must not ask."""
        kinds = parse_choices(kinds, list(TITLES), len(TITLES), "metrics")
        network = parse_choice(network, networks(), "a network")
        count = parse_int(count, FEWEST, MOST, "samples")
        seed = parse_seed(seed)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise UserError("expected a list of models")
        names = list(dict.fromkeys(names))
        if not 1 <= len(names) <= MODELS:
            raise UserError(f"expected 1 to {MODELS} models, but got {len(names)}")
        yield "", gr.skip(), gr.skip(), "Loading the models and the reference…", gr.skip()
        pipelines = [self.models.get(name) for name in names]
        for pipeline, name in zip(pipelines, names, strict=True):
            expect_sampling(pipeline, name)
        shapes = {pipeline.sample_shape for pipeline in pipelines}
        if len(shapes) > 1:
            raise UserError("expected models of samples of one shape")
        real = self.references.get(reference, shapes.pop()[-1])
        measurement = Measurement(self.models, names, kinds, extractors(network), real)
        measurement.begin(seed, reference)
        token = secrets.token_hex()
        self.kept[token] = measurement
        while len(self.kept) > KEPT:
            self.kept.popitem(last=False)
        yield from self.resume(token, count)

    def resume(self, token: str, count: object) -> Iterator[Shown]:
        """Go on with what was stopped, up to so many samples."""
        count = parse_int(count, FEWEST, MOST, "samples")
        measurement = self.kept.get(token)
        if measurement is None:
            raise UserError("there is nothing to resume: measure anew")
        measurement.most = max(count, *(line.count for line in measurement.lines.values()), 0)
        yield token, *measurement.shown()
        end = time.perf_counter() + PATIENCE
        while measurement.unfinished and time.perf_counter() < end:
            if measurement.advance():
                yield token, *measurement.shown()
            else:
                yield token, gr.skip(), gr.skip(), measurement.progress(), gr.skip()


def tab(shared: AppState, references: ReferenceDatasets) -> None:
    """Build the tab of samples that are measured while they are drawn."""
    desk = Desk(shared.models, references)
    gr.Markdown(translate("metrics_formula"))
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            names = gr.Dropdown(
                shared.models.generators,
                value=shared.models.generators[:2],
                label=translate("metrics_models"),
                info=translate("metrics_models_info"),
                multiselect=True,
                max_choices=MODELS,
                allow_custom_value=True,
            )
            kinds = gr.Dropdown(
                [(title.split(" (")[0], kind) for kind, title in TITLES.items()],
                value=FIRST,
                label=translate("metrics_kinds"),
                multiselect=True,
            )
            count = gr.Slider(FEWEST, MOST, value=1000, step=100, label=translate("metrics_count"))
            with gr.Accordion(translate("metrics_protocol"), open=False):
                network = gr.Radio(
                    networks(),
                    value="domain",
                    label=translate("metrics_network"),
                    info=translate("metrics_network_info"),
                )
                reference = gr.Dropdown(
                    [references.name],
                    value=references.name,
                    label=translate("metrics_reference"),
                    info=translate("metrics_reference_info"),
                )
                seed = gr.Textbox("0", label=translate("seed"), max_lines=1)
            measure = gr.Button(translate("metrics_measure"), variant="primary")
            with gr.Row():
                stop = gr.Button(translate("stop"), min_width=100)
                resume = gr.Button(translate("metrics_resume"), min_width=100)
        with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
            progress = gr.Markdown(translate("metrics_samples_first"), elem_classes="note")
            table = gr.Dataframe(
                headers=heads(FIRST),
                column_count=2 + len(FIRST),
                label=translate("metrics_table"),
                interactive=False,
            )
            plot = gr.Plot(label=translate("metrics_plot"), show_label=False)
            note = gr.Markdown()
    token = gr.State("", time_to_live=3600)
    settings = {
        "outputs": [token, plot, table, progress, note],
        "concurrency_id": "device",
        "show_progress": "minimal",
        "show_progress_on": progress,
    }
    measuring = measure.click(
        show_user_errors(desk.measure),
        [names, kinds, network, reference, count, seed],
        **settings,
        api_name="measure",
        api_description=f"Numbers of 1 to {MODELS} models as they grow with the samples, "
        f"{FEWEST} to {MOST} of each, against at most {IMAGES:,} images of a dataset: streams a "
        "plot, a table of the latest numbers, how far it is, and the protocol with notes in words.",
    )
    resuming = resume.click(
        show_user_errors(desk.resume),
        [token, count],
        **settings,
        api_name="resume_measuring",
        api_description="Goes on with the session's measurement that was stopped, up to a count.",
    )
    stop.click(None, cancels=[measuring, resuming], api_visibility="private")
