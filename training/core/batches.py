"""Data order and randomness as functions of (seed, rank, batch index).

There is no state to save: batch 1000 is the same whether training was interrupted or not.
"""

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import torch
from torch import Tensor

from genmodels.data import Pixels
from genmodels.media.image import from_pixels

CHUNK = 4096  # samples per copy of the whole dataset to a GPU


class Batch(NamedTuple):
    """Data and randomness of one update."""

    samples: Tensor  # (B, C, *S) in [-1, 1], on the device
    labels: Tensor | None  # (B,) class labels; None for unconditional networks
    rng: torch.Generator  # on the device; the source of randomness of the update


class Batches:
    """Infinite sequence of shuffled batches; each epoch visits every sample once in a new order.

    Rank r of R takes every R-th batch, so processes train on different samples.
    """

    def __init__(
        self,
        pixels: Pixels | Tensor,  # (N, C, *S) uint8
        size: int,  # samples per batch
        seed: int,
        device: torch.device,
        rank: int = 0,
        ranks: int = 1,
        labels: Tensor | None = None,  # (N,)
        random_flip: bool = False,  # flip each sample horizontally with probability 1/2
        random_crop: bool = False,  # crop images at random positions, not in the middle
    ) -> None:
        self.on_gpu = isinstance(pixels, Tensor) and pixels.is_cuda
        # Move the whole dataset to the GPU if it needs less than half of the free memory.
        if device.type == "cuda" and not self.on_gpu and not random_crop:
            self.on_gpu = pixels.nbytes < torch.cuda.mem_get_info(device)[0] / 2
            pixels = copy_to(device, pixels) if self.on_gpu else pixels
        self.pixels, self.size, self.seed, self.device = pixels, size, seed, device
        self.storage = device if self.on_gpu else torch.device("cpu")
        self.labels = None if labels is None else labels.to(self.storage)
        self.rank, self.ranks = rank, ranks
        self.random_flip, self.random_crop = random_flip, random_crop
        self.epoch, self.order = -1, torch.empty(0)

    def __getitem__(self, index: int) -> Batch:
        """Return this rank's batch by index, from 0."""
        return self.assemble(index, *self.read(index))

    def read(self, index: int) -> tuple[Tensor, Tensor | None]:
        """Read the pixels (B, C, *S) uint8 and the labels (B,) of a batch.

        They are in pinned memory if they have to be copied to a GPU. Only here do indices become
        samples. One thread at a time may call this.
        """
        start = (index * self.ranks + self.rank) * self.size
        spans = self.spans(start, start + self.size)
        indices = torch.cat([self.sample_indices(*span) for span in spans])
        if self.random_crop:
            seed = mix_seed("crop", self.seed, index, self.rank)
            pixels = self.pixels.crop(indices, torch.Generator().manual_seed(seed))
        else:
            pixels = self.pixels[indices]
        labels = None if self.labels is None else self.labels[indices]
        if self.device.type == "cuda" and not self.on_gpu:
            pixels, labels = pixels.pin_memory(), None if labels is None else labels.pin_memory()
        return pixels, labels

    def assemble(self, index: int, pixels: Tensor, labels: Tensor | None) -> Batch:
        """Move what `read` returned to the device, and augment it with the batch's generator."""
        samples = from_pixels(pixels.to(self.device, non_blocking=True))
        rng = torch.Generator(self.device)
        rng.manual_seed(mix_seed("batch", self.seed, index, self.rank))
        if self.random_flip:
            shape = (len(samples),) + (1,) * (samples.dim() - 1)
            flipped = torch.rand(shape, generator=rng, device=self.device) < 0.5
            samples = torch.where(flipped, samples.flip(-1), samples)
        if labels is not None:
            labels = labels.to(self.device, non_blocking=True)
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
            rng = torch.Generator().manual_seed(mix_seed("order", self.seed, epoch))
            order = torch.randperm(len(self.pixels), generator=rng)
            self.epoch, self.order = epoch, order.to(self.storage)
        return self.order[first:end]


class PrefetchedBatches:
    """Batches of which one thread reads the next while the current one is in use.

    An error of the thread is raised when its batch is requested. Batches on the GPU need no thread.
    """

    def __init__(self, batches: Batches) -> None:
        self.batches = batches
        self.thread = ThreadPoolExecutor(1, "prefetch")
        self.pending: dict[int, Future] = {}  # at most one read, by batch index

    def __getitem__(self, index: int) -> Batch:
        """Return this rank's batch by index, from 0."""
        if self.batches.on_gpu:
            return self.batches[index]
        read = self.pending.get(index) or self.thread.submit(self.batches.read, index)
        contents = read.result()
        self.pending = {index + 1: self.thread.submit(self.batches.read, index + 1)}
        return self.batches.assemble(index, *contents)

    def close(self) -> None:
        """End the thread."""
        self.thread.shutdown(cancel_futures=True)


def copy_to(device: torch.device, pixels: Pixels) -> Tensor:
    """Copy a whole dataset to a device, in parts, because it may be larger than the memory."""
    copy = torch.empty(pixels.shape, dtype=torch.uint8, device=device)
    for start in range(0, len(pixels), CHUNK):
        copy[start : start + CHUNK] = pixels[start : start + CHUNK]
    return copy


def mix_seed(purpose: str, *numbers: int) -> int:
    """Hash the purpose of a generator and integers into a seed below 2⁶⁴.

    Different inputs give unrelated seeds, also (3,) and (3, 0).
    """
    text = "/".join(map(str, (purpose, *numbers)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
