"""Distances between distributions. See README.md for an example."""

from genmodels.distances.divergences import DISTANCES, Discrete
from genmodels.distances.optimal_transport import exact_transport, kantorovich_potential
