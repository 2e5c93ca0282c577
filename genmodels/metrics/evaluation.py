"""Evaluation of a model, a folder of images or a dataset against real images."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from genmodels import data
from genmodels.class_labels import accuracy_labels, labels_like
from genmodels.data import Images
from genmodels.errors import UserError, display_name
from genmodels.media.image import from_pixels
from genmodels.metrics import METRICS
from genmodels.metrics.accumulator import compute_metrics
from genmodels.metrics.base import Result
from genmodels.metrics.classes import ClassAccuracy
from genmodels.metrics.extractors import CPU, FeatureExtractors, Perception
from genmodels.metrics.image_source import SINGLE_PROCESS, ImageSource, Latents, Processes
from genmodels.metrics.memorisation import QUERIES, measure_memorisation
from genmodels.metrics.path_length import STEP, path_lengths
from genmodels.metrics.reconstruction import Reconstruction
from genmodels.pipelines import AutoencodingPipeline, LatentPipeline, load

OTHER_METRICS = ("class_accuracy", "memorisation", "reconstruction", "path_length")
PATHS = 1000  # pairs of latents

Report = Callable[[str], object]  # called with a line for each source that is read


@dataclass(frozen=True)
class Evaluation:
    """Compute metrics of generated samples against real images.

    Args:
        samples: model (a folder with model_index.json or a Hub id), or images as for --reference
        reference: Hub id of a dataset, folder in Hub layout, folder or ZIP archive of images, or
            NPZ file
        metrics: names, separated by commas or spaces: is, fid, kid, precision, recall, density,
            coverage, lpips (diversity), classes (effective number of classes), class_accuracy
            (conditional models), memorisation, path_length, reconstruction (autoencoders)
        extractor: inception (with AlexNet for LPIPS), inception-bf16, domain (a classifier of
            Fashion-MNIST) or the folder of a classifier trained with `python -m training`
        count: maximum number of samples
        reference_count: maximum number of real images, chosen at random; None uses all
        split: split of the reference; None: train, or the only split there is
        samples_split: treat the Hub id --samples as a dataset and use this split
        held_out: split of the reference that was not used for training; needed for memorisation
            and reconstruction
        resolution: scale images to this side in pixels, as training does; None keeps their size
        resize_mode: how other aspect ratios become square: crop, pad or stretch
        background: color behind transparent images and beside padded ones
        skip_broken: leave out images that cannot be decoded
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
    split: str | None = None
    samples_split: str | None = None
    held_out: str = "test"
    resolution: int | None = None
    resize_mode: Literal["crop", "pad", "stretch"] = "crop"
    background: str = "white"
    skip_broken: bool = False
    seed: int = 0
    pairs: Path | None = None

    def load(self, source: str, split: str | None) -> Images:
        """Load images as training does."""
        decoding = data.Decoding(self.resolution, self.resize_mode, self.background)
        return data.load(source, split=split, decoding=decoding, skip_broken=self.skip_broken)


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
    images = evaluation.load(evaluation.reference, evaluation.split)
    report(f"--reference: {images.describe()}")
    real, notes = to_source(images, evaluation.reference_count), [*images.notes]
    held_out = None
    if not {"memorisation", "reconstruction"}.isdisjoint(metrics):
        held_out = load_held_out(evaluation, images.split)
        report(f"--held_out: {held_out.describe()}")
        notes += held_out.notes
    pipeline, fake, sample_notes = load_samples(evaluation, images, device, report)
    check_metrics(metrics, pipeline, held_out, extractors)
    real, fake, size_notes = match_shapes(real, fake, strict="memorisation" in metrics)

    results = []
    types = dict.fromkeys(METRICS[name] for name in metrics if name in METRICS)
    if types:
        results.append(compute_metrics(list(types), fake, real, extractors, processes))
    if "class_accuracy" in metrics:
        labels = accuracy_labels(pipeline, extractors.classes, evaluation.count)
        source = model_source(evaluation, pipeline, labels)
        results.append(compute_metrics([ClassAccuracy], source, real, extractors, processes))
    if "memorisation" in metrics:
        source = to_source(held_out, QUERIES).with_channels(real.shape()[0])
        pairs = evaluation.pairs
        results.append(measure_memorisation(fake, source, real, extractors, processes, pairs))
    if "reconstruction" in metrics:
        source, labels = to_source(held_out), held_out.labels
        results.append(measure_reconstruction(pipeline, source, labels, extractors, processes))
    if "path_length" in metrics:
        count, perception = min(evaluation.count, PATHS), extractors.perception
        results.append(measure_path_length(pipeline, count, evaluation.seed, perception, processes))
    if resolution is not None:
        mode = evaluation.resize_mode
        notes.append(f"images scaled to {resolution} pixels" + f", {mode}" * (mode != "crop"))
    suffix = "".join(f"; {note}" for note in dict.fromkeys([*notes, *sample_notes]))
    prefixes = tuple(f"{metric}_" for metric in metrics)  # "kid_" of "kid" and of "kid_std"
    for index, (numbers, protocol, notes) in enumerate(results):
        requested = {name: it for name, it in numbers.items() if f"{name}_".startswith(prefixes)}
        results[index] = Result(requested, protocol + suffix, [*size_notes, *notes])
    return results


