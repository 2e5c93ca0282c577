"""Sample grids: always of the same latents or images, so that progress is visible."""

import math

import torch
from PIL import Image

from genmodels.inpainting import masks
from genmodels.media.image import image_grid
from genmodels.networks.classifier import Classifier
from genmodels.pipelines.base import LatentPipeline
from genmodels.pipelines.completing import CompletingPipeline
from training.core.batches import Batches


class SamplePreview:
    """Samples of fixed latents. A conditional model gets a column per class, up to 32 classes."""

    COUNT = 64

    def __init__(self, pipeline: LatentPipeline, batches: Batches) -> None:
        self.pipeline = pipeline
        classes = pipeline.num_classes
        self.columns = classes if classes in range(2, 33) else 8
        count = self.COUNT - self.COUNT % self.columns
        self.latents = pipeline.draw(count, torch.Generator().manual_seed(batches.seed))
        self.labels = pipeline.balanced_labels(count)

    @torch.no_grad()
    def draw(self) -> Image.Image:
        return image_grid(self.pipeline.decode(self.latents, self.labels), self.columns)


class ClassifierPreview:
    """Real images, each in the column of its predicted class."""

    ROWS = 6
    BATCHES = 8

    def __init__(self, classifier: Classifier, batches: Batches) -> None:
        self.classifier, self.batches = classifier, batches

    @torch.no_grad()
    def draw(self) -> Image.Image:
        samples = torch.cat([self.batches[number].samples for number in range(self.BATCHES)])
        predictions = self.classifier(samples).argmax(1)
        columns = self.classifier.config.num_classes
        grid = torch.ones(self.ROWS, columns, *samples.shape[1:])
        for column in range(columns):
            members = samples[predictions == column][: self.ROWS].cpu()
            grid[: len(members), column] = members
        return image_grid(grid.flatten(0, 1), columns)


class InpaintingPreview:
    """Real images with fixed masks, each followed by its inpainted version."""

    PAIRS = 32

    def __init__(self, pipeline: CompletingPipeline, batches: Batches) -> None:
        self.pipeline, self.batches = pipeline, batches
        rng = torch.Generator().manual_seed(batches.seed)
        self.latents = pipeline.draw(self.PAIRS, rng)
        self.mask = masks.random_masks(self.PAIRS, batches.pixels.shape[-1], rng).to(batches.device)

    @torch.no_grad()
    def draw(self) -> Image.Image:
        count = math.ceil(self.PAIRS / self.batches.size)
        samples = torch.cat([self.batches[it].samples for it in range(count)])[: self.PAIRS]
        inpainted = self.pipeline.complete(samples, self.mask, self.latents)
        masked = torch.where(self.mask > 0, samples, 0)
        return image_grid(torch.stack([masked, inpainted], 1).flatten(0, 1), 8)


Preview = SamplePreview | ClassifierPreview | InpaintingPreview


def preview(pipeline: LatentPipeline | Classifier, batches: Batches) -> Preview:
    """Return the preview for a kind of model; batches: the same on every process, unaugmented."""
    if isinstance(pipeline, Classifier):
        return ClassifierPreview(pipeline, batches)
    is_inpainting = isinstance(pipeline, CompletingPipeline)
    return (InpaintingPreview if is_inpainting else SamplePreview)(pipeline, batches)
