"""A convolutional autoencoder, plain or variational, and a prior for the codes of a plain one.

B batch, C channels, S side, Z latent.
"""

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor, nn

from genmodels.networks.convolutions import downward, upward


class Autoencoder(ModelMixin, ConfigMixin):
    """Samples (B, C, S, S) in [-1, 1] <-> codes (B, Z), given labels (B,) where there are classes.

    A variational one gives a code's mean and log variance, a plain one the code alone. Of a label,
    the encoder sees a plane of pixels and the decoder a vector beside the code, as in Learning
    Structured Output Representation using Deep Conditional Generative Models (Sohn et al., 2015).
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
    ) -> None:
        super().__init__()
        conditional = num_classes is not None
        self.planes = nn.Embedding(num_classes, side * side) if conditional else None
        self.vectors = nn.Embedding(num_classes, latent_dim) if conditional else None
        layers, features = downward(channels + conditional, side, width, True, blocks)
        codes = 2 * latent_dim if variational else latent_dim
        self.encoder = nn.Sequential(*layers, nn.Linear(features, codes))
        self.decoder = upward(latent_dim * (1 + conditional), width, side, channels, blocks=blocks)

    def encode(self, samples: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """(B, C, S, S) -> the code or its mean (B, Z), and its log variance (B, Z) or None."""
        if self.planes is not None:
            plane = self.planes(labels).unflatten(1, (1, *samples.shape[2:]))
            samples = torch.cat([samples, plane], 1)
        code = self.encoder(samples).to(samples.dtype)  # not autocast's, for a KL to be exact
        return code.chunk(2, dim=1) if self.config.variational else (code, None)

    def decode(self, codes: Tensor, labels: Tensor | None = None) -> Tensor:
        """(B, Z) -> (B, C, S, S) in [-1, 1]."""
        if self.vectors is not None:
            codes = torch.cat([codes, self.vectors(labels)], 1)
        return self.decoder(codes)

    def forward(
        self, samples: Tensor, labels: Tensor | None, rng: torch.Generator | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """(B, C, S, S) -> reconstruction, the code or its mean, and its log variance or None.

        A variational one decodes mean + deviation * noise, the reparametrisation of Auto-Encoding
        Variational Bayes (Kingma and Welling, 2014, section 2.4). https://arxiv.org/abs/1312.6114
        """
        mean, log_variance = self.encode(samples, labels)
        code = mean
        if log_variance is not None:
            noise = randn_tensor(mean.shape, rng, mean.device, mean.dtype)
            code = mean + (log_variance / 2).exp() * noise
        return self.decode(code, labels), mean, log_variance


class GaussianPrior(ModelMixin, ConfigMixin):
    """A normal distribution of codes, as an invertible map of a standard normal one."""

    @register_to_config
    def __init__(self, latent_dim: int = 32) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(latent_dim))
        self.register_buffer("factor", torch.eye(latent_dim))  # Cholesky's, of the covariance

    def fit(self, codes: Tensor) -> None:
        """Take the mean and covariance of codes (N, Z)."""
        codes = codes.cpu().double()  # which not every device has
        covariance = torch.atleast_2d(codes.T.cov(correction=0))
        # A direction in which the codes do not vary is left a little room, or there is no factor.
        floor = 1e-6 * covariance.diagonal().mean().clamp(min=1e-12)
        covariance.diagonal().add_(floor)
        self.mean.copy_(codes.mean(0))
        self.factor.copy_(torch.linalg.cholesky(covariance))

    def forward(self, latents: Tensor) -> Tensor:
        """Standard normal (B, Z) -> codes (B, Z)."""
        return self.mean + latents @ self.factor.T

    def inverse(self, codes: Tensor) -> Tensor:
        """Codes (B, Z) -> standard normal (B, Z)."""
        return torch.linalg.solve_triangular(self.factor, (codes - self.mean).T, upper=False).T
