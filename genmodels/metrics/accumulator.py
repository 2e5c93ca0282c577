"""Several metrics of one set of samples, updated batch by batch."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from genmodels.metrics.base import Metric, Result
from genmodels.metrics.extractors import FeatureExtractors
from genmodels.metrics.image_source import SINGLE_PROCESS, ImageSource, Processes, update_consumers
from genmodels.metrics.reference_statistics import reference_statistics
from genmodels.metrics.statistics import Statistic


class MetricAccumulator:
    """Metrics of one set of generated samples. They can be computed after any batch.

    Metrics with the same statistic share it, and each extractor sees a batch only once.
    """

    def __init__(self, metrics: Sequence[type[Metric]], extractors: FeatureExtractors) -> None:
        self.metrics = [metric() for metric in metrics]
        self.statistics: dict[str, dict[type[Statistic], Statistic]] = {}
        for metric in sorted(self.metrics, key=lambda it: it.features_from):  # features first
            shared = self.statistics.setdefault(metric.features_from, {})
            metric.fake = shared.setdefault(metric.statistic, metric.fake)
        groups = self.statistics.items()
        self.consumers = [(getattr(extractors, name), [*it.values()]) for name, it in groups]

    @property
    def protocol(self) -> str:
        """Names of the networks and their preprocessing."""
        return " and ".join(extract.protocol for extract, _ in self.consumers)

    def set_reference(self, statistics: Mapping[type[Statistic], Statistic]) -> None:
        """Set the statistics of the real images."""
        for metric in self.metrics:
            metric.real = statistics.get(metric.statistic, metric.real)

    def update(self, pixels: Tensor, indices: Tensor) -> None:
        """Add generated images (B, C, S, S) uint8 and their positions (B,) in the whole set."""
        update_consumers(self.consumers, pixels, indices)

    def merge(self, processes: Processes) -> None:
        """Add the samples of the other processes. Call once on every process, after all updates."""
        for statistics in self.statistics.values():
            statistics |= {kind: processes.merge(it) for kind, it in statistics.items()}
        for metric in self.metrics:
            metric.fake = self.statistics[metric.features_from][metric.statistic]

    def compute(self) -> dict[str, float]:
        """Return the values of all metrics by name."""
        return {name: value for metric in self.metrics for name, value in metric.compute().items()}

    def notes(self) -> list[str]:
        """Return the warnings of all metrics, each once."""
        return list(dict.fromkeys(note for metric in self.metrics for note in metric.notes()))


def compute_metrics(
    metrics: Sequence[type[Metric]],
    fake: ImageSource,
    real: ImageSource,
    extractors: FeatureExtractors,
    processes: Processes = SINGLE_PROCESS,
) -> Result:
    """Compute metrics of generated images against real ones. Call on every process."""
    accumulator = MetricAccumulator(metrics, extractors)
    needs_reference = any(metric.needs_reference for metric in metrics)
    if needs_reference:
        accumulator.set_reference(reference_statistics(real, extractors, processes))
    processes.update(fake, accumulator.consumers)
    accumulator.merge(processes)
    protocol = f"{accumulator.protocol}; {fake.name}"
    protocol += f" against {real.name}" if needs_reference else ""
    return Result(accumulator.compute(), protocol, accumulator.notes())
