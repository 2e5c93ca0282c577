"""Sources, classes, decoding and the cache of training and reference data."""

import io
import multiprocessing
import struct
import zipfile
import zlib
from pathlib import Path

import datasets
import numpy as np
import pyarrow.parquet as parquet
import pytest
import torch
from PIL import Image

from genmodels import data
from genmodels.data import Decoding, Images, Pixels, cache
from genmodels.data.decoding import value_range
from genmodels.data.folders import random_subset
from genmodels.errors import UserError
from tests.conftest import FASHION, ROOT


def load(source: Path, resolution: int | None = None, **arguments: object) -> Images:
    return data.load(str(source), decoding=Decoding(resolution), **arguments)


def fingerprint(source: Path) -> str:
    return load(source).fingerprint


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


def write_gray(file: Path, level: int, side: int = 8) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (side, side), level).save(file)


def write_table(folder: Path, labels: list, kind: datasets.Value | datasets.ClassLabel) -> None:
    """Write a parquet file whose images have the levels 0, 1, 2, ..."""
    images = [Image.new("L", (8, 8), level) for level in range(len(labels))]
    features = datasets.Features({"image": datasets.Image(), "label": kind})
    table = datasets.Dataset.from_dict({"image": images, "label": labels}, features)
    (folder / "data").mkdir(parents=True)
    table.to_parquet(str(folder / "data/train-00000-of-00001.parquet"))


def levels(images: Images) -> list[int]:
    """The value of the first pixel of each image."""
    return images.pixels[:][:, 0, 0, 0].tolist()


# Sources.


def test_hub_layout_is_decoded_losslessly_to_one_channel() -> None:
    images = data.load(FASHION)
    assert images.pixels.shape == (1000, 1, 28, 28)
    assert images.pixels.nbytes == 1000 * 28 * 28
    table = parquet.read_table(f"{FASHION}/data/train-00000-of-00001.parquet")
    file = table["image"][123].as_py()["bytes"]
    assert np.array_equal(images.pixels[123][0], np.asarray(Image.open(io.BytesIO(file))))
    assert images.labels.tolist() == table["label"].to_pylist()
    assert (len(images.classes), images.classes[9]) == (10, "Ankle boot")
    assert len(data.load(FASHION, split="test").pixels) == 200
    assert len(data.load(FASHION, split="train+test").pixels) == 1200


def test_every_format_of_pillow_is_read(tmp_path: Path) -> None:
    suffixes = [
        "jfif",
        "jpe",
        "avif",
        "ppm",
        "pgm",
        "tga",
        "jp2",
        "png",
        "webp",
        "gif",
        "bmp",
        "tif",
    ]
    for suffix in suffixes:
        write_gray(tmp_path / f"0.{suffix}", 200)
    pixels = load(tmp_path).pixels
    assert len(pixels) == len(suffixes)
    assert (pixels[:].float() - 200).abs().max() <= 2


def test_files_that_pillow_cannot_read_are_counted(tmp_path: Path) -> None:
    write_gray(tmp_path / "0.png", 1)
    (tmp_path / "0.png").rename(tmp_path / "no-suffix")
    for name in ("a.heic", "b.heic", "notes.txt"):
        (tmp_path / name).write_bytes(b"0000ftypheic")
    images = load(tmp_path)
    assert len(images.pixels) == 1
    (note,) = images.notes  # without text files
    assert note == "left out 2 .heic: Pillow cannot read them, convert them to PNG or JPEG"
    assert images.notes[0] in images.describe()


def test_links_are_followed_once(tmp_path: Path) -> None:
    write_gray(tmp_path / "store/1.png", 1)
    write_gray(tmp_path / "store/2.png", 2)
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "a").symlink_to(tmp_path / "store")
    (folder / "0.png").symlink_to(tmp_path / "store/1.png")
    (tmp_path / "store/cycle").symlink_to(folder)
    assert levels(load(folder)) == [1, 1, 2]


