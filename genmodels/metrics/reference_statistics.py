"""Statistics of real images, computed once and cached on disk."""

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from genmodels.hub import cache_folder
from genmodels.metrics.extractors import FeatureExtractors
from genmodels.metrics.image_source import SINGLE_PROCESS, ImageSource, Processes
from genmodels.metrics.statistics import Moments, Samples, Statistic, from_tensors, to_tensors


def reference_statistics(
    real: ImageSource, extractors: FeatureExtractors, processes: Processes = SINGLE_PROCESS
) -> Mapping[type[Statistic], Statistic]:
    """Return Moments and Samples of real images. Call on every process.

    If the images have a fingerprint, the statistics are cached in memory and on disk.
    """
    if real.fingerprint is None:
        return compute_statistics(real, extractors, processes)
    digest = hashlib.sha256(f"{extractors.features.key()} {real.fingerprint}".encode())
    key, cache = digest.hexdigest(), extractors.reference_statistics
    if key in cache:
        return cache[key]
    file = cache_folder() / f"{key}.safetensors"
    try:
        statistics = {type(it): it for it in from_tensors(load_file(file))}
    except Exception:  # the file is missing or damaged
        statistics = None
    if not all(processes.gather([statistics is not None])):
        statistics = compute_statistics(real, extractors, processes)
        if processes.rank == 0:
            protocol = f"{extractors.features.protocol}; {real.name}"
            write_cache(file, to_tensors(*statistics.values()), protocol)
    cache[key] = statistics
    return statistics


def compute_statistics(
    real: ImageSource, extractors: FeatureExtractors, processes: Processes
) -> dict[type[Statistic], Statistic]:
    """Compute Moments and Samples of images. Call on every process."""
    parts = (Moments(), Samples())
    processes.update(real, [(extractors.features, parts)])
    return {type(part): processes.merge(part) for part in parts}


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
