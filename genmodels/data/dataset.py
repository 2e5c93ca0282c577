"""A dataset of decoded images. N images, C channels, S side, K classes."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

from torch import Tensor, bincount, tensor

from genmodels.data.pixels import Pixels
from genmodels.errors import UserError

LISTED = 20  # classes whose counts are listed one by one


class Images(NamedTuple):
    """Decoded images with their labels."""

    pixels: Pixels  # (N, C, S, S) uint8; C is 1 if every image is grayscale, else 3
    labels: Tensor | None  # (N,) int64 from 0 to K - 1; None without labels
    classes: list[str]  # K names, each of one image at least; empty without labels
    source: str  # Hub id, folder or file
    split: str | None = None  # None if the source has no splits
    digest: str = ""  # SHA-256 of the pixels
    notes: tuple[str, ...] = ()  # what was left out or converted, and why
    unlabelled: str = ""  # why there are no labels
    cache: Path | None = None

    @property
    def channels(self) -> int:
        return self.pixels.shape[1]

    @property
    def side(self) -> int:
        return self.pixels.shape[3]

    @property
    def class_counts(self) -> list[int]:
        """The number of images of each class (K,)."""
        if self.labels is None:
            return []
        return bincount(self.labels, minlength=len(self.classes)).tolist()

    @property
    def fingerprint(self) -> str:
        """A hash of the pixels and labels: equal data have equal fingerprints."""
        digest = hashlib.sha256(f"{self.digest} {tuple(self.pixels.shape)}".encode())
        if self.labels is not None:
            digest.update(self.labels.numpy())
        return f"SHA-256 {digest.hexdigest()}"

    def with_classes(self, classes: Sequence[str]) -> Self:
        """Number the labels by other class names. Raises UserError if those lack a class."""
        for name in self.classes:
            if name not in classes:
                expected = f"expected the classes {', '.join(classes)} in {self.source!r}"
                raise UserError(f"{expected}, got {name!r}")
        if self.labels is None:
            raise UserError(f"expected class labels in {self.source!r}, found none")
        numbers = tensor([classes.index(name) for name in self.classes])
        return self._replace(labels=numbers[self.labels], classes=list(classes))

    def describe(self) -> str:
        """Describe the images in one line, followed by one line per note."""
        channels = "1 channel" if self.channels == 1 else f"{self.channels} channels"
        split = f", split {self.split}" if self.split else ""
        lines = [
            f"read {len(self.pixels):,} images of {self.side}x{self.side} pixels, {channels}, "
            f"{self.describe_classes()} from {self.source}{split}",
            *self.notes,
        ]
        return "\n".join([*lines, f"cache: {self.cache}"] if self.cache else lines)

    def describe_classes(self) -> str:
        """Describe the number of images of each class."""
        if self.labels is None:
            return "no classes" + (f" ({self.unlabelled})" if self.unlabelled else "")
        counts = self.class_counts
        if len(set(counts)) == 1:
            each = f"{counts[0]:,} images each"
        elif len(counts) <= LISTED:
            each = ", ".join(map("{} {:,}".format, self.classes, counts))
        else:
            each = f"{min(counts):,} to {max(counts):,} images each"
        return f"{len(counts):,} class{'es' * (len(counts) > 1)} ({each})"
