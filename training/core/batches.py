"""Data order and randomness, as functions of (seed, rank, number of the batch).

Nothing here has state to save: whoever asks for batch 1000 gets the same one, at once or after a
restart.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from genmodels.media.image import from_pixels


class Batch(NamedTuple):
    """What a player's turn is played with."""

    samples: Tensor  # (B, C, *S) in [-1, 1], on the device
    labels: Tensor | None  # (B,) classes of the samples, for conditional networks only
    rng: torch.Generator  # on the device; the turn's only source of randomness


class Batches:
    """Endless shuffled batches: each epoch visits every sample once, in an order of its own.

    Rank r of R takes every R-th batch, so that the processes of a run see different samples.
    """

    def __init__(
        self,
        pixels: Tensor,  # (N, C, *S) uint8
        size: int,  # samples of a batch
        seed: int,
        device: torch.device,
        rank: int = 0,
        ranks: int = 1,
        labels: Tensor | None = None,  # (N,)
        random_flip: bool = False,  # mirror half of the samples, by chance
    ) -> None:
        # On an accelerator with room to spare, the whole data set moves there once.
        if device.type == "cuda" and pixels.nbytes < torch.cuda.mem_get_info(device)[0] / 2:
            pixels = pixels.to(device)
        self.pixels, self.size, self.seed, self.device = pixels, size, seed, device
        self.labels = None if labels is None else labels.to(pixels.device)
        self.rank, self.ranks, self.random_flip = rank, ranks, random_flip
        self.rng = torch.Generator(device)
        self.epoch, self.order = -1, torch.empty(0)

    def __getitem__(self, number: int) -> Batch:
        """The batch of that number, counted from 0, for this rank."""
        start = (number * self.ranks + self.rank) * self.size
        places = torch.cat([self.places(*span) for span in self.spans(start, start + self.size)])
        samples = from_pixels(self.pixels[places].to(self.device, non_blocking=True))
        rng = self.rng.manual_seed(mix_seed(self.seed, number, self.rank))
        if self.random_flip:
            shape = (len(samples),) + (1,) * (samples.dim() - 1)
            flipped = torch.rand(shape, generator=rng, device=self.device) < 0.5
            samples = torch.where(flipped, samples.flip(-1), samples)
        labels = None
        if self.labels is not None:
            labels = self.labels[places].to(self.device, non_blocking=True)
        return Batch(samples, labels, rng)

    def spans(self, start: int, end: int) -> list[tuple[int, int, int]]:
        """Positions start to end of the endless sequence -> (epoch, first, end) in each epoch."""
        count = len(self.pixels)
        return [
            (epoch, max(start - epoch * count, 0), min(end - epoch * count, count))
            for epoch in range(start // count, (end - 1) // count + 1)
        ]

    def places(self, epoch: int, first: int, last: int) -> Tensor:
        """Positions within an epoch -> the places of their samples in the data."""
        if epoch != self.epoch:
            rng = torch.Generator().manual_seed(mix_seed(self.seed, epoch))
            order = torch.randperm(len(self.pixels), generator=rng)
            self.epoch, self.order = epoch, order.to(self.pixels.device)
        return self.order[first:last]


def mix_seed(*numbers: int) -> int:
    """Whole numbers -> a seed in which neighbours have nothing in common."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
