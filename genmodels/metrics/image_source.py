"""Batches of images, and their distribution over processes."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

import torch
from torch import Tensor
from tqdm import tqdm

from genmodels.media.image import to_pixels
from genmodels.metrics.base import Metric
from genmodels.metrics.extractors import Extractor
from genmodels.metrics.statistics import Statistic

if TYPE_CHECKING:  # slow to import, and the app must start quickly
    from genmodels.data import Pixels

BATCH = 100  # images
BLOCK = 64  # latents in memory at once; a multiple of 16: see Latents

Decode = Callable[[Tensor, Tensor | None], Tensor]  # latents and labels to samples
Draw = Callable[[int, torch.Generator], Tensor]  # number of latents to latents
AnyStatistic = TypeVar("AnyStatistic", bound=Statistic)

# Extractors, each with the statistics of its features.
Consumers = Sequence[tuple[Extractor, Sequence[Metric | Statistic]]]


class Latents:
    """The latents (N, *Z) that `draw(count, generator)` returns, drawn block by block.

    One block is in memory. The values equal those of a single draw bit for bit, and the generator
    ends in the same state: torch fills a CPU tensor in groups of 16 values, and draws the last 16
    again if their group is incomplete. So blocks hold multiples of 16 latents, and the last block
    takes a remainder of less than 16 latents.
    """

    def __init__(self, draw: Draw, count: int, generator: torch.Generator) -> None:
        """Draw every block once: the generator's state before each block gives access to it.

        `draw` is a pipeline's method; the generator is on the CPU.
        """
        self.draw, self.count = draw, count
        self.blocks = len(range(0, max(count - 15, 1), BLOCK))
        self.states: list[Tensor] = []
        self.latest: tuple[int, Tensor]  # a block and its number
        for number in range(self.blocks):
            self.states.append(generator.get_state())
            self.latest = number, self.draw(self.size(number), generator)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, batch: slice) -> Tensor:
        """Return latents (B, *Z) at any positions; batches may come in any order."""
        start, stop, _ = batch.indices(self.count)
        first, last = (min(index // BLOCK, self.blocks - 1) for index in (start, stop - 1))
        latents = torch.cat([self.block(number) for number in range(first, last + 1)])
        return latents[start - first * BLOCK : stop - first * BLOCK]

    def block(self, number: int) -> Tensor:
        """Return a block of latents, drawn again unless it is the latest one."""
        if number != self.latest[0]:
            generator = torch.Generator().set_state(self.states[number])
            self.latest = number, self.draw(self.size(number), generator)
        return self.latest[1]

    def size(self, number: int) -> int:
        """Return the number of latents in a block."""
        return BLOCK if number + 1 < self.blocks else self.count - number * BLOCK


class ImageSource(NamedTuple):
    """A set of images, read or generated batch by batch."""

    name: str
    count: int
    pixels: Callable[[slice], Tensor]  # (B, C, S, S) uint8
    fingerprint: str | None = None  # the same for equal images; None if unknown

    @classmethod
    def from_tensor(
        cls, name: str, pixels: "Tensor | Pixels", fingerprint: str | None = None
    ) -> Self:
        """Wrap images (N, C, S, S) uint8."""
        return cls(name, len(pixels), lambda batch: pixels[batch], fingerprint)

    @classmethod
    def from_model(
        cls, name: str, latents: Tensor | Latents, labels: Tensor | None, decode: Decode
    ) -> Self:
        """Decode latents (N, *Z), with labels (N,) for a conditional model."""

        @torch.inference_mode()
        def pixels(batch: slice) -> Tensor:
            return to_pixels(decode(latents[batch], None if labels is None else labels[batch]))

        return cls(name, len(latents), pixels)

    def shape(self) -> tuple[int, int, int]:
        """Return the shape (C, S, S) of the images."""
        return tuple(self.pixels(slice(0, 1)).shape[1:])

    def with_channels(self, channels: int) -> Self:
        """Repeat the channel of grayscale images, so that they compare with RGB images."""

        def pixels(batch: slice) -> Tensor:
            return self.pixels(batch).expand(-1, channels, -1, -1)

        return self._replace(pixels=pixels)


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
