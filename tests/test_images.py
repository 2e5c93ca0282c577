import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from genmodels.media.image import from_pixels, image_grid, to_pil, to_pixels, to_zip


def test_pixels_survive_the_way_to_samples_and_back() -> None:
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
    sheet = image_grid(samples)
    assert sheet.mode == mode
    assert sheet.size == (3 * 10 + 2, 2 * 10 + 2)
    grey = np.asarray(sheet.convert("L"))
    centres = [grey[5 + 10 * (place // 3), 5 + 10 * (place % 3)] for place in range(6)]
    assert centres == [0, 64, 128, 191, 255, 255]  # the last place is empty, hence white


def test_zip_holds_every_image_without_loss() -> None:
    samples = torch.rand(3, 1, 28, 28) * 2 - 1
    drawn = to_pil(samples)
    archive = zipfile.ZipFile(io.BytesIO(to_zip(drawn)))
    assert archive.namelist() == ["00.png", "01.png", "02.png"]
    for name, image in zip(archive.namelist(), drawn, strict=True):
        kept = Image.open(io.BytesIO(archive.read(name)))
        assert np.array_equal(np.asarray(kept), np.asarray(image))
