"""Command line: measure inpainting methods on held-out images.

python -m genmodels.inpainting --models MODEL,MODEL,... --dataset DATASET [...]
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Generator, Tensor
from tqdm import tqdm

from genmodels import data
from genmodels.data import Pixels
from genmodels.errors import UserError, display_name, run_command
from genmodels.inpainting import complete, methods_for
from genmodels.inpainting.masks import mean_fill, random_masks
from genmodels.media.image import from_pixels
from genmodels.metrics.extractors import FeatureExtractors, Perception
from genmodels.pipelines import LatentPipeline, load

BATCH_SIZE = 50
TIMED = 8  # images
CHUNK = 2**23  # values of training images compared at once, such as 10,699 images of 28x28

Fill = Callable[[slice, Generator], Tensor]  # indices of the images -> completed images


class HeldOut(NamedTuple):
    """Held-out images with their masks. N images, C channels, S side."""

    pixels: Pixels  # at least N images
    mask: Tensor  # (N, 1, S, S)
    labels: Tensor | None  # of at least N images

    def images(self, part: slice) -> Tensor:
        """Read images (B, C, S, S) in [-1, 1]."""
        return from_pixels(self.pixels[part])

    def parts(self, size: int) -> list[slice]:
        """Return the indices of batches of at most `size` images."""
        count = len(self.mask)
        return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def evaluate(
    models: str, dataset: str, count: int = 1000, extractor: str = "inception", seed: int = 0
) -> None:
    """Complete random holes in held-out images and compare with the originals.

    Prints a Markdown table with the mean LPIPS of the images and the mean PSNR inside the holes,
    for each method that supports a model and for two baselines without a model.

    Args:
        models: folders or Hub ids, separated by commas
        dataset: folder in Hub layout or Hub id, with splits train and test
        count: number of images, from the start of split test
        extractor: network for LPIPS: inception (AlexNet), domain, or the folder of a classifier
        seed: of the masks and of the completions
    """
    if count < 1:
        raise UserError(f"expected --count of at least 1, got {count}")
    names = models.split(",")
    pipelines = {display_name(name): load(name) for name in names}
    if len(pipelines) < len(names):
        raise UserError(f"expected models with different names, got {models}")
    perception = FeatureExtractors(extractor).perception
    test, train = data.load(dataset, split="test"), data.load(dataset, split="train")
    print(test.describe(), train.describe(), sep="\n", file=sys.stderr)
    if train.pixels.shape[1:] != test.pixels.shape[1:]:
        raise UserError(f"expected images of one size in splits train and test of {dataset}")
    first = from_pixels(test.pixels[:1])
    perception.distance(first, first)  # raises for images that it does not accept
    for name, pipeline in pipelines.items():
        pipeline.check_shape(first, pipeline.sample_shape, f"images for {name}")
        if pipeline.num_classes is not None and test.labels is None:
            raise UserError(f"expected labels in {dataset} for the conditional model {name}")
    count = min(count, len(test.pixels))
    mask = random_masks(count, first.shape[-1], Generator().manual_seed(seed))
    held_out = HeldOut(test.pixels, mask, test.labels)
    print(f"{count:,} images of split test, masks with seed {seed}; {perception.protocol}\n")
    timed = f"time for {min(TIMED, count)} images (s)"
    print(f"| method | LPIPS | PSNR inside the hole (dB) | {timed} |")
    print("|---|---|---|---|", flush=True)
    for name, fill in fills(pipelines, held_out, train.pixels).items():
        generator = Generator().manual_seed(seed)
        start = time.perf_counter()
        fill(held_out.parts(TIMED)[0], generator)
        seconds = time.perf_counter() - start
        lpips, psnr = measure(name, fill, held_out, perception, generator)
        print(f"| {name} | {lpips:.4f} | {psnr:.2f} | {seconds:.2f} |", flush=True)


def fills(
    pipelines: dict[str, LatentPipeline], held_out: HeldOut, training: Pixels
) -> dict[str, Fill]:
    """Return the two baselines and every method of every model, by name."""
    read, mask = held_out.images, held_out.mask

    def fill(pipeline: LatentPipeline, method: str, part: slice, rng: Generator) -> Tensor:
        labels = None if pipeline.num_classes is None else held_out.labels[part]
        return complete(pipeline, read(part), mask[part], rng, method, labels).samples

    baselines: dict[str, Fill] = {
        "mean of the known pixels": lambda part, _: mean_fill(read(part), mask[part]),
        "nearest training image": lambda part, _: nearest_fill(read(part), mask[part], training),
    }
    return baselines | {
        f"{method}, {name}": partial(fill, pipeline, method)
        for name, pipeline in pipelines.items()
        for method in methods_for(type(pipeline))
    }


def measure(
    name: str, fill: Fill, held_out: HeldOut, perception: Perception, rng: Generator
) -> tuple[float, float]:
    """Return the mean LPIPS and the mean PSNR inside the holes, in dB."""
    lpips, psnr = [], []
    for part in tqdm(held_out.parts(BATCH_SIZE), name, leave=False):
        real, filled = held_out.images(part), fill(part, rng)
        with torch.no_grad():
            lpips.append(perception.distance(filled, real))
        hole = (1 - held_out.mask[part]).expand_as(real)
        errors = ((filled - real).square() * hole).sum((1, 2, 3)) / hole.sum((1, 2, 3))
        psnr.append(10 * torch.log10(4 / errors.clamp(min=1e-10)))  # the range [-1, 1] squared is 4
    return torch.cat(lpips).mean().item(), torch.cat(psnr).mean().item()


def nearest_fill(images: Tensor, mask: Tensor, training: Pixels) -> Tensor:
    """Fill each hole from the training image with the nearest known pixels."""
    known, flat_mask = (images * mask).flatten(1), mask.expand_as(images).flatten(1)
    least, best = torch.full((len(images),), torch.inf), images
    size = max(CHUNK // images[0].numel(), 1)
    for start in range(0, len(training), size):
        candidates = from_pixels(training[start : start + size])
        flat = candidates.flatten(1)
        # Squared distance at the known pixels, without the constant term |known|^2
        distances, indices = (flat_mask @ flat.square().T - 2 * known @ flat.T).min(1)
        nearer = distances < least
        least = torch.where(nearer, distances, least)
        best = torch.where(nearer[:, None, None, None], candidates[indices], best)
    return torch.where(mask > 0, images, best)


def main() -> None:
    run_command(evaluate, "python -m genmodels.inpainting")


if __name__ == "__main__":
    main()
