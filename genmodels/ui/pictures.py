"""Pictures that a visitor gives, read with care, and those that are shown."""

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

SIDE = 4096  # pixels that a picture may measure
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
ACCEPTED_PICTURE = f"a picture ({', '.join(FORMATS)}) of at most {SIDE} x {SIDE} pixels"

# PIL opens nothing that has more than twice as many pixels, be it gradio that asks.
Image.MAX_IMAGE_PIXELS = SIDE**2

# 16 images of split test of Fashion-MNIST (Xiao et al., 2017, https://arxiv.org/abs/1708.07747; MIT
# license): the first of each class, and the second of the first six.
EXAMPLES = Path(__file__).with_name("examples.png")


def example_images() -> list[Image.Image]:
    """The held-out images, cut out of their sheet, on which 2 pixels lie between them."""
    sheet = Image.open(EXAMPLES).convert("L")
    step = 30
    corners = [(x + 2, y + 2) for y in (0, step) for x in range(0, 8 * step, step)]
    return [sheet.crop((x, y, x + 28, y + 28)) for x, y in corners]


def open_picture(file: object) -> Image.Image:
    """A file -> its picture, upright and square, cut about its centre.

    Raises UserError for what is no picture, and for one that is too large.
    """
    if not isinstance(file, str):
        raise UserError(f"expected {ACCEPTED_PICTURE}, but there is none")
    try:
        with Image.open(file, formats=FORMATS) as picture:
            if max(picture.size) > SIDE:
                raise UserError(
                    f"expected {ACCEPTED_PICTURE}, but got {picture.width} x {picture.height}"
                )
            upright = ImageOps.exif_transpose(picture).convert("RGBA")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"expected {ACCEPTED_PICTURE}, but the file is none") from error
    side = min(upright.size)
    # What is transparent is black, as the ground of the images that the models know.
    ground = Image.new("RGBA", (side, side), "black")
    return Image.alpha_composite(ground, ImageOps.fit(upright, (side, side)))


def to_sample(picture: Image.Image, shape: tuple[int, int, int]) -> Tensor:
    """A square picture -> (C, S, S) in [-1, 1], as a model of that shape knows them."""
    channels, side, _ = shape
    # Boxes give an image back that has been magnified.
    small = picture.convert("L" if channels == 1 else "RGB").resize(
        (side, side), Image.Resampling.BOX
    )
    pixels = torch.from_numpy(np.array(small).reshape(side, side, channels))
    return from_pixels(pixels.permute(2, 0, 1))


def write_download(content: bytes, name: str) -> str:
    """A file of that content, for a visitor to be shown or to download.

    It is there whole or not at all, though the same is shown to another one. Raises OSError where
    there is no room.
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
    """What components do of gradio's with a picture that they show."""
    return write_download(processing_utils.encode_pil_to_bytes(picture, format), f"{name}.{format}")


# gradio's own writes into the file of the same picture again. Who reads it meanwhile, a browser or
# another event, finds a broken one, or none.
processing_utils.save_pil_to_cache = save_pil_to_cache


def gallery(
    value: list | None,
    label: str | I18nData,
    kind: str,
    columns: int = 8,
    show_label: bool = True,
    visible: bool = True,
) -> gr.Gallery:
    """Pictures beside each other, perhaps with captions, each pixel crisp."""
    return gr.Gallery(
        value,
        label=label,
        show_label=show_label,
        format="png",
        columns=columns,
        height="auto",
        object_fit="contain",
        elem_classes=["pixels", kind],
        interactive=False,
        visible=visible,
        buttons=["download", "fullscreen"],
    )


def large_image(value: Image.Image | None, label: I18nData, kind: str = "") -> gr.Image:
    """A picture to look at, its pixels large."""
    return gr.Image(
        value,
        label=label,
        format="png",
        interactive=False,
        elem_classes=["pixels", "large", kind],
        buttons=["download", "fullscreen"],
    )
