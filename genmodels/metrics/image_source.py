"""Batches of images, and their distribution over processes."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Self, TypeVar

import torch
from torch import Tensor
from tqdm import tqdm

from genmodels.media.image import to_pixels
from genmodels.metrics.base import Metric
from genmodels.metrics.extractors import Extractor
from genmodels.metrics.statistics import Statistic

BATCH = 100  # images

Decode = Callable[[Tensor, Tensor | None], Tensor]  # latents and labels to samples
AnyStatistic = TypeVar("AnyStatistic", bound=Statistic)

# Extractors, each with the statistics of its features.
Consumers = Sequence[tuple[Extractor, Sequence[Metric | Statistic]]]


class ImageSource(NamedTuple):
    """A set of images, read or generated batch by batch."""

    name: str
    count: int
    pixels: Callable[[slice], Tensor]  # (B, C, S, S) uint8

    @classmethod
    def from_tensor(cls, name: str, pixels: Tensor) -> Self:
        """Wrap images (N, C, S, S) uint8."""
        return cls(name, len(pixels), lambda batch: pixels[batch])

    @classmethod
    def from_model(cls, name: str, latents: Tensor, labels: Tensor | None, decode: Decode) -> Self:
        """Decode latents (N, *Z), with labels (N,) for a conditional model."""

        @torch.inference_mode()
        def pixels(batch: slice) -> Tensor:
            return to_pixels(decode(latents[batch], None if labels is None else labels[batch]))

        return cls(name, len(latents), pixels)


class Processes(NamedTuple):
    """A process's share of the work, and the function that combines the shares."""

    rank: int = 0
    count: int = 1
    gather: Callable[[list], list] = list  # all-gather: concatenate the lists of all processes

    def batches(self, source: ImageSource) -> Iterator[slice]:
        """Yield this process's batches, with a progress bar on the first process."""
        starts = range(0, source.count, BATCH)[self.rank :: self.count]
        for start in tqdm(starts, source.name, leave=False, disable=self.rank > 0):
            yield slice(start, min(start + BATCH, source.count))

    def update(self, source: ImageSource, consumers: Consumers) -> None:
        """Update the consumers of each extractor's features with this process's batches."""
        for batch in self.batches(source):
            indices = torch.arange(batch.start, batch.stop)
            update_consumers(consumers, source.pixels(batch), indices)

    def merge(self, part: AnyStatistic) -> AnyStatistic:
        """Return the sum of the parts of all processes."""
        total = type(part)()
        for other in self.gather([part]):
            total.merge(other)
        return total


def update_consumers(consumers: Consumers, pixels: Tensor, indices: Tensor) -> None:
    """Update the consumers with images (B, C, S, S) uint8 at positions (B,) of the whole set."""
    for extract, statistics in consumers:
        features = extract(pixels, indices)
        for statistic in statistics:
            statistic.update(features)


SINGLE_PROCESS = Processes()
