"""What is kept of features, so that batches and processes merge to the same numbers.

B samples of a batch, N of all, D features, K classes.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple, Self

import torch
from torch import Tensor


class Features(NamedTuple):
    """What a network makes of some samples."""

    numbers: Tensor  # (B,) int64: which samples they are of, counted from 0
    values: Tensor  # (B, D)
    logits: Tensor | None  # (B, K); None of a network that classifies nothing


class Statistic(ABC):
    """What is kept of the features of samples."""

    @abstractmethod
    def update(self, features: Features) -> None:
        """Some more samples."""

    @abstractmethod
    def merge(self, other: Self) -> None:
        """What another of this kind has of other samples."""


class Moments(Statistic):
    """Count, sum and products of features in float64: of one size, however many they are."""

    def __init__(self) -> None:
        self.count, self.total, self.products = 0, torch.zeros(()), torch.zeros(())

    def update(self, features: Features) -> None:
        values = features.values.double().cpu()
        self.count += len(values)
        self.total = self.total + values.sum(0)
        self.products = self.products + values.T @ values

    def merge(self, other: Self) -> None:
        self.count += other.count
        self.total = self.total + other.total
        self.products = self.products + other.products

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
    """Features as they are, by the numbers of their samples, so that they may come in any order."""

    def __init__(self) -> None:
        self.parts: list[tuple[Tensor, Tensor]] = []

    def __len__(self) -> int:
        return len({number for numbers, _ in self.parts for number in numbers.tolist()})

    def update(self, features: Features) -> None:
        self.parts.append((features.numbers.cpu(), features.values.cpu()))

    def merge(self, other: Self) -> None:
        self.parts += other.parts

    def features(self) -> Tensor:
        """(N, D), in the order of the samples' numbers; one that came twice counts once."""
        numbers, features = (torch.cat(part) for part in zip(*self.parts, strict=True))
        order = numbers.argsort(stable=True)
        fresh = torch.ones(len(order), dtype=torch.bool)
        fresh[1:] = numbers[order].diff() != 0
        return features[order][fresh]
