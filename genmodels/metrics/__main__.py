"""python -m genmodels.metrics --samples DIR_OR_MODEL --reference DIR_OR_DATASET [...]

With `accelerate launch -m genmodels.metrics` on several processes, which share the work.
"""

import os
import sys
from collections.abc import Callable, Mapping
from json import dumps
from pathlib import Path
from typing import NamedTuple

import torch
import tyro
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor
from tqdm import tqdm

from genmodels import data, images
from genmodels.errors import exit_in_a_sentence
from genmodels.pipelines import load

from . import EXTRACTORS, METRICS, Extractor, Metric

BATCH = 50  # images at once


def measure(
    samples: str,
    reference: str,
    metrics: str = "fid,kid,manifold",
    extractor: str = "inception",
    count: int | None = None,
    split: str = "train",
    seed: int = 0,
    json: str | None = None,
) -> None:
    """Measure generated samples beside real ones: IS, FID, KID, precision and recall.

    Args:
        samples: a folder of images, or a model: a folder with a model_index.json, or a Hub id
        reference: a folder of images, or a dataset: a folder in Hub layout, or a Hub id
        metrics: names with commas between them, of is, fid, kid, manifold
        extractor: the network by whose features is measured: inception
        count: samples that a model draws; 10,000 unless told
        split: of the dataset
        seed: of the samples that a model draws
        json: file for the numbers and their protocol
    """
    names = metrics.split(",")
    for name, table in [*((name, METRICS) for name in names), (extractor, EXTRACTORS)]:
        if name not in table:
            raise ValueError(f"expected {' or '.join(table)}, but got {name!r}")
    accelerator = Accelerator()
    real = read(reference, split)
    if os.path.isdir(samples) and not (Path(samples) / "model_index.json").exists():
        fake = read(samples, split)
    else:
        fake = draw(samples, 10_000 if count is None else count, seed, accelerator.device)
    extract = EXTRACTORS[extractor]()
    extract.network.to(accelerator.device)
    mine = {name: METRICS[name]() for name in names}
    for pictures, kind in ((real, True), (fake, False)):
        update(mine, extract, pictures, kind, accelerator)
    merged = {name: METRICS[name]() for name in names}
    for theirs in gather_object([mine]):
        for name, metric in merged.items():
            metric.merge(theirs[name])
    if accelerator.is_main_process:
        numbers = {name: value for it in merged.values() for name, value in it.compute().items()}
        notes = [note for metric in merged.values() for note in metric.notes()]
        protocol = f"{extract.protocol}; {fake.name} against {real.name}"
        lines = [f"{name}: {value:.6g}" for name, value in numbers.items()]
        print("\n".join([*lines, protocol, *notes]))
        if json is not None:
            Path(json).write_text(
                dumps({**numbers, "protocol": protocol, "notes": notes}, indent=1)
            )
    accelerator.end_training()


class Pictures(NamedTuple):
    """Images that are had batch by batch."""

    name: str
    count: int
    pixels: Callable[[slice], Tensor]  # (B, C, S, S) uint8


def read(source: str, split: str) -> Pictures:
    """A folder of images, or a dataset."""
    suffixes = (path.suffix.lower() for path in Path(source).rglob("*"))
    folder = os.path.isdir(source) and any(suffix in data.SUFFIXES for suffix in suffixes)
    real = data.load_folder(source) if folder else data.load(source, split=split)
    kind = "" if folder else f", split {split}"
    name = f"{len(real.pixels):,} images of {Path(source).resolve().name}{kind}"
    return Pictures(name, len(real.pixels), lambda part: real.pixels[part])


def draw(source: str, count: int, seed: int, device: torch.device) -> Pictures:
    """A model's samples; of a conditional one, of its classes in turn."""
    pipeline = load(source).to(device)
    latents = pipeline.draw(count, torch.Generator().manual_seed(seed))
    labels = pipeline.in_turn(count)

    @torch.inference_mode()
    def pixels(part: slice) -> Tensor:
        told = None if labels is None else labels[part]
        return images.to_pixels(pipeline.decode(latents[part], told))

    name = f"{count:,} samples of {Path(source).resolve().name}, seed {seed}"
    return Pictures(name, count, pixels)


def update(
    metrics: Mapping[str, Metric],
    extract: Extractor,
    pictures: Pictures,
    real: bool,
    accelerator: Accelerator,
) -> None:
    """Show each metric this process's share of the pictures."""
    starts = range(0, pictures.count, BATCH)[accelerator.process_index :: accelerator.num_processes]
    for start in tqdm(starts, pictures.name, disable=not accelerator.is_main_process):
        numbers = torch.arange(start, min(start + BATCH, pictures.count))
        features = extract(pictures.pixels(slice(start, start + BATCH)), numbers)
        for metric in metrics.values():
            metric.update(features, real)


def main() -> None:
    try:
        tyro.cli(measure, prog="python -m genmodels.metrics", use_underscores=True)
    except ValueError as error:
        exit_in_a_sentence(error)
    except OSError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
