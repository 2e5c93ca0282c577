"""Which classes a classifier sees in samples, and whether they are those that were asked for."""

import torch

from .base import Metric
from .statistics import Features, Sums


class Verdicts(Sums):
    """How many samples were taken for each class, and how many of these were to be of it.

    Of K classes, sample n is to be of class n modulo K, as conditional models are asked for them.
    """

    names = ("taken", "obeyed")  # (K,), twice

    def update(self, features: Features) -> None:
        if features.logits is None:
            raise ValueError(
                "expected a network with classes to sort samples by, but these weights have no "
                "head that gives any"
            )
        classes = features.logits.shape[1]
        verdicts = features.logits.argmax(1).cpu()
        right = verdicts[verdicts == features.numbers.cpu() % classes]
        self.count += len(verdicts)
        self.add(
            taken=torch.bincount(verdicts, minlength=classes).double(),
            obeyed=torch.bincount(right, minlength=classes).double(),
        )


class Classes(Metric):
    """How many classes occur, by what a classifier takes samples for, and how often each.

    exp H(classes) is K where K classes occur evenly and 1 where all samples are of one: a mode
    that has collapsed is missing from it. The obedience of a conditional model is the part of its
    samples that are taken for the class that was asked for, each class as often as another.
    """

    keeps = Verdicts
    compares = False

    def compute(self) -> dict[str, float]:
        self.require(1, "the classes")
        shares = self.fake.taken / self.fake.count
        return {
            "classes": torch.special.entr(shares).sum().exp().item(),
            **{f"classes_{label}": share for label, share in enumerate(shares.tolist())},
            "obedience": self.fake.obeyed.sum().item() / self.fake.count,
        }
