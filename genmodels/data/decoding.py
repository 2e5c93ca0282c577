"""Decode one image file. C channels, H height, W width."""

import io
import math
import zipfile
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import datasets
import numpy as np
from datasets import Features, Value
from PIL import Image, ImageColor, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import PHOTOMETRIC_INTERPRETATION

from genmodels.errors import UserError, first_line

ResizeMode = Literal["crop", "pad", "stretch", "random_crop"]
RESIZE_MODES = get_args(ResizeMode)

UNDECODED = Features({"image": datasets.Image(decode=False)})

# Of a decoded image: (C, H, W) pixels, uint8, or float32 if the file has more than 8 bits per
# channel; `low` and `high` are then their range. `digest` identifies the pixels.
FEATURES = Features(
    {"pixels": Value("large_binary"), "error": Value("string"), "digest": Value("int64")}
    | {"transparent": Value("bool")}
    | dict.fromkeys(("channels", "height", "width"), Value("int32"))
    | dict.fromkeys(("low", "high"), Value("float64"))
)


class Decoding(NamedTuple):
    """How image files become pixels."""

    resolution: int | None = None  # side in pixels; None if all images are square and of one size
    resize_mode: ResizeMode = "crop"  # how other aspect ratios become square; see `resize`
    background: str = "white"  # color behind transparent images and beside padded ones

    def check(self) -> None:
        """Raise UserError for an unknown color or resize mode."""
        if self.resize_mode not in RESIZE_MODES:
            expected = f"expected --resize_mode to be one of {', '.join(RESIZE_MODES)}"
            raise UserError(f"{expected}, got {self.resize_mode!r}")
        try:
            ImageColor.getcolor(self.background, "RGB")
        except ValueError as error:
            raise UserError(
                f"expected --background to be a color such as white or #808080, "
                f"got {self.background!r}"
            ) from error


def decode_row(row: dict, decoding: Decoding) -> dict:
    """Decode an undecoded `image` of `datasets` into a row of FEATURES, or into its error."""
    empty: dict = dict.fromkeys(FEATURES)
    if row["image"] is None:
        return empty | {"error": "empty row"}
    try:
        opened = open_image(row["image"])
        image = flatten(opened, decoding.background)
        pixels = np.asarray(resize(image, decoding))
        row = value_limits(image) | {"transparent": is_transparent(opened)}
        return empty | row | to_row(pixels)
    except UnidentifiedImageError:
        return empty | {"error": "not an image"}
    except Exception as error:  # PIL raises many kinds for broken files
        return empty | {"error": first_line(error.__cause__ or error)}


def to_row(pixels: np.ndarray) -> dict:
    """Return the columns of an image (H, W) or (H, W, 3), uint8 or float32."""
    channels = pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1)
    content = channels.tobytes()
    digest = int.from_bytes(blake2b(content, digest_size=8).digest(), "big", signed=True)
    row = dict(zip(("channels", "height", "width"), channels.shape, strict=True))
    return row | {"pixels": content, "digest": digest}


def value_limits(image: Image.Image) -> dict:
    """Return the smallest and largest value of an image in mode F, nothing for other modes."""
    if image.mode != "F":
        return {}
    low, high = image.getextrema()
    if not (math.isfinite(low) and math.isfinite(high) and np.isfinite(np.asarray(image)).all()):
        raise ValueError("values that are not finite")
    return {"low": low, "high": high}


def open_image(file: dict) -> Image.Image:
    """Open an image with its EXIF orientation applied.

    Args:
        file: "bytes", or else a "path" on disk, "zip://NAME::ARCHIVE" or "npy://INDEX::FILE"
    """
    kind, _, rest = (file["path"] or "").partition("://")
    name, _, container = rest.partition("::")
    if file["bytes"] is not None:
        image = Image.open(io.BytesIO(file["bytes"]))
    elif kind == "npy":
        return Image.fromarray(open_array(container)[int(name)].squeeze())
    elif kind == "zip":
        image = Image.open(io.BytesIO(open_archive(container).read(name)))
    else:
        image = Image.open(file["path"])
    ycbcr = image.format == "TIFF" and image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == 6
    if ycbcr and image.info["compression"] == "raw":
        raise ValueError("Pillow cannot decode uncompressed YCbCr: save it as RGB")
    # 16-bit grayscale with alpha is opened as RGBA.
    gray = any("LA" in str(tile[3]) for tile in image.tile)
    ImageOps.exif_transpose(image, in_place=True)
    return image.convert("LA") if gray else image


