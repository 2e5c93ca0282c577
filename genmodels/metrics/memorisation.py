"""Whether samples are copies of training images: how near the nearest of these lies.

Q queries, N points, D dimensions.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from .extractors import Extractor
from .measuring import Pictures, Share
from .statistics import Features, Samples


class Nearest:
    """Of each query the nearest point, of points that come in batches of any size and order."""

    def __init__(self, queries: Tensor) -> None:
        """queries: (Q, D)"""
        self.queries = queries.double()
        self.squares = torch.full((len(queries),), torch.inf, dtype=torch.float64)  # of distances
        self.numbers = torch.full((len(queries),), -1)  # of the nearest points

    def update(self, features: Features) -> None:
        """Some more points (N, D)."""
        points = features.values.double()
        lengths = self.queries.square().sum(1, keepdim=True) + points.square().sum(1)
        nearest = (lengths - 2 * self.queries @ points.T).clamp(min=0).min(1)
        self.merge(nearest.values, features.numbers[nearest.indices.cpu()])

    def merge(self, squares: Tensor, numbers: Tensor) -> None:
        """What was found among other points; of two as near the one with the lower number."""
        squares, numbers = squares.cpu(), numbers.cpu()
        nearer = squares < self.squares
        nearer |= (squares == self.squares) & (numbers < self.numbers)
        self.squares = torch.where(nearer, squares, self.squares)
        self.numbers = torch.where(nearer, numbers, self.numbers)


def memorisation(
    queries: Pictures, training: Pictures, extractors: Mapping[str, Extractor], share: Share
) -> dict[str, Nearest]:
    """The nearest training image of each query, by the features of each extractor.

    Small distances alone prove nothing, since blurred samples are near to everything: ask the same
    of real images that were held out, than which copies are nearer. To be called on every process.
    """
    embedded = {name: Samples() for name in extractors}
    share.show(queries, [(extractors[name], [points]) for name, points in embedded.items()])
    found = {name: Nearest(share.together(kept).features()) for name, kept in embedded.items()}
    share.show(training, [(extractors[name], [nearest]) for name, nearest in found.items()])
    for nearest in found.values():
        for theirs in share.gather([(nearest.squares, nearest.numbers)]):
            nearest.merge(*theirs)
    return found