def check_arguments(evaluation: Evaluation) -> None:
    """Raise UserError for invalid arguments, before anything is loaded."""
    if not evaluation.metrics:
        raise UserError("expected at least one name for --metrics, got none")
    for name in evaluation.metrics:
        if name not in (*METRICS, *OTHER_METRICS):
            known = ", ".join([*METRICS, *OTHER_METRICS])
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


def is_model(samples: str) -> bool:
    """Return whether --samples names a model: a Hub id, or the folder of a model or of a run."""
    names = ("model_index.json", "config.json", "run.json")
    return not os.path.exists(samples) or any(Path(samples, name).exists() for name in names)


def load_held_out(evaluation: Evaluation, reference_split: str | None) -> Images:
    """Load the real images that were not used for training."""
    split = evaluation.held_out
    if split == reference_split:
        raise UserError(f"expected --held_out to differ from --split, got {split!r} for both")
    return evaluation.load(evaluation.reference, split)


def load_samples(
    evaluation: Evaluation, real: Images, device: torch.device, report: Report
) -> tuple[LatentPipeline | None, ImageSource, Sequence[str]]:
    """Load the images to evaluate and notes on them, or the model that generates them."""
    samples, split, count = evaluation.samples, evaluation.samples_split, evaluation.count
    if split is not None or not is_model(samples):
        images = evaluation.load(samples, split)
        report(f"--samples: {images.describe()}")
        return None, to_source(images, count), images.notes
    pipeline = load(samples).to(device)
    shape = "x".join(map(str, pipeline.sample_shape))
    classes = f" of {pipeline.num_classes} classes" if pipeline.num_classes else ""
    report(f"--samples: the model {samples} generates samples of shape {shape}{classes}")
    return pipeline, model_source(evaluation, pipeline, labels_like(pipeline, count, real)), ()


def model_source(
    evaluation: Evaluation, pipeline: LatentPipeline, labels: Tensor | None
) -> ImageSource:
    """Draw the samples of a model that is evaluated."""
    name = display_name(evaluation.samples)
    return sample_source(pipeline, evaluation.count, evaluation.seed, name, labels)


def sample_source(
    pipeline: LatentPipeline, count: int, seed: int, name: str = "", labels: Tensor | None = None
) -> ImageSource:
    """Draw samples of a model by a seed, with labels (count,) if it is conditional."""
    latents = Latents(pipeline.draw, count, torch.Generator().manual_seed(seed))
    title = f"{count:,} samples of " + (f"{name}, seed {seed}" if name else f"seed {seed}")
    if labels is not None:
        counts = labels.bincount(minlength=pipeline.num_classes)
        equal = counts.max() - counts.min() <= 1
        title += ", all classes equally often" if equal else ", classes as often as in the data"
    return ImageSource.from_model(title, latents, labels, pipeline.decode)


def to_source(images: Images, count: int | None = None) -> ImageSource:
    """Wrap real images, or a random subset of `count` of them."""
    pixels, fingerprint = images.pixels, images.fingerprint
    indices = torch.arange(len(pixels))
    if count is not None and count < len(pixels):
        order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))
        indices, fingerprint = order[:count], f"{fingerprint}, {count} at random"
    suffix = f", split {images.split}" if images.split else ""
    name = f"{len(indices):,} images of {display_name(images.source)}{suffix}"
    return ImageSource(name, len(indices), lambda batch: pixels[indices[batch]], fingerprint)


def check_metrics(
    metrics: Sequence[str],
    pipeline: LatentPipeline | None,
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
        accuracy_labels(pipeline, extractors.classes, 1)


def match_shapes(
    real: ImageSource, fake: ImageSource, strict: bool
) -> tuple[ImageSource, ImageSource, list[str]]:
    """Give both sources the same channels -> real and generated images, and a note on their sides.

    Raises UserError if their sides differ and `strict` is set.
    """
    shapes = real.shape(), fake.shape()
    channels = max(shapes[0][0], shapes[1][0])
    notes = []
    if shapes[0][1:] != shapes[1][1:]:
        reference, samples = (f"{shape[2]}x{shape[1]}" for shape in shapes)
        notes = [f"samples have {samples} pixels and the reference {reference}; set --resolution"]
        if strict:
            expected = f"expected samples of {reference} pixels for memorisation, as the reference"
            raise UserError(f"{expected}, got {samples}; set --resolution")
    real, fake = (
        source if shape[0] == channels else source.with_channels(channels)
        for source, shape in zip((real, fake), shapes, strict=True)
    )
    return real, fake, notes


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
