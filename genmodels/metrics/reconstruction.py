"""Reconstruction error of autoencoders."""

from torch import Tensor

from genmodels.errors import UserError
from genmodels.metrics.statistics import Sums


class Reconstruction(Sums):
    """Mean LPIPS and mean squared error between images and their reconstructions, in [-1, 1]."""

    fields = ("distances", "squares")

    def update(self, samples: Tensor, reconstructions: Tensor, distances: Tensor) -> None:
        """Add samples and reconstructions (B, C, S, S), and the LPIPS (B,) of each pair."""
        errors = reconstructions.cpu().double() - samples.cpu().double()
        squares = errors.square().flatten(1).mean(1)
        self.count += len(samples)
        self.add(distances=distances.cpu().double().sum(), squares=squares.sum())

    def compute(self) -> dict[str, float]:
        if not self.count:
            raise UserError("expected at least one image to reconstruct, got none")
        lpips, mse = (self.distances / self.count).item(), (self.squares / self.count).item()
        return {"reconstruction_lpips": lpips, "reconstruction_mse": mse}
