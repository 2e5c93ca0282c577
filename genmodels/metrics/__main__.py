"""python -m genmodels.metrics --samples DIR_OR_MODEL --reference DIR_OR_DATASET [...]

With `accelerate launch -m genmodels.metrics` on several processes, which share the work.
"""

import os
from collections.abc import Sequence
from json import dumps
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor

from genmodels import data
from genmodels.data import Images
from genmodels.errors import UserError, display_name, run_command
from genmodels.media.image import from_pixels, image_grid
from genmodels.metrics import METRICS
from genmodels.metrics.classes import Classes
from genmodels.metrics.evaluation import Pictures, Result, Share, drawn, measure, ready
from genmodels.metrics.extractors import FeatureExtractors, plain
from genmodels.metrics.memorisation import memorisation
from genmodels.metrics.path_length import STEP, path_lengths
from genmodels.metrics.reconstruction import Reconstruction
from genmodels.pipelines import AutoencodingPipeline, LatentPipeline, load

TABLES = {".parquet", ".arrow", ".csv", ".json", ".jsonl", ".tar"}  # of a dataset in Hub layout
OF_SAMPLES = METRICS | {"class_accuracy": Classes}
MORE = ("memorisation", "reconstruction", "path_length")
PATHS = 1000  # pairs of latents
QUERIES = 1000  # samples, and as many held-out images, of which the nearest is looked for
SHOWN = 16  # samples on the sheet of pairs


def run(
    samples: str,
    reference: str,
    metrics: str = "fid,kid,precision,recall",
    extractor: str = "inception",
    count: int = 10_000,
    reference_count: int | None = None,
    split: str = "train",
    samples_split: str | None = None,
    held_out: str = "test",
    resolution: int | None = None,
    seed: int = 0,
    json: str | None = None,
    pairs: str | None = None,
) -> None:
    """Measure generated samples beside real ones.

    Args:
        samples: a model (a folder with a model_index.json, or a Hub id) or a folder of images
        reference: a dataset (a folder in Hub layout, or a Hub id) or a folder of images
        metrics: names with commas between them, of is, fid, kid, precision, recall, density,
            coverage, lpips (diversity), classes (how many occur), class_accuracy (of a conditional
            model to the class that is asked for), memorisation, path_length (how smoothly samples
            follow their latents), and of an autoencoder reconstruction
        extractor: inception, with AlexNet for LPIPS, or domain, a classifier of Fashion-MNIST, or
            the folder of a classifier that `python -m training` made
        count: samples at the most
        reference_count: real images at the most, drawn by chance; None: all
        split: of the reference
        samples_split: samples are a dataset too, and this is the split of it
        held_out: split of the reference that no training saw, for memorisation and reconstruction
        resolution: side in pixels, to which images that are no model's are scaled and cropped, as
            the training does it; None: as they are
        seed: of the samples that a model draws
        json: file for the numbers and their protocol
        pairs: file for a PNG of the samples nearest to a training image: beside each the one that
            is nearest by LPIPS and the one by pixels
    """
    names = [name.strip() for name in metrics.split(",")]
    if pairs is not None and "memorisation" not in names:
        raise UserError("expected memorisation among the metrics for --pairs")
    for file, suffix in ((json, ""), (pairs, ".png")):
        if file is not None:
            writable(Path(file), suffix)
    accelerator = Accelerator()
    results = measured(
        accelerator,
        samples,
        reference,
        names,
        extractor,
        count,
        reference_count,
        split,
        samples_split,
        held_out,
        resolution,
        seed,
        pairs,
    )
    if accelerator.is_main_process:
        numbers = {name: value for result in results for name, value in result.numbers.items()}
        protocol = [result.protocol for result in results]
        notes = list(dict.fromkeys(note for result in results for note in result.notes))
        lines = [f"{name}: {value:.6g}" for name, value in numbers.items()]
        print("\n".join([*lines, *protocol, *notes]))
        if json is not None:
            told = {**numbers, "protocol": protocol, "notes": notes}
            Path(json).write_text(dumps(told, indent=1))
    accelerator.end_training()