def test_files_are_in_natural_order_and_hidden_ones_are_ignored(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        write_gray(tmp_path / f"{number}.png", number)
    write_gray(tmp_path / ".hidden.png", 99)
    write_gray(tmp_path / ".thumbnails/0.png", 99)
    assert levels(load(tmp_path)) == [1, 2, 10]


def test_a_zip_archive_is_a_folder(tmp_path: Path) -> None:
    for level, name in enumerate(("cat/1", "cat/2", "dog/1")):
        write_gray(tmp_path / f"set/{name}.png", level)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in sorted((tmp_path / "set").rglob("*.png")):
            archive.write(file, file.relative_to(tmp_path))
        archive.writestr("__MACOSX/set/cat/._1.png", b"")
    folder, packed = load(tmp_path / "set"), load(tmp_path / "set.zip")
    assert levels(packed) == levels(folder) == [0, 1, 2]
    assert packed.classes == folder.classes == ["cat", "dog"]
    assert packed.fingerprint == folder.fingerprint


def test_images_in_a_zip_archive_of_a_hub_layout(tmp_path: Path) -> None:
    write_gray(tmp_path / "0.png", 7)
    (tmp_path / "set").mkdir()
    with zipfile.ZipFile(tmp_path / "set/images.zip", "w") as archive:
        archive.write(tmp_path / "0.png", "0.png")
        archive.write(tmp_path / "0.png", "1.png")
    assert levels(load(tmp_path / "set")) == [7, 7]


@pytest.mark.parametrize("compressed", [False, True])
def test_numpy_files_have_images_and_labels(compressed: bool, tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)
    save = np.savez_compressed if compressed else np.savez
    save(tmp_path / "set.npz", array, np.array([10, 2, 2, 10, 2]))
    images = load(tmp_path / "set.npz")
    assert np.array_equal(images.pixels[:], array.transpose(0, 3, 1, 2))
    assert images.classes == ["2", "10"]
    assert images.labels.tolist() == [1, 0, 0, 1, 0]
    np.savez(tmp_path / "set.npz", array[:2, ..., :1])  # the file changed
    assert load(tmp_path / "set.npz").pixels.shape == (2, 1, 8, 8)
    for other in (array.repeat(2, 3), array.astype(np.uint16)):
        np.savez(tmp_path / "other.npz", other)
        with pytest.raises(UserError, match=r"C of 1 or 3 in uint8 .* not supported"):
            load(tmp_path / "other.npz")


def test_missing_data_raises_user_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no folder 'no/such', .* unset HF_HUB_OFFLINE"):
        data.load("no/such")
    with pytest.raises(UserError, match=r"expected images in .*, found none"):
        load(tmp_path)
    with pytest.raises(UserError, match="validation"):
        data.load(FASHION, split="validation")
    with pytest.raises(UserError, match=r"column of images .* got 'label'; columns: image, label"):
        data.load(FASHION, image_column="label")
    with pytest.raises(UserError, match=r"column of classes, .* got 'image'; columns: image"):
        data.load(FASHION, label_column="image")
    with pytest.raises(UserError, match=r"a ZIP archive or an NPZ file, got the file .*README\.md"):
        load(ROOT / "README.md")
    (tmp_path / "broken.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"expected images as the array arr_0 in .*broken\.npz"):
        load(tmp_path / "broken.npz")
    write_gray(tmp_path / "set/0.png", 0)
    with pytest.raises(UserError, match="expected no --label_column with the images"):
        load(tmp_path / "set", label_column="label")


@pytest.mark.parametrize("source", ["", "x" * 300])
def test_invalid_source_names(source: str) -> None:
    with pytest.raises(UserError, match=r"expected a dataset|could not read|found no folder"):
        data.load(source)


def test_a_limit_loads_random_images(tmp_path: Path) -> None:
    array = np.arange(3 * 64, dtype=np.uint8).reshape(3, 8, 8)
    np.savez(tmp_path / "set.npz", array, np.arange(3))
    for level in range(3):
        write_gray(tmp_path / f"set/{level}/0.png", level)
    for source in (tmp_path / "set.npz", tmp_path / "set", Path(FASHION)):
        images, everything = load(source, limit=2), load(source)
        subset = random_subset(len(everything.pixels), 2)
        assert subset not in ([0, 1], [])
        assert torch.equal(images.pixels[:], everything.pixels[torch.tensor(subset)])
        names = [everything.classes[label] for label in everything.labels[subset]]
        assert [images.classes[label] for label in images.labels] == names


# Splits and classes.


def test_split_folders_are_not_classes(tmp_path: Path) -> None:
    for level, name in enumerate(("train/cat/0", "train/dog/0", "test/cat/0", "val/dog/0")):
        write_gray(tmp_path / f"set/{name}.png", level)
    train, test = load(tmp_path / "set"), load(tmp_path / "set", split="test")
    assert (levels(train), train.classes, train.split) == ([0, 1], ["cat", "dog"], "train")
    assert (levels(test), test.classes) == ([2], ["cat"])
    assert levels(load(tmp_path / "set", split="train+validation")) == [0, 1, 3]
    assert test.with_classes(train.classes).labels.tolist() == [0]
    with pytest.raises(UserError, match=r"expected the classes cat in .*, got 'dog'"):
        train.with_classes(test.classes)
    with pytest.raises(UserError, match=r"a split of .*: test, train, validation; got 'dev'"):
        load(tmp_path / "set", split="dev")
    (tmp_path / "only").mkdir()
    (tmp_path / "set/val").rename(tmp_path / "only/val")
    assert levels(load(tmp_path / "only")) == [3]


def test_the_outer_folders_are_the_classes(tmp_path: Path) -> None:
    for level, name in enumerate(("1/a/0", "10/b/0", "2/a/0")):
        write_gray(tmp_path / f"images/{name}.png", level)
    images = load(tmp_path)  # in its only folder
    assert images.classes == ["1", "2", "10"]
    assert levels(images) == [0, 2, 1]
    assert images.labels.tolist() == [0, 1, 2]
    write_gray(tmp_path / "images/cover.png", 9)
    images = load(tmp_path / "images")
    assert (images.labels, images.classes) == (None, [])
    assert images.unlabelled == "no label for 1 of 4 images: cover.png"


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
def test_labels_of_metadata(name: str, tmp_path: Path) -> None:
    kinds = ["star", "circle", "star"]
    rows = [(f"{number}.png", kind) for number, kind in enumerate(kinds)]
    for number, (file, _) in enumerate(rows):
        write_gray(tmp_path / file, number)
    lines = ["file_name,label", *(",".join(row) for row in rows)]
    if name.endswith("jsonl"):
        lines = [f'{{"file_name": "{file}", "label": "{kind}"}}' for file, kind in rows]
    (tmp_path / name).write_text("\n".join(lines))
    images = load(tmp_path)
    assert images.classes == ["circle", "star"]
    assert dict(zip(levels(images), images.labels.tolist(), strict=True)) == {0: 1, 1: 0, 2: 1}


@pytest.mark.parametrize(
    ("labels", "kind", "classes", "numbers"),
    [
        ([5, 10, 5], datasets.Value("int64"), ["5", "10"], [0, 1, 0]),
        (["b", "a", "b"], datasets.Value("string"), ["a", "b"], [1, 0, 1]),
        ([True, False, True], datasets.Value("bool"), ["False", "True"], [1, 0, 1]),
        ([2, 0, 2], datasets.ClassLabel(names=["x", "y", "z"]), ["x", "z"], [1, 0, 1]),
    ],
)
def test_kinds_of_label_columns(
    labels: list, kind: object, classes: list[str], numbers: list[int], tmp_path: Path
) -> None:
    write_table(tmp_path, labels, kind)
    images = load(tmp_path)
    assert images.classes == classes  # without classes that have no image
    assert images.labels.tolist() == numbers
    assert load(tmp_path, label_column="label").classes == classes


def test_missing_labels_are_named_and_undisclosed_ones_are_none(tmp_path: Path) -> None:
    kind = datasets.ClassLabel(names=["x", "y"])
    write_table(tmp_path / "one", [0, None, 1, -1], kind)
    images = load(tmp_path / "one")
    assert images.labels is None
    assert images.unlabelled == "no label for 2 of 4 images: row 1, row 3"
    write_table(tmp_path / "undisclosed", [-1, -1], kind)
    images = load(tmp_path / "undisclosed")
    assert (images.labels, images.unlabelled) == (None, "")


# Decoding.


def test_one_rgb_image_makes_all_images_rgb(tmp_path: Path) -> None:
    gray, rgb = write_images(tmp_path, ["L", "RGB"], [32, 32])
    pixels = load(tmp_path).pixels
    assert pixels.shape == (2, 3, 32, 32)
    assert np.array_equal(pixels[0], np.stack([gray] * 3))
    assert np.array_equal(pixels[1], rgb.transpose(2, 0, 1))


def test_transparent_images_are_composited_onto_the_background(tmp_path: Path) -> None:
    clear, half, palette = tmp_path / "0.png", tmp_path / "1.png", tmp_path / "2.png"
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(clear)
    Image.new("LA", (8, 8), (100, 127)).save(half)
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 9, 8, 7])
    image.save(palette, transparency=1)
    white = load(tmp_path).pixels[:][:, :, 0, 0].tolist()
    assert white == [[255] * 3, [178] * 3, [255] * 3]
    blue = data.load(str(tmp_path), decoding=Decoding(background="#0000ff")).pixels
    assert blue[:][:, :, 0, 0].tolist() == [[0, 0, 255], [50, 50, 178], [0, 0, 255]]
    with pytest.raises(UserError, match=r"--background to be a color such as white .* got 'whit'"):
        data.load(str(tmp_path), decoding=Decoding(background="whit"))


