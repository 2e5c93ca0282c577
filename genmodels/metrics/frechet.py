"""Fréchet distance of features (FID)."""

from genmodels.distances.divergences import Normal, squared_frechet
from genmodels.metrics.base import Metric
from genmodels.metrics.statistics import Moments


class FrechetDistance(Metric):
    """Squared Fréchet distance of the Gaussians fitted to the real and the generated features.

    GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium (Heusel et
    al., 2017), equation 6. https://arxiv.org/abs/1706.08500
    """

    statistic = Moments

    def compute(self) -> dict[str, float]:
        self.check_counts(2, "FID")
        gaussians = (Normal(side.mean, side.covariance) for side in (self.real, self.fake))
        return {"fid": max(squared_frechet(*gaussians).item(), 0.0)}  # rounding may give -1e-13

    def notes(self) -> list[str]:
        count, features = min(self.real.count, self.fake.count), len(self.real.mean)
        if count > features:
            return []
        few = f"{count:,} samples are too few to estimate the covariance of {features:,} features"
        return [f"FID is biased upwards: {few}"]
