"""Class labels from a column of a dataset. N images, K classes."""

import re
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow
import torch
from datasets import ClassLabel, Features, Value
from torch import Tensor

from genmodels.errors import UserError

# Columns that hold labels, if there is no ClassLabel column and none is named.
NAMES = ("label", "labels", "class", "category")
EXAMPLES = 10  # rows that a message names


def natural_key(name: str) -> list[tuple[bool, int, str]]:
    """Return a sorting key that puts 2 before 10."""
    parts = re.findall(r"\d+|\D+", name)
    return [(not it.isdecimal(), int(it) if it.isdecimal() else 0, it) for it in parts]


def label_column(features: Features, name: str | None, source: str) -> str | None:
    """Return the named column, or the first one of classes; None if there is none.

    Raises UserError if the named column cannot hold labels.
    """
    kinds = {column: is_label(feature) for column, feature in features.items()}
    if name is not None:
        if not kinds.get(name):
            raise UserError(
                f"expected a column of classes, integers, strings or booleans in {source!r}, got "
                f"{name!r}; columns: {', '.join(features)}"
            )
        return name
    classes = [column for column, it in features.items() if isinstance(it, ClassLabel)]
    return next(iter([*classes, *(column for column in NAMES if kinds.get(column))]), None)


def is_label(feature: object) -> bool:
    """Return whether a column can hold labels."""
    if not isinstance(feature, Value):
        return isinstance(feature, ClassLabel)
    return feature.dtype in ("bool", "string", "large_string") or "int" in feature.dtype


def to_classes(
    column: pyarrow.Array | pyarrow.ChunkedArray,
    names: Sequence[str] | None,
    name_image: Callable[[int], str],
) -> tuple[Tensor | None, list[str], str]:
    """Number the distinct labels from 0, in the order of `names`, else in natural order.

    Args:
        column: (N,) integers, strings or booleans; null, or -1 with `names`, if missing
        names: the names of the integers from 0, if known
        name_image: returns what an image is called in messages, by its position

    Returns:
        (N,) int64 labels, the K class names, and why there are none if a label is missing
    """
    if isinstance(column, pyarrow.ChunkedArray):
        column = column.combine_chunks()
    encoded = column.dictionary_encode()
    values = encoded.dictionary.to_pylist()
    indices = encoded.indices.fill_null(-1).to_numpy().astype(np.int64)
    known = [it for it, value in enumerate(values) if names is None or value >= 0]
    missing = ~np.isin(indices, known)
    if missing.all():
        return None, [], ""
    if missing.any():
        rows = np.flatnonzero(missing).tolist()
        named = ", ".join(map(name_image, rows[:EXAMPLES]))
        more = ", ..." if len(rows) > EXAMPLES else ""
        return None, [], f"no label for {len(rows):,} of {len(indices):,} images: {named}{more}"
    key = (lambda it: values[it]) if names else (lambda it: natural_key(str(values[it])))
    known.sort(key=key)
    numbers = torch.empty(len(values), dtype=torch.int64)
    numbers[known] = torch.arange(len(known))
    classes = [names[values[it]] if names else str(values[it]) for it in known]
    return numbers[torch.from_numpy(indices)], classes, ""
