import io
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest
import torch
from PIL import Image

from genmodels import data
from genmodels.errors import UserError
from tests.conftest import FASHION


def write_images(folder: Path, modes: list[str], sides: list[int]) -> list[np.ndarray]:
    """Write random images as PNG and return their arrays."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    arrays = []
    for index, (mode, side) in enumerate(zip(modes, sides, strict=True)):
        shape = (side, side) if mode == "L" else (side, side, 3)
        arrays.append(rng.integers(0, 256, shape, dtype=np.uint8))
        Image.fromarray(arrays[-1]).save(folder / f"{index}.png")
    return arrays


def test_hub_layout_is_decoded_losslessly_to_one_channel() -> None:
    images = data.load(FASHION)
    assert images.pixels.shape == (1000, 1, 28, 28)
    assert images.pixels.dtype == torch.uint8
    table = parquet.read_table(f"{FASHION}/data/train-00000-of-00001.parquet")
    file = table["image"][123].as_py()["bytes"]
    assert np.array_equal(images.pixels[123, 0], np.asarray(Image.open(io.BytesIO(file))))
    assert len(data.load(FASHION, split="test").pixels) == 200


def test_labels_and_class_names() -> None:
    images = data.load(FASHION)
    table = parquet.read_table(f"{FASHION}/data/train-00000-of-00001.parquet")
    assert images.labels.tolist() == table["label"].to_pylist()
    assert len(images.classes) == 10
    assert images.classes[9] == "Ankle boot"


def test_the_fingerprint_identifies_pixels_and_labels() -> None:
    images, again = data.load(FASHION), data.load(FASHION)
    assert images.fingerprint == again.fingerprint
    again.pixels[7, 0, 3, 3] ^= 1
    assert images.fingerprint != again.fingerprint
    assert images._replace(labels=images.labels.flip(0)).fingerprint != images.fingerprint


def test_images_are_described_in_one_line(tmp_path: Path) -> None:
    write_images(tmp_path / "a", ["RGB", "RGB"], [32, 32])
    write_images(tmp_path / "b", ["RGB", "RGB"], [32, 32])
    images = data.load_folder(str(tmp_path))
    assert images.describe() == "4 images of 32x32, 3 channels, 2 classes (2 each)"
    images = images._replace(labels=None, classes=[])
    assert images.describe() == "4 images of 32x32, 3 channels, no classes"


def test_subfolders_are_classes_if_every_image_is_in_one(tmp_path: Path) -> None:
    write_images(tmp_path / "dog", ["L", "L"], [32, 32])
    write_images(tmp_path / "cat", ["L"], [32])
    images = data.load_folder(str(tmp_path))
    assert images.classes == ["cat", "dog"]
    assert images.labels.tolist() == [0, 1, 1]
    write_images(tmp_path, ["L"], [32])
    images = data.load_folder(str(tmp_path))
    assert (images.labels, images.classes) == (None, [])


def test_folder_includes_subfolders(tmp_path: Path) -> None:
    write_images(tmp_path / "a", ["L", "L"], [32, 32])
    write_images(tmp_path / "b", ["L"], [32])
    assert data.load_folder(str(tmp_path)).pixels.shape == (3, 1, 32, 32)


def test_one_rgb_image_makes_all_images_rgb(tmp_path: Path) -> None:
    gray, rgb = write_images(tmp_path, ["L", "RGB"], [32, 32])
    pixels = data.load_folder(str(tmp_path)).pixels
    assert pixels.shape == (2, 3, 32, 32)
    assert np.array_equal(pixels[0], np.stack([gray] * 3))
    assert np.array_equal(pixels[1], rgb.transpose(2, 0, 1))


def test_resolution_scales_and_crops(tmp_path: Path) -> None:
    write_images(tmp_path, ["L", "L"], [32, 64])
    with pytest.raises(UserError, match="differ in size or are not square: set a resolution"):
        data.load_folder(str(tmp_path))
    assert data.load_folder(str(tmp_path), resolution=28).pixels.shape == (2, 1, 28, 28)


def test_hidden_files_are_ignored(tmp_path: Path) -> None:
    for name in ("a", "b", ".thumbnails", "a/.cache"):
        (tmp_path / name).mkdir()
        Image.new("L", (32, 32)).save(tmp_path / name / "0.png")
    Image.new("L", (32, 32)).save(tmp_path / "a" / ".hidden.png")
    images = data.load_folder(str(tmp_path))
    assert (len(images.pixels), images.classes) == (2, ["a", "b"])


def test_missing_data_raises_user_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no folder 'no/such', and the Hub cannot be reached"):
        data.load("no/such")
    with pytest.raises(UserError, match="there is no folder"):
        data.load_folder(str(tmp_path / "missing"))
    with pytest.raises(UserError, match=r"expected images in .*, found none"):
        data.load_folder(str(tmp_path))
    with pytest.raises(UserError, match=r"a folder in Hub layout, found none at"):
        data.load(str(tmp_path))
    with pytest.raises(UserError, match="validation"):
        data.load(FASHION, split="validation")
    with pytest.raises(UserError, match=r"type Image in .*, got 'label'; columns: image, label"):
        data.load(FASHION, image_column="label")
    with pytest.raises(UserError, match=r"type ClassLabel in .*, got 'image'; columns: image"):
        data.load(FASHION, label_column="image")
    with pytest.raises(UserError, match=r"got the file README\.md"):
        data.load("README.md")


def test_broken_images_raise_user_errors(tmp_path: Path) -> None:
    write_images(tmp_path, ["L", "L"], [32, 32])
    broken = tmp_path / "1.png"
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(UserError, match=r"could not decode .*1\.png"):
        data.load_folder(str(tmp_path))


def test_16_bit_images_and_exif_orientation(tmp_path: Path) -> None:
    pixels_16_bit = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    Image.fromarray(pixels_16_bit).resize((32, 32), Image.Resampling.NEAREST).save(
        tmp_path / "pixels_16_bit.png"
    )
    pixels = data.load_folder(str(tmp_path)).pixels
    assert pixels.shape == (1, 1, 32, 32)
    assert np.array_equal(pixels[0, 0, ::2, ::2], np.arange(256).reshape(16, 16))

    (tmp_path / "pixels_16_bit.png").unlink()
    rotated = np.zeros((32, 32), np.uint8)
    rotated[:, :16] = 255  # the upper half is bright after the rotation
    exif = Image.Exif()
    exif[274] = 6  # orientation: turn by 90 degrees clockwise
    Image.fromarray(rotated).save(tmp_path / "rotated.jpg", exif=exif, quality=100)
    upright = data.load_folder(str(tmp_path)).pixels[0, 0].float()
    assert upright[:16].mean() > 250
    assert upright[16:].mean() < 5

    Image.fromarray(np.zeros((32, 32), np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(UserError, match=r"got 32 in .*float\.tif"):
        data.load_folder(str(tmp_path))


def test_folder_names_are_not_globs_or_splits(tmp_path: Path) -> None:
    folder = tmp_path / "glob[1]"
    write_images(folder / "train", ["L", "L"], [32, 32])
    write_images(folder / "test", ["L"], [32])
    (folder / "notes.txt").write_text("no image")
    assert len(data.load_folder(str(folder)).pixels) == 3


@pytest.mark.parametrize("rows", [[None], [{"bytes": b"", "path": None}], []])
def test_rows_without_an_image_raise_user_errors(rows: list, tmp_path: Path) -> None:
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    table = pyarrow.table({"image": pyarrow.array(rows, kind)})
    features = b'{"info": {"features": {"image": {"_type": "Image"}}}}'
    parquet.write_table(
        table.replace_schema_metadata({b"huggingface": features}), tmp_path / "train.parquet"
    )
    with pytest.raises(UserError, match=r"expected .* in|could not (decode|read)"):
        data.load(str(tmp_path))


@pytest.mark.parametrize("source", ["", "x" * 300])
def test_invalid_source_names(source: str) -> None:
    with pytest.raises(UserError, match=r"expected a dataset|could not read|found no folder"):
        data.load(source)
