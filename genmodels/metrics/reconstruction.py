"""Reconstruction error of autoencoders."""

from typing import Self

import torch
from torch import Tensor

from genmodels.errors import UserError


class Reconstruction:
    """Mean LPIPS and mean squared error between images and their reconstructions, in [-1, 1]."""

    def __init__(self) -> None:
        self.count = 0
        self.sums = torch.zeros(2, dtype=torch.float64)

    def update(self, samples: Tensor, reconstructions: Tensor, distances: Tensor) -> None:
        """Add samples and reconstructions (B, C, S, S), and the LPIPS (B,) of each pair."""
        errors = reconstructions.cpu().double() - samples.cpu().double()
        squares = errors.square().flatten(1).mean(1)
        self.count += len(samples)
        self.sums += torch.stack([distances.cpu().double().sum(), squares.sum()])

    def merge(self, other: Self) -> None:
        self.count += other.count
        self.sums += other.sums

    def compute(self) -> dict[str, float]:
        if not self.count:
            raise UserError("expected at least one image to reconstruct, got none")
        lpips, mse = (self.sums / self.count).tolist()
        return {"reconstruction_lpips": lpips, "reconstruction_mse": mse}
