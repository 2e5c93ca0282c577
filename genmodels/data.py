"""Images from a Hub id, a local folder in Hub layout or a folder of images, as one uint8 tensor."""

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

from .errors import reason

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


class Images(NamedTuple):
    """Real images, decoded."""

    pixels: Tensor  # (N, C, S, S) uint8, 0 to 255; C is 1 where every image is grey, else 3
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
    resolution: int | None = None,
) -> Images:
    """A Hub id or a local folder in Hub layout -> all images of a split.

    config: of the dataset, where it has several
    image_column: None for the first column that holds images
    resolution: side in pixels, to which images are scaled and cropped about their centre; None
        where they are square and of one size already
    Raises ValueError when there is no such dataset, config, split or column, or no image in it.
    """
    if os.path.isfile(source):
        raise ValueError(f"expected a Hub id or a folder in Hub layout, but {source} is a file")
    try:
        table = datasets.load_dataset(source, config, split=split)
    except ConnectionError as error:
        raise ValueError(f"found no folder {source!r}, and the Hub could not be reached") from error
    except FileNotFoundError as error:
        raise ValueError(
            f"expected a dataset on the Hub or a folder in Hub layout, but found none at {source!r}"
        ) from error
    except Exception as error:  # anything may be wrong with the files of others
        raise ValueError(
            f"could not read {source!r}: {reason(error.__cause__ or error)}"
        ) from error
    columns = [name for name, kind in table.features.items() if isinstance(kind, datasets.Image)]
    column = image_column or next(iter(columns), None)
    if column not in columns:
        found = ", ".join(table.features)
        raise ValueError(f"expected a column of images in {source!r}, but got {column} of {found}")
    return decode(
        table.cast_column(column, datasets.Image(decode=False))[column], source, resolution
    )


def load_folder(folder: str, resolution: int | None = None) -> Images:
    """A folder of images (PNG, JPEG, ...), its subfolders' too -> all of them. Else as `load`."""
    if not os.path.isdir(folder):
        raise ValueError(f"expected a folder of images, but there is no folder {folder!r}")
    paths = sorted(path for path in Path(folder).rglob("[!.]*") if path.suffix.lower() in SUFFIXES)
    return decode([{"bytes": None, "path": str(path)} for path in paths], folder, resolution)


def decode(files: Iterable[dict], source: str, resolution: int | None) -> Images:
    """Decode every image once, by as many threads as there are cores.

    files: rows of an undecoded image column: its bytes, or else its path
    """
    with ThreadPoolExecutor() as pool:
        decoded = list(pool.map(lambda file: read(file, source, resolution), files))
    if not decoded:
        raise ValueError(f"expected images in {source!r}, but there are none")
    sizes = {image.size for image in decoded}
    if len(sizes) > 1 or len(set(sizes.pop())) > 1:
        raise ValueError(
            f"the images of {source!r} differ in size or are not square: give a resolution"
        )
    mode = "L" if all(image.mode == "L" for image in decoded) else "RGB"
    pixels = np.stack([np.asarray(image.convert(mode)) for image in decoded])
    channels = torch.from_numpy(pixels.reshape(*pixels.shape[:3], -1))
    return Images(channels.permute(0, 3, 1, 2).contiguous(), source)


def read(file: dict | None, source: str, resolution: int | None) -> Image.Image:
    """One image, upright, in mode L where it is grey and RGB where it is not."""
    if file is None:
        raise ValueError(f"expected an image in each row of {source!r}, but one has none")
    name = file["path"] or "an image"
    try:
        kept = file["bytes"] is not None
        image = Image.open(io.BytesIO(file["bytes"]) if kept else file["path"])
        image = ImageOps.exif_transpose(image)
    except Exception as error:  # anything may be wrong with the files of others
        raise ValueError(
            f"{name} of {source!r} is broken: {reason(error.__cause__ or error)}"
        ) from error
    if image.mode in ("I", "F"):
        raise ValueError(f"expected 8 or 16 bits a channel, but {name} of {source!r} has 32")
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    image = image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")
    if resolution is not None and image.size != (resolution, resolution):
        image = ImageOps.fit(image, (resolution, resolution), Image.Resampling.LANCZOS)
    return image
