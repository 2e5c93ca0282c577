"""What a metric is: a number, or several, of generated samples, often beside real ones."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, Self

from genmodels.errors import UserError
from genmodels.metrics.statistics import Features, Statistic


class Metric(ABC):
    """Takes features in batches of any size and order, and merges with others of its kind.

    Whatever the batches, their order and the processes that they were shared out to, the number is
    the same.
    """

    extractor: ClassVar[Literal["features", "perception"]] = (
        "features"  # by which of an extractor's
    )
    keeps: ClassVar[type[Statistic]]  # what is kept of features
    compares: ClassVar[bool] = True  # with real samples; False where these are not looked at

    def __init__(self) -> None:
        self.real, self.fake = self.keeps(), self.keeps()

    def update(self, features: Features, real: bool = False) -> None:
        """Some more samples, real or generated."""
        if self.compares or not real:
            (self.real if real else self.fake).update(features)

    def merge(self, other: Self) -> None:
        """What another metric of this kind was given."""
        self.real.merge(other.real)
        self.fake.merge(other.fake)

    @abstractmethod
    def compute(self) -> dict[str, float]:
        """The numbers by their names. Raises UserError where there are too few samples for any."""

    def require(self, least: int, what: str) -> None:
        """Raise UserError where there are fewer samples than a number can be had of."""
        sides = [self.fake.count] + [self.real.count] * self.compares
        if min(sides) < least:
            kinds = "generated and real samples" if self.compares else "generated samples"
            got = " and ".join(f"{count:,}" for count in sides)
            raise UserError(f"expected {least} or more {kinds} for {what}, but got {got}")

    def notes(self) -> list[str]:
        """What is to be known beside the numbers, in words."""
        return []
