"""Evaluation of a run's EMA model during training."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from genmodels import data
from genmodels.data import Images
from genmodels.errors import UserError
from genmodels.media.image import from_pixels
from genmodels.metrics import FeatureExtractors
from genmodels.metrics.evaluation import (
    ImageSource,
    Processes,
    Result,
    compute_metrics,
    sample_source,
)
from genmodels.metrics.frechet import FrechetDistance
from genmodels.networks.classifier import Classifier
from genmodels.pipelines.base import LatentPipeline
from genmodels.pipelines.completing import CompletingPipeline
from training.configs.config import Config


class Evaluator(ABC):
    """Measures the object that training would publish."""

    score: ClassVar[str]  # name of the value that selects the best model; lower is better

    @abstractmethod
    def measure(self) -> Result:
        """Compute the values. To be called on every process."""


class GeneratorEvaluator(Evaluator):
    """FID of samples against the training images. Every evaluation uses the same latents."""

    score = "fid"

    def __init__(
        self,
        pipeline: LatentPipeline,
        real: Images,
        extractor: str,
        count: int,
        seed: int,
        accelerator: Accelerator,
    ) -> None:
        self.pipeline, self.count, self.seed = pipeline, count, seed
        self.processes = processes_of(accelerator)
        self.extractors = FeatureExtractors(extractor, accelerator.device)
        self.extractors.features.conform(real.pixels[:1])  # fail before the first step
        name = f"the {len(real.pixels):,} training images"
        self.real = ImageSource.from_tensor(name, real.pixels)

    def measure(self) -> Result:
        fake = sample_source(self.pipeline, self.count, self.seed)
        return compute_metrics([FrechetDistance], fake, self.real, self.extractors, self.processes)


class ClassifierEvaluator(Evaluator):
    """Error rate of a classifier on the test split."""

    score = "error"

    def __init__(
        self, classifier: Classifier, real: Images, test: Images, accelerator: Accelerator
    ) -> None:
        self.classifier, self.test = classifier, test
        self.processes = processes_of(accelerator)
        if test.labels is None or test.classes != real.classes:
            raise UserError(
                f"expected split 'test' of {real.source!r} to have the classes of split 'train'"
            )
        for name in ("channels", "side"):
            expected, got = getattr(real, name), getattr(test, name)
            if expected != got:
                raise UserError(f"expected {name} {expected} in split 'test', got {got}")

    @torch.inference_mode()
    def measure(self) -> Result:
        pixels, labels = self.test.pixels, self.test.labels
        errors = 0
        for batch in self.processes.batches(ImageSource.from_tensor("test images", pixels)):
            samples = from_pixels(pixels[batch]).to(self.classifier.device)
            errors += (self.classifier(samples).argmax(1).cpu() != labels[batch]).sum().item()
        error = sum(self.processes.gather([errors])) / len(pixels)
        return Result({"error": error}, f"of the {len(pixels):,} images of split test")


def processes_of(accelerator: Accelerator) -> Processes:
    return Processes(accelerator.process_index, accelerator.num_processes, gather_object)


def load_test_split(config: Config) -> Images:
    """Load the test split of the training data."""
    if config.train_data_dir is not None:
        raise UserError(
            "expected a dataset with a split 'test' to evaluate a classifier, got a folder of "
            "images; set --eval_every None"
        )
    return data.load(
        config.dataset_name,
        config.dataset_config_name,
        "test",
        config.image_column,
        config.label_column,
        config.resolution,
    )


def evaluator(
    published: LatentPipeline | Classifier,
    real: Images,
    extractor: str,
    count: int,
    seed: int,
    load_test: Callable[[], Images],
    accelerator: Accelerator,
) -> Evaluator:
    """Return the evaluator of a generator or a classifier.

    Args:
        published: the EMA model
        real: training images
        extractor: as for FeatureExtractors; generators only
        count: number of samples; generators only
        seed: seed of the samples; generators only
        load_test: loads the test split; classifiers only
        accelerator: provides the device and the processes

    Raises:
        UserError: weights or images are not available or do not fit.
    """
    if isinstance(published, CompletingPipeline):
        raise UserError(
            "expected --eval_every None for a completion model; evaluate it with "
            "python -m genmodels.inpainting"
        )
    if isinstance(published, Classifier):
        return ClassifierEvaluator(published, real, load_test(), accelerator)
    return GeneratorEvaluator(published, real, extractor, count, seed, accelerator)
