"""Metrics of models, updated while the models generate samples."""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import plotly.graph_objects as go
import torch
from torch import Tensor

from genmodels.class_labels import labels_like
from genmodels.errors import UserError
from genmodels.media.image import to_pixels
from genmodels.metrics import METRICS, FeatureExtractors, Metric
from genmodels.metrics.accumulator import MetricAccumulator
from genmodels.metrics.image_source import ImageSource
from genmodels.metrics.reference_statistics import reference_statistics
from genmodels.pipelines import CompletingPipeline, LatentPipeline
from genmodels.ui.metrics.extractor_choices import ExtractorChoices, Shape
from genmodels.ui.metrics.figures import Curves, plot_curves
from genmodels.ui.models import Models
from genmodels.ui.reference_dataset import ReferenceDatasets
from genmodels.ui.validation import parse_choices, parse_int, parse_seed

if TYPE_CHECKING:  # slow to import, and the app must start quickly
    from genmodels.data import Images

MIN_SAMPLES, MAX_SAMPLES = 100, 5000
MAX_MODELS = 4
MAX_MEASUREMENTS = 4  # that can be resumed
TIME_LIMIT = 120  # seconds, because other users wait; the measurement can be resumed
BATCH = 20  # samples
UPDATE_INTERVAL = 0.4  # seconds between progress messages
# Sample counts at which the metrics are computed, a factor of about 1.5 apart.
POINTS = (100, 200, 300, 400, 600, 800, 1200, 1600, 2400, 3200, 4800)
TICKS = (100, 200, 400, 800, 1600, 3200)

TITLES = {
    "is": "IS (higher is better)",
    "fid": "FID (lower is better)",
    "kid": "KID (lower is better)",
    "precision": "Precision (higher is better)",
    "recall": "Recall (higher is better)",
    "density": "Density (higher is better)",
    "coverage": "Coverage (higher is better)",
    "lpips": "LPIPS diversity (closer to that of real images is better)",
    "classes": "Effective number of classes (closer to that of real images is better)",
}


class LiveModel:
    """The metrics of one model so far."""

    def __init__(
        self,
        metrics: Sequence[type[Metric]],
        extractors: FeatureExtractors,
        seed: int,
        real: "Images | None",
    ) -> None:
        self.accumulator = MetricAccumulator(metrics, extractors)
        self.rng, self.real = torch.Generator().manual_seed(seed), real
        self.count, self.seconds = 0, 0.0
        self.labels: Tensor | None = None  # of all samples, set with the first batch
        self.curves: Curves = {}

    @torch.inference_mode()
    def add_samples(self, pipeline: LatentPipeline, limit: int) -> None:
        """Generate a batch, up to `limit` samples in total."""
        start = time.perf_counter()
        indices = torch.arange(self.count, min(self.count + BATCH, limit))
        if self.count == 0:
            self.labels = labels_like(pipeline, MAX_SAMPLES, self.real)
        labels = None if self.labels is None else self.labels[indices]
        samples = pipeline.decode(pipeline.draw(len(indices), self.rng), labels)
        self.accumulator.update(to_pixels(samples), indices)
        self.count += len(indices)
        self.seconds += time.perf_counter() - start

    def add_point(self) -> None:
        """Compute the metrics of all samples so far."""
        for name, value in self.accumulator.compute().items():
            self.curves.setdefault(name, []).append((self.count, value))

    def cell(self, metric: str) -> str:
        """Format the latest value with its standard deviation, if there is one."""
        if metric not in self.curves:
            return ""
        count, value = self.curves[metric][-1]
        deviation = dict(self.curves.get(f"{metric}_std", ())).get(count)
        return f"{value:.4g}" + ("" if deviation is None else f" ± {deviation:.2g}")


