"""The classes of a conditional model: names and shares of the training data. K classes."""

import json
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

RECORD = "training.json"  # published beside the weights


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
