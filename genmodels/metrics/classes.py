"""Classes of the samples according to a classifier."""

import torch

from genmodels.metrics.base import Metric
from genmodels.metrics.statistics import Features, Sums


class ClassCounts(Sums):
    """Number of samples per predicted class, and of those predicted as class n modulo K."""

    fields = ("predicted", "correct")  # (K,) each

    def update(self, features: Features) -> None:
        logits = features.require_logits("the metric classes")
        classes, predictions = logits.shape[1], logits.argmax(1).cpu()
        correct = predictions[predictions == features.indices.cpu() % classes]
        self.count += len(predictions)
        self.add(
            predicted=torch.bincount(predictions, minlength=classes).double(),
            correct=torch.bincount(correct, minlength=classes).double(),
        )


class Classes(Metric):
    """Effective number of classes, and frequency of each class.

    The effective number of classes, exp H(classes), is K if all K classes are equally frequent and
    1 if all samples belong to one class; mode collapse lowers it.
    """

    statistic = ClassCounts
    needs_reference = False

    def compute(self) -> dict[str, float]:
        self.check_counts(1, "classes")
        frequencies = self.fake.predicted / self.fake.count
        return {
            "classes": torch.special.entr(frequencies).sum().exp().item(),
            **{f"classes_{label}": value for label, value in enumerate(frequencies.tolist())},
        }


class ClassAccuracy(Metric):
    """Fraction of a conditional model's samples that are classified as the requested class.

    Sample n is requested as the classifier's class n modulo K: see `accuracy_labels`.
    """

    statistic = ClassCounts
    needs_reference = False

    def compute(self) -> dict[str, float]:
        self.check_counts(1, "class_accuracy")
        return {"class_accuracy": self.fake.correct.sum().item() / self.fake.count}
