"""The Fréchet distance of features (FID)."""

import torch
from torch import Tensor

from .base import Metric
from .statistics import Moments


class FrechetDistance(Metric):
    """The distance of the normal distributions with the means and covariances of the features.

    GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium (Heusel et
    al., 2017), equation 6. https://arxiv.org/abs/1706.08500
    """

    keeps = Moments

    def compute(self) -> dict[str, float]:
        self.require(1, "FID")
        sides = [part for it in (self.real, self.fake) for part in (it.mean, it.covariance)]
        return {"fid": frechet(*sides).item()}

    def notes(self) -> list[str]:
        fewest, features = min(self.real.count, self.fake.count), len(self.real.mean)
        if fewest > features:
            return []
        return [
            f"FID is biased upwards: {fewest:,} samples are too few for a covariance of "
            f"{features:,} features"
        ]


def frechet(mean: Tensor, covariance: Tensor, mean2: Tensor, covariance2: Tensor) -> Tensor:
    """‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁^½ Σ₂ Σ₁^½)^½), of means (D,) and covariances (D, D).

    In float64. Covariances may be singular. The root's trace is that of the eigenvalues' roots,
    which are real and not negative, but for rounding.
    """
    values, vectors = torch.linalg.eigh(covariance)
    # Of a singular one some values are rounding alone, whose roots would be much larger.
    kept = values > values.abs().max() * len(values) * torch.finfo(values.dtype).eps
    root = vectors[:, kept] * values[kept].sqrt()  # root root^T = Σ₁
    # root^T Σ₂ root has the eigenvalues of Σ₁^½ Σ₂ Σ₁^½, from which it differs by a rotation.
    crossed = torch.linalg.eigvalsh(root.T @ covariance2 @ root)
    traces = covariance.trace() + covariance2.trace() - 2 * crossed.clamp(min=0).sqrt().sum()
    return (mean - mean2).square().sum() + traces
