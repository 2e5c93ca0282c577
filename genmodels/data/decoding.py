"""Decode image files into one uint8 tensor. N images, C channels, S side."""

import io
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from genmodels.errors import UserError, first_line

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


def decode_all(rows: Iterable[dict | None], source: str, resolution: int | None) -> Tensor:
    """Decode images in parallel.

    Args:
        rows: an undecoded image column of `datasets`: each with "bytes" or else a "path"
        resolution: side to scale and crop to; None if all images are square and of one size

    Returns:
        (N, C, S, S) uint8; C is 1 if every image is grayscale, else 3

    Raises:
        UserError: no images, an unreadable one, or different sizes without a resolution.
    """
    with ThreadPoolExecutor() as pool:
        images = list(pool.map(lambda row: decode(row, source, resolution), rows))
    if not images:
        raise UserError(f"expected images in {source!r}, found none")
    sizes = {image.size for image in images}
    if len(sizes) > 1 or len(set(sizes.pop())) > 1:
        raise UserError(f"images of {source!r} differ in size or are not square: set a resolution")
    mode = "L" if all(image.mode == "L" for image in images) else "RGB"
    pixels = np.stack([np.asarray(image.convert(mode)) for image in images])
    channels = torch.from_numpy(pixels.reshape(*pixels.shape[:3], -1))
    return channels.permute(0, 3, 1, 2).contiguous()


def decode(row: dict | None, source: str, resolution: int | None) -> Image.Image:
    """Decode one image with its EXIF orientation applied, in mode L or RGB; see `decode_all`."""
    if row is None:
        raise UserError(f"expected an image in every row of {source!r}, found an empty row")
    name = row["path"] or "an image"
    try:
        image = Image.open(row["path"] if row["bytes"] is None else io.BytesIO(row["bytes"]))
        image = ImageOps.exif_transpose(image)
    except Exception as error:  # PIL raises many kinds for broken files
        reason = first_line(error.__cause__ or error)
        raise UserError(f"could not decode {name} of {source!r}: {reason}") from error
    if image.mode in ("I", "F"):
        raise UserError(f"expected 8 or 16 bits per channel, got 32 in {name} of {source!r}")
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    image = image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")
    if resolution is not None and image.size != (resolution, resolution):
        image = ImageOps.fit(image, (resolution, resolution), Image.Resampling.LANCZOS)
    return image
