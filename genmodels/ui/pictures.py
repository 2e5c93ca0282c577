"""Uploaded pictures, and components that show images."""

import hashlib
import tempfile
from pathlib import Path

import gradio as gr
import numpy as np
import torch
from gradio import processing_utils
from gradio.i18n import I18nData
from gradio.utils import get_upload_folder
from PIL import Image, ImageOps
from torch import Tensor

from genmodels.errors import UserError
from genmodels.media.image import from_pixels

SIDE = 4096  # largest width and height of an upload, in pixels
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
ACCEPTED_PICTURE = f"a picture ({', '.join(FORMATS)}) of at most {SIDE} x {SIDE} pixels"

# PIL then refuses pictures of more than twice as many pixels, also when gradio opens them.
Image.MAX_IMAGE_PIXELS = SIDE**2

# 16 images of the test split of Fashion-MNIST (Xiao et al., 2017, MIT license,
# https://arxiv.org/abs/1708.07747): the first of each class, and the second of the first six.
EXAMPLES = Path(__file__).with_name("examples.png")


def example_images() -> list[Image.Image]:
    """Return the 16 test images, cut out of the grid in EXAMPLES."""
    grid = Image.open(EXAMPLES).convert("L")
    step = 30  # images of 28 pixels, with gaps of 2
    corners = [(x + 2, y + 2) for y in (0, step) for x in range(0, 8 * step, step)]
    return [grid.crop((x, y, x + 28, y + 28)) for x, y in corners]


def open_picture(file: object) -> Image.Image:
    """Open an upload as an RGBA image: EXIF orientation applied, center-cropped to a square."""
    if not isinstance(file, str):
        raise UserError(f"expected {ACCEPTED_PICTURE}, got none")
    try:
        with Image.open(file, formats=FORMATS) as picture:
            if max(picture.size) > SIDE:
                size = f"{picture.width} x {picture.height}"
                raise UserError(f"expected {ACCEPTED_PICTURE}, got {size}")
            upright = ImageOps.exif_transpose(picture).convert("RGBA")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"expected {ACCEPTED_PICTURE}, got another kind of file") from error
    side = min(upright.size)
    # Training composites transparent images onto white too.
    background = Image.new("RGBA", (side, side), "white")
    return Image.alpha_composite(background, ImageOps.fit(upright, (side, side)))


def to_sample(picture: Image.Image, shape: tuple[int, int, int]) -> Tensor:
    """Scale a square picture to a sample of a shape (C, S, S), in [-1, 1]."""
    channels, side, _ = shape
    # A box filter inverts nearest-neighbour magnification exactly.
    converted = picture.convert("L" if channels == 1 else "RGB")
    small = np.array(converted.resize((side, side), Image.Resampling.BOX))
    pixels = torch.from_numpy(small.reshape(side, side, channels))
    return from_pixels(pixels.permute(2, 0, 1))


def write_download(content: bytes, name: str) -> str:
    """Write a file that the page can show or download, and return its path.

    The file appears complete or not at all, even if several users get the same one.
    """
    folder = Path(get_upload_folder(), hashlib.sha256(content).hexdigest())
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as drafts:
        draft = Path(drafts, name)
        draft.write_bytes(content)
        return str(draft.replace(folder / name))


def save_pil_to_cache(
    picture: Image.Image, cache_dir: str, name: str = "image", format: str = "png"
) -> str:
    """Replace gradio's function of this name, with which components write their images."""
    return write_download(processing_utils.encode_pil_to_bytes(picture, format), f"{name}.{format}")


# gradio's own truncates and rewrites the file of an image that is shown again, so a browser or
# another event that reads it at that moment gets a broken or empty file.
processing_utils.save_pil_to_cache = save_pil_to_cache


def gallery(
    value: list | None,
    label: str | I18nData,
    kind: str,
    columns: int = 8,
    show_label: bool = True,
    visible: bool = True,
) -> gr.Gallery:
    """Create a gallery with crisp pixels. kind: CSS classes"""
    return gr.Gallery(
        value,
        label=label,
        show_label=show_label,
        format="png",
        columns=columns,
        height="auto",
        object_fit="contain",
        elem_classes=["pixels", *kind.split()],
        interactive=False,
        visible=visible,
        buttons=["download", "fullscreen"],
    )


def large_image(value: Image.Image | None, label: I18nData, kind: str = "") -> gr.Image:
    """Create a magnified image with crisp pixels. kind: a CSS class"""
    return gr.Image(
        value,
        label=label,
        format="png",
        interactive=False,
        elem_classes=["pixels", "large", kind],
        buttons=["download", "fullscreen"],
    )
