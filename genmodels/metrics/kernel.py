"""Kernel distance of features (KID)."""

import numpy as np
from torch import Tensor

from genmodels.metrics.base import Metric
from genmodels.metrics.statistics import Samples

BATCH = 1000  # rows of the kernel matrix in memory at once


class KernelDistance(Metric):
    """Unbiased squared maximum mean discrepancy with a cubic kernel, averaged over subsets.

    Demystifying MMD GANs (Bińkowski et al., 2018), section 4. https://arxiv.org/abs/1801.01401
    """

    statistic = Samples
    SUBSETS = 100
    SUBSET_SIZE = 1000  # samples per subset; all samples if there are fewer

    @property
    def has_deviation(self) -> bool:
        """Whether subsets differ: not if each is all of both sets."""
        return not len(self.fake) == len(self.real) <= self.SUBSET_SIZE

    def compute(self) -> dict[str, float]:
        self.check_counts(2, "KID")
        size = min(self.SUBSET_SIZE, len(self.fake), len(self.real))
        fake, real = (side.features().double() for side in (self.fake, self.real))
        rng = np.random.RandomState(2020)  # the seed and draws of torch-fidelity
        # Membership masks (SUBSETS, N): the kernel of each pair is computed only once.
        in_fake, in_real = (fake.new_zeros(self.SUBSETS, len(side)) for side in (fake, real))
        for subset in range(self.SUBSETS):
            for members in (in_fake, in_real):
                members[subset, rng.choice(members.shape[1], size, replace=False)] = 1
        within = sum(
            kernel_sums(side, members, side, members)
            - members @ kernel(side[:, None], side[:, None]).flatten()
            for side, members in ((fake, in_fake), (real, in_real))
        )
        between = kernel_sums(fake, in_fake, real, in_real)
        distances = (within / (size * (size - 1)) - 2 * between / size**2).numpy()
        values = {"kid": float(np.mean(distances))}
        return values | ({"kid_std": float(np.std(distances))} if self.has_deviation else {})

    def notes(self) -> list[str]:
        notes = self.fake.notes("generated") + self.real.notes("real")
        count = min(len(self.fake), len(self.real))
        if count < self.SUBSET_SIZE:
            notes.append(f"KID uses subsets of {count:,} samples instead of {self.SUBSET_SIZE:,}")
        if not self.has_deviation:
            notes.append("KID has no standard deviation: every subset is the whole sample")
        return notes


def kernel_sums(first: Tensor, in_first: Tensor, second: Tensor, in_second: Tensor) -> Tensor:
    """Sum the kernel of features (N, D) and (M, D) over all pairs of each subset -> (K,).

    Masks (K, N) and (K, M) are 1 for the members of each subset, else 0.
    """
    batches = zip(first.split(BATCH), in_first.split(BATCH, 1), strict=True)
    return sum((members @ kernel(batch, second) * in_second).sum(1) for batch, members in batches)


def kernel(first: Tensor, second: Tensor) -> Tensor:
    """Map (..., N, D) and (..., M, D) to (..., N, M): (x·y / D + 1)³."""
    return (first @ second.mT).div_(first.shape[-1]).add_(1).pow_(3)
