"""The classes of a conditional model, and the labels it is asked for in measurements. K classes."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from genmodels.errors import UserError

if TYPE_CHECKING:  # slow to import, and the app must start quickly
    from genmodels.data import Images
    from genmodels.pipelines import LatentPipeline

RECORD = "training.json"  # in the same folder as the weights


class Classes(NamedTuple):
    """The classes that a model was trained on, in the order of its labels."""

    names: tuple[str, ...]  # (K,)
    counts: tuple[int, ...] | None  # (K,) training images of each; None if unknown


def read_classes(folder: Path, num_classes: int | None) -> Classes | None:
    """Read the classes of a model; None if they are unknown, or if it is unconditional."""
    try:
        dataset = json.loads((folder / RECORD).read_text())["dataset"]
        names, counts = map(str, dataset["classes"]), dataset.get("class_counts")
        classes = Classes(tuple(names), None if counts is None else tuple(map(int, counts)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # published by others, or by an older version
    sizes = {len(field) for field in classes if field is not None}
    return classes if sizes == {num_classes} else None


def proportional_labels(count: int, weights: Tensor) -> Tensor:
    """Return labels (count,) in the shares of the weights (K,), evenly mixed.

    The method of the largest remainder rounds the number of each class; of equal remainders, the
    lower label comes first. Equal weights give 0, 1, ..., K - 1, 0, 1, ...
    """
    quotas = count * weights.double() / weights.sum()
    numbers = quotas.floor()
    remainders = (quotas - numbers).mul(2**20).round()  # equal in spite of rounding errors
    rest = count - int(numbers.sum())
    numbers[remainders.argsort(descending=True, stable=True)[:rest]] += 1
    labels = torch.arange(len(weights)).repeat_interleave(numbers.long())
    starts = (numbers.cumsum(0) - numbers)[labels]
    positions = (torch.arange(count) - starts + 0.5) / quotas[labels]
    return labels[positions.argsort(stable=True)]


def labels_like(pipeline: "LatentPipeline", count: int, real: "Images | None") -> Tensor | None:
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


def accuracy_labels(pipeline: "LatentPipeline", classifier: Classes | None, count: int) -> Tensor:
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
