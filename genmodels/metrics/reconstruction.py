"""How much of an image is lost on its way through an autoencoder."""

from typing import Self

import torch
from torch import Tensor

from genmodels.errors import UserError


class Reconstruction:
    """Mean LPIPS and mean squared error of images and their reconstructions, in [-1, 1]."""

    def __init__(self) -> None:
        self.count = 0
        self.sums = torch.zeros(2, dtype=torch.float64)

    def update(self, samples: Tensor, again: Tensor, distances: Tensor) -> None:
        """Samples (B, C, S, S), their reconstructions, and the LPIPS of each pair (B,)."""
        squares = (again.cpu().double() - samples.cpu().double()).square().flatten(1).mean(1)
        self.count += len(samples)
        self.sums += torch.stack([distances.cpu().double().sum(), squares.sum()])

    def merge(self, other: Self) -> None:
        self.count += other.count
        self.sums += other.sums

    def compute(self) -> dict[str, float]:
        if not self.count:
            raise UserError("expected samples and their reconstructions, but got none")
        lpips, mse = (self.sums / self.count).tolist()
        return {"reconstruction_lpips": lpips, "reconstruction_mse": mse}
