"""The Fréchet distance of features (FID)."""

from genmodels.distances.divergences import Normal, squared_frechet
from genmodels.metrics.base import Metric
from genmodels.metrics.statistics import Moments


class FrechetDistance(Metric):
    """The distance of the normal distributions with the means and covariances of the features.

    GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium (Heusel et
    al., 2017), equation 6. https://arxiv.org/abs/1706.08500
    """

    keeps = Moments

    def compute(self) -> dict[str, float]:
        self.require(1, "FID")
        sides = (Normal(it.mean, it.covariance) for it in (self.real, self.fake))
        return {"fid": squared_frechet(*sides).item()}

    def notes(self) -> list[str]:
        fewest, features = min(self.real.count, self.fake.count), len(self.real.mean)
        if fewest > features:
            return []
        return [
            f"FID is biased upwards: {fewest:,} samples are too few for a covariance of "
            f"{features:,} features"
        ]
