"""The only place where samples in [-1, 1] meet uint8 pixels, PIL and files.

B batch, C channels, S side.
"""

import io
import math
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import torch
from imageio_ffmpeg import count_frames_and_secs, write_frames
from PIL import Image, ImageOps
from torch import Tensor

from genmodels.errors import UserError


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


def image_grid(samples: Tensor, columns: int | None = None) -> Image.Image:
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


def to_video(
    frames: Iterable[Tensor], file: str | Path, rate: float = 25.0, scale: int = 8
) -> None:
    """Samples (C, S, S) in [-1, 1], one after another -> a GIF or an MP4, by the file's suffix.

    Frames are written as they come, however many they are.

    rate: frames a second; a GIF knows hundredths of a second
    scale: how often each pixel is repeated, in rows and columns
    Raises UserError for another suffix, a rate or scale that cannot be shown, and frames that are
    none or differ in size; OSError where the film cannot be written, which then does not appear.
    """
    file = Path(file).absolute()
    if file.suffix.lower() not in (".gif", ".mp4"):
        raise UserError(f"expected a file .gif or .mp4, but got {file.name!r}")
    if not (0 < rate <= 100 and isinstance(scale, int) and scale >= 1):
        raise UserError(
            f"expected 0 to 100 frames a second, and a whole scale, but got {rate} and {scale}"
        )
    settings: dict[str, object] = {"quality": 9}
    if file.suffix.lower() == ".gif":
        # Each frame has a palette of its own, so that none waits for the others.
        palette = "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1"
        options = ["-filter_complex", f"{palette}:dither=none"]
        settings = {"codec": "gif", "pix_fmt_out": "pal8", "output_params": options}
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".film-") as folder:
        draft = Path(folder) / f"film{file.suffix.lower()}"
        written = write(frames, str(draft), rate, scale, settings)
        # The writer says nothing of a disk that is full at the end.
        if count_frames_and_secs(str(draft))[0] != written:
            raise OSError(f"could not write {file}: there may be no room")
        draft.replace(file)


def write(
    frames: Iterable[Tensor], file: str, rate: float, scale: int, settings: dict[str, object]
) -> int:
    """Write frames as they come -> how many there were."""
    count, size, writer = 0, (0, 0), None
    try:
        for frame in frames:
            image = to_pil(frame[None])[0].convert("RGB")
            sides = (image.width * scale, image.height * scale)
            image = image.resize(sides, Image.Resampling.NEAREST)
            # Films have even sides.
            image = ImageOps.expand(image, (0, 0, image.width % 2, image.height % 2))
            if writer is None:
                size = image.size
                settings = {"macro_block_size": 2, "ffmpeg_log_level": "quiet"} | settings
                writer = write_frames(file, size, fps=rate, **settings)
                writer.send(None)
            if image.size != size:
                raise UserError(f"expected frames of one size, but got {size} and {image.size}")
            writer.send(image.tobytes())
            count += 1
    finally:
        if writer is not None:
            writer.close()
    if not count:
        raise UserError("expected frames, but there are none")
    return count


def to_png(image: Image.Image) -> bytes:
    """An image -> a lossless PNG file at its own size."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def to_zip(images: list[Image.Image]) -> bytes:
    """Images -> a ZIP archive of lossless PNG files 00.png, 01.png, ... at their own size."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        for place, image in enumerate(images):
            files.writestr(f"{place:02d}.png", to_png(image))
    return archive.getvalue()