def png_16_bit(values: np.ndarray, color_type: int) -> bytes:
    """Encode (H, W) or (H, W, 2) 16-bit values; Pillow cannot write gray with alpha."""
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, color_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    parts = [
        struct.pack(">I", len(it)) + kind + it + struct.pack(">I", zlib.crc32(kind + it))
        for kind, it in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("name", "image", "expected"),
    [
        ("16 bits.png", Image.fromarray(np.array([[0, 65535]], np.uint16).repeat(2, 0)), [0, 255]),
        ("12 bits.png", Image.fromarray(np.array([[0, 4095]], np.uint16).repeat(2, 0)), [0, 255]),
        ("32 bits.tif", Image.fromarray(np.array([[0, 1000]], np.int32).repeat(2, 0)), [0, 249]),
        ("unit.tif", Image.fromarray(np.array([[0, 0.5]], np.float32).repeat(2, 0)), [0, 128]),
        ("float.tif", Image.fromarray(np.array([[0, 200.4]], np.float32).repeat(2, 0)), [0, 200]),
        ("any.tif", Image.fromarray(np.array([[-1.5, 3]], np.float32).repeat(2, 0)), [0, 255]),
        ("1 bit.png", Image.fromarray(np.array([[False, True]]).repeat(2, 0)), [0, 255]),
        ("cmyk.jpg", Image.new("CMYK", (2, 2), (0, 0, 0, 0)), [255, 255]),
    ],
)
def test_modes_of_images(name: str, image: Image.Image, expected: list, tmp_path: Path) -> None:
    image.save(tmp_path / name)
    images = load(tmp_path)
    assert images.channels == (3 if "cmyk" in name else 1)
    assert images.pixels[0][0, 0].tolist() == expected
    deep = "bits" in name or "tif" in name
    assert any("more than 8 bits" in note for note in images.notes) == deep