def measured(
    accelerator: Accelerator,
    samples: str,
    reference: str,
    names: Sequence[str],
    extractor: str = "inception",
    count: int = 10_000,
    reference_count: int | None = None,
    split: str = "train",
    samples_split: str | None = None,
    held_out: str = "test",
    resolution: int | None = None,
    seed: int = 0,
    pairs: str | None = None,
) -> list[Result]:
    """The numbers of the command, and for each kind of measurement what belongs to it.

    names: of metrics; all else as `run`
    To be called on every process. Raises UserError where something is not to be had, or amiss.
    """
    for name in names:
        if name not in (*OF_SAMPLES, *MORE):
            raise UserError(f"expected {', '.join([*OF_SAMPLES, *MORE])}, but got {name!r}")
    flags = {"count": count, "reference_count": reference_count, "resolution": resolution}
    for flag, least in flags.items():
        if least is not None and least < 1:
            raise UserError(f"expected a {flag} of at least 1, but got {least}")
    share = Share(accelerator.process_index, accelerator.num_processes, gather_object)
    extractors = FeatureExtractors(extractor, accelerator.device)
    real = shown(read(reference, split, resolution), split, reference_count)
    held = None
    if not {"memorisation", "reconstruction"}.isdisjoint(names):
        held = unseen(reference, split, held_out, resolution)
    pipeline = None
    if samples_split is not None:
        own = data.load(samples, split=samples_split, resolution=resolution)
        fake = shown(own, samples_split, count)
    elif is_folder_of_images(samples):
        fake = shown(data.load_folder(samples, resolution), None, count)
    else:
        pipeline = load(samples).to(accelerator.device)
        name = f"{count:,} samples of {display_name(samples)}, seed {seed}"
        latents = pipeline.draw(count, torch.Generator().manual_seed(seed))
        fake = drawn(name, latents, pipeline.balanced_labels(count), pipeline.decode)
    if "reconstruction" in names:
        check_reconstruction(pipeline, held)
    if "path_length" in names and pipeline is None:
        raise UserError("expected a model for path_length, but got images")
    if "class_accuracy" in names:
        check_class_accuracy(pipeline, extractors)
    if "memorisation" in names:
        wanted, got = (tuple(it.pixels(slice(1)).shape[1:]) for it in (real, fake))
        if wanted != got:
            raise UserError(f"expected samples {wanted} for memorisation, but got {got}")

    results = []
    if kinds := list(dict.fromkeys(OF_SAMPLES[name] for name in names if name in OF_SAMPLES)):
        results.append(measure(kinds, fake, real, extractors, share))
    if "memorisation" in names:
        some = shown(held, held_out, QUERIES)
        results.append(memorise(fake, some, real, extractors, share, pairs))
    if "reconstruction" in names:
        results.append(reconstruct(pipeline, held, held_out, extractors, share))
    if "path_length" in names:
        results.append(smoothness(pipeline, min(count, PATHS), seed, extractors, share))
    scaled = "" if resolution is None else f"; images scaled to {resolution} pixels"
    return [
        result._replace(
            protocol=result.protocol + scaled,
            numbers={
                key: value
                for key, value in result.numbers.items()
                if any(key == name or key.startswith(f"{name}_") for name in names)
            },
        )
        for result in results
    ]


def writable(file: Path, suffix: str) -> None:
    """Raise UserError unless a file can be written, before anything is measured."""
    if not file.name.endswith(suffix) or file.is_dir() or not os.access(file.parent, os.W_OK):
        raise UserError(f"expected a file{suffix and f' {suffix}'} to write to, but got {file}")


def is_folder_of_images(source: str) -> bool:
    """Images alone: no dataset in Hub layout, whose files or folders say so."""
    if not os.path.isdir(source):
        return False
    suffixes = {path.suffix.lower() for path in data.list_files(Path(source))}
    splits = any((Path(source) / split).is_dir() for split in ("train", "test", "data"))
    return bool(suffixes & data.SUFFIXES) and not suffixes & TABLES and not splits


def read(source: str, split: str, resolution: int | None = None) -> Images:
    """A folder of images, or the split of a dataset."""
    if is_folder_of_images(source):
        return data.load_folder(source, resolution)
    return data.load(source, split=split, resolution=resolution)


def unseen(reference: str, split: str, held_out: str, resolution: int | None) -> Images:
    """Real images that no training saw."""
    if is_folder_of_images(reference):
        raise UserError(
            f"expected a dataset with a split {held_out!r} that no training saw for memorisation "
            f"and reconstruction, but {reference} is a folder of images"
        )
    if held_out == split:
        raise UserError(f"expected another split than {split!r} for --held_out")
    return data.load(reference, split=held_out, resolution=resolution)


def shown(real: Images, split: str | None, count: int | None = None) -> Pictures:
    """Real images, or so many of them by chance, as metrics are shown them."""
    pixels = real.pixels
    if count is not None and count < len(pixels):
        order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))
        pixels = pixels[order[:count]]
    kind = "" if split is None or is_folder_of_images(real.source) else f", split {split}"
    return ready(f"{len(pixels):,} images of {display_name(real.source)}{kind}", pixels)


