"""What one sees of what a run publishes: a sheet of images, and the words of its card."""

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from PIL import Image

from genmodels.inpainting import masks
from genmodels.media.image import image_grid
from genmodels.networks.classifier import Classifier
from genmodels.pipelines.base import LatentPipeline
from genmodels.pipelines.completing import CompletingPipeline
from training.core.batches import Batches
from training.objectives import Objective


class Sheet(ABC):
    """What is published, and how it is shown: always the same way, so that one sees it learn."""

    FIT = 32  # batches

    pipeline_tag: ClassVar[str]  # the Hub's word for its task
    use: ClassVar[str]  # a snippet of Python, run in its folder
    limits: ClassVar[str]

    def __init__(
        self, objective: Objective, published: LatentPipeline | Classifier, batches: Batches
    ) -> None:
        self.objective, self.published, self.batches = objective, published, batches

    def fit(self, whole: bool = False) -> None:
        """Fit what no gradient trains. To be called before what is published is used.

        whole: to all real samples, not to a few
        """
        epoch = math.ceil(len(self.batches.pixels) / self.batches.size)
        numbers = range(epoch if whole else self.FIT)
        self.objective.fit(self.published, (self.batches[number] for number in numbers))

    @abstractmethod
    def draw(self) -> Image.Image:
        """After `fit`."""

    @property
    @abstractmethod
    def caption(self) -> str:
        """What the sheet shows."""

    @abstractmethod
    def told(self, classes: list[str]) -> str:
        """How its classes are spoken of; classes: their names, in the order of their labels."""


class Samples(Sheet):
    """A generator makes samples of always the same latents.

    Of a conditional one there is a column for each class, unless these are too many.
    """

    MOST = 64  # images

    pipeline_tag = "unconditional-image-generation"
    use = """\
import torch
import genmodels

pipeline = genmodels.load(".")  # this folder, or its id on the Hub
images = pipeline(batch_size=16, generator=torch.Generator().manual_seed(0)).images
"""
    limits = """\
It draws small pictures of the kind it was trained on and nothing else, with the faults and the
balance of its data. It is for teaching and research: no sample is evidence of anything real.
"""

    def __init__(self, objective: Objective, published: LatentPipeline, batches: Batches) -> None:
        super().__init__(objective, published, batches)
        classes = published.num_classes
        self.columns = classes if classes in range(2, 33) else 8
        count = self.MOST - self.MOST % self.columns
        self.latents = published.draw(count, torch.Generator().manual_seed(batches.seed))
        self.labels = published.balanced_labels(count)

    @torch.no_grad()
    def draw(self) -> Image.Image:
        return image_grid(self.published.decode(self.latents, self.labels), self.columns)

    @property
    def caption(self) -> str:
        return f"{len(self.latents)} samples of seed {self.batches.seed}"

    def told(self, classes: list[str]) -> str:
        last = len(classes) - 1
        return f"With `labels={last}`, or one for each image, it draws a class: {listed(classes)}."


class Verdicts(Sheet):
    """A classifier sorts always the same real images: a column for each class."""

    ROWS = 6
    SORTED = 8  # batches

    pipeline_tag = "image-classification"
    use = """\
import torch
from genmodels.networks.classifier import Classifier

classifier = Classifier.from_pretrained(".").eval()  # this folder, or its id on the Hub
side, channels = classifier.config.side, classifier.config.channels
logits = classifier(torch.zeros(16, channels, side, side))  # of samples in [-1, 1]
"""
    limits = """\
It tells the classes of its data apart and knows nothing else: anything is taken for one of them. It
is made to measure generators of the same kind of pictures.
"""

    @torch.no_grad()
    def draw(self) -> Image.Image:
        samples = torch.cat([self.batches[number].samples for number in range(self.SORTED)])
        verdicts = self.published(samples).argmax(1)
        columns = self.published.config.num_classes
        sheet = torch.ones(self.ROWS, columns, *samples.shape[1:])
        for column in range(columns):
            taken = samples[verdicts == column][: self.ROWS].cpu()
            sheet[: len(taken), column] = taken
        return image_grid(sheet.flatten(0, 1), columns)

    @property
    def caption(self) -> str:
        return "Real images, each in the column of the class it is taken for"

    def told(self, classes: list[str]) -> str:
        return f"Its classes are {listed(classes)}."


def listed(classes: list[str]) -> str:
    return ", ".join(f"{label} {name}" for label, name in enumerate(classes))


class Completions(Sheet):
    """A completing network fills always the same holes in the same real images."""

    PAIRS = 32

    pipeline_tag = "image-to-image"
    use = """\
import torch
import genmodels
from genmodels.inpainting import complete

pipeline = genmodels.load(".")  # this folder, or its id on the Hub
images = pipeline(batch_size=16).images  # of which nothing is mask
samples = torch.zeros(16, *pipeline.sample_shape)  # in [-1, 1]
mask = torch.ones(16, 1, *samples.shape[2:])  # 1 at known pixels
mask[:, :, 8:20, 8:20] = 0
completed = complete(pipeline, samples, mask, torch.Generator().manual_seed(0)).samples
"""
    limits = """\
It completes small pictures of the kind it was trained on and nothing else, with the faults and the
balance of its data. It is for teaching and research: what it draws was never there.
"""

    def __init__(
        self, objective: Objective, published: CompletingPipeline, batches: Batches
    ) -> None:
        super().__init__(objective, published, batches)
        rng = torch.Generator().manual_seed(batches.seed)
        self.latents = published.draw(self.PAIRS, rng)
        self.mask = masks.random_masks(self.PAIRS, batches.pixels.shape[-1], rng).to(batches.device)

    @torch.no_grad()
    def draw(self) -> Image.Image:
        count = math.ceil(self.PAIRS / self.batches.size)
        samples = torch.cat([self.batches[number].samples for number in range(count)])
        samples = samples[: self.PAIRS]
        completed = self.published.complete(samples, self.mask, self.latents)
        holed = torch.where(self.mask > 0, samples, 0)
        return image_grid(torch.stack([holed, completed], 1).flatten(0, 1), 8)

    @property
    def caption(self) -> str:
        return "Real images with a hole, and beside each its completion"

    def told(self, classes: list[str]) -> str:
        return ""


KINDS = {CompletingPipeline: Completions, Classifier: Verdicts, LatentPipeline: Samples}


def sheet(objective: Objective, published: LatentPipeline | Classifier, batches: Batches) -> Sheet:
    """How what is published is shown."""
    kind = next(kind for of, kind in KINDS.items() if isinstance(published, of))
    return kind(objective, published, batches)
