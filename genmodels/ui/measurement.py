"""Models measured while they draw: the numbers after so many samples, as they grow."""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go
import torch

from genmodels.errors import UserError
from genmodels.media.image import to_pixels
from genmodels.metrics import METRICS, FeatureExtractors, Metric
from genmodels.metrics.evaluation import Share, ready, real_statistics
from genmodels.metrics.statistics import Statistic
from genmodels.pipelines import CompletingPipeline, LatentPipeline
from genmodels.ui.models import Models
from genmodels.ui.plots import COLOURS, DASHES, panels

if TYPE_CHECKING:
    from genmodels.data import Images

BATCH = 20  # samples at once
PAUSE = 0.4  # seconds after which a visitor hears something
# Samples after which numbers are computed: each time about the half more.
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
    "lpips": "LPIPS diversity (that of real images is best)",
    "classes": "Classes that occur (as many as in real images is best)",
}


class Line:
    """What is known of one model."""

    def __init__(self, kinds: Sequence[type[Metric]], seed: int) -> None:
        self.metrics = [kind() for kind in kinds]
        self.rng = torch.Generator().manual_seed(seed)
        self.count, self.seconds = 0, 0.0
        self.points: list[tuple[int, dict[str, float]]] = []

    @torch.inference_mode()
    def draw(self, pipeline: LatentPipeline, extractors: FeatureExtractors, most: int) -> None:
        """Draw some more samples, and look at them."""
        start = time.perf_counter()
        numbers = torch.arange(self.count, min(self.count + BATCH, most))
        labels = None if pipeline.num_classes is None else numbers % pipeline.num_classes
        pixels = to_pixels(pipeline.decode(pipeline.draw(len(numbers), self.rng), labels))
        for eye in {metric.extractor for metric in self.metrics}:
            features = getattr(extractors, eye)(pixels, numbers)
            for metric in self.metrics:
                if metric.extractor == eye:
                    metric.update(features)
        self.count += len(numbers)
        self.seconds += time.perf_counter() - start

    def compute(self, real: Mapping[type[Statistic], Statistic]) -> None:
        """Add a point: the numbers of all samples so far."""
        for metric in self.metrics:
            metric.real = real.get(metric.keeps, metric.real)
        numbers = {key: it for metric in self.metrics for key, it in metric.compute().items()}
        self.points.append((self.count, numbers))


