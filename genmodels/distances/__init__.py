"""Distances between distributions: divergences, optimal transport, experiments.

DISTANCES are the distances between distributions on the line. See README.md for an example.
"""

from genmodels.distances.divergences import DISTANCES, Discrete
from genmodels.distances.optimal_transport import exact_transport, kantorovich_potential
