"""The Distances tab: experiments on distances between distributions."""

from genmodels.ui.distances.view import tab as tab