class Measurement:
    """Several models, measured side by side; may be stopped after any batch, and go on."""

    def __init__(
        self,
        models: Models,
        names: list[str],
        kinds: list[str],
        extractors: FeatureExtractors,
        real: "Images",
    ) -> None:
        self.models, self.kinds, self.extractors, self.real = models, kinds, extractors, real
        self.names, self.lines, self.most = names, dict[str, Line](), 0
        self.lock = threading.Lock()  # a batch that was stopped may still be on its way

    def begin(self, seed: int, reference: str) -> None:
        """Look at the real images. Raises UserError where the networks cannot see them."""
        kinds = list(dict.fromkeys(METRICS[kind] for kind in self.kinds))
        self.lines = {name: Line(kinds, seed) for name in self.names}
        self.statistics, extractors = {}, {kind.extractor for kind in kinds}
        if any(kind.compares for kind in kinds):
            pictures = ready(f"{len(self.real.pixels):,} images", self.real.pixels)
            self.statistics = real_statistics(pictures, self.extractors, Share())
        networks = " and ".join(
            getattr(self.extractors, eye).protocol for eye in sorted(extractors)
        )
        against = f"the first {len(self.real.pixels):,} images of {reference}, split train"
        self.protocol = f"{networks}; samples of seed {seed} against {against}"

    @property
    def unfinished(self) -> list[str]:
        return [name for name, line in self.lines.items() if line.count < self.most]

    def advance(self) -> bool:
        """Draw for a moment, of that model which has had the least time -> is there a new point."""
        end, fresh = time.perf_counter() + PAUSE, False
        with self.lock:
            while self.unfinished and time.perf_counter() < end:
                name = min(self.unfinished, key=lambda name: self.lines[name].seconds)
                line = self.lines[name]
                line.draw(self.models.get(name), self.extractors, self.most)
                if line.count in POINTS or line.count == self.most:
                    line.compute(self.statistics)
                    fresh = True
        return fresh

    def progress(self) -> str:
        """How far it is."""
        counts = "; ".join(f"{name}: {line.count:,}" for name, line in self.lines.items())
        return f"{counts} of {self.most:,} samples"

    def told(self) -> str:
        """By which protocol it goes, and what is to be known beside the numbers."""
        notes: dict[str, list[str]] = {}  # and the models that each is of
        for name, line in self.lines.items():
            for metric in line.metrics if line.points else []:
                for note in metric.notes():
                    notes.setdefault(note, []).append(name)
        told = [f"{', '.join(dict.fromkeys(names))}: {note}" for note, names in notes.items()]
        return "\n\n".join([f"Protocol: {self.protocol}", *told])

    def table(self) -> dict[str, list]:
        """A row for each model: its latest numbers, and their deviations."""
        rows = []
        for name, line in self.lines.items():
            count, numbers = line.points[-1] if line.points else (0, {})
            rows.append([name, count, *(shown(numbers, kind) for kind in self.kinds)])
        return {"headers": heads(self.kinds), "data": rows}

    def shown(self) -> tuple[go.Figure, dict[str, list], str, str]:
        """All of it."""
        return self.figure(), self.table(), self.progress(), self.told()

    def figure(self) -> go.Figure:
        return curves({name: line.points for name, line in self.lines.items()}, self.kinds)


def heads(kinds: list[str]) -> list[str]:
    """Columns of the table."""
    return ["Model", "Samples", *(TITLES[kind].split(" (")[0] for kind in kinds)]


def expect_sampling(pipeline: LatentPipeline, name: str) -> None:
    """Raise UserError where it is no model of images of its own."""
    if isinstance(pipeline, CompletingPipeline):
        raise UserError(f"{name} completes images and was not made to draw its own")


def shown(numbers: dict[str, float], kind: str) -> str:
    """A number with its deviation, if it has one; nothing where there is none yet."""
    if kind not in numbers:
        return ""
    deviation = numbers.get(f"{kind}_std")
    return f"{numbers[kind]:.4g}" + (f" ± {deviation:.2g}" if deviation is not None else "")


def curves(lines: dict[str, list[tuple[int, dict[str, float]]]], kinds: list[str]) -> go.Figure:
    """A panel for each metric, in it a line for each model, and a band of its deviation."""
    figure = panels([TITLES[kind] for kind in kinds])
    for row, kind in enumerate(kinds, 1):
        for (name, points), colour, dash in zip(lines.items(), COLOURS, DASHES, strict=False):
            counts = [count for count, _ in points]
            values = [numbers[kind] for _, numbers in points]
            if points and f"{kind}_std" in points[0][1]:
                around = [numbers[f"{kind}_std"] for _, numbers in points]
                upper = [value + by for value, by in zip(values, around, strict=True)]
                lower = [value - by for value, by in zip(values, around, strict=True)]
                band = go.Scatter(
                    x=counts + counts[::-1],
                    y=upper + lower[::-1],
                    fill="toself",
                    fillcolor=colour,
                    opacity=0.2,
                    mode="lines",
                    line_width=0,
                    hoverinfo="skip",
                    showlegend=False,
                )
                figure.add_trace(band, row, 1)
            line = go.Scatter(
                x=counts,
                y=values,
                name=name,
                legendgroup=name,
                showlegend=row == 1,
                mode="lines+markers",
                line={"color": colour, "dash": dash},
            )
            figure.add_trace(line, row, 1)
    figure.update_xaxes(type="log", tickvals=TICKS)
    figure.update_xaxes(title_text="samples", title_standoff=4, row=len(kinds))
    return figure
