"""Command line: measure inpainting methods on held-out images.

python -m genmodels.inpainting --models MODEL,MODEL,... --dataset DATASET [...]
"""

import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Generator, Tensor
from tqdm import tqdm

from genmodels import data
from genmodels.errors import UserError, display_name, run_command
from genmodels.inpainting import complete, methods_for
from genmodels.inpainting.masks import mean_fill, random_masks
from genmodels.media.image import from_pixels
from genmodels.metrics.extractors import FeatureExtractors, Perception
from genmodels.pipelines import LatentPipeline, load

BATCH_SIZE = 50
TIMED = 8  # images
CHUNK = 10_000  # training images compared at once

Fill = Callable[[slice, Generator], Tensor]  # indices of the images -> completed images


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
    images = from_pixels(test.pixels[:count])
    labels = None if test.labels is None else test.labels[:count]
    if train.pixels.shape[1:] != images.shape[1:]:
        raise UserError(f"expected images of one size in splits train and test of {dataset}")
    perception.distance(images[:1], images[:1])  # raises for images that it does not accept
    for name, pipeline in pipelines.items():
        pipeline.check_shape(images, pipeline.sample_shape, f"images for {name}")
        if pipeline.num_classes is not None and labels is None:
            raise UserError(f"expected labels in {dataset} for the conditional model {name}")
    mask = random_masks(len(images), images.shape[-1], Generator().manual_seed(seed))
    print(f"{len(images):,} images of split test, masks with seed {seed}; {perception.protocol}\n")
    timed = f"time for {min(TIMED, count)} images (s)"
    print(f"| method | LPIPS | PSNR inside the hole (dB) | {timed} |")
    print("|---|---|---|---|", flush=True)
    for name, fill in fills(pipelines, images, mask, labels, train.pixels).items():
        generator = Generator().manual_seed(seed)
        start = time.perf_counter()
        fill(slice(0, TIMED), generator)
        seconds = time.perf_counter() - start
        lpips, psnr = measure(name, fill, images, mask, perception, generator)
        print(f"| {name} | {lpips:.4f} | {psnr:.2f} | {seconds:.2f} |", flush=True)


def fills(
    pipelines: dict[str, LatentPipeline],
    images: Tensor,
    mask: Tensor,
    labels: Tensor | None,
    training: Tensor,
) -> dict[str, Fill]:
    """Return the two baselines and every method of every model, by name."""

    def fill(pipeline: LatentPipeline, method: str, part: slice, rng: Generator) -> Tensor:
        part_labels = None if pipeline.num_classes is None else labels[part]
        return complete(pipeline, images[part], mask[part], rng, method, part_labels).samples

    baselines: dict[str, Fill] = {
        "mean of the known pixels": lambda part, _: mean_fill(images[part], mask[part]),
        "nearest training image": lambda part, _: nearest_fill(images[part], mask[part], training),
    }
    return baselines | {
        f"{method}, {name}": partial(fill, pipeline, method)
        for name, pipeline in pipelines.items()
        for method in methods_for(type(pipeline))
    }


def measure(
    name: str, fill: Fill, images: Tensor, mask: Tensor, perception: Perception, rng: Generator
) -> tuple[float, float]:
    """Return the mean LPIPS and the mean PSNR inside the holes, in dB."""
    lpips, psnr = [], []
    for start in tqdm(range(0, len(images), BATCH_SIZE), name, leave=False):
        part = slice(start, start + BATCH_SIZE)
        real, filled = images[part], fill(part, rng)
        with torch.no_grad():
            lpips.append(perception.distance(filled, real))
        hole = (1 - mask[part]).expand_as(real)
        errors = ((filled - real).square() * hole).sum((1, 2, 3)) / hole.sum((1, 2, 3))
        psnr.append(10 * torch.log10(4 / errors.clamp(min=1e-10)))  # the range [-1, 1] squared is 4
    return torch.cat(lpips).mean().item(), torch.cat(psnr).mean().item()


def nearest_fill(images: Tensor, mask: Tensor, training_pixels: Tensor) -> Tensor:
    """Fill each hole from the training image with the nearest known pixels."""
    known, flat_mask = (images * mask).flatten(1), mask.expand_as(images).flatten(1)
    least, best = torch.full((len(images),), torch.inf), images
    for pixels in training_pixels.split(CHUNK):
        candidates = from_pixels(pixels)
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
