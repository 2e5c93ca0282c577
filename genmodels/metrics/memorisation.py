"""Whether samples are copies of training images: how near the nearest of these lies.

Q queries, N points, D dimensions.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from genmodels.metrics.evaluation import Pictures, Share
from genmodels.metrics.extractors import Extractor
from genmodels.metrics.statistics import Features, Samples


class Nearest:
    """Of each query the nearest point, of points that come in batches of any size and order."""

    def __init__(self, queries: Tensor) -> None:
        """queries: (Q, D)"""
        self.queries = queries.float()
        self.lengths = self.queries.double().square().sum(1, keepdim=True)
        self.squares = torch.full((len(queries),), torch.inf, dtype=torch.float64)  # of distances
        self.numbers = torch.full((len(queries),), -1)  # of the nearest points

    def update(self, features: Features) -> None:
        """Some more points (N, D)."""
        points = features.values.float().to(self.queries.device)
        lengths = points.double().square().sum(1)
        rough = self.lengths + lengths - 2 * (self.queries @ points.T)
        # Rounded: whatever may be nearer than the nearest so far is looked at closely.
        doubt = 1e-5 * (self.lengths + lengths.max())
        least = torch.minimum(rough.min(1, keepdim=True).values, self.squares[:, None])
        for query, point in (rough <= least + doubt).nonzero().tolist():
            square = (self.queries[query] - points[point]).double().square().sum()
            self.take(query, square, features.numbers[point])

    def take(self, query: int, square: Tensor, number: Tensor) -> None:
        """Of two points that are as near the one with the lower number."""
        here, best = square.item(), self.squares[query].item()
        if here < best or (here == best and number < self.numbers[query]):
            self.squares[query], self.numbers[query] = here, number


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
        for squares, numbers in share.gather([(nearest.squares, nearest.numbers)]):
            for query in range(len(squares)):
                nearest.take(query, squares[query], numbers[query])
    return found
