"""Autoencoder objectives."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genmodels.networks.autoencoder import GaussianPrior
from genmodels.pipelines.autoencoding import AutoencodingPipeline, FittedAutoencodingPipeline
from training.core.batches import Batch
from training.objectives.base import Losses, Networks, Objective


@dataclass(frozen=True)
class Autoencoding(Objective):
    """Base of the autoencoders: a reconstruction loss and an optional loss of the code."""

    def code_losses(self, mean: Tensor, log_variance: Tensor | None, step: int) -> Losses:
        """Compute losses of codes (B, Z), or of their posteriors (B, Z) each; none by default."""
        return {}

    def reconstruct(self, model: nn.Module, batch: Batch) -> tuple[Tensor, ...]:
        """Return what `reconstruction_losses` and `code_losses` need: by default the samples."""
        return model(batch.samples, batch.labels, batch.rng)

    def reconstruction_losses(self, reconstruction: Tensor, samples: Tensor) -> Tensor:
        """Compute each sample's reconstruction loss (B,); the sum of squares by default."""
        return normal_loss(reconstruction, samples)

    def update_order(self, step: int) -> tuple[str]:
        return ("autoencoder",)

    def losses(
        self, name: str, model: nn.Module, networks: Networks, batch: Batch, step: int
    ) -> Losses:
        reconstruction, *code = self.reconstruct(model, batch)
        losses = self.reconstruction_losses(reconstruction.to(batch.samples.dtype), batch.samples)
        return {"reconstruction": losses.mean()} | self.code_losses(*code, step)


@dataclass(frozen=True)
class Autoencoder(Autoencoding):
    """The reconstruction error, with no prior on the codes.

    Reducing the Dimensionality of Data with Neural Networks (Hinton and Salakhutdinov, 2006)
    https://doi.org/10.1126/science.1127647. For sampling, a Gaussian is fitted to the codes of the
    training set after training.
    """

    def pipeline(self, networks: Networks) -> AutoencodingPipeline:
        autoencoder = networks["autoencoder"]
        prior = GaussianPrior(autoencoder.config.latent_dim).to(autoencoder.device)
        return FittedAutoencodingPipeline(autoencoder, prior)

    @torch.no_grad()
    def fit(self, pipeline: AutoencodingPipeline, batches: Iterable[Batch]) -> None:
        encode = pipeline.autoencoder.encode
        pipeline.prior.fit(torch.cat([encode(batch.samples, batch.labels)[0] for batch in batches]))


@dataclass(frozen=True)
class VariationalAutoencoder(Autoencoding):
    """The negative ELBO: a reconstruction term and the KL divergence from the prior N(0, I).

    Auto-Encoding Variational Bayes (Kingma and Welling, 2014), equations 7 and 10,
    https://arxiv.org/abs/1312.6114, weighted as in beta-VAE (Higgins et al., 2017), equation 4,
    https://openreview.net/forum?id=Sy2fzU9gl. The reconstruction term is a negative log likelihood.
    "normal": the sum of squares, up to a constant the likelihood of a normal distribution with
    variance 1/2 per pixel. "bernoulli": the cross entropy of pixel intensities in [0, 1] (Kingma
    and Welling, appendix C.1), which penalises errors near black and white more. It is computed
    from logits, so its gradient does not vanish where the error is greatest.

    Two remedies for posterior collapse: KL warm-up (Ladder Variational Autoencoders, Sønderby et
    al., 2016, section 2.2, https://arxiv.org/abs/1602.02282) and free bits (Improved Variational
    Inference with Inverse Autoregressive Flow, Kingma et al., 2016, equation 15,
    https://arxiv.org/abs/1606.04934).
    """

    likelihood: Literal["normal", "bernoulli"] = "normal"  # likelihood of the pixels given the code
    beta: float = 1.0  # weight of the KL divergence
    kl_warmup_steps: int = 0  # steps over which the KL weight grows from 0 to beta
    free_bits: float = 0.0  # minimum KL in nats per latent dimension; below it there is no gradient

    def reconstruct(self, model: nn.Module, batch: Batch) -> tuple[Tensor, ...]:
        if self.likelihood == "normal":
            return super().reconstruct(model, batch)
        return model(batch.samples, batch.labels, batch.rng, logits=True)

    def reconstruction_losses(self, reconstruction: Tensor, samples: Tensor) -> Tensor:
        return LIKELIHOODS[self.likelihood](reconstruction, samples)

    def graph_safe(self, step: int) -> bool:
        return step >= self.kl_warmup_steps

    def code_losses(self, mean: Tensor, log_variance: Tensor, step: int) -> Losses:
        kl = kl_to_standard_normal(mean, log_variance).mean(0).clamp(min=self.free_bits)
        weight = self.beta * min(1.0, (step + 1) / (self.kl_warmup_steps + 1))
        return {"kl": weight * kl.sum()}

    def pipeline(self, networks: Networks) -> AutoencodingPipeline:
        return AutoencodingPipeline(networks["autoencoder"])


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Compute KL(N(μ, σ²) || N(0, 1)) in nats, elementwise: ½ (μ² + σ² − 1 − log σ²)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)


def normal_loss(reconstruction: Tensor, samples: Tensor) -> Tensor:
    """Compute -log N(sample; reconstruction, 1/2) (B,) in nats, up to a constant."""
    return (reconstruction - samples).square().flatten(1).sum(1)


def bernoulli_loss(logits: Tensor, samples: Tensor) -> Tensor:
    """Compute -x log p - (1 - x) log(1 - p) (B,) in nats, of intensities x and p in [0, 1].

    x is that of the samples in [-1, 1], p the sigmoid of the logits.
    """
    losses = F.binary_cross_entropy_with_logits(logits, (samples + 1) / 2, reduction="none")
    return losses.flatten(1).sum(1)


LIKELIHOODS = {"normal": normal_loss, "bernoulli": bernoulli_loss}
