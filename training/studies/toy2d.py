"""Toy data in two dimensions, and networks for it.

Samples are (B, 2, 1, 1) in [-1, 1], as images with two channels and one pixel. N points, K modes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from genmodels.errors import UserError
from genmodels.networks.convolutions import normalise_spectrally
from training.configs.architectures import Architecture
from training.core.batches import Batch, mix_seed
from training.objectives.base import Networks


class ToyData(NamedTuple):
    """Points of a distribution, and its modes for measuring mode coverage."""

    points: Tensor  # (N, 2)
    modes: Tensor  # (K, 2)
    radius: float  # a sample counts for a mode within this distance

    def mode_coverage(self, samples: Tensor) -> tuple[int, float]:
        """Return the number of covered modes and the fraction of samples (B, 2) near any mode.

        A mode is covered if its fraction of samples is at least a fifth of its fraction of points.
        """
        counts, fraction = self.count_per_mode(samples)
        expected, _ = self.count_per_mode(self.points)
        covered = counts / len(samples) >= expected / expected.sum() / 5
        return int(covered.sum()), fraction

    def count_per_mode(self, samples: Tensor) -> tuple[Tensor, float]:
        """Return the samples near each mode (K,) and the fraction of samples near any mode."""
        distances, modes = torch.cdist(samples, self.modes).min(1)
        near = distances < self.radius
        return torch.bincount(modes[near], minlength=len(self.modes)), near.float().mean().item()


def ring(count: int, rng: torch.Generator) -> ToyData:
    """Eight Gaussians on a circle."""
    angles = torch.arange(8) / 8 * 2 * math.pi
    return gaussian_mixture(0.7 * torch.stack([angles.cos(), angles.sin()], 1), count, rng)


def grid(count: int, rng: torch.Generator) -> ToyData:
    """Twenty-five Gaussians on a 5 x 5 grid."""
    side = torch.linspace(-0.8, 0.8, 5)
    return gaussian_mixture(torch.cartesian_prod(side, side), count, rng)


def gaussian_mixture(means: Tensor, count: int, rng: torch.Generator) -> ToyData:
    """Gaussians with means (K, 2), standard deviation 0.03 and equal weights."""
    chosen = means[torch.randint(len(means), (count,), generator=rng)]
    return ToyData(chosen + 0.03 * torch.randn(count, 2, generator=rng), means, 0.15)


def spirals(count: int, rng: torch.Generator) -> ToyData:
    """Two interleaved spiral arms."""
    radii = torch.rand(count, generator=rng).sqrt()
    angles = 3 * math.pi * radii + math.pi * torch.randint(2, (count,), generator=rng)
    arms = 0.85 * radii[:, None] * torch.stack([angles.cos(), angles.sin()], 1)
    return noisy_points(arms, rng)


def two_moons(count: int, rng: torch.Generator) -> ToyData:
    """Two interleaved half circles."""
    angles = math.pi * torch.rand(count, generator=rng)
    lower = torch.randint(2, (count,), generator=rng)
    sign = 1 - 2 * lower
    moons = torch.stack([sign * angles.cos() + lower, sign * angles.sin() + lower / 2], 1)
    return noisy_points((moons - torch.tensor([0.5, 0.25])) * 0.55, rng)


def resampled_points(points: Tensor, count: int, rng: torch.Generator) -> ToyData:
    """At least three points (N, 2) in [-1, 1], such as a user's drawing, resampled with noise."""
    if points.dim() != 2 or points.shape[1] != 2 or len(points) < 3:
        raise UserError(f"expected points (N, 2) with N of at least 3, got {tuple(points.shape)}")
    if not (points.abs() <= 1).all():
        raise UserError(f"expected coordinates from -1 to 1, got up to {points.abs().max():g}")
    return noisy_points(points[torch.randint(len(points), (count,), generator=rng)], rng)


def noisy_points(points: Tensor, rng: torch.Generator, num_modes: int = 24) -> ToyData:
    """Add noise to points, and choose some as modes by farthest-point sampling."""
    points = (points + 0.02 * torch.randn(points.shape, generator=rng)).clamp(-1, 1)
    modes = points[:1]
    for _ in range(num_modes - 1):
        modes = torch.cat([modes, points[torch.cdist(points, modes).min(1).values.argmax()][None]])
    return ToyData(points, modes, 0.15)


DATASETS: dict[str, Callable[[int, torch.Generator], ToyData]] = {
    "ring": ring,
    "grid": grid,
    "spirals": spirals,
    "two moons": two_moons,
}


class PointBatches:
    """Batches of points, sampled with replacement; each is a function of (seed, number)."""

    def __init__(self, points: Tensor, size: int, seed: int) -> None:
        self.points, self.size, self.seed = points, size, seed

    def __getitem__(self, number: int) -> Batch:
        rng = torch.Generator().manual_seed(mix_seed("batch", self.seed, number))
        chosen = torch.randint(len(self.points), (self.size,), generator=rng)
        return Batch(self.points[chosen, :, None, None], None, rng)