def memorise(
    fake: Pictures,
    held_out: Pictures,
    real: Pictures,
    extractors: FeatureExtractors,
    share: Share,
    pairs: str | None,
) -> Result:
    """Distances to the nearest training image: of samples, and of real images held out."""
    few = min(fake.count, QUERIES)

    def pixels(part: slice) -> Tensor:
        """Samples first, and then what was held out."""
        sides = []
        if part.start < few:
            sides.append(fake.pixels(slice(part.start, min(part.stop, few))).cpu())
        if part.stop > few:
            sides.append(held_out.pixels(slice(max(part.start - few, 0), part.stop - few)))
        return torch.cat(sides)

    name = f"{few:,} of {fake.name} and {held_out.name}"
    found = memorisation(
        Pictures(name, few + held_out.count, pixels),
        real,
        {"lpips": extractors.perception, "pixels": plain()},
        share,
    )
    numbers = {}
    for by, nearest in found.items():
        # LPIPS is a squared distance of embeddings, and pixels differ by a root mean square.
        distances = nearest.squares if by == "lpips" else nearest.squares.sqrt()
        numbers[f"memorisation_{by}"] = distances[:few].mean().item()
        numbers[f"memorisation_{by}_held_out"] = distances[few:].mean().item()
    if pairs is not None and share.rank == 0:
        first = found["lpips"].squares[:few].argsort()[:SHOWN]
        columns = [torch.cat([fake.pixels(slice(at, at + 1)).cpu() for at in first.tolist()])]
        columns += [real.pixels(slice(None))[nearest.numbers[first]] for nearest in found.values()]
        image_grid(from_pixels(torch.stack(columns, 1).flatten(0, 1)), 12).save(pairs)
    protocol = f"memorisation: {extractors.perception.protocol}, root mean squares in [-1, 1]"
    return Result(numbers, f"{protocol}; {name} against {real.name}")


def check_reconstruction(pipeline: LatentPipeline | None, held_out: Images) -> None:
    """Raise UserError unless a model can reconstruct the images."""
    if not isinstance(pipeline, AutoencodingPipeline):
        raise UserError("expected an autoencoder for reconstruction")
    pipeline.check_shape(held_out.pixels, pipeline.sample_shape, "held-out images")
    if pipeline.num_classes is not None and held_out.labels is None:
        raise UserError("expected classes of the held-out images for a conditional autoencoder")


def check_class_accuracy(pipeline: LatentPipeline | None, extractors: FeatureExtractors) -> None:
    """Raise UserError unless a model is asked for the very classes that a classifier tells."""
    if pipeline is None or pipeline.num_classes is None:
        raise UserError("expected a conditional model for class_accuracy")
    known = getattr(extractors.features.network, "config", {}).get("num_classes")
    if known != pipeline.num_classes:
        raise UserError(
            f"expected --extractor to be a classifier of the {pipeline.num_classes} classes of the "
            "model for class_accuracy"
        )


def reconstruct(
    pipeline: AutoencodingPipeline,
    held_out: Images,
    split: str,
    extractors: FeatureExtractors,
    share: Share,
) -> Result:
    """What an autoencoder loses of real images that it was not trained on."""
    pictures, total = shown(held_out, split), Reconstruction()
    for part in share.parts(pictures):
        samples = from_pixels(pictures.pixels(part)).to(pipeline.device)
        labels = held_out.labels[part] if pipeline.num_classes else None
        with torch.inference_mode():
            again = pipeline.decode(pipeline.encode(samples, labels), labels)
            total.update(samples, again, extractors.perception.distance(samples, again))
    protocol = f"reconstruction: {extractors.perception.protocol}, and mean squares in [-1, 1]"
    return Result(share.together(total).compute(), f"{protocol}; {pictures.name}")


def smoothness(
    pipeline: LatentPipeline, count: int, seed: int, extractors: FeatureExtractors, share: Share
) -> Result:
    """How far samples move with their latents, the nearest and farthest hundredth left out."""
    rng = torch.Generator().manual_seed(seed)
    one, other = pipeline.draw(count, rng), pipeline.draw(count, rng)
    times, labels = torch.rand(count, generator=rng), pipeline.balanced_labels(count)
    found = torch.zeros(count, dtype=torch.float64)
    name = f"{count:,} pairs of latents, seed {seed}"
    for part in share.parts(Pictures(name, count, lambda part: one[part])):

        def decode(latents: Tensor, part: slice = part) -> Tensor:
            return pipeline.decode(latents, None if labels is None else labels[part])

        found[part] = path_lengths(
            decode, one[part], other[part], times[part], extractors.perception
        ).cpu()
    lengths = sum(share.gather([found])).sort().values
    beyond = count // 100
    mean = lengths[beyond : count - beyond].mean().item()
    protocol = (
        f"path_length: {extractors.perception.protocol}, over the square of a step of {STEP:g}"
    )
    return Result({"path_length": mean}, f"{protocol}; {name}")


def main() -> None:
    run_command(run, "python -m genmodels.metrics")


if __name__ == "__main__":
    main()
