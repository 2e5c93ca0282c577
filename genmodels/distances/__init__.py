"""Distances between distributions: divergences, optimal transport, experiments.

DISTANCES are the distances between distributions on the line. See README.md for an example.
"""

from genmodels.distances.divergences import (
    DISTANCES,
    Discrete,
    Distance,
    Normal,
    cross_entropy,
    entropy,
    jensen_shannon,
    kullback_leibler,
    normal_kullback_leibler,
    reverse_kullback_leibler,
    squared_frechet,
    total_variation,
    wasserstein,
)
from genmodels.distances.experiments import disjoint_supports, fit_normal, smoothed_jensen_shannon
from genmodels.distances.optimal_transport import (
    Transport,
    exact_transport,
    kantorovich_potential,
    monotone_transport,
    sinkhorn,
    sliced_wasserstein,
)

__all__ = [
    "DISTANCES",
    "Discrete",
    "Distance",
    "Normal",
    "Transport",
    "cross_entropy",
    "disjoint_supports",
    "entropy",
    "exact_transport",
    "fit_normal",
    "jensen_shannon",
    "kantorovich_potential",
    "kullback_leibler",
    "monotone_transport",
    "normal_kullback_leibler",
    "reverse_kullback_leibler",
    "sinkhorn",
    "sliced_wasserstein",
    "smoothed_jensen_shannon",
    "squared_frechet",
    "total_variation",
    "wasserstein",
]
