"""Latent spaces: interpolation, traversal, maps and latent optimization.

Never imports genmodels.pipelines, which imports latent optimization.
"""

from genmodels.latents.interpolation import (
    INTERPOLATIONS,
    corner_grid,
    decode_frames,
    loop,
    slerp,
    traverse_dimension,
)
from genmodels.latents.latent_map import most_informative_plane, plane_grid, sensitivities
