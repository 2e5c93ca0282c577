"""Measures of a generator, by the features that a network makes of its samples and of real ones.

One metric a file. METRICS are the rows of the command `python -m genmodels.metrics`, which adds
those that ask for more than samples.
"""

from genmodels.metrics.base import Metric
from genmodels.metrics.classes import Classes
from genmodels.metrics.diversity import Diversity
from genmodels.metrics.extractors import EXTRACTORS, FeatureExtractors
from genmodels.metrics.frechet import FrechetDistance
from genmodels.metrics.inception_score import InceptionScore
from genmodels.metrics.kernel import KernelDistance
from genmodels.metrics.manifold import Manifold
from genmodels.metrics.memorisation import Nearest
from genmodels.metrics.reconstruction import Reconstruction
from genmodels.metrics.statistics import Features

__all__ = [
    "EXTRACTORS",
    "METRICS",
    "FeatureExtractors",
    "Features",
    "Metric",
    "Nearest",
    "Reconstruction",
]

METRICS: dict[str, type[Metric]] = {
    "is": InceptionScore,
    "fid": FrechetDistance,
    "kid": KernelDistance,
    "precision": Manifold,
    "recall": Manifold,
    "density": Manifold,
    "coverage": Manifold,
    "lpips": Diversity,
    "classes": Classes,
}
