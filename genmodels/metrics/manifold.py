"""Precision, recall, density and coverage."""

import torch
from torch import Tensor

from genmodels.metrics.base import Metric
from genmodels.metrics.statistics import Samples

CHUNK = 1024  # rows of the distance matrix in memory at once


class Manifold(Metric):
    """Overlap of the manifolds of real and generated features.

    The manifold of a set is the union of the balls around its points that reach to their k-th
    nearest neighbours.

    Improved Precision and Recall Metric for Assessing Generative Models (Kynkäänniemi et al.,
    2019), equation 2, https://arxiv.org/abs/1904.06991: precision is the fraction of generated
    samples inside the real manifold, recall the fraction of real samples inside the generated
    manifold; k = 3.
    Reliable Fidelity and Diversity Metrics for Generative Models (Naeem et al., 2020), section 3,
    https://arxiv.org/abs/2002.09797: density is the mean number of real balls around a generated
    sample, divided by k; coverage is the fraction of real balls that contain a generated sample;
    k = 5.
    """

    statistic = Samples
    MIN_SAMPLES = 1000  # below which a note says that the values are unreliable

    def compute(self) -> dict[str, float]:
        self.check_counts(6, "precision and recall")
        real, fake = self.real.features(), self.fake.features()
        real_radii_3, real_radii_5 = radii(real, (3, 5))
        (fake_radii_3,) = radii(fake, (3,))
        in_real, balls, empty = [], [], torch.ones(len(real), dtype=torch.bool)
        for rows in fake.split(CHUNK):
            distances = torch.cdist(rows, real)
            in_real.append((distances <= real_radii_3).any(1))
            balls.append((distances < real_radii_5).sum(1))
            empty &= (distances >= real_radii_5).all(0)
        in_fake = [(torch.cdist(rows, fake) <= fake_radii_3).any(1) for rows in real.split(CHUNK)]
        return {
            "precision": torch.cat(in_real).double().mean().item(),
            "recall": torch.cat(in_fake).double().mean().item(),
            "density": torch.cat(balls).double().mean().item() / 5,
            "coverage": 1 - empty.double().mean().item(),
        }

    def notes(self) -> list[str]:
        notes = self.fake.notes("generated") + self.real.notes("real")
        fake, real = len(self.fake), len(self.real)
        if min(fake, real) < self.MIN_SAMPLES:
            notes.append(
                f"precision, recall, density and coverage of {fake:,} generated and {real:,} real "
                f"samples are unreliable: use at least {self.MIN_SAMPLES:,} of each"
            )
        elif fake != real:
            notes.append(
                "precision, recall, density and coverage depend on the numbers of samples: compare "
                f"only with values from {fake:,} generated and {real:,} real samples"
            )
        return notes


def radii(features: Tensor, neighbors: tuple[int, ...]) -> list[Tensor]:
    """Return for each k the distance (N,) of each point (N, D) to its k-th nearest other point."""
    distances = (torch.cdist(rows, features) for rows in features.split(CHUNK))
    nearest = torch.cat([it.topk(max(neighbors) + 1, largest=False).values for it in distances])
    return [nearest[:, k] for k in neighbors]
