"""Autoencoder, and a Gaussian prior of codes. B batch, C channels, S side, Z latent."""

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor, nn

from genmodels.networks.convolutions import downward, upward


class Autoencoder(ModelMixin, ConfigMixin):
    """Samples (B, C, S, S) in [-1, 1] <-> codes (B, Z), with labels (B,) if conditional.

    A variational encoder predicts the mean and log variance of the code. If conditional, the label
    is embedded as an input plane of the encoder and as a vector that is concatenated to the code:
    Learning Structured Output Representation using Deep Conditional Generative Models (Sohn et al.,
    2015).
    """

    @register_to_config
    def __init__(
        self,
        latent_dim: int = 32,
        width: int = 64,
        side: int = 28,
        channels: int = 1,
        num_classes: int | None = None,
        variational: bool = True,
        blocks: int = 0,
        max_width: int | None = None,
    ) -> None:
        super().__init__()
        conditional = num_classes is not None
        self.planes = nn.Embedding(num_classes, side * side) if conditional else None
        self.vectors = nn.Embedding(num_classes, latent_dim) if conditional else None
        layers, features = downward(channels + conditional, side, width, True, blocks, max_width)
        codes = 2 * latent_dim if variational else latent_dim
        self.encoder = nn.Sequential(*layers, nn.Linear(features, codes))
        inputs = latent_dim * (1 + conditional)
        self.decoder = upward(inputs, width, side, channels, None, blocks, max_width)

    def encode(self, samples: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return codes or their means (B, Z), and log variances (B, Z) or None."""
        if self.planes is not None:
            plane = self.planes(labels).unflatten(1, (1, *samples.shape[2:]))
            samples = torch.cat([samples, plane], 1)
        code = self.encoder(samples).to(samples.dtype)  # full precision under autocast, for the KL
        return code.chunk(2, dim=1) if self.config.variational else (code, None)

    def decode(self, codes: Tensor, labels: Tensor | None = None, logits: bool = False) -> Tensor:
        """Return samples (B, C, S, S) in [-1, 1], or the logits of their intensities in [0, 1]."""
        if self.vectors is not None:
            codes = torch.cat([codes, self.vectors(labels)], 1)
        output = self.decoder(codes)
        return 2 * output if logits else output.tanh()  # tanh(x) = 2 sigmoid(2 x) - 1

    def forward(
        self,
        samples: Tensor,
        labels: Tensor | None,
        rng: torch.Generator | None,
        logits: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return reconstructions (see `decode`), codes or their means, log variances or None.

        A variational autoencoder decodes mean + standard deviation * noise (reparametrisation):
        Auto-Encoding Variational Bayes (Kingma and Welling, 2014, section 2.4)
        https://arxiv.org/abs/1312.6114
        """
        mean, log_variance = self.encode(samples, labels)
        code = mean
        if log_variance is not None:
            noise = randn_tensor(mean.shape, rng, mean.device, mean.dtype)
            code = mean + (log_variance / 2).exp() * noise
        return self.decode(code, labels, logits), mean, log_variance


class GaussianPrior(ModelMixin, ConfigMixin):
    """A Gaussian distribution of codes, as an invertible linear map of standard normal latents."""

    @register_to_config
    def __init__(self, latent_dim: int = 32) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(latent_dim))
        self.register_buffer("factor", torch.eye(latent_dim))  # Cholesky factor of the covariance

    def fit(self, codes: Tensor) -> None:
        """Set the mean and covariance to those of codes (N, Z)."""
        codes = codes.cpu().double()  # not every device supports float64
        covariance = torch.atleast_2d(codes.T.cov(correction=0))
        # The factorisation fails on a singular covariance.
        floor = 1e-6 * covariance.diagonal().mean().clamp(min=1e-12)
        covariance.diagonal().add_(floor)
        self.mean.copy_(codes.mean(0))
        self.factor.copy_(torch.linalg.cholesky(covariance))

    def forward(self, latents: Tensor) -> Tensor:
        """Map standard normal latents (B, Z) to codes (B, Z)."""
        return self.mean + latents @ self.factor.T

    def inverse(self, codes: Tensor) -> Tensor:
        """Map codes (B, Z) to standard normal latents (B, Z)."""
        return torch.linalg.solve_triangular(self.factor, (codes - self.mean).T, upper=False).T
