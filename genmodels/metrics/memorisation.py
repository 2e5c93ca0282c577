"""Distances from samples to training images. Q queries, N points, D dimensions."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from genmodels.media.image import from_pixels, image_grid
from genmodels.metrics.base import Result
from genmodels.metrics.extractors import Extractor, FeatureExtractors, raw_pixels
from genmodels.metrics.image_source import SINGLE_PROCESS, ImageSource, Processes
from genmodels.metrics.statistics import Features

QUERIES = 1000  # samples, and held-out images
PAIRS = 16  # samples in the image of pairs
ROWS = 10  # features converted to float64 at once


class NearestNeighbors:
    """The nearest point to each query. Points come in batches of any size and order."""

    def __init__(self, queries: Tensor) -> None:
        """Start without points for queries (Q, D)."""
        self.queries = queries.float()
        self.squared_norms = squared_norms(self.queries)[:, None]
        self.squared_distances = torch.full((len(queries),), torch.inf, dtype=torch.float64)
        self.indices = torch.full((len(queries),), -1)  # of the nearest points

    def update(self, features: Features) -> None:
        """Add points (N, D)."""
        points = features.values.float().to(self.queries.device)
        norms = squared_norms(points)
        rough = self.squared_norms + norms - 2 * (self.queries @ points.T)
        # The products are rounded to float32: recompute all distances that may be the smallest.
        tolerance = 1e-5 * (self.squared_norms + norms.max())
        best = torch.minimum(rough.min(1, keepdim=True).values, self.squared_distances[:, None])
        for query, point in (rough <= best + tolerance).nonzero().tolist():
            squared = (self.queries[query] - points[point]).double().square().sum()
            self.update_one(query, squared, features.indices[point])

    def update_one(self, query: int, squared_distance: Tensor, index: Tensor) -> None:
        """Add one point for one query; of two equally near points the lower index wins."""
        new, best = squared_distance.item(), self.squared_distances[query].item()
        if new < best or (new == best and index < self.indices[query]):
            self.squared_distances[query], self.indices[query] = new, index


def squared_norms(points: Tensor) -> Tensor:
    """Return the squared norms (N,) of points (N, D) in float64."""
    return torch.cat([rows.double().square().sum(1) for rows in points.split(ROWS)])


def nearest_neighbors(
    queries: ImageSource,
    training: ImageSource,
    extractors: Mapping[str, Extractor],
    processes: Processes = SINGLE_PROCESS,
) -> dict[str, NearestNeighbors]:
    """Find the nearest training image to each query in the features of each extractor.

    Compare the distances with those of held-out images: small distances alone prove nothing, since
    blurred samples are close to everything. Call on every process.

    The features of all queries are in memory once, those of training images one batch at a time.
    """
    parts: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in extractors}
    for batch in processes.batches(queries):
        pixels, indices = queries.pixels(batch), torch.arange(batch.start, batch.stop)
        for name, extract in extractors.items():
            parts[name].append((indices, extract(pixels, indices).values.cpu()))
    neighbors = {
        name: NearestNeighbors(stack(processes.gather(parts.pop(name)), queries.count))
        for name in extractors
    }
    processes.update(training, [(extractors[name], [it]) for name, it in neighbors.items()])
    for nearest in neighbors.values():
        for distances, indices in processes.gather([(nearest.squared_distances, nearest.indices)]):
            for query in range(len(distances)):
                nearest.update_one(query, distances[query], indices[query])
    return neighbors


def stack(parts: list[tuple[Tensor, Tensor]], count: int) -> Tensor:
    """Arrange batches of indices (B,) and features (B, D) as (count, D), and empty the list.

    Each batch is freed once it is copied, because features of large images need gigabytes.
    """
    features = parts[0][1].new_empty(count, parts[0][1].shape[1])
    while parts:
        indices, values = parts.pop()
        features[indices] = values
    return features


def to_distances(nearest: NearestNeighbors, kind: str) -> Tensor:
    """Return LPIPS for kind "lpips", root mean squared errors for "pixels", (Q,)."""
    return nearest.squared_distances if kind == "lpips" else nearest.squared_distances.sqrt()


def measure_memorisation(
    fake: ImageSource,
    held_out: ImageSource,
    real: ImageSource,
    extractors: FeatureExtractors,
    processes: Processes = SINGLE_PROCESS,
    pairs: Path | None = None,
) -> Result:
    """Compute the mean distance to the nearest training image, of samples and held-out images.

    Uses at most QUERIES samples. `pairs` is a PNG file for the samples that are nearest to a
    training image, each followed by its nearest images in LPIPS and in pixels.
    """
    count = min(fake.count, QUERIES)

    def pixels(batch: slice) -> Tensor:
        """Return samples, followed by held-out images."""
        parts = []
        if batch.start < count:
            parts.append(fake.pixels(slice(batch.start, min(batch.stop, count))).cpu())
        if batch.stop > count:
            parts.append(held_out.pixels(slice(max(batch.start - count, 0), batch.stop - count)))
        return torch.cat(parts)

    name = f"{count:,} of {fake.name} and {held_out.name}"
    queries = ImageSource(name, count + held_out.count, pixels)
    by_kind = {"lpips": extractors.perception, "pixels": raw_pixels()}
    neighbors = nearest_neighbors(queries, real, by_kind, processes)
    numbers = {}
    for kind, nearest in neighbors.items():
        distances = to_distances(nearest, kind)
        numbers[f"memorisation_{kind}"] = distances[:count].mean().item()
        numbers[f"memorisation_{kind}_held_out"] = distances[count:].mean().item()
    if pairs is not None and processes.rank == 0:
        first = neighbors["lpips"].squared_distances[:count].argsort()[:PAIRS]
        columns = [images_at(fake, first)]
        columns += [images_at(real, it.indices[first]) for it in neighbors.values()]
        image_grid(from_pixels(torch.stack(columns, 1).flatten(0, 1)), 12).save(pairs)
    protocol = f"memorisation: {extractors.perception.protocol}; pixels: RMSE in [-1, 1]"
    return Result(numbers, f"{protocol}; {name} against {real.name}")


def images_at(source: ImageSource, indices: Tensor) -> Tensor:
    """Return the images at some positions (B,) of a source."""
    parts = [source.pixels(slice(index, index + 1)).cpu() for index in indices.tolist()]
    return torch.cat(parts)
