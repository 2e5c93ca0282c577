"""python -m genmodels.metrics --samples DIR_OR_MODEL --reference DIR_OR_DATASET [...]

With `accelerate launch -m genmodels.metrics` on several processes, which share the work.
"""

import os
import sys
from json import dumps
from pathlib import Path

import torch
import tyro
from accelerate import Accelerator
from accelerate.utils import gather_object

from genmodels import data, images
from genmodels.data import Images
from genmodels.errors import exit_in_a_sentence
from genmodels.pipelines import LatentPipeline, load

from . import METRICS
from .extractors import Eyes, plain
from .measuring import Pictures, Result, Share, drawn, measure, ready
from .memorisation import memorisation
from .reconstruction import Reconstruction

MORE = ("memorisation", "reconstruction")
QUERIES = 1000  # samples, and as many held-out images, of which the nearest is looked for
SHOWN = 16  # samples on the sheet of pairs


def run(
    samples: str,
    reference: str,
    metrics: str = "fid,kid,precision,recall",
    extractor: str = "inception",
    count: int = 10_000,
    split: str = "train",
    samples_split: str | None = None,
    held_out: str = "test",
    seed: int = 0,
    json: str | None = None,
    pairs: str | None = None,
) -> None:
    """Measure generated samples beside real ones.

    Args:
        samples: a model (a folder with a model_index.json, or a Hub id) or a folder of images
        reference: a dataset (a folder in Hub layout, or a Hub id) or a folder of images
        metrics: names with commas between them, of is, fid, kid, precision, recall, density,
            coverage, lpips (diversity), memorisation, and of an autoencoder reconstruction
        extractor: inception, with AlexNet for LPIPS, or domain, a classifier of Fashion-MNIST, or
            the folder of a classifier that `python -m training` made
        count: samples at the most
        split: of the reference
        samples_split: samples are a dataset too, and this is the split of it
        held_out: split of the reference that no training saw, for memorisation and reconstruction
        seed: of the samples that a model draws
        json: file for the numbers and their protocol
        pairs: file for a PNG of the samples nearest to a training image: beside each the one that
            is nearest by LPIPS and the one by pixels
    """
    names = metrics.split(",")
    for name in names:
        if name not in (*METRICS, *MORE):
            raise ValueError(f"expected {', '.join([*METRICS, *MORE])}, but got {name!r}")
    if count < 1:
        raise ValueError(f"expected a count of at least 1, but got {count}")
    if pairs is not None and "memorisation" not in names:
        raise ValueError("expected memorisation among the metrics for --pairs")
    accelerator = Accelerator()
    share = Share(accelerator.process_index, accelerator.num_processes, gather_object)
    eyes = Eyes(extractor, accelerator.device)
    real = shown(read(reference, split), split)
    pipeline = None
    if samples_split is not None or is_folder_of_images(samples):
        fake = shown(read(samples, samples_split), samples_split, count)
    else:
        pipeline = load(samples).to(accelerator.device)
        name = f"{count:,} samples of {Path(samples).resolve().name}, seed {seed}"
        latents = pipeline.draw(count, torch.Generator().manual_seed(seed))
        fake = drawn(name, latents, pipeline.in_turn(count), pipeline.decode)

    results = []
    if kinds := list(dict.fromkeys(METRICS[name] for name in names if name in METRICS)):
        results.append(measure(kinds, fake, real, eyes, share))
    if "memorisation" in names:
        held = shown(unseen(reference, held_out), held_out, QUERIES)
        results.append(memorise(fake, held, real, eyes, share, pairs))
    if "reconstruction" in names:
        results.append(reconstruct(pipeline, unseen(reference, held_out), held_out, eyes, share))
    if accelerator.is_main_process:
        numbers = {name: value for result in results for name, value in result.numbers.items()}
        told = {name: value for name, value in numbers.items() if name.split("_")[0] in names}
        protocol = [result.protocol for result in results]
        notes = [note for result in results for note in result.notes]
        lines = [f"{name}: {value:.6g}" for name, value in told.items()]
        print("\n".join([*lines, *protocol, *notes]))
        if json is not None:
            Path(json).write_text(dumps({**told, "protocol": protocol, "notes": notes}, indent=1))
    accelerator.end_training()


