"""What a metric is: a number, or several, of generated samples beside real ones."""

from abc import ABC, abstractmethod
from typing import ClassVar, Self

from .statistics import Features, Statistic


class Metric(ABC):
    """Takes features in batches of any size and order, and merges with others of its kind.

    Whatever the batches, their order and the processes that they were shared out to, the number is
    the same.
    """

    keeps: ClassVar[type[Statistic]]  # what is kept of features

    def __init__(self) -> None:
        self.real, self.fake = self.keeps(), self.keeps()

    def update(self, features: Features, real: bool) -> None:
        """Some more samples, real or generated."""
        (self.real if real else self.fake).update(features)

    def merge(self, other: Self) -> None:
        """What another metric of this kind was given."""
        self.real.merge(other.real)
        self.fake.merge(other.fake)

    @abstractmethod
    def compute(self) -> dict[str, float]:
        """The numbers by their names. Raises ValueError where there are too few samples for any."""

    def notes(self) -> list[str]:
        """What is to be known beside the numbers, in words."""
        return []
