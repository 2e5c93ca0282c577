"""The labels that a conditional model is asked for when it is measured. K classes."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from genmodels.errors import UserError
from genmodels.pipelines.base import LatentPipeline
from genmodels.pipelines.classes import Classes, proportional_labels

if TYPE_CHECKING:  # slow to import, and the app must start quickly
    from genmodels.data import Images


def labels_like(pipeline: LatentPipeline, count: int, real: "Images | None") -> Tensor | None:
    """Return labels (count,) in the shares of the real images; None for an unconditional model.

    Classes are matched by name, or by number if the model does not name them; without labels of
    the real images, the shares are those of the training data, or equal if they are unknown. A
    class without images is never requested.

    Raises UserError if the model has none of the classes of the real images.
    """
    if pipeline.num_classes is None:
        return None
    names, weights = pipeline.classes or (None, None)
    if real is not None and real.labels is not None:
        counts = dict(zip(real.classes, real.class_counts, strict=True))
        if names is not None:
            weights = [counts.get(name, 0) for name in names]
        elif len(counts) == pipeline.num_classes:
            weights = real.class_counts
        if weights is not None and not any(weights):
            expected = f"a model of the classes {', '.join(counts)} of {real.source!r}"
            raise UserError(f"expected {expected}, got {', '.join(names)}")
    if weights is None:
        return pipeline.balanced_labels(count)
    return proportional_labels(count, torch.tensor(weights)).to(pipeline.device)


def accuracy_labels(pipeline: LatentPipeline, classifier: Classes | None, count: int) -> Tensor:
    """Return labels (count,) of which the n-th names the classifier's class n modulo K.

    Raises UserError unless the model and the classifier name the same classes.
    """
    if pipeline.classes is None or classifier is None:
        owner = "model" if pipeline.classes is None else "classifier"
        raise UserError(
            f"expected the class names of the {owner} in its training.json for class_accuracy, "
            "found none; publish it again with python -m training"
        )
    names = pipeline.classes.names
    if sorted(names) != sorted(classifier.names):
        expected = f"a classifier of the model's classes {', '.join(names)} for class_accuracy"
        raise UserError(f"expected {expected}, got one of {', '.join(classifier.names)}")
    order = torch.tensor([names.index(name) for name in classifier.names])
    return order[torch.arange(count) % len(order)].to(pipeline.device)
