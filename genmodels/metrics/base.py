"""The interface of a metric."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal, NamedTuple, Self

from genmodels.errors import UserError
from genmodels.metrics.statistics import Features, Statistic


class Result(NamedTuple):
    """Values by name, the protocol that produced them, and warnings such as a small sample."""

    numbers: dict[str, float]
    protocol: str
    notes: Sequence[str] = ()


class Metric(ABC):
    """One or several numbers of generated samples, usually compared with real ones.

    A metric is updated in batches and merged across processes. Its value does not depend on the
    batch size, on the order of the batches or on the number of processes.
    """

    features_from: ClassVar[Literal["features", "perception"]] = "features"  # of FeatureExtractors
    statistic: ClassVar[type[Statistic]]  # the summary of the features that the metric needs
    needs_reference: ClassVar[bool] = True  # whether real samples enter the value

    def __init__(self) -> None:
        self.real, self.fake = self.statistic(), self.statistic()

    def update(self, features: Features, real: bool = False) -> None:
        """Add a batch of generated samples, or of real ones."""
        if self.needs_reference or not real:
            (self.real if real else self.fake).update(features)

    def merge(self, other: Self) -> None:
        """Add the samples of another metric of this class."""
        self.real.merge(other.real)
        self.fake.merge(other.fake)

    @abstractmethod
    def compute(self) -> dict[str, float]:
        """Return the values by name. Raises UserError if there are too few samples."""

    def check_counts(self, minimum: int, metric: str) -> None:
        """Raise UserError if there are fewer than `minimum` samples on either side."""
        counts = [self.fake.count] + [self.real.count] * self.needs_reference
        if min(counts) < minimum:
            kinds = "generated and real samples" if self.needs_reference else "generated samples"
            got = " and ".join(f"{count:,}" for count in counts)
            raise UserError(f"expected at least {minimum} {kinds} for {metric}, got {got}")

    def notes(self) -> list[str]:
        """Return warnings about the values, such as a bias from few samples."""
        return []
