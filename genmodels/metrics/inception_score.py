"""The Inception Score."""

from typing import Self

import torch

from .base import Metric
from .statistics import Features, Statistic

SPLITS = 10


class Predictions(Statistic):
    """Of each split the count, the sum of the predictions and that of their negative entropies."""

    def __init__(self) -> None:
        self.counts = torch.zeros(SPLITS, dtype=torch.float64)
        self.negative_entropies = torch.zeros(SPLITS, dtype=torch.float64)
        self.totals = torch.zeros((), dtype=torch.float64)  # once there are some, (splits, K)

    def update(self, features: Features) -> None:
        if features.logits is None:
            raise ValueError(
                "expected a network with classes for the Inception Score, but these weights have "
                "no head that gives any"
            )
        predictions = features.logits.double().cpu().softmax(1)
        splits = torch.nn.functional.one_hot(features.numbers.cpu() % SPLITS, SPLITS).double().T
        self.counts += splits.sum(1)
        self.negative_entropies += splits @ torch.xlogy(predictions, predictions).sum(1)
        self.totals = self.totals + splits @ predictions

    def merge(self, other: Self) -> None:
        self.counts += other.counts
        self.negative_entropies += other.negative_entropies
        self.totals = self.totals + other.totals


class InceptionScore(Metric):
    """exp E KL(p(y|x) ‖ p(y)): high where each sample has a clear class, and every class occurs.

    Improved Techniques for Training GANs (Salimans et al., 2016), section 4
    https://arxiv.org/abs/1606.03498. Mean and standard deviation over 10 splits: a sample's is its
    number modulo 10.
    """

    keeps = Predictions

    def update(self, features: Features, real: bool) -> None:
        if not real:
            super().update(features, real)

    def compute(self) -> dict[str, float]:
        counts = self.fake.counts
        if not counts.all():
            raise ValueError(
                f"expected {SPLITS} samples or more for the Inception Score, but got "
                f"{int(counts.sum())}"
            )
        marginals = self.fake.totals / counts[:, None]
        entropies = -torch.xlogy(marginals, marginals).sum(1)
        scores = (self.fake.negative_entropies / counts + entropies).exp()
        return {"is": scores.mean().item(), "is_std": scores.std(correction=0).item()}
