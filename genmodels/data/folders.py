"""List the images of a local folder, ZIP archive or NPZ file, with their splits and classes."""

import os
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np
import pyarrow
from PIL import Image, UnidentifiedImageError

from genmodels.data.cache import Files
from genmodels.data.decoding import open_archive, open_image
from genmodels.data.labels import natural_key
from genmodels.errors import UserError, first_line
from genmodels.hub import cache_folder

# Folder names of splits, as in `datasets`.
SPLITS = {"train": "train", "training": "train"}
SPLITS |= dict.fromkeys(("validation", "valid", "val", "dev"), "validation")
SPLITS |= dict.fromkeys(("test", "testing", "eval", "evaluation"), "test")

# Formats that Pillow recognises but cannot decode by itself.
UNREADABLE = {"BUFR", "EPS", "FITS", "GRIB", "HDF5", "MPEG", "PALM", "PDF", "WMF"}
# Suffixes of text files that often accompany images; such files are not opened.
OTHER_SUFFIXES = {".csv", ".html", ".json", ".jsonl", ".md", ".py", ".txt", ".xml", ".yaml", ".yml"}
# Files that `datasets` reads: with one of them, a folder is a dataset in Hub layout.
TABLES = {".arrow", ".parquet", ".tar", ".zip"}
METADATA = {"metadata.csv", "metadata.jsonl", "metadata.parquet"}


class File(NamedTuple):
    """An image of a folder or archive."""

    name: PurePath  # below the folder
    location: str  # see `decoding.open_image`
    version: str  # changes if the file changes

    @property
    def split(self) -> str | None:
        """The split that the first folder names."""
        return SPLITS.get(self.name.parts[0].lower())


class Listing(NamedTuple):
    """The images of one split."""

    files: Files
    labels: pyarrow.Array | pyarrow.ChunkedArray | None  # (N,) null if missing
    split: str | None = None
    notes: Sequence[str] = ()
    names: Sequence[str] | None = None  # (N,) of the files; None for rows of a table

    def name(self, row: int) -> str:
        """Return what an image is called in messages."""
        return f"row {row}" if self.names is None else self.names[row]


@cache
def image_suffixes() -> frozenset[str]:
    """Return the suffixes of the files that Pillow reads."""
    suffixes = Image.registered_extensions().items()
    return frozenset(suffix for suffix, kind in suffixes if kind not in UNREADABLE)


def list_files(folder: Path) -> list[Path]:
    """List all files below a folder in natural order, without hidden files and folders.

    Links are followed, each folder once.
    """
    visited, paths = set(), []
    for root, folders, names in os.walk(folder, followlinks=True):
        status = os.stat(root)
        if (status.st_dev, status.st_ino) in visited:
            folders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths += [Path(root, name) for name in names if not name.startswith(".")]
    return sorted(paths, key=lambda path: [natural_key(part) for part in path.parts])


def local_files(source: str) -> list[Path] | None:
    """List the files of a source that is read here: a file, or a folder of images; else None."""
    if not os.path.isdir(source):
        return [Path(source)] if os.path.isfile(source) else None
    files = list_files(Path(source))
    if any(it.suffix.lower() in TABLES or it.name.lower() in METADATA for it in files):
        return None
    has_images = any(it.suffix.lower() not in OTHER_SUFFIXES for it in files)
    return files if has_images or not files else None


def list_images(source: str, paths: list[Path], split: str | None, limit: int | None) -> Listing:
    """List the images of one split: the named one, else `train`, else the only one.

    `paths` are the files of the source: see `local_files`.

    Folders train, validation and test are splits if there is no image outside of them. The first
    folder below is the class. Raises UserError if there is no such split.
    """
    path = Path(source)
    if path.is_file() and path.suffix.lower() in (".npz", ".npy"):
        return list_array(path, split, limit)
    if path.is_file() and not zipfile.is_zipfile(path):
        raise UserError(f"expected a folder, a ZIP archive or an NPZ file, got the file {source}")
    files, others = [], Counter()
    for file in archive_files(path) if path.is_file() else folder_files(path, paths):
        if is_image(file):
            files.append(file)
        elif file.name.suffix.lower() not in OTHER_SUFFIXES:
            others[file.name.suffix.lower() or "without a suffix"] += 1
    notes = []
    if others:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in others.most_common())
        notes.append(f"left out {kinds}: Pillow cannot read them, convert them to PNG or JPEG")
    files = strip_folders(files)
    chosen = None
    if files and all(it.name.parent.parts and it.split for it in files):
        chosen, files = choose_split(files, split, source)
    elif split not in (None, "train"):
        raise UserError(f"expected a folder {split} in {source!r}, found no splits")
    files = [files[index] for index in random_subset(len(files), limit)]
    classes = [it.name.parts[0] if len(it.name.parts) > 1 else None for it in files]
    fingerprint = sha256("\n".join(f"{it.location} {it.version}" for it in files).encode())
    locations = [it.location for it in files]
    labels = pyarrow.array(classes, "string") if any(classes) else None
    names = [str(it.name) for it in files]
    return Listing(Files(fingerprint.hexdigest(), locations), labels, chosen, notes, names)