@cache
def open_archive(file: str) -> zipfile.ZipFile:
    """Open an archive once per process."""
    return zipfile.ZipFile(file)


@cache
def open_array(file: str) -> np.ndarray:
    """Map an array (N, H, W) or (N, H, W, C) once per process."""
    return np.load(file, mmap_mode="r")


def is_transparent(image: Image.Image) -> bool:
    """Return whether the background is visible behind an image."""
    return image.has_transparency_data and image.convert("RGBA").getextrema()[3][0] < 255


def flatten(image: Image.Image, background: str) -> Image.Image:
    """Convert an image to mode L or RGB, or to F if it has more than 8 bits per channel.

    Transparent images are composited onto the background. Grayscale palettes become L.
    """
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return Image.fromarray(np.asarray(image, np.float32))
    gray = image.mode in ("1", "L", "LA", "La")
    if image.mode in ("P", "PA"):
        palette = np.asarray(image.convert("RGBA"))
        gray = bool((palette[..., :1] == palette[..., 1:3]).all())
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, background)
        gray &= len(set(ground.getpixel((0, 0))[:3])) == 1
        image = Image.alpha_composite(ground, layer)
    if gray and image.mode == "RGBA":  # the channels are equal
        return image.getchannel(0)
    mode = "L" if gray else "RGB"
    return image if image.mode == mode else image.convert(mode)


def resize(image: Image.Image, decoding: Decoding) -> Image.Image:
    """Scale an image to a square.

    crop: scale the shorter side, cut off the rest of the longer one, equally at both ends
    pad: scale the longer side, fill the rest of the shorter one with the background
    stretch: scale both sides, which changes the aspect ratio
    random_crop: scale the shorter side; training then crops at a random position
    """
    side = decoding.resolution
    if side is None or image.size == (side, side):
        return image
    size, lanczos = (side, side), Image.Resampling.LANCZOS
    match decoding.resize_mode:
        case "crop":
            return ImageOps.fit(image, size, lanczos)
        case "pad":
            # In mode F the value of white is not known yet: see `to_uint8`.
            is_deep = image.mode == "F"
            color = math.nan if is_deep else ImageColor.getcolor(decoding.background, image.mode)
            return ImageOps.pad(image, size, lanczos, color)
        case "stretch":
            return image.resize(size, lanczos)
        case "random_crop":
            scale = side / min(image.size)
            return image.resize(
                [max(side, round(length * scale)) for length in image.size], lanczos
            )


def value_range(low: float, high: float, whole: bool) -> tuple[float, float]:
    """Return the values of black and white in images with more than 8 bits per channel.

    Args:
        low, high: the smallest and largest value of all images
        whole: the values are integers, in unsigned numbers of 8 to 32 bits if none is negative;
            white is then the largest number with as many bits as `high` needs
    """
    if low >= 0 and whole and high > 1:
        return 0.0, float(2 ** max(8, math.ceil(math.log2(high + 1))) - 1)
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    if low >= 0 and high <= 255:
        return 0.0, 255.0
    return low, high


def to_uint8(row: dict, channels: int, black: float, white: float, decoding: Decoding) -> dict:
    """Convert a row of FEATURES to uint8 and to a number of channels."""
    if row["pixels"] is None:
        return row
    shape = row["channels"], row["height"], row["width"]
    if row["low"] is None:
        pixels = np.frombuffer(row["pixels"], np.uint8).reshape(shape)
    else:
        values = np.frombuffer(row["pixels"], np.float32).reshape(shape).astype(np.float64)
        scaled = (values - black) / max(white - black, 1e-12) * 255
        padding = ImageColor.getcolor(decoding.background, "L")
        pixels = np.where(np.isnan(scaled), padding, scaled).clip(0, 255).round().astype(np.uint8)
    pixels = np.broadcast_to(pixels, (channels, *shape[1:])) if channels > shape[0] else pixels
    return row | {"low": None, "high": None} | to_row(pixels.transpose(1, 2, 0))


def file_name(file: dict | None, row: int) -> str:
    """Return the name of an image's file, or its row if it has none."""
    path = file and file["path"]
    return Path(path.partition("::")[0]).name if path else f"row {row}"
