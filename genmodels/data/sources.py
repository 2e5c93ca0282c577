"""Read a dataset from the Hub or from a folder. N images, C channels, S side, K classes."""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

import datasets
import torch
from torch import Tensor

from genmodels.data.decoding import SUFFIXES, decode_all
from genmodels.errors import UserError, first_line

Pixels = Tensor  # (N, C, S, S) uint8; read by len, shape, nbytes and [slice or (B,) int64]


class Images(NamedTuple):
    """Decoded images with their labels."""

    pixels: Pixels  # (N, C, S, S) uint8; C is 1 if every image is grayscale, else 3
    labels: Tensor | None  # (N,) int64 from 0 to K - 1; None without labels
    classes: list[str]  # K names; empty without labels
    source: str  # Hub id or folder

    @property
    def channels(self) -> int:
        return self.pixels.shape[1]

    @property
    def side(self) -> int:
        return self.pixels.shape[3]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the pixels and the labels, the same for equal data."""
        digest = hashlib.sha256(self.pixels.numpy())
        if self.labels is not None:
            digest.update(self.labels.numpy())
        return f"SHA-256 {digest.hexdigest()}"

    def describe(self) -> str:
        """Describe the images in one line: number, size, channels and classes."""
        count, channels, height, width = self.pixels.shape
        text = f"{count:,} images of {width}x{height}, {channels} channel{'s' * (channels > 1)}"
        if not self.classes:
            return f"{text}, no classes"
        counts = self.labels.bincount(minlength=len(self.classes))
        least, most = int(counts.min()), int(counts.max())
        each = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        return f"{text}, {len(self.classes)} classes ({each} each)"


def load(
    source: str,
    config: str | None = None,
    split: str = "train",
    image_column: str | None = None,
    label_column: str | None = None,
    resolution: int | None = None,
    revision: str | None = None,
) -> Images:
    """Load all images of one split of a Hub dataset or of a local folder in Hub layout.

    Args:
        config: name of the dataset's configuration, if it has several
        image_column: None for the first column of images
        label_column: None for the first column of classes, if any
        resolution: side in pixels; images are scaled and center-cropped to it. None if all images
            are square and of one size

    Raises:
        UserError: no such dataset, configuration, split or column, or no readable image.
    """
    if os.path.isfile(source):
        raise UserError(f"expected a Hub id or a folder in Hub layout, got the file {source}")
    try:
        table = datasets.load_dataset(source, config, split=split, revision=revision)
    except ConnectionError as error:
        raise UserError(f"found no folder {source!r}, and the Hub cannot be reached") from error
    except FileNotFoundError as error:
        expected = "expected a dataset on the Hub or a folder in Hub layout"
        raise UserError(f"{expected}, found none at {source!r}") from error
    except Exception as error:  # datasets raises many kinds for broken repositories
        reason = first_line(error.__cause__ or error)
        raise UserError(f"could not read {source!r}: {reason}") from error
    images = find_column(table, datasets.Image, image_column, source)
    if images is None:
        columns = ", ".join(table.features)
        raise UserError(f"expected a column of images in {source!r}, got {columns}")
    rows = table.cast_column(images, datasets.Image(decode=False))[images]
    pixels = decode_all(rows, source, resolution)
    class_column = find_column(table, datasets.ClassLabel, label_column, source)
    labels = [] if class_column is None else list(table[class_column])
    # The Hub marks undisclosed labels of a split with -1.
    if class_column is None or any(label is None or label < 0 for label in labels):
        return Images(pixels, None, [], source)
    return Images(pixels, torch.tensor(labels), table.features[class_column].names, source)


def find_column(table: datasets.Dataset, kind: type, name: str | None, source: str) -> str | None:
    """Return the named column, or the first one of a feature type; None if there is none."""
    columns = [column for column, feature in table.features.items() if isinstance(feature, kind)]
    if name is not None and name not in columns:
        expected = f"expected a column of type {kind.__name__} in {source!r}"
        raise UserError(f"{expected}, got {name!r}; columns: {', '.join(table.features)}")
    return name or next(iter(columns), None)


def load_folder(folder: str, resolution: int | None = None) -> Images:
    """Load all images of a folder and its subfolders; see `load`.

    If every image lies in a subfolder, the top-level subfolders are the classes.
    """
    if not os.path.isdir(folder):
        raise UserError(f"expected a folder of images, but there is no folder {folder!r}")
    paths = [path for path in list_files(Path(folder)) if path.suffix.lower() in SUFFIXES]
    pixels = decode_all([{"bytes": None, "path": str(path)} for path in paths], folder, resolution)
    tops = [path.relative_to(folder).parts[0] for path in paths]
    if any(top == path.name for top, path in zip(tops, paths, strict=True)):
        return Images(pixels, None, [], folder)
    classes = sorted(set(tops))
    labels = torch.tensor([classes.index(top) for top in tops])
    return Images(pixels, labels, classes, folder)


def list_files(folder: Path) -> list[Path]:
    """List everything below a folder in sorted order, without hidden files and folders."""
    return sorted(
        path
        for path in folder.rglob("*")
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
