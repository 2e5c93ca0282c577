"""The kernel distance of features (KID)."""

import numpy as np
from torch import Tensor

from genmodels.metrics.base import Metric
from genmodels.metrics.statistics import Samples

BATCH = 1000  # samples whose kernels with all others are held at once


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
        fake, real = (side.features().double() for side in (self.fake, self.real))
        rng = np.random.RandomState(2020)  # and its draws as torch-fidelity makes them
        # Whether a subset has a sample (SUBSETS, N): of each pair the kernel is computed once.
        in_fake, in_real = (fake.new_zeros(self.SUBSETS, len(side)) for side in (fake, real))
        for subset in range(self.SUBSETS):
            for members in (in_fake, in_real):
                members[subset, rng.choice(members.shape[1], size, replace=False)] = 1
        within = sum(
            pairs(side, members, side, members) - members @ with_itself(side)
            for side, members in ((fake, in_fake), (real, in_real))
        )
        between = pairs(fake, in_fake, real, in_real)
        distances = (within / (size * (size - 1)) - 2 * between / size**2).numpy()
        return {"kid": float(np.mean(distances)), "kid_std": float(np.std(distances))}

    def notes(self) -> list[str]:
        notes = self.fake.notes("generated") + self.real.notes("real")
        fewest = min(len(self.fake), len(self.real))
        if fewest < self.SIZE:
            notes.append(
                f"KID is of subsets of {fewest:,}, not {self.SIZE:,}: there are no more samples"
            )
        return notes


def pairs(one: Tensor, in_one: Tensor, other: Tensor, in_other: Tensor) -> Tensor:
    """The sum of the kernel over all pairs of each subset's own, (K,).

    one, other: features (N, D) and (M, D)
    in_one, in_other: 1 where a subset has a sample, and else 0, (K, N) and (K, M)
    """
    parts = zip(one.split(BATCH), in_one.split(BATCH, 1), strict=True)
    return sum((members @ kernel(part, other) * in_other).sum(1) for part, members in parts)


def with_itself(one: Tensor) -> Tensor:
    """Features (N, D) -> the kernel of each with itself, (N,)."""
    each = one[:, None]
    return kernel(each, each).flatten()


def kernel(one: Tensor, other: Tensor) -> Tensor:
    """(..., N, D) and (..., M, D) -> (..., N, M): (x·y / D + 1)³."""
    return (one @ other.mT).div_(one.shape[-1]).add_(1).pow_(3)
