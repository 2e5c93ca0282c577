import io
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest
import torch
from PIL import Image

from genmodels import data
from tests.conftest import FASHION


def write_images(folder: Path, modes: list[str], sides: list[int]) -> list[np.ndarray]:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    written = []
    for place, (mode, side) in enumerate(zip(modes, sides, strict=True)):
        shape = (side, side) if mode == "L" else (side, side, 3)
        written.append(rng.integers(0, 256, shape, dtype=np.uint8))
        Image.fromarray(written[-1]).save(folder / f"{place}.png")
    return written


def test_hub_layout_is_decoded_exactly_and_grey_stays_one_channel() -> None:
    real = data.load(FASHION)
    assert real.pixels.shape == (1000, 1, 28, 28)
    assert real.pixels.dtype == torch.uint8
    table = parquet.read_table(f"{FASHION}/data/train-00000-of-00001.parquet")
    file = table["image"][123].as_py()["bytes"]
    assert np.array_equal(real.pixels[123, 0], np.asarray(Image.open(io.BytesIO(file))))
    assert len(data.load(FASHION, split="test").pixels) == 200


def test_labels_and_their_names_are_read() -> None:
    real = data.load(FASHION)
    table = parquet.read_table(f"{FASHION}/data/train-00000-of-00001.parquet")
    assert real.labels.tolist() == table["label"].to_pylist()
    assert len(real.classes) == 10
    assert real.classes[9] == "Ankle boot"


def test_subfolders_are_classes_where_each_image_lies_in_one(tmp_path: Path) -> None:
    write_images(tmp_path / "dog", ["L", "L"], [32, 32])
    write_images(tmp_path / "cat", ["L"], [32])
    real = data.load_folder(str(tmp_path))
    assert real.classes == ["cat", "dog"]
    assert real.labels.tolist() == [0, 1, 1]
    write_images(tmp_path, ["L"], [32])
    real = data.load_folder(str(tmp_path))
    assert (real.labels, real.classes) == (None, [])


def test_folder_of_images_is_read_with_its_subfolders(tmp_path: Path) -> None:
    write_images(tmp_path / "a", ["L", "L"], [32, 32])
    write_images(tmp_path / "b", ["L"], [32])
    assert data.load_folder(str(tmp_path)).pixels.shape == (3, 1, 32, 32)


def test_one_colour_image_makes_all_of_them_colour(tmp_path: Path) -> None:
    grey, colour = write_images(tmp_path, ["L", "RGB"], [32, 32])
    pixels = data.load_folder(str(tmp_path)).pixels
    assert pixels.shape == (2, 3, 32, 32)
    assert np.array_equal(pixels[0], np.stack([grey] * 3))
    assert np.array_equal(pixels[1], colour.transpose(2, 0, 1))


def test_resolution_makes_images_square_and_of_one_size(tmp_path: Path) -> None:
    write_images(tmp_path, ["L", "L"], [32, 64])
    with pytest.raises(ValueError, match="differ in size or are not square: give a resolution"):
        data.load_folder(str(tmp_path))
    assert data.load_folder(str(tmp_path), resolution=28).pixels.shape == (2, 1, 28, 28)


def test_what_is_hidden_is_no_data(tmp_path: Path) -> None:
    for name in ("a", "b", ".thumbnails", "a/.cache"):
        (tmp_path / name).mkdir()
        Image.new("L", (32, 32)).save(tmp_path / name / "0.png")
    Image.new("L", (32, 32)).save(tmp_path / "a" / ".hidden.png")
    found = data.load_folder(str(tmp_path))
    assert (len(found.pixels), found.classes) == (2, ["a", "b"])


def test_missing_data_is_named_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no folder 'no/such', and the Hub could not be reached"):
        data.load("no/such")
    with pytest.raises(ValueError, match="there is no folder"):
        data.load_folder(str(tmp_path / "missing"))
    with pytest.raises(ValueError, match=r"expected images in .* but there are none"):
        data.load_folder(str(tmp_path))
    with pytest.raises(ValueError, match=r"a folder in Hub layout, but found none at"):
        data.load(str(tmp_path))
    with pytest.raises(ValueError, match="validation"):
        data.load(FASHION, split="validation")
    with pytest.raises(ValueError, match=r"the kind Image in .* but got label of image, label"):
        data.load(FASHION, image_column="label")
    with pytest.raises(
        ValueError, match=r"the kind ClassLabel in .* but got image of image, label"
    ):
        data.load(FASHION, label_column="image")
    with pytest.raises(ValueError, match="is a file"):
        data.load("README.md")


def test_broken_image_is_named(tmp_path: Path) -> None:
    write_images(tmp_path, ["L", "L"], [32, 32])
    broken = tmp_path / "1.png"
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"1\.png of .* is broken"):
        data.load_folder(str(tmp_path))


def test_sixteen_bits_become_eight_and_photographs_stand_upright(tmp_path: Path) -> None:
    deep = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    Image.fromarray(deep).resize((32, 32), Image.Resampling.NEAREST).save(tmp_path / "deep.png")
    pixels = data.load_folder(str(tmp_path)).pixels
    assert pixels.shape == (1, 1, 32, 32)
    assert np.array_equal(pixels[0, 0, ::2, ::2], np.arange(256).reshape(16, 16))

    (tmp_path / "deep.png").unlink()
    lying = np.zeros((32, 32), np.uint8)
    lying[:, :16] = 255  # upright, the upper half is bright
    exif = Image.Exif()
    exif[274] = 6  # orientation: turn by 90 degrees clockwise
    Image.fromarray(lying).save(tmp_path / "lying.jpg", exif=exif, quality=100)
    upright = data.load_folder(str(tmp_path)).pixels[0, 0].float()
    assert upright[:16].mean() > 250
    assert upright[16:].mean() < 5

    Image.fromarray(np.zeros((32, 32), np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(ValueError, match=r"float\.tif .* has 32"):
        data.load_folder(str(tmp_path))


def test_every_image_of_a_folder_counts_whatever_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "glob[1]"
    write_images(folder / "train", ["L", "L"], [32, 32])
    write_images(folder / "test", ["L"], [32])
    (folder / "notes.txt").write_text("no image")
    assert len(data.load_folder(str(folder)).pixels) == 3


@pytest.mark.parametrize("rows", [[None], [{"bytes": b"", "path": None}], []])
def test_rows_without_an_image_are_named(rows: list, tmp_path: Path) -> None:
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    table = pyarrow.table({"image": pyarrow.array(rows, kind)})
    features = b'{"info": {"features": {"image": {"_type": "Image"}}}}'
    parquet.write_table(
        table.replace_schema_metadata({b"huggingface": features}), tmp_path / "train.parquet"
    )
    with pytest.raises(ValueError, match=r"expected an image|is broken|could not read"):
        data.load(str(tmp_path))


@pytest.mark.parametrize("source", ["", "x" * 300])
def test_odd_names_of_data_are_named(source: str) -> None:
    with pytest.raises(ValueError, match=r"expected a dataset|could not read|found no folder"):
        data.load(source)