def test_gray_palettes_and_16_bit_gray_with_alpha_stay_gray(tmp_path: Path) -> None:
    image = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8), "P")
    image.putpalette([level for value in range(256) for level in [255 - value] * 3])
    image.save(tmp_path / "0.png")
    values = np.full((8, 8, 2), 65535, np.uint16)
    values[..., 0] = 4000
    (tmp_path / "1.png").write_bytes(png_16_bit(values, 4))
    images = load(tmp_path)
    assert images.pixels.shape == (2, 1, 8, 8)
    assert levels(images) == [255, 15]


@pytest.mark.parametrize(
    ("low", "high", "whole", "expected"),
    [
        (0, 255, True, (0, 255)),
        (0, 1023, True, (0, 1023)),
        (3, 1024, True, (0, 2047)),
        (0, 1, True, (0, 1)),
        (0.0, 0.7, False, (0, 1)),
        (0.0, 254.5, False, (0, 255)),
        (-1.0, 1.0, True, (-1, 1)),
        (0.0, 300.5, False, (0, 300.5)),
    ],
)
def test_value_range(low: float, high: float, whole: bool, expected: tuple) -> None:
    assert value_range(low, high, whole) == expected


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    rotated = np.zeros((32, 32), np.uint8)
    rotated[:, :16] = 255  # the upper half is bright after the rotation
    exif = Image.Exif()
    exif[274] = 6  # orientation: turn by 90 degrees clockwise
    Image.fromarray(rotated).save(tmp_path / "rotated.jpg", exif=exif, quality=100)
    upright = load(tmp_path).pixels[0][0].float()
    assert upright[:16].mean() > 250
    assert upright[16:].mean() < 5


