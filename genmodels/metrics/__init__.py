"""Measures of a generator, by the features that a network makes of its samples and of real ones.

One metric a file. METRICS are the rows of the command `python -m genmodels.metrics`, which adds
those that ask for more than samples.
"""

from .base import Metric
from .classes import Classes
from .diversity import Diversity
from .extractors import EXTRACTORS, Eyes
from .frechet import FrechetDistance
from .inception_score import InceptionScore
from .kernel import KernelDistance
from .manifold import Manifold
from .memorisation import Nearest
from .reconstruction import Reconstruction
from .statistics import Features

__all__ = [
    "EXTRACTORS",
    "METRICS",
    "Eyes",
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
