"""LPIPS diversity."""

from genmodels.metrics.base import Metric
from genmodels.metrics.statistics import Features, Sums


class EmbeddingSums(Sums):
    """Sum of the embeddings and sum of their squared norms."""

    fields = ("total", "squared_norms")

    def update(self, features: Features) -> None:
        values = features.values.cpu().double()
        self.count += len(values)
        self.add(total=values.sum(0), squared_norms=values.square().sum())


class Diversity(Metric):
    """Mean LPIPS between two different samples, over all pairs.

    The Unreasonable Effectiveness of Deep Features as a Perceptual Metric (Zhang et al., 2018),
    equation 1. https://arxiv.org/abs/1801.03924 LPIPS is a squared distance of embeddings, so the
    mean over all pairs is twice the variance of the embeddings: no pairs need to be sampled.
    """

    features_from = "perception"
    statistic = EmbeddingSums
    needs_reference = False

    def compute(self) -> dict[str, float]:
        self.check_counts(2, "LPIPS diversity")
        sums, count = self.fake, self.fake.count
        variance = (sums.squared_norms - sums.total.square().sum() / count) / (count - 1)
        return {"lpips": 2 * variance.clamp(min=0).item()}