def test_resize_modes(tmp_path: Path) -> None:
    stripes = np.repeat(np.array([0, 100, 200], np.uint8), 16)  # black, gray, bright
    Image.fromarray(np.tile(stripes, (16, 1))).save(tmp_path / "0.png")
    with pytest.raises(
        UserError, match=r"square images of one size .*, got 48x16: set --resolution"
    ):
        load(tmp_path)

    def row(mode: str) -> list[int]:
        decoding = Decoding(16, mode, "#ff0000")
        return data.load(str(tmp_path), decoding=decoding).pixels[0][0, 8].tolist()

    assert row("crop") == [100] * 16
    assert row("stretch")[::5] == [0, 67, 133, 200]
    pixels = data.load(str(tmp_path), decoding=Decoding(16, "pad", "#808080")).pixels[0][0]
    assert pixels[:5].unique().tolist() == [128]
    assert pixels[11:].unique().tolist() == [128]
    assert pixels[8, 0] < 5
    crops = data.load(str(tmp_path), decoding=Decoding(16, "random_crop")).pixels
    assert crops.shape == (1, 1, 16, 16)
    assert crops[0].unique().tolist() == [100]  # the center
    rng = torch.Generator().manual_seed(0)
    parts = crops.crop(torch.zeros(200, dtype=torch.int64), rng)[:, 0, 0]
    assert parts.shape == (200, 16)
    assert set(parts[:, 0].tolist()) == {0, 100, 200}
    assert (parts[:, 1:] >= parts[:, :-1]).all()


def test_uncompressed_ycbcr_is_refused_with_a_remedy(tmp_path: Path) -> None:
    image = Image.new("YCbCr", (8, 8), (100, 128, 128))
    image.save(tmp_path / "0.tif")
    with pytest.raises(UserError, match=r"0\.tif \(Pillow cannot decode .*: save it as RGB\)"):
        load(tmp_path)
    image.save(tmp_path / "0.tif", compression="tiff_lzw")
    assert levels(load(tmp_path)) == [100]


# Broken files.


