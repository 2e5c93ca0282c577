"""Data order and randomness as functions of (seed, rank, batch index).

There is no state to save: batch 1000 is the same whether training was interrupted or not.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from genmodels.media.image import from_pixels


class Batch(NamedTuple):
    """Data and randomness of one update."""

    samples: Tensor  # (B, C, *S) in [-1, 1], on the device
    labels: Tensor | None  # (B,) class labels; None for unconditional networks
    rng: torch.Generator  # on the device; the only source of randomness of the update


class Batches:
    """Infinite sequence of shuffled batches; each epoch visits every sample once in a new order.

    Rank r of R takes every R-th batch, so processes train on different samples.
    """

    def __init__(
        self,
        pixels: Tensor,  # (N, C, *S) uint8
        size: int,  # samples per batch
        seed: int,
        device: torch.device,
        rank: int = 0,
        ranks: int = 1,
        labels: Tensor | None = None,  # (N,)
        random_flip: bool = False,  # flip each sample horizontally with probability 1/2
    ) -> None:
        # Move the whole dataset to the GPU if it needs less than half of the free memory.
        if device.type == "cuda" and pixels.nbytes < torch.cuda.mem_get_info(device)[0] / 2:
            pixels = pixels[:].to(device)
        self.pixels, self.size, self.seed, self.device = pixels, size, seed, device
        self.storage = pixels.device if isinstance(pixels, Tensor) else torch.device("cpu")
        self.labels = None if labels is None else labels.to(self.storage)
        self.rank, self.ranks, self.random_flip = rank, ranks, random_flip
        self.rng = torch.Generator(device)
        self.epoch, self.order = -1, torch.empty(0)

    def __getitem__(self, index: int) -> Batch:
        """Return this rank's batch by index, from 0."""
        start = (index * self.ranks + self.rank) * self.size
        spans = self.spans(start, start + self.size)
        indices = torch.cat([self.sample_indices(*span) for span in spans])
        samples = from_pixels(self.pixels[indices].to(self.device, non_blocking=True))
        rng = self.rng.manual_seed(mix_seed(self.seed, index, self.rank))
        if self.random_flip:
            shape = (len(samples),) + (1,) * (samples.dim() - 1)
            flipped = torch.rand(shape, generator=rng, device=self.device) < 0.5
            samples = torch.where(flipped, samples.flip(-1), samples)
        labels = None
        if self.labels is not None:
            labels = self.labels[indices].to(self.device, non_blocking=True)
        return Batch(samples, labels, rng)

    def spans(self, start: int, end: int) -> list[tuple[int, int, int]]:
        """Split positions [start, end) of the infinite sequence into (epoch, first, end) spans."""
        count = len(self.pixels)
        return [
            (epoch, max(start - epoch * count, 0), min(end - epoch * count, count))
            for epoch in range(start // count, (end - 1) // count + 1)
        ]

    def sample_indices(self, epoch: int, first: int, end: int) -> Tensor:
        """Return the dataset indices of positions [first, end) of an epoch."""
        if epoch != self.epoch:
            rng = torch.Generator().manual_seed(mix_seed(self.seed, epoch))
            order = torch.randperm(len(self.pixels), generator=rng)
            self.epoch, self.order = epoch, order.to(self.storage)
        return self.order[first:end]


def mix_seed(*numbers: int) -> int:
    """Hash integers into a seed, so that nearby inputs give unrelated seeds."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
