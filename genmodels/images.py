"""The only place where samples in [-1, 1] meet uint8 pixels, PIL and files.

B batch, C channels, S side.
"""

import io
import math
import zipfile

import torch
from PIL import Image
from torch import Tensor


def from_pixels(pixels: Tensor) -> Tensor:
    """uint8 pixels of any shape, 0 to 255 -> float32 samples of that shape in [-1, 1]."""
    return pixels.float().div_(127.5).sub_(1)


def to_pixels(samples: Tensor) -> Tensor:
    """Samples of any shape -> uint8 pixels of that shape; what lies outside [-1, 1] is clamped.

    The inverse of `from_pixels` on every one of its values.
    """
    return samples.clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)


def to_pil(samples: Tensor) -> list[Image.Image]:
    """(B, C, S, S) in [-1, 1], with one channel or three -> B images in mode L or RGB."""
    arrays = to_pixels(samples).permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(array.squeeze(2) if array.shape[2] == 1 else array) for array in arrays]


def grid(samples: Tensor, columns: int | None = None) -> Image.Image:
    """(B, C, S, S) in [-1, 1] -> one image of all, row by row, as near a square as can be."""
    gap = 2  # pixels between two images and around them
    tiles = to_pil(samples)
    columns = columns or math.ceil(math.sqrt(len(tiles)))
    rows = math.ceil(len(tiles) / columns)
    width, height = tiles[0].width + gap, tiles[0].height + gap
    sheet = Image.new(tiles[0].mode, (columns * width + gap, rows * height + gap), "white")
    for place, tile in enumerate(tiles):
        row, column = divmod(place, columns)
        sheet.paste(tile, (column * width + gap, row * height + gap))
    return sheet


def to_zip(images: list[Image.Image]) -> bytes:
    """Images -> a ZIP archive of lossless PNG files 00.png, 01.png, ... at their own size."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        for place, image in enumerate(images):
            file = io.BytesIO()
            image.save(file, "PNG")
            files.writestr(f"{place:02d}.png", file.getvalue())
    return archive.getvalue()
