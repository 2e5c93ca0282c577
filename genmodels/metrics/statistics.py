"""What is kept of features, so that batches and processes merge to the same numbers.

B samples of a batch, N of all, D features, K classes.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor


class Features(NamedTuple):
    """What a network makes of some samples."""

    numbers: Tensor  # (B,) int64: which samples they are of, counted from 0; each comes once
    values: Tensor  # (B, D)
    logits: Tensor | None = None  # (B, K); None of a network that classifies nothing


class Statistic(ABC):
    """What is kept of the features of samples."""

    count: int  # samples that were seen

    @abstractmethod
    def update(self, features: Features) -> None:
        """Some more samples."""

    @abstractmethod
    def merge(self, other: Self) -> None:
        """What another of this kind has of other samples."""


class Sums(Statistic):
    """Statistics that add up, in float64: of one size, however many samples there are."""

    names: ClassVar[tuple[str, ...]]  # attributes that are sums

    def __init__(self) -> None:
        self.count = 0
        for name in self.names:
            setattr(self, name, torch.zeros((), dtype=torch.float64))

    def add(self, **sums: Tensor) -> None:
        for name, value in sums.items():
            setattr(self, name, getattr(self, name) + value)

    def merge(self, other: Self) -> None:
        self.count += other.count
        self.add(**{name: getattr(other, name) for name in self.names})


class Moments(Sums):
    """Sum and products of features."""

    names = ("total", "products")

    def update(self, features: Features) -> None:
        values = features.values.cpu().double()
        self.count += len(values)
        self.add(total=values.sum(0), products=values.T @ values)

    @property
    def mean(self) -> Tensor:
        """(D,)"""
        return self.total / self.count

    @property
    def covariance(self) -> Tensor:
        """(D, D), unbiased; 0 of a single sample."""
        centred = self.products - torch.outer(self.total, self.total) / self.count
        return centred / max(self.count - 1, 1)


class Samples(Statistic):
    """Features as they are, of so many samples at the most.

    Of more, a part is kept that looks as if drawn by chance and is always the same, whatever the
    batches and their order: those samples whose numbers a hash puts first.
    """

    CAP = 10_000

    def __init__(self) -> None:
        self.count = 0
        self.parts: list[tuple[Tensor, Tensor]] = []  # numbers and values

    def update(self, features: Features) -> None:
        self.count += len(features.numbers)
        self.parts.append((features.numbers.cpu(), features.values.cpu()))
        if sum(len(numbers) for numbers, _ in self.parts) > 2 * self.CAP:
            self.parts = [self.kept()]

    def merge(self, other: Self) -> None:
        self.count += other.count
        self.parts = [*self.parts, *other.parts]

    def __len__(self) -> int:
        return min(self.count, self.CAP)

    def notes(self, kind: str) -> list[str]:
        """That only a part was kept, where that is so; kind: of samples."""
        if self.count <= self.CAP:
            return []
        return [f"of the {self.count:,} {kind} samples {self.CAP:,} are compared, drawn by a hash"]

    def kept(self) -> tuple[Tensor, Tensor]:
        """(N,) and (N, D), in the order of the numbers."""
        numbers, values = (torch.cat(part) for part in zip(*self.parts, strict=True))
        first = torch.from_numpy(np.argsort(scatter(numbers.numpy()), kind="stable"))[: self.CAP]
        order = first[numbers[first].argsort()]
        return numbers[order], values[order]

    def features(self) -> Tensor:
        """(N, D), in the order of the samples' numbers."""
        return self.kept()[1]


def scatter(numbers: np.ndarray) -> np.ndarray:
    """Whole numbers -> uint64, one to one, in which neighbours have nothing in common.

    Fast Splittable Pseudorandom Number Generators (Steele et al., 2014), figure 17, mix64variant13
    https://doi.org/10.1145/2660193.2660195
    """
    mixed = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def to_tensors(moments: Moments, samples: Samples) -> dict[str, Tensor]:
    """As a file keeps them."""
    numbers, values = samples.kept()
    count = torch.tensor(moments.count)
    sums = {name: getattr(moments, name) for name in Moments.names}
    return {"count": count, "numbers": numbers, "values": values, **sums}


def from_tensors(tensors: Mapping[str, Tensor]) -> tuple[Moments, Samples]:
    """The inverse of `to_tensors`."""
    moments, samples = Moments(), Samples()
    moments.count = samples.count = int(tensors["count"])
    moments.add(**{name: tensors[name] for name in Moments.names})
    samples.parts = [(tensors["numbers"], tensors["values"])]
    return moments, samples