def mlp(inputs: int, outputs: int, width: int) -> nn.Sequential:
    layers = [nn.Linear(inputs, width), nn.LeakyReLU(0.2)]
    for _ in range(2):
        layers += [nn.Linear(width, width), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Linear(width, outputs))


class Generator(nn.Module):
    """Map latents (B, Z) to points (B, C, 1, 1)."""

    def __init__(self, latent_dim: int, width: int, channels: int) -> None:
        super().__init__()
        self.config = SimpleNamespace(latent_dim=latent_dim, num_classes=None)
        self.layers = mlp(latent_dim, channels, width)

    def forward(self, latents: Tensor, labels: None = None) -> Tensor:
        return self.layers(latents)[:, :, None, None]


class FixedGenerator(nn.Module):
    """Map normal latents (B, 1) to uniformly distributed rows (B, 1, 1, 1) of points (N, 1)."""

    def __init__(self, points: Tensor) -> None:
        super().__init__()
        self.config = SimpleNamespace(latent_dim=1, num_classes=None)
        self.points = nn.Parameter(points)  # a Trainer needs parameters for its optimizer

    def forward(self, latents: Tensor, labels: None = None) -> Tensor:
        rows = (torch.special.ndtr(latents[:, 0]) * len(self.points)).long()
        return self.points[rows.clamp(max=len(self.points) - 1), :, None, None]


class Critic(nn.Module):
    """Map points (B, C, 1, 1) to scores (B,)."""

    def __init__(self, width: int, channels: int, spectral_norm: bool) -> None:
        super().__init__()
        self.layers = mlp(channels, 1, width)
        if spectral_norm:
            normalise_spectrally(self)

    def forward(self, samples: Tensor, labels: None = None) -> Tensor:
        return self.layers(samples.flatten(1)).squeeze(1)


class Denoiser(nn.Module):
    """Map noisy points (B, C, 1, 1) and timesteps () or (B,) below 1000 to a prediction."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.config = SimpleNamespace(in_channels=channels, sample_size=1, num_class_embeds=None)
        self.layers = mlp(channels + 16, channels, width)

    def forward(
        self, samples: Tensor, timesteps: Tensor, labels: None, return_dict: bool
    ) -> tuple[Tensor]:
        angles = timesteps.reshape(-1, 1) / 1000 * math.pi * 2 ** torch.arange(-1, 7)
        angles = angles.expand(len(samples), -1)
        inputs = torch.cat([samples.flatten(1), angles.sin(), angles.cos()], 1)
        return (self.layers(inputs)[:, :, None, None],)


class Autoencoder(nn.Module):
    """Map points (B, C, 1, 1) to codes (B, Z) and back."""

    def __init__(self, latent_dim: int, width: int, channels: int, variational: bool) -> None:
        super().__init__()
        self.config = SimpleNamespace(
            latent_dim=latent_dim, num_classes=None, channels=channels, side=1
        )
        self.variational = variational
        self.encoder = mlp(channels, 2 * latent_dim, width)
        self.decoder = mlp(latent_dim, channels, width)

    @property
    def device(self) -> torch.device:
        return self.encoder[0].weight.device

    def encode(self, samples: Tensor, labels: None = None) -> tuple[Tensor, Tensor]:
        return self.encoder(samples.flatten(1)).chunk(2, 1)

    def decode(self, codes: Tensor, labels: None = None) -> Tensor:
        return self.decoder(codes)[:, :, None, None]

    def forward(
        self, samples: Tensor, labels: None, rng: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_variance = self.encode(samples)
        code = mean
        if self.variational:
            noise = torch.empty_like(mean).normal_(generator=rng)
            code = mean + (log_variance / 2).exp() * noise
        return self.decode(code), mean, log_variance


@dataclass(frozen=True)
class ToyGAN(Architecture):
    """A generator and a critic, both MLPs."""

    latent_dim: int = 4  # of the normal latent
    width: int = 64  # of each hidden layer
    spectral_norm: bool = False  # of the critic's weights

    def networks(self, channels: int, side: int, num_classes: int | None = None) -> Networks:
        return {
            "generator": Generator(self.latent_dim, self.width, channels),
            "critic": Critic(self.width, channels, self.spectral_norm),
        }


@dataclass(frozen=True)
class ToyAutoencoder(Architecture):
    """An encoder and a decoder, both MLPs."""

    latent_dim: int = 2  # of the code
    width: int = 64  # of each hidden layer
    variational: bool = True  # the encoder predicts a distribution of the code

    def networks(self, channels: int, side: int, num_classes: int | None = None) -> Networks:
        return {"autoencoder": Autoencoder(self.latent_dim, self.width, channels, self.variational)}


@dataclass(frozen=True)
class ToyDiffusion(Architecture):
    """A denoiser that is an MLP."""

    width: int = 64  # of each hidden layer

    def networks(self, channels: int, side: int, num_classes: int | None = None) -> Networks:
        return {"unet": Denoiser(self.width, channels)}
