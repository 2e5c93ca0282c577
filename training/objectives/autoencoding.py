"""Autoencoders: one player."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from genmodels.networks.autoencoder import GaussianPrior
from genmodels.pipelines.autoencoding import AutoencodingPipeline, FittedAutoencodingPipeline
from training.core.batches import Batch
from training.objectives.base import Objective


@dataclass(frozen=True)
class Autoencoding(Objective):
    """One player, which encodes and decodes."""

    def code_losses(
        self, mean: Tensor, log_variance: Tensor | None, step: int
    ) -> dict[str, Tensor]:
        """A code or its mean, and its log variance, (B, Z) each -> its cost, by itself nothing."""
        return {}

    def reconstruction_losses(self, reconstruction: Tensor, samples: Tensor) -> Tensor:
        """(B, C, *S) both -> what is lost of each (B,), by itself the sum of squares."""
        return normal_loss(reconstruction, samples)

    def update_order(self, step: int) -> tuple[str]:
        return ("autoencoder",)

    def losses(
        self,
        player: str,
        model: nn.Module,
        networks: Mapping[str, nn.Module],
        batch: Batch,
        step: int,
    ) -> dict[str, Tensor]:
        reconstruction, *code = model(batch.samples, batch.labels, batch.rng)
        losses = self.reconstruction_losses(reconstruction.to(batch.samples.dtype), batch.samples)
        return {"reconstruction": losses.mean()} | self.code_losses(*code, step)


@dataclass(frozen=True)
class Autoencoder(Autoencoding):
    """Reconstruction from a code, and nothing else: its codes follow no prior to be sampled from.

    Reducing the Dimensionality of Data with Neural Networks (Hinton and Salakhutdinov, 2006)
    https://doi.org/10.1126/science.1127647. It is sampled all the same, by a Gaussian that is
    fitted to the codes of the training set after training.
    """

    def pipeline(self, networks: Mapping[str, nn.Module]) -> AutoencodingPipeline:
        autoencoder = networks["autoencoder"]
        prior = GaussianPrior(autoencoder.config.latent_dim).to(autoencoder.device)
        return FittedAutoencodingPipeline(autoencoder, prior)

    @torch.no_grad()
    def fit(self, pipeline: AutoencodingPipeline, batches: Iterable[Batch]) -> None:
        encode = pipeline.autoencoder.encode
        pipeline.prior.fit(torch.cat([encode(batch.samples, batch.labels)[0] for batch in batches]))


@dataclass(frozen=True)
class VariationalAutoencoder(Autoencoding):
    """Reconstruction, and codes that together look like the prior N(0, I).

    Auto-Encoding Variational Bayes (Kingma and Welling, 2014), equations 7 and 10,
    https://arxiv.org/abs/1312.6114, weighted as in beta-VAE (Higgins et al., 2017), equation 4,
    https://openreview.net/forum?id=Sy2fzU9gl. The reconstruction is a negative log likelihood. By
    "normal" it is a sum of squares: up to a constant that of a normal with variance 1/2 about each
    pixel. By "bernoulli" it is the cross entropy of black and white, of which the brightness of a
    pixel is the mean (Kingma and Welling, appendix C.1), and asks more where that is near either.

    Two remedies for codes that are never used: the weight of the KL may grow from 0 (Ladder
    Variational Autoencoders, Sønderby et al., 2016, section 2.2, https://arxiv.org/abs/1602.02282),
    and a part of it may be free (Improved Variational Inference with Inverse Autoregressive Flow,
    Kingma et al., 2016, equation 15, https://arxiv.org/abs/1606.04934).
    """

    likelihood: Literal["normal", "bernoulli"] = "normal"  # of pixels, given the code
    beta: float = 1.0  # weight of the KL term
    kl_warmup_steps: int = 0  # over which the weight grows from 0
    free_bits: float = 0.0  # nats of each latent, as the mean of a batch, that cost no more

    def reconstruction_losses(self, reconstruction: Tensor, samples: Tensor) -> Tensor:
        return LIKELIHOODS[self.likelihood](reconstruction, samples)

    def steady(self, step: int) -> bool:
        return step >= self.kl_warmup_steps

    def code_losses(self, mean: Tensor, log_variance: Tensor, step: int) -> dict[str, Tensor]:
        kl = kl_to_standard_normal(mean, log_variance).mean(0).clamp(min=self.free_bits)
        weight = self.beta * min(1.0, (step + 1) / (self.kl_warmup_steps + 1))
        return {"kl": weight * kl.sum()}

    def pipeline(self, networks: Mapping[str, nn.Module]) -> AutoencodingPipeline:
        return AutoencodingPipeline(networks["autoencoder"])


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, 1)) of each latent in nats: ½ (μ² + σ² − 1 − log σ²)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)


def normal_loss(reconstruction: Tensor, samples: Tensor) -> Tensor:
    """-log N(sample; reconstruction, 1/2) up to a constant, (B, C, *S) both -> (B,) in nats."""
    return (reconstruction - samples).square().flatten(1).sum(1)


def bernoulli_loss(reconstruction: Tensor, samples: Tensor) -> Tensor:
    """-x log p - (1 - x) log(1 - p) of brightness in [0, 1], (B, C, *S) both -> (B,) in nats."""
    # Half a level of grey from black or white is as good as either, and the logarithms are finite.
    white, mean = (samples + 1) / 2, ((reconstruction + 1) / 2).clamp(1 / 510, 1 - 1 / 510)
    return -(white * mean.log() + (1 - white) * (1 - mean).log()).flatten(1).sum(1)


LIKELIHOODS = {"normal": normal_loss, "bernoulli": bernoulli_loss}
