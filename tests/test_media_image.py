import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from genmodels.errors import UserError
from genmodels.media.image import from_pixels, image_grid, to_pil, to_pixels, to_video, to_zip


def test_to_pixels_inverts_from_pixels() -> None:
    pixels = torch.arange(256, dtype=torch.uint8)
    samples = from_pixels(pixels)
    assert samples.min() == -1
    assert samples.max() == 1
    assert torch.equal(to_pixels(samples), pixels)


def test_samples_out_of_range_are_clamped() -> None:
    assert to_pixels(torch.tensor([-3.0, 0.0, 3.0])).tolist() == [0, 128, 255]


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_grid_places_images_row_by_row(channels: int, mode: str) -> None:
    samples = torch.linspace(-1, 1, 5)[:, None, None, None].expand(5, channels, 8, 8)
    grid = image_grid(samples)
    assert grid.mode == mode
    assert grid.size == (3 * 10 + 2, 2 * 10 + 2)
    gray = np.asarray(grid.convert("L"))
    centers = [gray[5 + 10 * (index // 3), 5 + 10 * (index % 3)] for index in range(6)]
    assert centers == [0, 64, 128, 191, 255, 255]  # the last cell is empty and white


def test_zip_contains_every_image_losslessly() -> None:
    images = to_pil(torch.rand(3, 1, 28, 28) * 2 - 1)
    archive = zipfile.ZipFile(io.BytesIO(to_zip(images)))
    assert archive.namelist() == ["00.png", "01.png", "02.png"]
    for name, image in zip(archive.namelist(), images, strict=True):
        decoded = Image.open(io.BytesIO(archive.read(name)))
        assert np.array_equal(np.asarray(decoded), np.asarray(image))


def test_video_has_every_frame_with_its_rate_and_scale(tmp_path: Path) -> None:
    ramp = torch.linspace(-1, 1, 27)
    frames = [ramp.roll(shift).expand(1, 27, 27) for shift in range(12)]
    to_video(iter(frames), tmp_path / "a.gif", rate=20, scale=3)
    video = Image.open(tmp_path / "a.gif")
    assert (video.n_frames, video.size, video.info["loop"]) == (12, (82, 82), 0)
    assert video.info["duration"] == 50
    video.seek(5)
    pixels = np.asarray(video.convert("L"))[:81:3, :81:3].astype(int)
    expected = to_pixels(frames[5])[0].numpy().astype(int)
    assert abs(pixels - expected).max() <= 1
    to_video(iter(frames), tmp_path / "a.mp4", rate=20, scale=3)
    count, seconds = imageio_ffmpeg.count_frames_and_secs(str(tmp_path / "a.mp4"))
    assert (count, seconds) == (12, pytest.approx(0.6, abs=0.06))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a.avi", {}, "expected a file .gif or .mp4, got 'a.avi'"),
        ("a.gif", {"rate": 0}, "up to 100 frames per second, got 0"),
        ("a.gif", {"rate": 101}, "up to 100 frames per second, got 101"),
        ("a.gif", {"scale": 0}, "expected a whole scale of at least 1, got 0"),
        ("a.gif", {"scale": 2.0}, "expected a whole scale of at least 1, got 2.0"),
        ("a.gif", {}, "expected at least one frame, got none"),
    ],
)
def test_invalid_video_options_raise_user_errors(
    name: str, options: dict, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        to_video([], tmp_path / name, **options)


def test_failed_video_leaves_the_previous_file(tmp_path: Path) -> None:
    frame = torch.zeros(1, 28, 28)
    file = tmp_path / "-a:b.MP4"  # ffmpeg would parse this relative name as an option or a protocol
    to_video([frame] * 3, file)
    complete = file.read_bytes()

    def failing_frames() -> Iterator[Tensor]:
        yield from [frame] * 3
        raise RuntimeError("cancelled")

    with pytest.raises(RuntimeError, match="cancelled"):
        to_video(failing_frames(), file)
    with pytest.raises(UserError, match="expected frames of one size"):
        to_video([frame, frame[:, :14, :14]], file)
    assert file.read_bytes() == complete
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    with pytest.raises(OSError, match="No such file"):
        to_video([frame], tmp_path / "no" / "such.gif")
