"""The kernel distance of features (KID)."""

import numpy as np
from torch import Tensor

from .base import Metric
from .statistics import Samples


class KernelDistance(Metric):
    """The squared maximum mean discrepancy with a cubic kernel, without bias, as mean over subsets.

    Demystifying MMD GANs (Bińkowski et al., 2018), section 4. https://arxiv.org/abs/1801.01401
    """

    keeps = Samples
    SUBSETS = 100  # drawn by a fixed seed
    SIZE = 1000  # samples of a subset, or all where there are fewer

    def compute(self) -> dict[str, float]:
        self.require(2, "KID")
        size = min(self.SIZE, len(self.fake), len(self.real))
        fake, real = self.fake.features(), self.real.features()
        rng = np.random.RandomState(2020)  # and its draws as torch-fidelity makes them
        distances = []
        for _ in range(self.SUBSETS):
            one = fake[rng.choice(len(fake), size, replace=False)].double()
            other = real[rng.choice(len(real), size, replace=False)].double()
            distances.append(discrepancy(one, other).item())
        return {"kid": float(np.mean(distances)), "kid_std": float(np.std(distances))}

    def notes(self) -> list[str]:
        notes = self.fake.notes("generated") + self.real.notes("real")
        fewest = min(len(self.fake), len(self.real))
        if fewest < self.SIZE:
            notes.append(
                f"KID is of subsets of {fewest:,}, not {self.SIZE:,}: there are no more samples"
            )
        return notes


def discrepancy(one: Tensor, other: Tensor) -> Tensor:
    """Features (N, D) and (N, D) -> their squared maximum mean discrepancy, without bias."""
    count = len(one)
    within = sum(kernel(side, side).fill_diagonal_(0).sum() for side in (one, other))
    return within / (count * (count - 1)) - 2 * kernel(one, other).mean()


def kernel(one: Tensor, other: Tensor) -> Tensor:
    """(N, D) and (M, D) -> (N, M): (x·y / D + 1)³."""
    return (one @ other.T / one.shape[1] + 1) ** 3
