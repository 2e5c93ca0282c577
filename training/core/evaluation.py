"""Evaluation of a run's EMA model during training."""

from collections.abc import Callable
from functools import partial

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from genmodels.class_labels import labels_like
from genmodels.data import Images
from genmodels.errors import UserError
from genmodels.media.image import from_pixels
from genmodels.metrics import FeatureExtractors
from genmodels.metrics.evaluation import Result, compute_metrics, sample_source
from genmodels.metrics.frechet import FrechetDistance
from genmodels.metrics.image_source import ImageSource, Processes
from genmodels.networks.classifier import Classifier
from genmodels.pipelines.base import LatentPipeline
from genmodels.pipelines.completing import CompletingPipeline

Evaluator = Callable[[], Result]  # one value, lower is better; call on every process


def evaluator(
    published: LatentPipeline | Classifier,
    real: Images,
    extractor: str,
    count: int,
    seed: int,
    load_test: Callable[[], Images],
    accelerator: Accelerator,
) -> Evaluator:
    """Return the evaluator of a generator (FID) or a classifier (error rate on the test split).

    The samples, with the same latents every time, are compared with real training images.
    Raises UserError if weights or images are not available or do not fit.
    """
    if isinstance(published, CompletingPipeline):
        remedy = "evaluate it with python -m genmodels.inpainting"
        raise UserError(f"expected --eval_every None for an inpainting model; {remedy}")
    processes = processes_of(accelerator)
    if isinstance(published, Classifier):
        test = load_test()
        check_test_split(test, real)
        return partial(error_rate, published, test, processes)
    extractors = FeatureExtractors(extractor, accelerator.device)
    extractors.features.conform(real.pixels[:1])  # fail before the first step
    name = f"the {len(real.pixels):,} training images"
    source = ImageSource.from_tensor(name, real.pixels, real.fingerprint)

    def measure() -> Result:
        fake = sample_source(published, count, seed, labels=labels_like(published, count, real))
        return compute_metrics([FrechetDistance], fake, source, extractors, processes)

    return measure


def processes_of(accelerator: Accelerator) -> Processes:
    """Return the share of the work of an accelerator's process."""
    return Processes(accelerator.process_index, accelerator.num_processes, gather_object)


@torch.inference_mode()
def error_rate(classifier: Classifier, test: Images, processes: Processes) -> Result:
    """Compute the fraction of test images that are misclassified."""
    errors = 0
    for batch in processes.batches(ImageSource.from_tensor("test images", test.pixels)):
        samples = from_pixels(test.pixels[batch]).to(classifier.device)
        errors += (classifier(samples).argmax(1).cpu() != test.labels[batch]).sum().item()
    error = sum(processes.gather([errors])) / len(test.pixels)
    return Result({"error": error}, f"of the {len(test.pixels):,} images of split test")


def check_test_split(test: Images, real: Images) -> None:
    """Raise UserError unless the test split has the classes and the shape of training images."""
    if test.labels is None or test.classes != real.classes:
        source = real.source
        raise UserError(f"expected split 'test' of {source!r} to have the classes of split 'train'")
    for name in ("channels", "side"):
        expected, got = getattr(real, name), getattr(test, name)
        if expected != got:
            raise UserError(f"expected {name} {expected} in split 'test', got {got}")