def test_broken_files_are_listed_at_once_and_can_be_skipped(tmp_path: Path) -> None:
    for level in range(3):
        write_gray(tmp_path / f"{level}.png", level)
    content = (tmp_path / "1.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(content[:-30])
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "page.jpg").write_text("<html>")
    (tmp_path / "link.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "folder.jpg").mkdir()
    with pytest.raises(UserError, match=r"could not decode 4 of 7 images .*--skip_broken") as error:
        load(tmp_path)
    assert "page.jpg (not an image)" in str(error.value)
    for name in ("cut.png", "empty.jpg", "link.png"):
        assert name in str(error.value)
    assert "folder.jpg" not in str(error.value)
    images = load(tmp_path, skip_broken=True)
    assert levels(images) == [0, 1, 2]
    assert images.notes == ("left out 4 broken images",)


@pytest.mark.parametrize("row", [None, {"bytes": b"", "path": None}])
def test_rows_without_an_image_are_broken(row: dict | None, tmp_path: Path) -> None:
    images = [row, {"bytes": io_bytes(3), "path": None}]
    features = datasets.Features({"image": datasets.Image(decode=False)})
    table = datasets.Dataset.from_dict({"image": images}, features)
    table.cast_column("image", datasets.Image(decode=False)).to_parquet(
        str(tmp_path / "train.parquet")
    )
    with pytest.raises(UserError, match=r"could not decode 1 of 2 images .*: row 0 \("):
        load(tmp_path)
    assert levels(load(tmp_path, skip_broken=True)) == [3]


def io_bytes(level: int) -> bytes:
    content = io.BytesIO()
    Image.new("L", (8, 8), level).save(content, "PNG")
    return content.getvalue()


# The cache.


def test_pixels_are_copied_by_numbers_slices_and_tensors() -> None:
    tensor = torch.arange(5 * 3 * 7 * 7, dtype=torch.int64).remainder(251).to(torch.uint8)
    tensor = tensor.view(5, 3, 7, 7)
    pixels = Pixels.from_tensor(tensor)
    assert (len(pixels), pixels.shape, pixels.nbytes) == (5, (5, 3, 7, 7), tensor.nbytes)
    assert torch.equal(pixels[:], tensor)
    assert torch.equal(pixels[1:4:2], tensor[1:4:2])
    assert torch.equal(pixels[-1], tensor[-1])
    order = torch.tensor([4, 0, 4])
    assert torch.equal(pixels[order], tensor[order])
    pixels[:].zero_()
    assert torch.equal(pixels[:], tensor)
    with pytest.raises(IndexError):
        pixels[torch.tensor([5])]


def test_the_cache_spans_files_and_is_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "CHUNK", 4)
    monkeypatch.setenv("GENMODELS_CACHE", str(tmp_path / "cache"))
    arrays = write_images(tmp_path / "set", ["L"] * 10, [9] * 10)
    images = load(tmp_path / "set")
    assert len(list(images.cache.glob("*.arrow"))) == 3
    assert np.array_equal(images.pixels[:][:, 0], np.stack(arrays))
    assert torch.equal(images.pixels[torch.tensor([9, 0, 5])], images.pixels[:][[9, 0, 5]])

    monkeypatch.setattr(cache, "decode_row", None)  # nothing is decoded again
    assert load(tmp_path / "set").fingerprint == images.fingerprint
    # An interrupted run decodes only the missing files.
    monkeypatch.undo()
    monkeypatch.setattr(cache, "CHUNK", 4)
    monkeypatch.setenv("GENMODELS_CACHE", str(tmp_path / "cache"))
    first, second, _ = sorted(images.cache.glob("*.arrow"))
    second.unlink()
    (images.cache / "tmpleftover").touch()
    times = first.stat().st_mtime_ns
    again = load(tmp_path / "set")
    assert again.fingerprint == images.fingerprint
    assert first.stat().st_mtime_ns == times
    assert not (images.cache / "tmpleftover").exists()
    # A changed file is decoded again.
    write_gray(tmp_path / "set/0.png", 5, side=9)
    assert load(tmp_path / "set").pixels[0].unique().tolist() == [5]


def test_a_moved_dataset_has_the_same_fingerprint(tmp_path: Path) -> None:
    write_images(tmp_path / "a/cat", ["RGB"] * 2, [8] * 2)
    first = load(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    assert load(tmp_path / "b").fingerprint == first.fingerprint
    write_gray(tmp_path / "b/cat/0.png", 3)
    assert load(tmp_path / "b").fingerprint != first.fingerprint


def test_an_unwritable_cache_raises_a_user_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GENMODELS_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"could not write the image cache .* GENMODELS_CACHE"):
        data.load(FASHION)


def test_processes_decode_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(tmp_path / "set", ["RGB"] * 50, [64] * 50)
    decode_chunk = cache.decode_chunk

    def log_and_decode(*arguments: object) -> None:
        with open(tmp_path / "log", "a") as log:
            log.write("decoded\n")
        decode_chunk(*arguments)

    monkeypatch.setattr(cache, "decode_chunk", log_and_decode)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        first, second = pool.map(fingerprint, [tmp_path / "set"] * 2, chunksize=1)
    assert first == second
    assert (tmp_path / "log").read_text() == "decoded\n"
