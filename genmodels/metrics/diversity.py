"""How far apart samples look."""

from genmodels.metrics.base import Metric
from genmodels.metrics.statistics import Features, Sums


class Spread(Sums):
    """Sum of embeddings, and of their squared lengths."""

    names = ("total", "squares")

    def update(self, features: Features) -> None:
        values = features.values.cpu().double()
        self.count += len(values)
        self.add(total=values.sum(0), squares=values.square().sum())


class Diversity(Metric):
    """The mean LPIPS of two different samples, over all pairs.

    The Unreasonable Effectiveness of Deep Features as a Perceptual Metric (Zhang et al., 2018),
    equation 1. https://arxiv.org/abs/1801.03924 It is a squared distance of embeddings, so that the
    mean of all pairs, of which random pairs would be an estimate, is twice their variance.
    """

    extractor = "perception"
    keeps = Spread
    compares = False

    def compute(self) -> dict[str, float]:
        self.require(2, "the diversity by LPIPS")
        spread, count = self.fake, self.fake.count
        variance = (spread.squares - spread.total.square().sum() / count) / (count - 1)
        return {"lpips": 2 * variance.clamp(min=0).item()}