def random_subset(count: int, limit: int | None) -> list[int]:
    """Return `limit` of the numbers below `count`, or all, in order and the same each time."""
    if limit is None or limit >= count:
        return list(range(count))
    return sorted(np.random.default_rng(0).permutation(count)[:limit].tolist())


def folder_files(folder: Path, paths: list[Path]) -> Iterator[File]:
    """Yield the files of a folder."""
    for path in paths:
        try:
            status = path.stat()
            version = f"{status.st_size} {status.st_mtime_ns}"
        except OSError:  # a link to nothing: reported when it is opened
            version = "missing"
        yield File(path.relative_to(folder), str(path), version)


def archive_files(archive: Path) -> Iterator[File]:
    """Yield all files of a ZIP archive, in natural order."""
    open_archive.cache_clear()  # the file may have changed
    try:
        infos = open_archive(str(archive)).infolist()
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(f"could not read {archive}: {first_line(error)}") from error
    for info in sorted(infos, key=lambda info: natural_key(info.filename)):
        parts = PurePath(info.filename).parts
        if not info.is_dir() and not any(it.startswith((".", "__MACOSX")) for it in parts):
            location = f"zip://{info.filename}::{archive}"
            yield File(PurePath(info.filename), location, f"{info.file_size} {info.CRC}")


def is_image(file: File) -> bool:
    """Return whether Pillow reads a file: by its suffix, else by its content."""
    suffix = file.name.suffix.lower()
    if suffix in image_suffixes():
        return True
    if suffix in OTHER_SUFFIXES:
        return False
    try:
        return open_image({"bytes": None, "path": file.location}).format not in UNREADABLE
    except (UnidentifiedImageError, OSError):
        return False


def strip_folders(files: list[File]) -> list[File]:
    """Drop the outer folder as long as it is the only one and there are folders in it."""
    while files and all(len(it.name.parts) > 2 for it in files):
        (first, *others) = {it.name.parts[0] for it in files}
        if others or first.lower() in SPLITS:
            break
        files = [it._replace(name=PurePath(*it.name.parts[1:])) for it in files]
    return files


def choose_split(files: list[File], split: str | None, source: str) -> tuple[str, list[File]]:
    """Return the name and the files of a split such as "train" or "train+validation"."""
    names = list(dict.fromkeys(it.split for it in files))
    if split is None:
        split = "train" if "train" in names or len(names) > 1 else names[0]
    wanted = split.split("+")
    for name in wanted:
        if name not in names:
            raise UserError(f"expected a split of {source!r}: {', '.join(names)}; got {split!r}")
    return split, [
        it._replace(name=PurePath(*it.name.parts[1:])) for it in files if it.split in wanted
    ]


def list_array(path: Path, split: str | None, limit: int | None) -> Listing:
    """List images of a NumPy file: arr_0 (N, H, W, C) uint8, and labels or arr_1 (N,), if any.

    This is the format of ADM's samples and references (Dhariwal & Nichol, 2021)
    https://github.com/openai/guided-diffusion/tree/main/evaluations
    """
    if split not in (None, "train"):
        raise UserError(f"expected no split of {path}, which has none; got {split!r}")
    status = path.stat()
    version = sha256(f"{path.resolve()} {status.st_size} {status.st_mtime_ns}".encode()).hexdigest()
    labels = None
    try:
        if path.suffix.lower() == ".npz":
            with np.load(path) as arrays:
                name = next(it for it in ("labels", "arr_1", None) if it is None or it in arrays)
                labels = None if name is None else pyarrow.array(arrays[name])
            target = cache_folder() / "pixels" / f"{version[:32]}.npy"
            if not target.exists():  # compressed arrays cannot be mapped
                draft = target.with_suffix(f".{os.getpid()}")
                target.parent.mkdir(parents=True, exist_ok=True)
                with zipfile.ZipFile(path) as archive:
                    Path(archive.extract("arr_0.npy", draft)).replace(target)
                draft.rmdir()
            path = target
        array = np.load(path, mmap_mode="r")
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        expected = f"expected images as the array arr_0 in {path}"
        raise UserError(f"{expected}: {first_line(error)}") from error
    has_images = array.ndim == 3 or (array.ndim == 4 and array.shape[3] in (1, 3))
    if array.dtype != np.uint8 or not has_images:
        raise UserError(
            f"expected images (N, H, W) or (N, H, W, C) with C of 1 or 3 in uint8 in {path}, got "
            f"{array.shape} in {array.dtype}; other data are not supported"
        )
    subset = random_subset(len(array), limit)
    locations = [f"npy://{index}::{path}" for index in subset]
    labels = None if labels is None else labels.take(subset)
    return Listing(Files(f"{version} {len(locations)}", locations), labels)
