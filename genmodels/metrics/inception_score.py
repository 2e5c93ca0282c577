"""The Inception Score."""

import numpy as np
import torch
from torch.nn import functional as F

from genmodels.errors import UserError
from genmodels.metrics.base import Metric
from genmodels.metrics.statistics import Features, Sums, scatter

SPLITS = 10


class Predictions(Sums):
    """Of each split the count, the sum of the predictions and that of their negative entropies."""

    names = ("counts", "totals", "negative_entropies")  # (splits,), (splits, K) and (splits,)

    def update(self, features: Features) -> None:
        if features.logits is None:
            raise UserError(
                "expected a network with classes for the Inception Score, but these weights have "
                "no head that gives any"
            )
        predictions = features.logits.cpu().double().softmax(1)
        # Not the number itself modulo 10: conditional samples are of one class after another, and
        # a split would have one class alone.
        drawn = scatter(features.numbers.cpu().numpy()) % np.uint64(SPLITS)
        splits = F.one_hot(torch.from_numpy(drawn.astype(np.int64)), SPLITS).double().T
        entropies = torch.xlogy(predictions, predictions).sum(1)
        self.count += len(predictions)
        self.add(
            counts=splits.sum(1), totals=splits @ predictions, negative_entropies=splits @ entropies
        )


class InceptionScore(Metric):
    """exp E KL(p(y|x) ‖ p(y)): high where each sample has a clear class, and every class occurs.

    Improved Techniques for Training GANs (Salimans et al., 2016), section 4
    https://arxiv.org/abs/1606.03498. Mean and standard deviation over 10 splits: a sample's is
    drawn by a hash of its number.
    """

    keeps = Predictions
    compares = False

    def compute(self) -> dict[str, float]:
        counts = self.fake.counts
        if self.fake.count < SPLITS or not counts.all():
            raise UserError(
                f"expected samples in each of {SPLITS} splits for the Inception Score, but got "
                f"{self.fake.count}"
            )
        marginals = self.fake.totals / counts[:, None]
        entropies = -torch.xlogy(marginals, marginals).sum(1)
        scores = (self.fake.negative_entropies / counts + entropies).exp()
        return {"is": scores.mean().item(), "is_std": scores.std(correction=0).item()}

    def notes(self) -> list[str]:
        count, classes = self.fake.count, self.fake.totals.shape[-1]
        if count >= 10 * SPLITS * classes:
            return []
        return [
            f"IS is biased downwards: {count:,} samples are few for {SPLITS} splits of {classes} "
            "classes"
        ]