class Measurement:
    """Metrics of several models, which generate in alternation. It can be stopped and resumed."""

    def __init__(
        self,
        models: Models,
        names: list[str],
        metrics: list[str],
        extractors: FeatureExtractors,
        real: "Images",
        reference: str,
        seed: int,
    ) -> None:
        """Compute the statistics of the real images; UserError if the network rejects them."""
        self.models, self.metrics, self.limit = models, metrics, 0
        self.lock = threading.Lock()  # a stopped batch may still be running
        types = list(dict.fromkeys(METRICS[metric] for metric in metrics))
        self.lines = {name: LiveModel(types, extractors, seed, real) for name in names}
        if any(metric.needs_reference for metric in types):
            name = f"{len(real.pixels):,} images"
            source = ImageSource.from_tensor(name, real.pixels, real.fingerprint)
            statistics = reference_statistics(source, extractors)
            for line in self.lines.values():
                line.accumulator.set_reference(statistics)
        networks = self.lines[names[0]].accumulator.protocol
        against = f"{len(real.pixels):,} images of {reference}, split train"
        self.protocol = f"{networks}; samples of seed {seed} against {against}"

    @property
    def unfinished(self) -> list[str]:
        """Names of the models with fewer samples than the limit."""
        return [name for name, line in self.lines.items() if line.count < self.limit]

    def advance(self) -> bool:
        """Generate with the models that had the least time; return whether it computed metrics."""
        end, computed = time.perf_counter() + UPDATE_INTERVAL, False
        with self.lock:
            while self.unfinished and time.perf_counter() < end:
                name = min(self.unfinished, key=lambda name: self.lines[name].seconds)
                line = self.lines[name]
                line.add_samples(self.models.get(name), self.limit)
                if line.count in POINTS or line.count == self.limit:
                    line.add_point()
                    computed = True
        return computed

    def progress(self) -> str:
        """Return the number of samples of each model."""
        counts = "; ".join(f"{name}: {line.count:,}" for name, line in self.lines.items())
        return f"{counts} of {self.limit:,} samples"

    def report(self) -> str:
        """Return the protocol, and each note with the models that it applies to."""
        notes: dict[str, list[str]] = {}
        for name, line in self.lines.items():
            for note in line.accumulator.notes() if line.curves else []:
                notes.setdefault(note, []).append(name)
        lines = [f"{', '.join(names)}: {note}" for note, names in notes.items()]
        return "\n\n".join([f"Protocol: {self.protocol}", *lines])

    def table(self) -> dict[str, list]:
        """Return a row with the latest values of each model."""
        rows = []
        for name, line in self.lines.items():
            count = max((points[-1][0] for points in line.curves.values()), default=0)
            rows.append([name, count, *map(line.cell, self.metrics)])
        return {"headers": table_headers(self.metrics), "data": rows}

    def figure(self) -> go.Figure:
        """Plot the values by number of samples."""
        titles = {metric: TITLES[metric] for metric in self.metrics}
        curves = {name: line.curves for name, line in self.lines.items()}
        figure = plot_curves(curves, titles, "lines+markers")
        figure.update_xaxes(type="log", tickvals=TICKS)
        return figure.update_xaxes(title_text="samples", title_standoff=4, row=len(titles))


# A token that resumes the measurement, its progress, and the measurement if its values changed.
Update = tuple[str, str, Measurement | None]


