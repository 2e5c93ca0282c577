"""Latent spaces: interpolation, traversal, maps and latent optimization.

Never imports genmodels.pipelines, which imports latent optimization.
"""

from genmodels.latents.interpolation import (
    INTERPOLATIONS,
    attribute_direction,
    corner_grid,
    decode_frames,
    lerp,
    loop,
    slerp,
    slerp_pairs,
    spline,
    traverse_dimension,
)
from genmodels.latents.latent_map import most_informative_plane, plane_grid, sensitivities
from genmodels.latents.latent_optimization import optimize_latents

__all__ = [
    "INTERPOLATIONS",
    "attribute_direction",
    "corner_grid",
    "decode_frames",
    "lerp",
    "loop",
    "most_informative_plane",
    "optimize_latents",
    "plane_grid",
    "sensitivities",
    "slerp",
    "slerp_pairs",
    "spline",
    "traverse_dimension",
]
