"""Images from a Hub id, a local folder in Hub layout or a folder of images, as one uint8 tensor."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import datasets
import numpy as np
import torch
from datasets.exceptions import DatasetGenerationError
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor


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
    if Path(source).is_file():
        raise ValueError(f"expected a Hub id or a folder in Hub layout, but {source} is a file")
    try:
        table = datasets.load_dataset(source, config, split=split)
    except ConnectionError as error:
        raise ValueError(f"found no folder {source!r}, and the Hub could not be reached") from error
    except (FileNotFoundError, HfHubHTTPError, HFValidationError) as error:
        raise ValueError(
            f"expected a dataset on the Hub or a folder in Hub layout, but found none at {source!r}"
        ) from error
    except (DatasetGenerationError, ValueError) as error:
        raise ValueError(f"could not read {source!r}: {first_line(error)}") from error
    return decode(table, source, image_column, resolution)


def load_folder(folder: str, resolution: int | None = None) -> Images:
    """A folder of images (PNG, JPEG, ...; also in subfolders) -> all of them. Else as `load`."""
    if not Path(folder).is_dir():
        raise ValueError(f"expected a folder of images, but there is no folder {folder!r}")
    try:
        table = datasets.load_dataset("imagefolder", data_dir=folder, split="train")
    except FileNotFoundError as error:
        raise ValueError(f"expected images in {folder!r}, but there are none") from error
    except (DatasetGenerationError, ValueError) as error:
        raise ValueError(f"could not read {folder!r}: {first_line(error)}") from error
    return decode(table, folder, None, resolution)


def decode(
    table: datasets.Dataset, source: str, column: str | None, resolution: int | None
) -> Images:
    """Decode every image once, by as many threads as there are cores."""
    columns = [name for name, kind in table.features.items() if isinstance(kind, datasets.Image)]
    column = column or next(iter(columns), None)
    if column not in columns:
        found = ", ".join(table.features)
        raise ValueError(
            f"expected a column of images in {source!r}, but got {column!r} of {found}"
        )
    if len(table) == 0:
        raise ValueError(f"expected images in {source!r}, but there are none")
    files = table.cast_column(column, datasets.Image(decode=False))[column]
    with ThreadPoolExecutor() as pool:
        decoded = list(pool.map(lambda file: read(file, source, resolution), files))
    sizes = {image.size for image in decoded}
    if len(sizes) > 1 or len(set(sizes.pop())) > 1:
        raise ValueError(
            f"the images of {source!r} are not square and of one size: give a resolution"
        )
    mode = "L" if all(image.mode == "L" for image in decoded) else "RGB"
    pixels = np.stack([np.asarray(image.convert(mode)) for image in decoded])
    channels = torch.from_numpy(pixels.reshape(*pixels.shape[:3], -1))
    return Images(channels.permute(0, 3, 1, 2).contiguous(), source)


def read(file: dict, source: str, resolution: int | None) -> Image.Image:
    """One row of an undecoded image column -> an image in mode L or RGB."""
    try:
        image = Image.open(io.BytesIO(file["bytes"]) if file["bytes"] else file["path"])
        image = image.convert("L" if image.mode in ("1", "L", "LA", "I;16") else "RGB")
    except (UnidentifiedImageError, OSError) as error:
        name = file["path"] or "an image"
        raise ValueError(f"{name} of {source!r} is broken: {first_line(error)}") from error
    if resolution is not None and image.size != (resolution, resolution):
        image = ImageOps.fit(image, (resolution, resolution), Image.Resampling.LANCZOS)
    return image


def first_line(error: Exception) -> str:
    return str(error.__cause__ or error).splitlines()[0]
