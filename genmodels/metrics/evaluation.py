"""Images shown to metrics, by one process or several; what real ones gave is kept in a cache."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from genmodels.media.image import to_pixels
from genmodels.metrics.base import Metric
from genmodels.metrics.extractors import Extractor, FeatureExtractors
from genmodels.metrics.reconstruction import Reconstruction
from genmodels.metrics.statistics import Moments, Samples, Statistic, from_tensors, to_tensors

BATCH = 100  # images at once

Part = TypeVar("Part", Statistic, Reconstruction)


class Pictures(NamedTuple):
    """Images that are had batch by batch."""

    name: str
    count: int
    pixels: Callable[[slice], Tensor]  # (B, C, S, S) uint8


def ready(name: str, pixels: Tensor) -> Pictures:
    """Images that lie ready, (N, C, S, S) uint8."""
    return Pictures(name, len(pixels), lambda part: pixels[part])


def drawn(
    name: str,
    latents: Tensor,
    labels: Tensor | None,
    decode: Callable[[Tensor, Tensor | None], Tensor],
) -> Pictures:
    """What a model makes of latents, and of labels where it is conditional."""

    @torch.inference_mode()
    def pixels(part: slice) -> Tensor:
        return to_pixels(decode(latents[part], None if labels is None else labels[part]))

    return Pictures(name, len(latents), pixels)


class Result(NamedTuple):
    """Numbers by their names, and what belongs to them."""

    numbers: dict[str, float]
    protocol: str
    notes: Sequence[str] = ()


class Share(NamedTuple):
    """Which part of the work is a process's own, and how the parts come together."""

    rank: int = 0
    ranks: int = 1
    gather: Callable[[list], list] = list  # a list on each process -> all of them, on each

    def parts(self, pictures: Pictures) -> Iterator[slice]:
        """Batches of the pictures that are this process's own, with a bar on the first process."""
        starts = range(0, pictures.count, BATCH)[self.rank :: self.ranks]
        for start in tqdm(starts, pictures.name, leave=False, disable=self.rank > 0):
            yield slice(start, min(start + BATCH, pictures.count))

    def show(
        self, pictures: Pictures, seers: Sequence[tuple[Extractor, Sequence[Metric | Statistic]]]
    ) -> None:
        """Show this process's part of the pictures, as generated ones, through extractors."""
        for part in self.parts(pictures):
            numbers, pixels = torch.arange(part.start, part.stop), pictures.pixels(part)
            for extract, those in seers:
                features = extract(pixels, numbers)
                for seer in those:
                    seer.update(features)

    def together(self, part: Part) -> Part:
        """What this process and all others were shown."""
        whole = type(part)()
        for theirs in self.gather([part]):
            whole.merge(theirs)
        return whole


def measure(
    kinds: Sequence[type[Metric]],
    fake: Pictures,
    real: Pictures,
    extractors: FeatureExtractors,
    share: Share,
) -> Result:
    """Metrics of generated samples, beside real ones where they compare. On every process.

    Raises UserError where the samples are too few, or the networks cannot see them.
    """
    metrics = [kind() for kind in kinds]
    # What several metrics keep is kept once.
    kept: dict[str, dict[type[Statistic], Statistic]] = {"features": {}, "perception": {}}
    for metric in metrics:
        kept[metric.extractor].setdefault(metric.keeps, metric.fake)
    seers = [
        (getattr(extractors, extractor), list(those.values()))
        for extractor, those in kept.items()
        if those
    ]
    compares = any(metric.compares for metric in metrics)
    statistics = real_statistics(real, extractors, share) if compares else {}
    share.show(fake, seers)
    whole = {part: share.together(part) for _, those in seers for part in those}
    for metric in metrics:
        metric.fake = whole[kept[metric.extractor][metric.keeps]]
        metric.real = statistics.get(metric.keeps, metric.real)
    protocol = " and ".join(extract.protocol for extract, _ in seers)
    return Result(
        {name: value for metric in metrics for name, value in metric.compute().items()},
        f"{protocol}; {fake.name}" + (f" against {real.name}" if compares else ""),
        list(dict.fromkeys(note for metric in metrics for note in metric.notes())),
    )


def real_statistics(
    real: Pictures, extractors: FeatureExtractors, share: Share
) -> Mapping[type[Statistic], Statistic]:
    """Statistics of real images, by their kind; computed once, then kept. On every process.

    They are found again by the images themselves and by all that the extractor is made of.
    """
    pixels = real.pixels(slice(None)).contiguous()
    digest = hashlib.sha256(f"{extractors.features.key()} {tuple(pixels.shape)}".encode())
    digest.update(pixels.numpy())
    key = digest.hexdigest()
    if key in extractors.seen:
        return extractors.seen[key]
    file = cache() / f"{key}.safetensors"
    try:
        kept = from_tensors(load_file(file))
    except Exception:  # there is none yet, or it is broken
        kept = None
    if not all(share.gather([kept is not None])):
        shown = (Moments(), Samples())
        share.show(real, [(extractors.features, shown)])
        kept = tuple(share.together(part) for part in shown)
        if share.rank == 0:
            keep(file, to_tensors(*kept), f"{extractors.features.protocol}; {real.name}")
    extractors.seen[key] = {type(statistic): statistic for statistic in kept}
    return extractors.seen[key]


def cache() -> Path:
    """The folder of the statistics of real images: GENMODELS_CACHE, or one in the user's home."""
    return Path(os.environ.get("GENMODELS_CACHE") or Path.home() / ".cache/genmodels")


def keep(file: Path, tensors: dict[str, Tensor], protocol: str) -> None:
    """Write a file whole, or not at all where there is no room."""
    draft = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, draft, {"protocol": protocol})
        draft.replace(file)
    except Exception:  # without a cache the numbers are the same, only later
        with suppress(OSError):
            draft.unlink()
