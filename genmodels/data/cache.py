"""Decode images once into files that all processes and later runs map into memory."""

import hashlib
import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import datasets
import numpy as np
import pyarrow
from datasets import Dataset
from filelock import FileLock
from tqdm import tqdm

from genmodels.data.decoding import (
    FEATURES,
    UNDECODED,
    Decoding,
    decode_row,
    file_name,
    to_uint8,
    value_range,
)
from genmodels.data.pixels import Pixels
from genmodels.errors import UserError, first_line
from genmodels.hub import cache_folder

CHUNK = 8192  # images per cache file: what an interrupted run loses, and a process gets at once
BUFFER = 2**25  # bytes of pixels that a process holds before it writes them
VERSION = 2  # of the content of the cache
EXAMPLES = 10  # broken files that a message names
INDEX = "index.npz"

Rows = Dataset | list[str]  # undecoded images in a column `image`, or their locations


class Files(NamedTuple):
    """Undecoded images."""

    fingerprint: str  # changes if a file changes
    rows: Rows

    def chunks(self) -> list[Rows]:
        """Split the rows into chunks of CHUNK, one for each file of the cache."""
        ranges = [range(len(self.rows))[at : at + CHUNK] for at in range(0, len(self.rows), CHUNK)]
        if isinstance(self.rows, Dataset):
            return [self.rows.select(part) for part in ranges]
        return [self.rows[part.start : part.stop] for part in ranges]


class Decoded(NamedTuple):
    """Decoded images."""

    pixels: Pixels
    keep: np.ndarray  # (N,) row numbers of the images that could be decoded
    digest: str  # SHA-256 of the pixels
    notes: list[str]
    folder: Path  # the cache


def decode_files(files: Files, source: str, decoding: Decoding, skip_broken: bool) -> Decoded:
    """Decode images in parallel, or map them if the cache has them.

    Raises:
        UserError: no images, broken ones unless `skip_broken`, different sizes without a
            resolution, or a cache that cannot be written.
    """
    decoding.check()
    if not len(files.rows):
        raise UserError(f"expected images in {source!r}, found none")
    key = f"{files.fingerprint} {tuple(decoding)} {VERSION}"
    folder = cache_folder() / "pixels" / hashlib.sha256(key.encode()).hexdigest()[:32]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "lock"):  # the first process decodes, the others wait
            index = read_index(folder, math.ceil(len(files.rows) / CHUNK))
            if index is None or (len(index.keep) < len(index.sizes) and not skip_broken):
                index = decode_all(files, source, folder, decoding, skip_broken)
    except OSError as error:
        raise UserError(
            f"could not write the image cache {folder}: {first_line(error)}; free some space, or "
            "set GENMODELS_CACHE to another folder"
        ) from error
    check_sizes(index.sizes[index.keep], source, decoding)
    parts = [
        pyarrow.ipc.open_stream(pyarrow.memory_map(str(file))).read_all()["pixels"]
        for file in sorted(folder.glob(f"*{index.suffix}"))
    ]
    column = pyarrow.chunked_array([chunk for part in parts for chunk in part.chunks])
    pixels = Pixels(column, index.sizes, index.keep)
    return Decoded(pixels, index.keep, index.digest, index.notes, folder)


class Index(NamedTuple):
    """Metadata of decoded images, so that a start need not read them. M rows, N images."""

    suffix: str  # of the files with the pixels
    digest: str  # SHA-256 of the pixels
    notes: list[str]
    sizes: np.ndarray  # (M, 3) int32: channels, height and width; zeros for a broken image
    keep: np.ndarray  # (N,) rows that could be decoded


def read_index(folder: Path, chunks: int) -> Index | None:
    """Read the index of a complete cache; None if the index or one of the files is missing."""
    if not (folder / INDEX).exists():
        return None
    with np.load(folder / INDEX) as arrays:
        suffix, digest, *notes = arrays["texts"].tolist()
        index = Index(suffix, digest, notes, arrays["sizes"], arrays["keep"])
    return index if len(list(folder.glob(f"*{suffix}"))) == chunks else None


def decode_all(
    files: Files, source: str, folder: Path, decoding: Decoding, skip_broken: bool
) -> Index:
    """Decode the images that the cache lacks, and write its index."""
    (folder / "source.txt").write_text(f"{source}\n{decoding}\n")
    for leftover in folder.glob("tmp*"):  # of a killed run
        leftover.unlink()
    suffix, parts = ".arrow", run_all(decode_chunk, files.chunks(), folder, ".arrow", decoding)
    table = datasets.concatenate_datasets(parts)
    keep = check_broken(table, files, source, skip_broken)
    settings, notes = conversion(table, keep)
    if transparent := values(table, "transparent", keep).sum():
        notes.append(f"{transparent:,} transparent images on {decoding.background}")
    if broken := len(table) - len(keep):
        notes.append(f"left out {broken:,} broken images")
    if settings:
        suffix = ".8bit"
        table = datasets.concatenate_datasets(
            run_all(convert_chunk, parts, folder, suffix, (*settings, decoding))
        )
    sizes = np.zeros((len(table), 3), np.int32)
    columns = [values(table, name, keep) for name in ("channels", "height", "width")]
    sizes[keep] = np.stack(columns, 1)
    digest = hashlib.sha256(values(table, "digest", keep).tobytes()).hexdigest()
    draft = folder / "tmp.npz"
    np.savez(draft, texts=np.array([suffix, digest, *notes]), sizes=sizes, keep=keep)
    draft.replace(folder / INDEX)
    return Index(suffix, digest, notes, sizes, keep)


