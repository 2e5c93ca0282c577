"""python -m genmodels.inpainting --models MODEL,MODEL,... --dataset DATASET [...]"""

import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from tqdm import tqdm

from genmodels import data
from genmodels.errors import UserError, display_name, run_command
from genmodels.inpainting import complete, methods_of
from genmodels.inpainting.masks import mean_fill, mixed
from genmodels.media.image import from_pixels
from genmodels.metrics import FeatureExtractors
from genmodels.pipelines import LatentPipeline, load

BATCH = 50  # images at once

Fill = Callable[[Tensor, Tensor, Tensor | None, torch.Generator], Tensor]


def score(
    models: str, dataset: str, count: int = 1000, extractor: str = "inception", seed: int = 0
) -> None:
    """Complete holes in real images that no training saw, and compare with the truth.

    Prints a table in Markdown: LPIPS of the whole image and PSNR of the hole's pixels, means over
    the images, for every method that suits a model; and of two fills that know no model.

    Args:
        models: folders or Hub ids, with commas between them
        dataset: with the splits train and test: a folder in Hub layout, or a Hub id
        count: images of split test, from its first one on
        extractor: of LPIPS: inception, which is AlexNet, or domain, or the folder of a classifier
        seed: of the holes, which are boxes, strokes and halves, and of the completions
    """
    if count < 1:
        raise UserError(f"expected a count of at least 1, but got {count}")
    pipelines = {display_name(name): load(name) for name in models.split(",")}
    if len(pipelines) < len(models.split(",")):
        raise UserError(f"expected models of different names, but got {models}")
    perception = FeatureExtractors(extractor).perception
    test = data.load(dataset, split="test")
    real, labels = from_pixels(test.pixels[:count]), test.labels
    training = data.load(dataset, split="train").pixels
    if training.shape[1:] != real.shape[1:]:
        raise UserError(f"expected images of one size in the splits train and test of {dataset}")
    perception.conform(real[:1])
    for name, pipeline in pipelines.items():
        pipeline.check_shape(real, pipeline.sample_shape, f"images for {name}")
        if pipeline.num_classes is not None and labels is None:
            raise UserError(f"expected classes in {dataset} for {name}")
    mask = mixed(len(real), real.shape[-1], torch.Generator().manual_seed(seed))
    fills: dict[str, Fill] = {
        "mean of the known pixels": lambda real, mask, labels, rng: mean_fill(real, mask),
        "nearest training image": lambda real, mask, labels, rng: nearest_fill(
            real, mask, training
        ),
    }
    for model, pipeline in pipelines.items():
        for method in methods_of(pipeline):
            fills[f"{method}, {model}"] = partial(fill_by, pipeline, method)
    print(f"{len(real):,} images of split test, holes of seed {seed}; {perception.protocol}\n")
    print("| | LPIPS | PSNR of the hole, dB | seconds for the first 8 images |\n|---|---|---|---|")
    for name, fill in fills.items():
        row(name, fill, real, mask, labels, perception.distance, seed)


def row(
    name: str,
    fill: Fill,
    real: Tensor,
    mask: Tensor,
    labels: Tensor | None,
    distance: Callable[[Tensor, Tensor], Tensor],
    seed: int,
) -> None:
    """Print what a fill comes to."""
    rng = torch.Generator().manual_seed(seed)
    start = time.perf_counter()
    fill(real[:8], mask[:8], None if labels is None else labels[:8], rng)
    seconds = time.perf_counter() - start
    lpips, psnr = [], []
    for part in tqdm(torch.arange(len(real)).split(BATCH), name, leave=False):
        truth, part_mask = real[part], mask[part]
        filled = fill(truth, part_mask, None if labels is None else labels[part], rng)
        with torch.no_grad():
            lpips.append(distance(filled, truth))
        hole = (1 - part_mask).expand_as(truth)
        squares = ((filled - truth).square() * hole).sum((1, 2, 3)) / hole.sum((1, 2, 3))
        psnr.append(10 * torch.log10(4 / squares.clamp(min=1e-10)))  # of samples in [-1, 1]
    numbers = f"{torch.cat(lpips).mean():.4f} | {torch.cat(psnr).mean():.2f}"
    print(f"| {name} | {numbers} | {seconds:.2f} |", flush=True)


def fill_by(
    pipeline: LatentPipeline,
    method: str,
    real: Tensor,
    mask: Tensor,
    labels: Tensor | None,
    rng: torch.Generator,
) -> Tensor:
    """The hole as a model completes it, that of a conditional one told the class."""
    told = None if pipeline.num_classes is None else labels
    return complete(pipeline, real, mask, rng, method, told).samples


def nearest_fill(real: Tensor, mask: Tensor, training: Tensor) -> Tensor:
    """The hole from the training image whose known pixels are nearest."""
    given, least = (real * mask).flatten(1), torch.full((len(real),), torch.inf)
    flat_mask, best = mask.expand_as(real).flatten(1), real
    for pixels in training.split(10_000):
        candidates = from_pixels(pixels)
        flat = candidates.flatten(1)
        # The distance at known pixels: of given, which is 0 elsewhere, and candidates.
        distances = flat_mask @ flat.square().T - 2 * given @ flat.T
        found = distances.min(1)
        nearer = found.values < least
        least = torch.where(nearer, found.values, least)
        best = torch.where(nearer[:, None, None, None], candidates[found.indices], best)
    return torch.where(mask > 0, real, best)


def main() -> None:
    run_command(score, "python -m genmodels.inpainting")


if __name__ == "__main__":
    main()
