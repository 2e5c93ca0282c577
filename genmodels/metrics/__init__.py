"""Metrics of generated samples. One metric per file; METRICS is the table of their names.

`genmodels.metrics.evaluation` evaluates a model, `python -m genmodels.metrics` does so from the
command line. README.md describes the protocol.
"""

from genmodels.metrics.base import Metric, Result
from genmodels.metrics.classes import Classes
from genmodels.metrics.diversity import Diversity
from genmodels.metrics.extractors import EXTRACTORS, FeatureExtractors
from genmodels.metrics.frechet import FrechetDistance
from genmodels.metrics.inception_score import InceptionScore
from genmodels.metrics.kernel import KernelDistance
from genmodels.metrics.manifold import Manifold
from genmodels.metrics.statistics import Features

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
