"""Mergeable summaries of features. B samples of a batch, N of all, D features, K classes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from genmodels.errors import UserError


class Features(NamedTuple):
    """Network outputs for a batch of samples."""

    indices: Tensor  # (B,) int64: position of each sample in its set; every index occurs once
    values: Tensor  # (B, D)
    logits: Tensor | None = None  # (B, K); None if the network does not classify

    def require_logits(self, metric: str) -> Tensor:
        """Return the logits, or raise UserError."""
        if self.logits is None:
            expected = f"expected an extractor with class predictions for {metric}"
            raise UserError(f"{expected}, but its weights have no classification head")
        return self.logits


class Statistic(ABC):
    """A summary of the features of a set of samples."""

    count: int  # samples so far

    @abstractmethod
    def update(self, features: Features) -> None:
        """Add a batch of samples."""

    @abstractmethod
    def merge(self, other: Self) -> None:
        """Add the samples of another statistic of this class."""


class Sums(Statistic):
    """Sums over the samples in float64. Their size does not depend on the number of samples."""

    fields: ClassVar[tuple[str, ...]]  # names of the attributes that are sums

    def __init__(self) -> None:
        self.count = 0
        for field in self.fields:
            setattr(self, field, torch.zeros((), dtype=torch.float64))

    def add(self, **sums: Tensor) -> None:
        for field, value in sums.items():
            setattr(self, field, getattr(self, field) + value)

    def merge(self, other: Self) -> None:
        self.count += other.count
        self.add(**{field: getattr(other, field) for field in self.fields})


class Moments(Sums):
    """Sum and second moments of the features."""

    fields = ("total", "products")

    def update(self, features: Features) -> None:
        values = features.values.cpu().double()
        self.count += len(values)
        self.add(total=values.sum(0), products=values.T @ values)

    @property
    def mean(self) -> Tensor:
        """Mean (D,)."""
        return self.total / self.count

    @property
    def covariance(self) -> Tensor:
        """Unbiased covariance (D, D); zero for a single sample."""
        centred = self.products - torch.outer(self.total, self.total) / self.count
        return centred / max(self.count - 1, 1)


class Samples(Statistic):
    """The features themselves, of at most MAX_SAMPLES samples.

    Larger sets are reduced to a pseudorandom subset: the samples whose hashed indices come first.
    The subset does not depend on the batches or their order.
    """

    MAX_SAMPLES = 10_000

    def __init__(self) -> None:
        self.count = 0
        self.batches: list[tuple[Tensor, Tensor]] = []  # indices and values

    def update(self, features: Features) -> None:
        self.count += len(features.indices)
        self.batches.append((features.indices.cpu(), features.values.cpu()))
        if sum(len(indices) for indices, _ in self.batches) > 2 * self.MAX_SAMPLES:
            self.batches = [self.subset()]

    def merge(self, other: Self) -> None:
        self.count += other.count
        self.batches = [*self.batches, *other.batches]

    def __len__(self) -> int:
        return min(self.count, self.MAX_SAMPLES)

    def notes(self, kind: str) -> list[str]:
        """Say that only a subset is used, if so; kind: "generated" or "real"."""
        if self.count <= self.MAX_SAMPLES:
            return []
        return [f"{self.MAX_SAMPLES:,} of the {self.count:,} {kind} samples are used"]

    def subset(self) -> tuple[Tensor, Tensor]:
        """Return the indices (N,) in ascending order and the features (N, D)."""
        indices, values = (torch.cat(part) for part in zip(*self.batches, strict=True))
        order = np.argsort(hash_indices(indices.numpy()), kind="stable")
        subset = torch.from_numpy(order)[: self.MAX_SAMPLES]
        subset = subset[indices[subset].argsort()]
        return indices[subset], values[subset]

    def features(self) -> Tensor:
        """Return the features (N, D) in the order of the samples' indices."""
        return self.subset()[1]


def hash_indices(indices: np.ndarray) -> np.ndarray:
    """Map integers to uint64 pseudorandomly and one to one.

    Fast Splittable Pseudorandom Number Generators (Steele et al., 2014), figure 17, mix64variant13
    https://doi.org/10.1145/2660193.2660195
    """
    mixed = indices.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def to_tensors(moments: Moments, samples: Samples) -> dict[str, Tensor]:
    """Return the content of a cache file."""
    indices, values = samples.subset()
    count = torch.tensor(moments.count)
    sums = {field: getattr(moments, field) for field in Moments.fields}
    return {"count": count, "indices": indices, "values": values, **sums}


def from_tensors(tensors: Mapping[str, Tensor]) -> tuple[Moments, Samples]:
    """Invert `to_tensors`."""
    moments, samples = Moments(), Samples()
    moments.count = samples.count = int(tensors["count"])
    moments.add(**{field: tensors[field] for field in Moments.fields})
    samples.batches = [(tensors["indices"], tensors["values"])]
    return moments, samples
