"""Evaluation of a model, a folder of images or a dataset against real images."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from genmodels import data
from genmodels.data import Images
from genmodels.errors import UserError, display_name
from genmodels.media.image import from_pixels
from genmodels.metrics import METRICS
from genmodels.metrics.accumulator import compute_metrics
from genmodels.metrics.base import Result
from genmodels.metrics.classes import Classes
from genmodels.metrics.extractors import CPU, FeatureExtractors, Perception
from genmodels.metrics.image_source import SINGLE_PROCESS, ImageSource, Latents, Processes
from genmodels.metrics.memorisation import QUERIES, measure_memorisation
from genmodels.metrics.path_length import STEP, path_lengths
from genmodels.metrics.reconstruction import Reconstruction
from genmodels.pipelines import AutoencodingPipeline, LatentPipeline, load

TABLE_SUFFIXES = {".parquet", ".arrow", ".csv", ".json", ".jsonl", ".tar"}
SAMPLE_METRICS = METRICS | {"class_accuracy": Classes}
OTHER_METRICS = ("memorisation", "reconstruction", "path_length")
PATHS = 1000  # pairs of latents

Report = Callable[[str], object]  # called with a line for each source that is read


@dataclass(frozen=True)
class Evaluation:
    """Compute metrics of generated samples against real images.

    Args:
        samples: model (a folder with model_index.json or a Hub id) or folder of images
        reference: dataset (a folder in Hub layout or a Hub id) or folder of images
        metrics: names, separated by commas or spaces: is, fid, kid, precision, recall, density,
            coverage, lpips (diversity), classes (effective number of classes), class_accuracy
            (conditional models), memorisation, path_length, reconstruction (autoencoders)
        extractor: inception (with AlexNet for LPIPS), inception-bf16, domain (a classifier of
            Fashion-MNIST) or the folder of a classifier trained with `python -m training`
        count: maximum number of samples
        reference_count: maximum number of real images, chosen at random; None uses all
        split: split of the reference dataset
        samples_split: treat --samples as a dataset and use this split
        held_out: split of the reference that was not used for training; needed for memorisation
            and reconstruction
        resolution: scale and crop images to this side in pixels, as training does; None keeps
            their size
        seed: seed of the samples that a model generates
        pairs: PNG file for the samples that are nearest to a training image, each followed by its
            nearest training images in LPIPS and in pixels; needs the metric memorisation
    """

    samples: str
    reference: str
    metrics: tuple[str, ...] = ("fid", "kid", "precision", "recall")
    extractor: str = "inception"
    count: int = 10_000
    reference_count: int | None = None
    split: str = "train"
    samples_split: str | None = None
    held_out: str = "test"
    resolution: int | None = None
    seed: int = 0
    pairs: Path | None = None


def evaluate(
    evaluation: Evaluation,
    processes: Processes = SINGLE_PROCESS,
    device: torch.device = CPU,
    report: Report = lambda line: None,
) -> list[Result]:
    """Run an evaluation. Call on every process.

    Returns one result for the metrics of samples, and one for each of memorisation, reconstruction
    and path_length, if requested. `report` is called with a description of each source.
    """
    check_arguments(evaluation)
    metrics, resolution = evaluation.metrics, evaluation.resolution
    extractors = FeatureExtractors(evaluation.extractor, device)
    images = load_images(evaluation.reference, evaluation.split, resolution)
    report(describe("--reference", images, evaluation.split))
    real = to_source(images, evaluation.split, evaluation.reference_count)
    held_out = None
    if not {"memorisation", "reconstruction"}.isdisjoint(metrics):
        held_out = load_held_out(evaluation)
        report(describe("--held_out", held_out, evaluation.held_out))
    pipeline, fake = load_samples(evaluation, device, report)
    check_metrics(metrics, pipeline, fake, real, held_out, extractors)

    results = []
    types = dict.fromkeys(SAMPLE_METRICS[name] for name in metrics if name in SAMPLE_METRICS)
    if types:
        results.append(compute_metrics(list(types), fake, real, extractors, processes))
    if "memorisation" in metrics:
        source, pairs = to_source(held_out, evaluation.held_out, QUERIES), evaluation.pairs
        results.append(measure_memorisation(fake, source, real, extractors, processes, pairs))
    if "reconstruction" in metrics:
        source, labels = to_source(held_out, evaluation.held_out), held_out.labels
        results.append(measure_reconstruction(pipeline, source, labels, extractors, processes))
    if "path_length" in metrics:
        count, perception = min(evaluation.count, PATHS), extractors.perception
        results.append(measure_path_length(pipeline, count, evaluation.seed, perception, processes))
    suffix = "" if resolution is None else f"; images scaled to {resolution} pixels"
    prefixes = tuple(f"{metric}_" for metric in metrics)  # "kid_" of "kid" and of "kid_std"
    for index, (numbers, protocol, notes) in enumerate(results):
        requested = {name: it for name, it in numbers.items() if f"{name}_".startswith(prefixes)}
        results[index] = Result(requested, protocol + suffix, notes)
    return results


def check_arguments(evaluation: Evaluation) -> None:
    """Raise UserError for invalid arguments, before anything is loaded."""
    if not evaluation.metrics:
        raise UserError("expected at least one name for --metrics, got none")
    for name in evaluation.metrics:
        if name not in (*SAMPLE_METRICS, *OTHER_METRICS):
            known = ", ".join([*SAMPLE_METRICS, *OTHER_METRICS])
            raise UserError(f"expected --metrics to be any of {known}, got {name!r}")
    for flag in ("count", "reference_count", "resolution"):
        value = getattr(evaluation, flag)
        if value is not None and value < 1:
            raise UserError(f"expected --{flag} to be at least 1, got {value}")
    if evaluation.pairs is not None:
        if "memorisation" not in evaluation.metrics:
            raise UserError("expected the metric memorisation for --pairs")
        check_writable(evaluation.pairs, ".png")


def check_writable(file: Path, suffix: str = "") -> None:
    """Raise UserError if a file cannot be written or has another suffix."""
    if not file.name.endswith(suffix) or file.is_dir() or not os.access(file.parent, os.W_OK):
        kind = f"{suffix} file" if suffix else "file"
        raise UserError(f"expected a {kind} in an existing, writable folder, got {file}")


def is_image_folder(source: str) -> bool:
    """Return whether a source is a folder of images and not a dataset in Hub layout."""
    if not os.path.isdir(source):
        return False
    suffixes = {path.suffix.lower() for path in data.list_files(Path(source))}
    splits = any((Path(source) / split).is_dir() for split in ("train", "test", "data"))
    return bool(suffixes & data.SUFFIXES) and not suffixes & TABLE_SUFFIXES and not splits


def load_images(source: str, split: str | None, resolution: int | None = None) -> Images:
    """Load a folder of images or a split of a dataset."""
    if is_image_folder(source):
        return data.load_folder(source, resolution)
    return data.load(source, split=split, resolution=resolution)


def load_held_out(evaluation: Evaluation) -> Images:
    """Load the real images that were not used for training."""
    reference, split = evaluation.reference, evaluation.held_out
    if is_image_folder(reference):
        expected = f"a dataset with a split {split!r} for memorisation and reconstruction"
        raise UserError(f"expected {expected}, got the folder of images {reference}")
    if split == evaluation.split:
        raise UserError(f"expected --held_out to differ from --split, got {split!r} for both")
    return data.load(reference, split=split, resolution=evaluation.resolution)


def describe(flag: str, images: Images, split: str | None) -> str:
    """Describe the images of a flag in one line."""
    return f"{flag} {images.source}{split_suffix(images, split)}: {images.describe()}"


def split_suffix(images: Images, split: str | None) -> str:
    """Return the split for a description; a folder of images has none."""
    return "" if split is None or is_image_folder(images.source) else f", split {split}"


def load_samples(
    evaluation: Evaluation, device: torch.device, report: Report
) -> tuple[LatentPipeline | None, ImageSource]:
    """Load the images to evaluate, or the model that generates them."""
    samples, split, count = evaluation.samples, evaluation.samples_split, evaluation.count
    if split is not None or is_image_folder(samples):
        if split is None:
            images = data.load_folder(samples, evaluation.resolution)
        else:
            images = data.load(samples, split=split, resolution=evaluation.resolution)
        report(describe("--samples", images, split))
        return None, to_source(images, split, count)
    pipeline = load(samples).to(device)
    shape = "x".join(map(str, pipeline.sample_shape))
    classes = f" of {pipeline.num_classes} classes" if pipeline.num_classes else ""
    report(f"--samples {samples}: a model that generates samples of shape {shape}{classes}")
    return pipeline, sample_source(pipeline, count, evaluation.seed, display_name(samples))


def sample_source(pipeline: LatentPipeline, count: int, seed: int, name: str = "") -> ImageSource:
    """Draw samples of a model by a seed; conditional models cycle through their classes."""
    latents = Latents(pipeline.draw, count, torch.Generator().manual_seed(seed))
    title = f"{count:,} samples of " + (f"{name}, seed {seed}" if name else f"seed {seed}")
    return ImageSource.from_model(title, latents, pipeline.balanced_labels(count), pipeline.decode)


def to_source(images: Images, split: str | None, count: int | None = None) -> ImageSource:
    """Wrap real images, or a random subset of `count` of them."""
    pixels, fingerprint = images.pixels, images.fingerprint
    indices = torch.arange(len(pixels))
    if count is not None and count < len(pixels):
        order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))
        indices, fingerprint = order[:count], f"{fingerprint}, {count} at random"
    suffix = split_suffix(images, split)
    name = f"{len(indices):,} images of {display_name(images.source)}{suffix}"
    return ImageSource(name, len(indices), lambda batch: pixels[indices[batch]], fingerprint)


def check_metrics(
    metrics: Sequence[str],
    pipeline: LatentPipeline | None,
    fake: ImageSource,
    real: ImageSource,
    held_out: Images | None,
    extractors: FeatureExtractors,
) -> None:
    """Raise UserError if a metric does not apply to the samples."""
    if "reconstruction" in metrics:
        if not isinstance(pipeline, AutoencodingPipeline):
            raise UserError("expected --samples to be an autoencoder for reconstruction")
        pipeline.check_shape(held_out.pixels, pipeline.sample_shape, "held-out images")
        if pipeline.num_classes is not None and held_out.labels is None:
            raise UserError("expected labels in the held-out split for a conditional model")
    if "path_length" in metrics and pipeline is None:
        raise UserError("expected --samples to be a model for path_length, got images")
    if "class_accuracy" in metrics:
        if pipeline is None or pipeline.num_classes is None:
            raise UserError("expected --samples to be a conditional model for class_accuracy")
        classes = getattr(extractors.features.network, "config", {}).get("num_classes")
        if classes != pipeline.num_classes:
            expected = f"a classifier of the model's {pipeline.num_classes} classes"
            raise UserError(f"expected --extractor to be {expected} for class_accuracy")
    if "memorisation" in metrics:
        expected, got = (tuple(it.pixels(slice(1)).shape[1:]) for it in (real, fake))
        if expected != got:
            raise UserError(f"expected samples of shape {expected} for memorisation, got {got}")


def measure_reconstruction(
    pipeline: AutoencodingPipeline,
    held_out: ImageSource,
    labels: Tensor | None,
    extractors: FeatureExtractors,
    processes: Processes,
) -> Result:
    """Compute the error of an autoencoder on images that were not used for training."""
    total = Reconstruction()
    for batch in processes.batches(held_out):
        samples = from_pixels(held_out.pixels(batch)).to(pipeline.device)
        classes = labels[batch] if pipeline.num_classes else None
        with torch.inference_mode():
            decoded = pipeline.decode(pipeline.encode(samples, classes), classes)
            total.update(samples, decoded, extractors.perception.distance(samples, decoded))
    protocol = f"reconstruction: {extractors.perception.protocol}; pixels: MSE in [-1, 1]"
    return Result(processes.merge(total).compute(), f"{protocol}; {held_out.name}")


def measure_path_length(
    pipeline: LatentPipeline, count: int, seed: int, perception: Perception, processes: Processes
) -> Result:
    """Compute the perceptual path length, without the lowest and the highest percent."""
    rng = torch.Generator().manual_seed(seed)
    start, end = Latents(pipeline.draw, count, rng), Latents(pipeline.draw, count, rng)
    times, labels = torch.rand(count, generator=rng), pipeline.balanced_labels(count)
    lengths = torch.zeros(count, dtype=torch.float64)
    name = f"{count:,} pairs of latents, seed {seed}"
    for batch in processes.batches(ImageSource.from_tensor(name, start)):
        decode = partial(pipeline.decode, labels=None if labels is None else labels[batch])
        part = path_lengths(decode, start[batch], end[batch], times[batch], perception)
        lengths[batch] = part.cpu()
    lengths = sum(processes.gather([lengths])).sort().values
    trimmed = lengths[count // 100 : count - count // 100]
    protocol = f"path_length: {perception.protocol}; per squared step of {STEP:g}"
    return Result({"path_length": trimmed.mean().item()}, f"{protocol}; {name}")
