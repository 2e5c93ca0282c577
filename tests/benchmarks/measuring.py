"""How fast features are extracted and compared, and how much memory that takes."""

import pickle
import statistics
from collections.abc import Callable

import scipy.linalg
import torch
from torch import Tensor, nn

from genmodels.distances.divergences import Normal, squared_frechet
from genmodels.media.image import from_pixels
from genmodels.metrics import METRICS, Features
from genmodels.metrics.evaluation import Share, ready
from genmodels.metrics.extractors import Extractor, domain, inception
from tests.benchmarks.timing import median, show

D = 2048


def main() -> None:
    frechet_distance()
    for name, make, side, channels, count in (
        ("domain", domain, 28, 1, 4000),
        ("inception", inception, 32, 3, 200),
    ):
        try:
            extraction(name, make, side, channels, count)
        except ValueError as error:
            print(f"{name}: {error}")
    for name in ("fid", "is", "lpips"):
        print(f"{name}: grows by {growth(name)} bytes from 1,000 samples to 4,000 (goal: 0)")


def frechet_distance() -> None:
    """Beside the root of the product of covariances, by which others compute it."""
    rng = torch.Generator().manual_seed(0)
    samples = torch.randn(2, 5000, D, generator=rng, dtype=torch.float64)
    sides = [Normal(part.mean(0), part.T.cov()) for part in samples]
    product = (sides[0].covariance @ sides[1].covariance).numpy()
    ours = median(lambda: squared_frechet(*sides), warm=1, times=3)
    theirs = median(lambda: scipy.linalg.sqrtm(product), warm=0, times=1)
    print(f"Fréchet distance, D = {D}: {ours:.2f} s, scipy.linalg.sqrtm {theirs:.2f} s")
    show("Fréchet distance over sqrtm", ours / theirs, 1 / 3)


def extraction(
    name: str, make: Callable[[], Extractor], side: int, channels: int, count: int
) -> None:
    """Beside the bare network at its best batch size."""
    extract = make()
    rng = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, channels, side, side), generator=rng).to(torch.uint8)
    statistic = METRICS["fid"].keeps()
    inputs = pixels if name == "inception" else from_pixels(pixels)
    bare = {size: bare_seconds(extract.network, inputs, size) for size in (5, 10, 20, 50, 100)}
    best = min(bare, key=bare.get)
    rounds = [
        (
            median(lambda: Share().show(ready(name, pixels), [(extract, [statistic])]), 0, 1),
            bare_seconds(extract.network, inputs, best),
        )
        for _ in range(5)
    ]
    ours, alone = (statistics.median(times) for times in zip(*rounds, strict=True))
    print(f"{name}: {count / ours:.0f} images/s, {count / alone:.0f} of the network, by {best}")
    ratio = statistics.median(one / other for one, other in rounds)
    show(f"{name}: bare network's speed over extraction's", ratio, 1 / 0.9)


@torch.inference_mode()
def bare_seconds(network: nn.Module, inputs: Tensor, size: int) -> float:
    """Of the network alone, on inputs that lie ready."""
    parts = inputs[: max(size, len(inputs) // 4)].split(size)
    each = median(lambda: [network(part) for part in parts], 1, 3)
    return each / sum(map(len, parts)) * len(inputs)


def growth(name: str) -> int:
    """Bytes of a metric's state, of more samples than before."""
    sizes = []
    for count in (1000, 4000):
        metric = METRICS[name]()
        values = torch.randn(count, 64)
        for numbers in torch.arange(count).split(50):
            metric.update(Features(numbers, values[numbers], values[numbers, :10]))
        sizes.append(len(pickle.dumps(metric)))
    return sizes[1] - sizes[0]
