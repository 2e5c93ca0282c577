"""Which classes a classifier sees in samples, and whether they are those that were asked for."""

import torch

from genmodels.errors import UserError
from genmodels.metrics.base import Metric
from genmodels.metrics.statistics import Features, Sums


class Verdicts(Sums):
    """How many samples were taken for each class, and how many of these were to be of it.

    Of K classes, sample n is to be of class n modulo K, as conditional models are asked for them.
    """

    names = ("taken", "correct")  # (K,), twice

    def update(self, features: Features) -> None:
        if features.logits is None:
            raise UserError(
                "expected a network with classes to sort samples by, but these weights have no "
                "head that gives any"
            )
        classes = features.logits.shape[1]
        verdicts = features.logits.argmax(1).cpu()
        right = verdicts[verdicts == features.numbers.cpu() % classes]
        self.count += len(verdicts)
        self.add(
            taken=torch.bincount(verdicts, minlength=classes).double(),
            correct=torch.bincount(right, minlength=classes).double(),
        )


class Classes(Metric):
    """How many classes occur, by what a classifier takes samples for, and how often each.

    exp H(classes) is K if all K classes are equally frequent and 1 if all samples are of one class;
    a collapsed mode lowers it. The class accuracy of a conditional model is the fraction of its
    samples that are classified as the requested class, all classes requested equally often.
    """

    keeps = Verdicts
    compares = False

    def compute(self) -> dict[str, float]:
        self.require(1, "the classes")
        shares = self.fake.taken / self.fake.count
        return {
            "classes": torch.special.entr(shares).sum().exp().item(),
            **{f"classes_{label}": share for label, share in enumerate(shares.tolist())},
            "class_accuracy": self.fake.correct.sum().item() / self.fake.count,
        }
