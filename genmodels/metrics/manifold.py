"""Precision, recall, density and coverage: how generated and real features lie among another."""

import torch
from torch import Tensor

from genmodels.metrics.base import Metric
from genmodels.metrics.statistics import Samples

CHUNK = 1024  # rows of distances at once


class Manifold(Metric):
    """A set's manifold: the balls about its points that reach to their k-th nearest neighbour.

    Improved Precision and Recall Metric for Assessing Generative Models (Kynkäänniemi et al.,
    2019), equation 2, https://arxiv.org/abs/1904.06991: precision is the part of the generated
    samples in the manifold of the real ones, recall that of the real in the generated's; k = 3.
    Reliable Fidelity and Diversity Metrics for Generative Models (Naeem et al., 2020), section 3,
    https://arxiv.org/abs/2002.09797: density counts the real balls that a generated sample lies in,
    coverage the real balls in which one lies; with k = 5.
    """

    keeps = Samples
    FEW = 1000  # samples

    def compute(self) -> dict[str, float]:
        self.require(6, "precision and recall")
        real, fake = self.real.features(), self.fake.features()
        near, far = radii(real, (3, 5))
        (around,) = radii(fake, (3,))
        inside, within, empty = [], [], torch.ones(len(real), dtype=torch.bool)
        for rows in fake.split(CHUNK):
            distances = torch.cdist(rows, real)
            inside.append((distances <= near).any(1))
            within.append((distances < far).sum(1))
            empty &= (distances >= far).all(0)
        recalled = [(torch.cdist(rows, fake) <= around).any(1) for rows in real.split(CHUNK)]
        return {
            "precision": torch.cat(inside).double().mean().item(),
            "recall": torch.cat(recalled).double().mean().item(),
            "density": torch.cat(within).double().mean().item() / 5,
            "coverage": 1 - empty.double().mean().item(),
        }

    def notes(self) -> list[str]:
        notes = self.fake.notes("generated") + self.real.notes("real")
        sides = len(self.fake), len(self.real)
        if min(sides) < self.FEW:
            notes.append(
                f"precision, recall, density and coverage are of {sides[0]:,} generated and "
                f"{sides[1]:,} real samples: with fewer than {self.FEW:,} they say little"
            )
        elif sides[0] != sides[1]:
            notes.append(
                "precision, recall, density and coverage depend on the counts, of which there are "
                f"{sides[0]:,} and {sides[1]:,}: compare such numbers with their like alone"
            )
        return notes


def radii(features: Tensor, neighbours: tuple[int, ...]) -> list[Tensor]:
    """(N, D) -> for each k the distance (N,) of each point to its k-th nearest, itself left out."""
    nearest = []
    for rows in features.split(CHUNK):
        nearest.append(torch.cdist(rows, features).topk(max(neighbours) + 1, largest=False).values)
    sorted_distances = torch.cat(nearest)
    return [sorted_distances[:, k] for k in neighbours]
