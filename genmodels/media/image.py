"""Conversion between samples in [-1, 1], pixels, PIL and files. B batch, C channels, S side."""

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

GRID_GAP = 2  # pixels between the images of a grid and around them

# Video options of write_frames by suffix. A GIF gets a palette per frame, so it can be streamed.
PALETTE = "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1:dither=none"
GIF_FILTER = ["-filter_complex", PALETTE]
VIDEO_OPTIONS: dict[str, dict[str, object]] = {
    ".gif": {"codec": "gif", "pix_fmt_out": "pal8", "output_params": GIF_FILTER},
    ".mp4": {"quality": 9},
}


def from_pixels(pixels: Tensor) -> Tensor:
    """Convert uint8 pixels of any shape to float32 samples in [-1, 1]."""
    return pixels.float().div_(127.5).sub_(1)


def to_pixels(samples: Tensor) -> Tensor:
    """Convert samples of any shape to uint8 pixels, clamped to [-1, 1]; inverts `from_pixels`."""
    return samples.clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)


def to_pil(samples: Tensor) -> list[Image.Image]:
    """Convert samples (B, C, S, S) in [-1, 1] to B images: mode L if C is 1, RGB if C is 3."""
    arrays = to_pixels(samples).permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(array.squeeze(2) if array.shape[2] == 1 else array) for array in arrays]


def image_grid(samples: Tensor, columns: int | None = None) -> Image.Image:
    """Arrange samples (B, C, S, S) in [-1, 1] row by row; as a square by default."""
    tiles = to_pil(samples)
    columns = columns or math.ceil(math.sqrt(len(tiles)))
    rows = math.ceil(len(tiles) / columns)
    width, height = tiles[0].width + GRID_GAP, tiles[0].height + GRID_GAP
    grid = Image.new(tiles[0].mode, (columns * width + GRID_GAP, rows * height + GRID_GAP), "white")
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        grid.paste(tile, (column * width + GRID_GAP, row * height + GRID_GAP))
    return grid


def to_video(frames: Iterable[Tensor], file: str | Path, rate: float = 25, scale: int = 8) -> None:
    """Write samples (C, S, S) in [-1, 1] as a GIF or an MP4, frame by frame.

    Args:
        frames: samples of one size; any number, because only one is held at a time
        file: the suffix .gif or .mp4 selects the format
        rate: frames per second, up to 100; GIF rounds the delay to hundredths of a second
        scale: pixels per pixel of a sample, in both directions

    Raises:
        UserError: another suffix, an invalid rate or scale, no frames, or frames of several sizes.
        OSError: the file cannot be written. It then does not appear.
    """
    file = Path(file).absolute()
    suffix = file.suffix.lower()
    if suffix not in VIDEO_OPTIONS:
        raise UserError(f"expected a file .gif or .mp4, got {file.name!r}")
    if not 0 < rate <= 100:
        raise UserError(f"expected a rate above 0 and up to 100 frames per second, got {rate}")
    if not (isinstance(scale, int) and scale >= 1):
        raise UserError(f"expected a whole scale of at least 1, got {scale}")
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".video-") as folder:
        draft = Path(folder) / f"video{suffix}"
        count = write_video(frames, draft, rate, scale)
        # A full disk at the end raises no error, so count the frames.
        if count_frames_and_secs(str(draft))[0] != count:
            raise OSError(f"could not write {file}: the disk may be full")
        draft.replace(file)


def write_video(frames: Iterable[Tensor], file: Path, rate: float, scale: int) -> int:
    """Write frames to a file and return their number; see `to_video`."""
    count, size, writer = 0, (0, 0), None
    try:
        for frame in frames:
            image = to_pil(frame[None])[0].convert("RGB")
            scaled = (image.width * scale, image.height * scale)
            image = image.resize(scaled, Image.Resampling.NEAREST)
            # Video codecs need even sides.
            image = ImageOps.expand(image, (0, 0, image.width % 2, image.height % 2))
            if writer is None:
                size = image.size
                options = {"macro_block_size": 2, "ffmpeg_log_level": "quiet"}
                options |= VIDEO_OPTIONS[file.suffix]
                writer = write_frames(str(file), size, fps=rate, **options)
                writer.send(None)
            if image.size != size:
                raise UserError(f"expected frames of one size, got {size} and {image.size}")
            writer.send(image.tobytes())
            count += 1
    finally:
        if writer is not None:
            writer.close()
    if not count:
        raise UserError("expected at least one frame, got none")
    return count


def to_png(image: Image.Image) -> bytes:
    """Encode an image as PNG, at its own size."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def to_zip(images: list[Image.Image]) -> bytes:
    """Encode images as a ZIP archive of PNG files 00.png, 01.png, ..., at their own size."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        for index, image in enumerate(images):
            files.writestr(f"{index:02d}.png", to_png(image))
    return archive.getvalue()
