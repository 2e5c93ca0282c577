"""Autoencoders: one player."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from genmodels.pipelines.autoencoding import AutoencodingPipeline
from training.batches import Batch

from .base import Objective


@dataclass(frozen=True)
class VariationalAutoencoder(Objective):
    """Reconstruction, and codes that together look like the prior N(0, I).

    Auto-Encoding Variational Bayes (Kingma and Welling, 2014), equations 7 and 10,
    https://arxiv.org/abs/1312.6114, weighted as in beta-VAE (Higgins et al., 2017), equation 4,
    https://openreview.net/forum?id=Sy2fzU9gl. The reconstruction is a sum of squares: at beta 1 the
    negative log likelihood, up to a constant, of a normal with variance 1/2 about each pixel.
    """

    beta: float = 1.0  # weight of the KL term

    def turns(self, step: int) -> tuple[str]:
        return ("autoencoder",)

    def terms(
        self, player: str, moving: nn.Module, networks: Mapping[str, nn.Module], batch: Batch
    ) -> dict[str, Tensor]:
        reconstruction, mean, log_variance = moving(batch.samples, batch.rng)
        return {
            "reconstruction": (reconstruction - batch.samples).square().flatten(1).sum(1).mean(),
            "kl": self.beta * kl_to_standard_normal(mean, log_variance).mean(),
        }

    def pipeline(self, networks: Mapping[str, nn.Module]) -> AutoencodingPipeline:
        return AutoencodingPipeline(networks["autoencoder"])


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, I)) in nats, (B, Z) -> (B,): ½ Σ (μ² + σ² − 1 − log σ²)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