class LiveMetrics:
    """The running and the stopped measurements of all users."""

    def __init__(
        self, models: Models, references: ReferenceDatasets, extractors: ExtractorChoices
    ) -> None:
        self.models, self.references, self.extractors = models, references, extractors
        self.measurements = OrderedDict[str, Measurement]()  # the newest last

    def measure(
        self, names: list, metrics: list, network: str, reference: str, count: int, seed: str
    ) -> Iterator[Update]:
        """Start a measurement. Raises UserError for invalid inputs."""
        metrics = parse_choices(metrics, list(TITLES), len(TITLES), "metrics")
        count = parse_int(count, MIN_SAMPLES, MAX_SAMPLES, "samples")
        seed = parse_seed(seed)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise UserError("expected a list of models")
        names = list(dict.fromkeys(names))
        if not 1 <= len(names) <= MAX_MODELS:
            raise UserError(f"expected 1 to {MAX_MODELS} models, got {len(names)}")
        yield "", "Loading the models and the reference dataset…", None
        shapes = {get_generator(self.models, name).sample_shape for name in names}
        if len(shapes) > 1:
            raise UserError(f"expected models with the same sample shape, got {sorted(shapes)}")
        self.extractors.check(network, metrics, shapes)  # loading the reference may take long
        (shape,) = shapes
        real = self.references.get(reference, shape[-1])
        extractors = self.extractors.load(network, metrics, [shape, real.pixels.shape[1:]])
        measurement = Measurement(self.models, names, metrics, extractors, real, reference, seed)
        token = secrets.token_hex()
        self.measurements[token] = measurement
        while len(self.measurements) > MAX_MEASUREMENTS:
            self.measurements.popitem(last=False)
        yield from self.resume(token, count)

    def resume(self, token: str, count: object) -> Iterator[Update]:
        """Continue a measurement up to `count` samples of each model."""
        count = parse_int(count, MIN_SAMPLES, MAX_SAMPLES, "samples")
        measurement = self.measurements.get(token)
        if measurement is None:
            raise UserError("expected a stopped measurement to resume, found none: press Measure")
        measurement.limit = max(count, *(line.count for line in measurement.lines.values()), 0)
        yield token, measurement.progress(), measurement
        end = time.perf_counter() + TIME_LIMIT
        while measurement.unfinished and time.perf_counter() < end:
            computed = measurement.advance()
            yield token, measurement.progress(), measurement if computed else None


def find_shape(models: Models, name: object) -> Shape | None:
    """Return the shape of a model's samples; None if it does not load or generate images."""
    try:
        return get_generator(models, name).sample_shape
    except UserError:  # reported when the model is measured
        return None


def find_shapes(models: Models, names: Iterable[object]) -> list[Shape]:
    """Return the shapes of the samples of those models that load."""
    return [shape for name in names if (shape := find_shape(models, name)) is not None]


def initial_models(models: Models, count: int) -> list[str]:
    """Return the first models whose samples have one shape, at most `count`."""
    shapes = ((name, find_shape(models, name)) for name in models.generators)
    loadable = ((name, shape) for name, shape in shapes if shape is not None)
    first = next(loadable, None)
    if first is None:
        return []
    return [first[0], *islice((name for name, it in loadable if it == first[1]), count - 1)]


def choose_network(
    models: Models, extractors: ExtractorChoices, names: object, network: object
) -> tuple[list[tuple[str, str]], str | None]:
    """Return labels and names of the extractors that fit the models, and which one to select.

    Keeps `network` if it fits. The list is empty and the selection None if none fits.
    """
    names = names if isinstance(names, list) else []
    fitting = extractors.fitting(find_shapes(models, names))
    choices = [(choice.label, choice.name) for choice in fitting]
    values = [choice.name for choice in fitting]
    return choices, network if network in values else next(iter(values), None)


def choose_metrics(extractors: ExtractorChoices, network: object, metrics: list) -> list[str]:
    """Return those of the metrics that an extractor allows, or else the first that it allows."""
    choice = extractors.choices.get(network) if isinstance(network, str) else None
    if choice is None:
        return metrics
    return [name for name in metrics if name in choice.metrics] or [*choice.metrics[:1]]


def table_headers(metrics: Sequence[str]) -> list[str]:
    return ["Model", "Samples", *(TITLES[metric].split(" (")[0] for metric in metrics)]


def get_generator(models: Models, name: object) -> LatentPipeline:
    """Return a model that generates images. Raises UserError for one that only inpaints."""
    pipeline = models.get(name)
    if isinstance(pipeline, CompletingPipeline):
        raise UserError(f"expected a model that generates images, got {name}, which only inpaints")
    return pipeline