def is_folder_of_images(source: str) -> bool:
    """And no dataset or model."""
    model = (Path(source) / "model_index.json").exists()
    suffixes = (path.suffix.lower() for path in Path(source).rglob("*"))
    return os.path.isdir(source) and not model and any(it in data.SUFFIXES for it in suffixes)


def read(source: str, split: str | None) -> Images:
    """A folder of images, or the split of a dataset."""
    if is_folder_of_images(source):
        return data.load_folder(source)
    return data.load(source, split=split or "train")


def unseen(reference: str, split: str) -> Images:
    """Real images that no training saw."""
    if is_folder_of_images(reference):
        raise ValueError(
            f"expected a dataset with a split {split!r} that no training saw for memorisation and "
            f"reconstruction, but {reference} is a folder of images"
        )
    return data.load(reference, split=split)


def shown(real: Images, split: str | None, count: int | None = None) -> Pictures:
    """Real images, or so many of them by chance, as metrics are shown them."""
    order = torch.randperm(len(real.pixels), generator=torch.Generator().manual_seed(0))
    pixels = real.pixels if count is None else real.pixels[order[:count]]
    kind = "" if is_folder_of_images(real.source) else f", split {split}"
    name = f"{len(pixels):,} images of {Path(real.source).resolve().name}{kind}"
    return ready(name, pixels)


def memorise(
    fake: Pictures, held_out: Pictures, real: Pictures, eyes: Eyes, share: Share, pairs: str | None
) -> Result:
    """Distances to the nearest training image: of samples, and of real images held out."""
    few = fake._replace(count=min(fake.count, QUERIES))
    extractors = {"lpips": eyes.perception, "pixels": plain()}
    numbers, found = {}, {}
    for kind, queries in (("", few), ("_held_out", held_out)):
        found[kind] = memorisation(queries, real, extractors, share)
        for name, nearest in found[kind].items():
            # LPIPS is a squared distance of embeddings, and pixels differ by a root mean square.
            distances = nearest.squares if name == "lpips" else nearest.squares.sqrt()
            numbers[f"memorisation_{name}{kind}"] = distances.mean().item()
    if pairs is not None and share.rank == 0:
        first = found[""]["lpips"].squares.argsort()[:SHOWN]
        columns = [few.pixels(slice(few.count)).cpu()[first]]
        columns += [real.pixels(slice(None))[it.numbers[first]] for it in found[""].values()]
        images.grid(images.from_pixels(torch.stack(columns, 1).flatten(0, 1)), 12).save(pairs)
    protocol = f"memorisation: {eyes.perception.protocol}, root mean squares in [-1, 1]"
    names = f"{few.count:,} of {fake.name} and {held_out.name} against {real.name}"
    return Result(numbers, f"{protocol}; {names}")


def reconstruct(
    pipeline: LatentPipeline | None, held_out: Images, split: str, eyes: Eyes, share: Share
) -> Result:
    """What an autoencoder loses of real images that it was not trained on."""
    if not hasattr(pipeline, "encode"):
        raise ValueError("expected a model that encodes, for reconstruction")
    pictures, total = shown(held_out, split), Reconstruction()
    for part in share.parts(pictures):
        samples = images.from_pixels(pictures.pixels(part)).to(pipeline.device)
        labels = held_out.labels[part] if pipeline.num_classes else None
        with torch.inference_mode():
            again = pipeline.decode(pipeline.encode(samples, labels), labels)
            total.update(samples, again, eyes.perception.distance(samples, again))
    protocol = f"reconstruction: {eyes.perception.protocol}, and mean squares in [-1, 1]"
    return Result(share.together(total).compute(), f"{protocol}; {pictures.name}")


def main() -> None:
    try:
        tyro.cli(run, prog="python -m genmodels.metrics", use_underscores=True)
    except ValueError as error:
        exit_in_a_sentence(error)
    except OSError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
