"""Evaluation of the published models under one protocol; results go to metrics.json and cards."""

import statistics
import time
from pathlib import Path
from typing import Annotated

import torch
import tyro
from accelerate import Accelerator

from genmodels import data
from genmodels.errors import UserError
from genmodels.media.image import to_pixels
from genmodels.metrics import FeatureExtractors
from genmodels.metrics.evaluation import Evaluation, ImageSource, Result, evaluate
from genmodels.metrics.memorisation import nearest_neighbors
from genmodels.pipelines import load, pipeline_class
from genmodels.pipelines.completing import CompletingPipeline
from training.configs.presets import PRESETS
from training.core.evaluation import processes_of
from training.release.model_cards import write_card
from training.release.records import add_metrics, cores, read_metrics, read_record

ZOO = Path(__file__).parents[2] / "checkpoints"
REFERENCE = "zalando-datasets/fashion_mnist"
METRICS = {
    "domain": ["is", "fid", "kid", "precision", "recall", "classes"],
    "inception-bf16": ["fid", "kid", "precision", "recall"],
}
COUNT = 10_000  # samples per model
QUERIES = 200  # samples whose nearest training image is searched
TIMED = 64  # samples
ROUNDS = 5

Folders = Annotated[tuple[Path, ...], tyro.conf.Positional]


def models() -> list[Path]:
    """List the folders of checkpoints/ that hold generators, in the order of the presets."""
    order = {name: number for number, name in enumerate(PRESETS)}
    folders = [index.parent for index in ZOO.glob("*/model_index.json")]
    folders = [it for it in folders if pipeline_class(it) is not CompletingPipeline]
    return sorted(folders, key=lambda folder: order.get(folder.name, len(order)))


def measure(
    folders: Folders = (),
    extractor: str = "domain",
    count: int = COUNT,
    reference_count: int | None = None,
    again: bool = False,
) -> None:
    """Evaluate published models, and real images of split test as a reference.

    With accelerate launch, several processes share the work.

    Args:
        folders: of models; none: all in checkpoints/
        extractor: domain or inception-bf16, as for python -m genmodels.metrics
        count: samples per model
        reference_count: maximum number of training images, a random subset; None: all
        again: repeat evaluations whose results exist
    """
    if extractor not in METRICS:
        raise UserError(f"expected --extractor {' or '.join(METRICS)}, got {extractor!r}")
    settings = {"extractor": extractor, "count": count, "reference_count": reference_count}
    settings = {name: value for name, value in settings.items() if value is not None}
    accelerator = Accelerator()
    for folder in folders or (ZOO, *models()):
        if again or not numbers(folder, settings):
            for result in evaluate_model(accelerator, folder, extractor, count, reference_count):
                if accelerator.is_main_process:
                    save(folder, result, settings)
    accelerator.end_training()


def evaluate_model(
    accelerator: Accelerator,
    folder: Path,
    extractor: str,
    count: int,
    reference_count: int | None = None,
) -> list[Result]:
    """Evaluate a model, or real images for checkpoints/ itself. Call on every process."""
    names, source, split = METRICS[extractor], str(folder), None
    if folder.samefile(ZOO):
        source, split = REFERENCE, "test"
    elif extractor == "domain" and load(folder).num_classes is not None:
        names = [*names, "class_accuracy"]
    evaluation = Evaluation(
        source, REFERENCE, tuple(names), extractor, count, reference_count, samples_split=split
    )
    return evaluate(evaluation, processes_of(accelerator), accelerator.device)


def nearest(folders: Folders = ()) -> None:
    """Measure how close samples are to training images, relative to held-out images.

    All models, by default those in checkpoints/, share one slow pass over the training images.
    """
    folders = folders or tuple(models())
    held_out = data.load(REFERENCE, split="test").pixels[:QUERIES]
    samples = [
        to_pixels(pipeline(QUERIES, torch.Generator().manual_seed(0), output_type="pt").images)
        for pipeline in map(load, folders)
    ]
    training = data.load(REFERENCE).pixels
    perception = FeatureExtractors("domain").perception
    neighbors = nearest_neighbors(
        ImageSource.from_tensor("held-out images and samples", torch.cat([held_out, *samples])),
        ImageSource.from_tensor("training images", training),
        {"lpips": perception},
    )["lpips"]
    reference, *means = neighbors.squared_distances.view(-1, QUERIES).mean(1).tolist()
    protocol = (
        f"{perception.protocol}: mean distance of {QUERIES} samples of seed 0 to the nearest of "
        f"{len(training):,} training images, relative to the first {QUERIES} images of "
        "split test"
    )
    for folder, mean in zip(folders, means, strict=True):
        save(folder, Result({"nearness": mean / reference}, protocol), {})


def clock(folders: Folders = ()) -> None:
    """Measure how long models, by default all in checkpoints/, take to generate 64 samples."""
    for folder in folders or models():
        numbers(folder, {})  # before the work: raises UserError if the folder is no model
        pipeline, seconds = load(folder), []
        for seed in range(ROUNDS + 1):  # the first round warms up
            start = time.perf_counter()
            pipeline(TIMED, torch.Generator().manual_seed(seed), output_type="pt")
            seconds.append(time.perf_counter() - start)
        protocol = f"for {TIMED} samples on {cores()}, median of {ROUNDS} runs"
        save(folder, Result({"seconds": statistics.median(seconds[1:])}, protocol), {})


def numbers(folder: Path, settings: dict[str, object]) -> dict[str, float]:
    """Return a model's metrics with these settings. Raises UserError if it has no record."""
    if not (folder.exists() and folder.samefile(ZOO)):
        read_record(folder)
    return {
        name: value
        for measurement in read_metrics(folder)
        if measurement.settings == settings
        for name, value in measurement.numbers.items()
    }


def save(folder: Path, result: Result, settings: dict[str, object]) -> None:
    """Store a result of a model, or of the real images for checkpoints/ itself."""
    add_metrics(folder, result, settings)
    if not folder.samefile(ZOO):
        write_card(folder)
    print(folder.name, result.numbers, flush=True)
