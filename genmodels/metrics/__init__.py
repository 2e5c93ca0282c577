"""Measures of a generator, by the features that a network makes of its samples and of real ones.

One metric a file. METRICS are the rows of the command `python -m genmodels.metrics`.
"""

from .base import Metric
from .extractors import EXTRACTORS, Extractor
from .frechet import FrechetDistance
from .inception_score import InceptionScore
from .kernel import KernelDistance
from .manifold import Manifold
from .statistics import Features

__all__ = ["EXTRACTORS", "METRICS", "Extractor", "Features", "Metric"]

METRICS: dict[str, type[Metric]] = {
    "is": InceptionScore,
    "fid": FrechetDistance,
    "kid": KernelDistance,
    "manifold": Manifold,
}
