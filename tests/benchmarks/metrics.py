"""Speed of feature extraction and of metrics, and memory of their states."""

import pickle
import statistics
from collections.abc import Callable

import scipy.linalg
import torch
from torch import Tensor, nn

from genmodels.distances.divergences import Normal, squared_frechet
from genmodels.errors import UserError
from genmodels.media.image import from_pixels
from genmodels.metrics import METRICS, Features
from genmodels.metrics.evaluation import ImageSource, Processes
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
        except UserError as error:
            print(f"{name}: {error}")
    for name in ("fid", "is", "lpips"):
        print(f"{name}: state grows by {growth(name)} bytes from 1,000 to 4,000 samples (goal: 0)")


def frechet_distance() -> None:
    """Compare with the matrix square root of scipy, which other implementations use."""
    rng = torch.Generator().manual_seed(0)
    samples = torch.randn(2, 5000, D, generator=rng, dtype=torch.float64)
    sides = [Normal(part.mean(0), part.T.cov()) for part in samples]
    product = (sides[0].covariance @ sides[1].covariance).numpy()
    ours = median(lambda: squared_frechet(*sides), warmup=1, repeats=3)
    scipy_seconds = median(lambda: scipy.linalg.sqrtm(product), warmup=0, repeats=1)
    print(f"Fréchet distance, D = {D}: {ours:.2f} s, scipy.linalg.sqrtm {scipy_seconds:.2f} s")
    show("Fréchet distance over sqrtm", ours / scipy_seconds, 1 / 3)


def extraction(
    name: str, make: Callable[[], Extractor], side: int, channels: int, count: int
) -> None:
    """Compare with the network alone at its fastest batch size."""
    extract = make()
    rng = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, channels, side, side), generator=rng).to(torch.uint8)
    statistic = METRICS["fid"].statistic()
    source = ImageSource.from_tensor(name, pixels)
    inputs = pixels if name == "inception" else from_pixels(pixels)
    bare = {size: bare_seconds(extract.network, inputs, size) for size in (5, 10, 20, 50, 100)}
    best = min(bare, key=bare.get)
    rounds = [
        (
            median(lambda: Processes().update(source, [(extract, [statistic])]), 0, 1),
            bare_seconds(extract.network, inputs, best),
        )
        for _ in range(5)
    ]
    ours, alone = (statistics.median(times) for times in zip(*rounds, strict=True))
    print(f"{name}: {count / ours:.0f} images/s, network alone {count / alone:.0f}, batch {best}")
    ratio = statistics.median(one / other for one, other in rounds)
    show(f"{name}: speed of the network alone over extraction", ratio, 1 / 0.9)


@torch.inference_mode()
def bare_seconds(network: nn.Module, inputs: Tensor, size: int) -> float:
    """Return the time of the network alone for all inputs."""
    parts = inputs[: max(size, len(inputs) // 4)].split(size)
    seconds = median(lambda: [network(part) for part in parts], 1, 3)
    return seconds / sum(map(len, parts)) * len(inputs)


def growth(name: str) -> int:
    """Return how many bytes the state of a metric grows with four times the samples."""
    sizes = []
    for count in (1000, 4000):
        metric = METRICS[name]()
        values = torch.randn(count, 64)
        for indices in torch.arange(count).split(50):
            metric.update(Features(indices, values[indices], values[indices, :10]))
        sizes.append(len(pickle.dumps(metric)))
    return sizes[1] - sizes[0]
