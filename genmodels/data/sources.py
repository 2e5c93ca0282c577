"""Images from a Hub id, a local folder in Hub layout or a folder of images, as one uint8 tensor.

N images, C channels, S side, K classes.
"""

import io
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import datasets
import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from genmodels.errors import UserError, first_line

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


class Images(NamedTuple):
    """Real images, decoded."""

    pixels: Tensor  # (N, C, S, S) uint8, 0 to 255; C is 1 where every image is grey, else 3
    labels: Tensor | None  # (N,) int64, 0 to K - 1; None where they are not known
    classes: list[str]  # K names, or none
    source: str  # Hub id or folder

    @property
    def channels(self) -> int:
        return self.pixels.shape[1]

    @property
    def side(self) -> int:
        return self.pixels.shape[3]


def load(
    source: str,
    config: str | None = None,
    split: str = "train",
    image_column: str | None = None,
    label_column: str | None = None,
    resolution: int | None = None,
    revision: str | None = None,
) -> Images:
    """A Hub id or a local folder in Hub layout -> all images of a split.

    config: of the dataset, where it has several
    image_column: None for the first column that holds images
    label_column: None for the first column that holds classes, if there is one
    resolution: side in pixels, to which images are scaled and cropped about their centre; None
        where they are square and of one size already
    Raises UserError when there is no such dataset, config, split or column, or no image in it.
    """
    if os.path.isfile(source):
        raise UserError(f"expected a Hub id or a folder in Hub layout, but {source} is a file")
    try:
        table = datasets.load_dataset(source, config, split=split, revision=revision)
    except ConnectionError as error:
        raise UserError(f"found no folder {source!r}, and the Hub could not be reached") from error
    except FileNotFoundError as error:
        raise UserError(
            f"expected a dataset on the Hub or a folder in Hub layout, but found none at {source!r}"
        ) from error
    except Exception as error:  # anything may be wrong with the files of others
        raise UserError(
            f"could not read {source!r}: {first_line(error.__cause__ or error)}"
        ) from error
    images = column(table, datasets.Image, image_column, source)
    if images is None:
        found = ", ".join(table.features)
        raise UserError(f"expected a column of images in {source!r}, but got {found}")
    pixels = decode(
        table.cast_column(images, datasets.Image(decode=False))[images], source, resolution
    )
    named = column(table, datasets.ClassLabel, label_column, source)
    if named is None:
        return Images(pixels, None, [], source)
    labels = torch.tensor([-1 if label is None else label for label in table[named]])
    if len(labels) and labels.min() < 0:  # as the Hub marks a split whose labels are kept secret
        return Images(pixels, None, [], source)
    return Images(pixels, labels, table.features[named].names, source)


def column(table: datasets.Dataset, kind: type, name: str | None, source: str) -> str | None:
    """The column of that name, or the first of that kind; None where there is none of it.

    Raises UserError where the named one is not of that kind.
    """
    columns = [column for column, feature in table.features.items() if isinstance(feature, kind)]
    if name is not None and name not in columns:
        found = ", ".join(table.features)
        raise UserError(
            f"expected a column of the kind {kind.__name__} in {source!r}, "
            f"but got {name} of {found}"
        )
    return name or next(iter(columns), None)


def load_folder(folder: str, resolution: int | None = None) -> Images:
    """A folder of images (PNG, JPEG, ...), its subfolders' too -> all of them. Else as `load`.

    Where each image lies in a subfolder, these are the classes.
    """
    if not os.path.isdir(folder):
        raise UserError(f"expected a folder of images, but there is no folder {folder!r}")
    paths = [path for path in list_files(Path(folder)) if path.suffix.lower() in SUFFIXES]
    pixels = decode([{"bytes": None, "path": str(path)} for path in paths], folder, resolution)
    tops = [path.relative_to(folder).parts[0] for path in paths]
    if any(top == path.name for top, path in zip(tops, paths, strict=True)):
        return Images(pixels, None, [], folder)
    classes = sorted(set(tops))
    labels = torch.tensor([classes.index(top) for top in tops])
    return Images(pixels, labels, classes, folder)


def list_files(folder: Path) -> list[Path]:
    """All that lies below a folder, in order, but what is hidden or in something hidden."""
    return sorted(
        path
        for path in folder.rglob("*")
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def decode(files: Iterable[dict], source: str, resolution: int | None) -> Tensor:
    """Decode every image once, by as many threads as there are cores -> pixels.

    files: rows of an undecoded image column: its bytes, or else its path
    """
    with ThreadPoolExecutor() as pool:
        decoded = list(pool.map(lambda file: read(file, source, resolution), files))
    if not decoded:
        raise UserError(f"expected images in {source!r}, but there are none")
    sizes = {image.size for image in decoded}
    if len(sizes) > 1 or len(set(sizes.pop())) > 1:
        raise UserError(
            f"the images of {source!r} differ in size or are not square: give a resolution"
        )
    mode = "L" if all(image.mode == "L" for image in decoded) else "RGB"
    pixels = np.stack([np.asarray(image.convert(mode)) for image in decoded])
    channels = torch.from_numpy(pixels.reshape(*pixels.shape[:3], -1))
    return channels.permute(0, 3, 1, 2).contiguous()


def read(file: dict | None, source: str, resolution: int | None) -> Image.Image:
    """One image, upright, in mode L where it is grey and RGB where it is not."""
    if file is None:
        raise UserError(f"expected an image in each row of {source!r}, but one has none")
    name = file["path"] or "an image"
    try:
        kept = file["bytes"] is not None
        image = Image.open(io.BytesIO(file["bytes"]) if kept else file["path"])
        image = ImageOps.exif_transpose(image)
    except Exception as error:  # anything may be wrong with the files of others
        raise UserError(
            f"{name} of {source!r} is broken: {first_line(error.__cause__ or error)}"
        ) from error
    if image.mode in ("I", "F"):
        raise UserError(f"expected 8 or 16 bits a channel, but {name} of {source!r} has 32")
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    image = image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")
    if resolution is not None and image.size != (resolution, resolution):
        image = ImageOps.fit(image, (resolution, resolution), Image.Resampling.LANCZOS)
    return image
