"""Inception Score."""

import numpy as np
import torch
from torch.nn import functional as F

from genmodels.errors import UserError
from genmodels.metrics.base import Metric
from genmodels.metrics.statistics import Features, Sums, hash_indices

SPLITS = 10


class Predictions(Sums):
    """Per split: number of samples, sum of their predictions, sum of their negative entropies."""

    fields = ("counts", "totals", "negative_entropies")  # (splits,), (splits, K) and (splits,)

    def update(self, features: Features) -> None:
        logits = features.require_logits("the Inception Score")
        predictions = logits.cpu().double().softmax(1)
        # Not the index modulo 10: samples of conditional models cycle through the classes, so each
        # split would contain a single class.
        split = hash_indices(features.indices.cpu().numpy()) % np.uint64(SPLITS)
        splits = F.one_hot(torch.from_numpy(split.astype(np.int64)), SPLITS).double().T
        entropies = torch.xlogy(predictions, predictions).sum(1)
        self.count += len(predictions)
        self.add(
            counts=splits.sum(1), totals=splits @ predictions, negative_entropies=splits @ entropies
        )


class InceptionScore(Metric):
    """exp E KL(p(y|x) ‖ p(y)): high if every sample has a clear class and all classes occur.

    Improved Techniques for Training GANs (Salimans et al., 2016), section 4
    https://arxiv.org/abs/1606.03498. Mean and standard deviation over 10 splits; a hash of its
    index assigns a sample to a split.
    """

    statistic = Predictions
    needs_reference = False

    def compute(self) -> dict[str, float]:
        counts = self.fake.counts
        if self.fake.count < SPLITS or not counts.all():
            expected = f"expected samples in each of the {SPLITS} splits of the Inception Score"
            raise UserError(f"{expected}, got {self.fake.count} samples; use at least 100")
        marginals = self.fake.totals / counts[:, None]
        entropies = -torch.xlogy(marginals, marginals).sum(1)
        scores = (self.fake.negative_entropies / counts + entropies).exp()
        return {"is": scores.mean().item(), "is_std": scores.std(correction=0).item()}

    def notes(self) -> list[str]:
        count, classes = self.fake.count, self.fake.totals.shape[-1]
        if count >= 10 * SPLITS * classes:
            return []
        few = f"{count:,} samples are few for {SPLITS} splits of {classes} classes"
        return [f"IS is biased downwards: {few}"]
