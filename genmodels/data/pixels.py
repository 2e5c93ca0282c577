"""Decoded images in mapped memory. N images, C channels, H height, W width, S side."""

import ctypes
from typing import Self

import numpy as np
import pyarrow
import torch
from torch import Tensor


class Pixels:
    """Images (N, C, H, W) uint8 in mapped memory, read where and when they are indexed."""

    def __init__(
        self, column: pyarrow.ChunkedArray, sizes: np.ndarray, keep: np.ndarray | None = None
    ) -> None:
        """Map a column of large binaries, without reading it.

        Args:
            column: (M,) large_binary, each the bytes of one image (C, H, W), or nothing
            sizes: (M, 3) channels, height and width; zeros without an image. If they differ, images
                are center-cropped to the largest square that fits into all of them
            keep: (N,) positions of the images in the column; None for all
        """
        buffers = [chunk.buffers()[2] for chunk in column.chunks]
        lengths = sizes.prod(axis=1)
        first, starts = 0, []
        for chunk, buffer in zip(column.chunks, buffers, strict=True):
            ends = lengths[first : first + len(chunk)].cumsum()
            starts.append(buffer.address + ends - lengths[first : first + len(chunk)])
            first += len(chunk)
        keep = slice(None) if keep is None else keep
        self.column, self.sizes = column, sizes[keep]  # the column keeps the memory mapped
        # One view of all files from the lowest to the highest address, in overlapping windows at
        # multiples of the common step: torch then gathers a batch in one call.
        base = min(buffer.address for buffer in buffers)
        end = max(buffer.address + buffer.size for buffer in buffers)
        self.memory = torch.from_numpy(
            np.ctypeslib.as_array((ctypes.c_uint8 * (end - base)).from_address(base))
        )
        addresses, sizes = np.concatenate(starts)[keep] - base, self.sizes
        self.starts = torch.from_numpy(addresses)
        channels, height, width = map(int, sizes.min(axis=0))
        self.varies = height != width or bool((sizes != sizes[0]).any())
        if self.varies:
            height = width = min(height, width)
        self.shape = (len(sizes), channels, height, width)
        self.step = max(1, int(np.gcd.reduce(addresses)))
        row = channels * height * width
        self.windows = self.memory.as_strided(
            ((len(self.memory) - row) // self.step + 1, channels, height, width),
            (self.step, height * width, width, 1),
        )

    @classmethod
    def from_tensor(cls, pixels: Tensor) -> Self:
        """Wrap images (N, C, H, W) uint8 in memory."""
        rows = [image.numpy().tobytes() for image in pixels]
        column = pyarrow.chunked_array([pyarrow.array(rows, "large_binary")])
        return cls(column, np.tile(np.array(pixels.shape[1:]), (len(pixels), 1)))

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape))

    def __getitem__(self, indices: int | slice | Tensor) -> Tensor:
        """Copy images: (C, H, W) by a number, else (B, C, H, W) by a slice or (B,) int64."""
        if isinstance(indices, int):
            return self[torch.tensor([indices])][0]
        if isinstance(indices, slice):
            indices = torch.arange(*indices.indices(len(self)))
        if self.varies:
            return self.crop(indices, None)
        return self.windows.index_select(0, self.starts[indices] // self.step)

    def crop(self, indices: Tensor, rng: torch.Generator | None) -> Tensor:
        """Copy square crops (B, C, S, S) at random positions, or from the centers without `rng`."""
        side = self.shape[-1]
        margins = torch.from_numpy(self.sizes[indices.numpy()][:, 1:]) - side
        places = torch.full(margins.shape, 0.5)
        if rng is not None:
            places = torch.rand(margins.shape, generator=rng, device=rng.device).cpu()
        corners = (places * (margins + 1)).long().clamp(max=margins)
        if rng is None:
            corners = margins // 2
        crops = []
        for index, (top, left) in zip(indices.tolist(), corners.tolist(), strict=True):
            shape = self.sizes[index].tolist()
            start = int(self.starts[index])
            image = self.memory[start : start + int(np.prod(shape))].view(shape)
            crops.append(image[:, top : top + side, left : left + side])
        return torch.stack(crops)