def run_all(
    function: Callable, chunks: Sequence[Rows], folder: Path, suffix: str, settings: tuple
) -> list[Dataset]:
    """Map each chunk to a cache file, in processes if several are missing -> the mapped files."""
    files = [folder / f"{number:05d}{suffix}" for number in range(len(chunks))]
    todo = [index for index, file in enumerate(files) if not file.exists()]
    arguments = [[item[index] for index in todo] for item in (chunks, files)]
    total, silent = sum(map(len, arguments[0])), datasets.are_progress_bars_disabled()
    bar = tqdm(total=total, desc="Decoding images", unit="image", disable=silent or not todo)
    datasets.disable_progress_bars()  # one bar for all chunks
    try:
        workers = min(len(todo), len(os.sched_getaffinity(0)))
        if workers < 2:
            for chunk, file in zip(*arguments, strict=True):
                function(chunk, file, settings)
                bar.update(len(chunk))
        else:
            with bar, ProcessPoolExecutor(workers) as pool:
                results = pool.map(function, *arguments, [settings] * len(todo))
                for chunk, _ in zip(arguments[0], results, strict=True):
                    bar.update(len(chunk))
    finally:
        bar.close()
        if not silent:
            datasets.enable_progress_bars()
    return [Dataset.from_file(str(file)) for file in files]


def decode_chunk(chunk: Rows, file: Path, decoding: Decoding) -> None:
    """Decode a chunk into a file."""
    if not isinstance(chunk, Dataset):
        rows = [{"bytes": None, "path": location} for location in chunk]
        chunk = Dataset.from_dict({"image": rows}, features=UNDECODED)
    write(chunk, file, decode_row, {"decoding": decoding})


def convert_chunk(chunk: Dataset, file: Path, settings: tuple) -> None:
    """Convert a decoded chunk to uint8 and to one number of channels."""
    names = ("channels", "black", "white", "decoding")
    write(chunk, file, to_uint8, dict(zip(names, settings, strict=True)))


def write(chunk: Dataset, file: Path, function: Callable, arguments: dict) -> None:
    """Map the rows of a chunk to rows of FEATURES in a file, which appears when it is complete."""
    first = function(chunk[0], **arguments)["pixels"] or b" " * BUFFER

    def convert(columns: dict[str, list]) -> dict[str, list]:
        rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
        results = [function(row, **arguments) for row in rows]
        return {name: [result[name] for result in results] for name in FEATURES}

    chunk.map(
        convert,
        batched=True,
        batch_size=max(1, BUFFER // len(first)),
        features=FEATURES,
        remove_columns=chunk.column_names,
        cache_file_name=str(file),
        writer_batch_size=max(1, BUFFER // len(first)),
        new_fingerprint=file.stem,
    )


def values(table: Dataset, name: str, rows: np.ndarray) -> np.ndarray:
    """Return some rows of a numeric column; missing values become NaN."""
    return table.data.column(name).take(rows).to_numpy()


def check_broken(table: Dataset, files: Files, source: str, skip_broken: bool) -> np.ndarray:
    """Return the rows that could be decoded. Raises UserError with the broken ones."""
    errors = table.data.column("error")
    if errors.null_count == len(table) or (skip_broken and errors.null_count):
        return np.flatnonzero(errors.is_null().to_numpy())
    broken = np.flatnonzero(errors.is_valid().to_numpy()).tolist()
    examples = []
    for row in broken[:EXAMPLES]:
        file = files.rows[row]
        file = file["image"] if isinstance(files.rows, Dataset) else {"path": file}
        examples.append(f"{file_name(file, row)} ({errors[row].as_py()})")
    if len(broken) > EXAMPLES:
        examples.append("...")
    remedy = "" if len(broken) == len(table) else ", or leave them out with --skip_broken"
    raise UserError(
        f"could not decode {len(broken):,} of {len(table):,} images of {source!r}: "
        f"{', '.join(examples)}; replace them{remedy}"
    )


def conversion(table: Dataset, keep: np.ndarray) -> tuple[tuple[int, float, float] | None, list]:
    """Return the channels, black and white to convert to, None if not needed, and notes."""
    channels, lows, highs = (values(table, name, keep) for name in ("channels", "low", "high"))
    deep = ~np.isnan(lows)
    if not deep.any():
        mixed = len(channels) > 0 and channels.min() < channels.max()
        return ((int(channels.max()), 0.0, 255.0) if mixed else None), []
    lows, highs = lows[deep], highs[deep]
    whole = bool((lows % 1 == 0).all() and (highs % 1 == 0).all())
    black, white = value_range(lows.min(), highs.max(), whole)
    note = f"{deep.sum():,} images with more than 8 bits per channel: black is {black:g}, white "
    return (int(channels.max()), black, white), [f"{note}{white:g}"]


def check_sizes(sizes: np.ndarray, source: str, decoding: Decoding) -> None:
    """Raise UserError unless the images have one square size, or are scaled to one."""
    if not len(sizes):
        raise UserError(f"expected images in {source!r}, found none")
    square_and_equal = (sizes[:, 1:] == sizes[0, 1]).all()
    if decoding.resolution is None and not square_and_equal:
        shapes, counts = np.unique(sizes[:, 1:], axis=0, return_counts=True)
        common = np.argsort(-counts, kind="stable")[:3]
        named = ", ".join(f"{shapes[it, 1]}x{shapes[it, 0]}" for it in common)
        more = "" if len(shapes) <= 3 else f" and {len(shapes) - 3:,} other sizes"
        raise UserError(
            f"expected square images of one size in {source!r}, got {named}{more}: set "
            "--resolution to a side in pixels, and --resize_mode to crop, pad or stretch"
        )
