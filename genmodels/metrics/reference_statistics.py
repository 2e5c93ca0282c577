"""Statistics of real images, computed once and cached on disk."""

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from genmodels.metrics.extractors import FeatureExtractors
from genmodels.metrics.image_source import SINGLE_PROCESS, ImageSource, Processes
from genmodels.metrics.statistics import Moments, Samples, Statistic, from_tensors, to_tensors


def reference_statistics(
    real: ImageSource, extractors: FeatureExtractors, processes: Processes = SINGLE_PROCESS
) -> Mapping[type[Statistic], Statistic]:
    """Return Moments and Samples of real images, cached on disk. Call on every process."""
    pixels = real.pixels(slice(None)).contiguous()
    digest = hashlib.sha256(f"{extractors.features.key()} {tuple(pixels.shape)}".encode())
    digest.update(pixels.numpy())
    key, cache = digest.hexdigest(), extractors.reference_statistics
    if key in cache:
        return cache[key]
    file = cache_folder() / f"{key}.safetensors"
    try:
        statistics = from_tensors(load_file(file))
    except Exception:  # the file is missing or damaged
        statistics = None
    if not all(processes.gather([statistics is not None])):
        parts = (Moments(), Samples())
        processes.update(real, [(extractors.features, parts)])
        statistics = tuple(map(processes.merge, parts))
        if processes.rank == 0:
            protocol = f"{extractors.features.protocol}; {real.name}"
            write_cache(file, to_tensors(*statistics), protocol)
    cache[key] = {type(statistic): statistic for statistic in statistics}
    return cache[key]


def cache_folder() -> Path:
    """Return GENMODELS_CACHE or ~/.cache/genmodels."""
    return Path(os.environ.get("GENMODELS_CACHE") or Path.home() / ".cache/genmodels")


def write_cache(file: Path, tensors: dict[str, Tensor], protocol: str) -> None:
    """Write a cache file atomically; give up silently if it cannot be written."""
    draft = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, draft, {"protocol": protocol})
        draft.replace(file)
    except Exception:  # without the cache the values are the same, they only take longer
        with suppress(OSError):
            draft.unlink()
