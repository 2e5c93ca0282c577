"""How good a run's averages are, while it trains."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from genmodels import data
from genmodels.data import Images
from genmodels.errors import UserError
from genmodels.media.image import from_pixels
from genmodels.metrics import FeatureExtractors
from genmodels.metrics.evaluation import Result, Share, drawn, measure, ready
from genmodels.metrics.frechet import FrechetDistance
from genmodels.networks.classifier import Classifier
from genmodels.pipelines.base import LatentPipeline
from genmodels.pipelines.completing import CompletingPipeline
from training.configs.config import Config


class Evaluation(ABC):
    """Numbers of what would be published."""

    score: ClassVar[str]  # the number that is small where it is good

    @abstractmethod
    def measure(self) -> Result:
        """To be called on every process."""


class Distance(Evaluation):
    """FID of a generator's samples, always of the same latents, against the training images."""

    score = "fid"

    def __init__(
        self, pipeline: LatentPipeline, config: Config, real: Images, accelerator: Accelerator
    ) -> None:
        self.pipeline, self.share = pipeline, share_of(accelerator)
        self.extractors = FeatureExtractors(config.eval_extractor, accelerator.device)
        self.extractors.features.conform(real.pixels[:1])  # now, and not at the first evaluation
        self.real = ready(f"the {len(real.pixels):,} training images", real.pixels)
        self.count, self.seed = config.eval_samples, config.seed

    def measure(self) -> Result:
        latents = self.pipeline.draw(self.count, torch.Generator().manual_seed(self.seed))
        name = f"{self.count:,} samples of seed {self.seed}"
        fake = drawn(name, latents, self.pipeline.balanced_labels(self.count), self.pipeline.decode)
        return measure([FrechetDistance], fake, self.real, self.extractors, self.share)


class Error(Evaluation):
    """The part of the images of split test that a classifier takes for what they are not."""

    score = "error"

    def __init__(
        self, classifier: Classifier, config: Config, real: Images, accelerator: Accelerator
    ) -> None:
        if config.train_data_dir is not None:
            raise UserError(
                "expected a dataset with a split 'test' to measure a classifier by: with a folder "
                "of images give --eval_every None"
            )
        self.classifier, self.share = classifier, share_of(accelerator)
        self.held_out = data.load(
            config.dataset_name,
            config.dataset_config_name,
            "test",
            config.image_column,
            config.label_column,
            config.resolution,
        )
        if self.held_out.labels is None or self.held_out.classes != real.classes:
            raise UserError(
                f"expected the classes of split 'train' in split 'test' of {real.source!r}"
            )
        for name in ("channels", "side"):
            wanted, got = getattr(real, name), getattr(self.held_out, name)
            if wanted != got:
                raise UserError(f"expected {name} {wanted} in split 'test', but got {got}")

    @torch.inference_mode()
    def measure(self) -> Result:
        pixels, labels = self.held_out.pixels, self.held_out.labels
        wrong = 0
        for part in self.share.parts(ready("held-out images", pixels)):
            samples = from_pixels(pixels[part]).to(self.classifier.device)
            wrong += (self.classifier(samples).argmax(1).cpu() != labels[part]).sum().item()
        error = sum(self.share.gather([wrong])) / len(pixels)
        return Result({"error": error}, f"of the {len(pixels):,} images of split test")


def share_of(accelerator: Accelerator) -> Share:
    return Share(accelerator.process_index, accelerator.num_processes, gather_object)


def evaluation(
    published: LatentPipeline | Classifier, config: Config, real: Images, accelerator: Accelerator
) -> Evaluation:
    """How a generator or a classifier is measured.

    Raises UserError where the networks or images that this needs cannot be had.
    """
    if isinstance(published, CompletingPipeline):
        raise UserError(
            "expected no --eval_every: completions are measured by python -m genmodels.inpainting"
        )
    if isinstance(published, Classifier):
        return Error(published, config, real, accelerator)
    return Distance(published, config, real, accelerator)
