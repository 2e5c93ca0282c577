"""The Interpolate tab: paths, grids, traversals and maps of a latent space."""

from genmodels.ui.interpolate.view import tab as tab
