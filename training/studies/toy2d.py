"""Points of the plane: small enough that what a game does can be seen.

Samples are (B, 2, 1, 1) in [-1, 1], as of images with two channels and one pixel. N points, K
places.
"""

import itertools
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


class Data(NamedTuple):
    """Where points come from, and the places at which a model is to have some."""

    points: Tensor  # (N, 2)
    places: Tensor  # (K, 2)
    radius: float  # within which a sample counts as at a place

    def covered(self, samples: Tensor) -> tuple[int, float]:
        """Samples (B, 2) -> places with a fifth of their share at least, and part at any place.

        A place's share is the part of the points that lies nearest to it.
        """
        counts, near = self.counts(samples)
        shares, _ = self.counts(self.points)
        enough = counts / len(samples) >= shares / shares.sum() / 5
        return int(enough.sum()), near

    def counts(self, samples: Tensor) -> tuple[Tensor, float]:
        """Samples (B, 2) -> those at each place (K,), and the part that is at any."""
        distance, place = torch.cdist(samples, self.places).min(1)
        near = distance < self.radius
        return torch.bincount(place[near], minlength=len(self.places)), near.float().mean().item()


def ring(count: int, rng: torch.Generator) -> Data:
    """Eight normal distributions on a circle."""
    angles = torch.arange(8) / 8 * 2 * math.pi
    return bumps(0.7 * torch.stack([angles.cos(), angles.sin()], 1), count, rng)


def grid(count: int, rng: torch.Generator) -> Data:
    """Twenty-five normal distributions, five to a row."""
    side = torch.linspace(-0.8, 0.8, 5)
    return bumps(torch.cartesian_prod(side, side), count, rng)


def bumps(centres: Tensor, count: int, rng: torch.Generator) -> Data:
    """Normal distributions of a deviation of 0.03 about centres (K, 2), each as likely."""
    chosen = centres[torch.randint(len(centres), (count,), generator=rng)]
    return Data(chosen + 0.03 * torch.randn(count, 2, generator=rng), centres, 0.15)


def spirals(count: int, rng: torch.Generator) -> Data:
    """Two arms that wind about the middle."""
    along = torch.rand(count, generator=rng).sqrt()
    angles = 3 * math.pi * along + math.pi * torch.randint(2, (count,), generator=rng)
    arms = 0.85 * along[:, None] * torch.stack([angles.cos(), angles.sin()], 1)
    return scattered(arms, rng)


def moons(count: int, rng: torch.Generator) -> Data:
    """Two half circles, each of which reaches into the other."""
    angles = math.pi * torch.rand(count, generator=rng)
    lower = torch.randint(2, (count,), generator=rng)
    sign = 1 - 2 * lower
    halves = torch.stack([sign * angles.cos() + lower, sign * angles.sin() + lower / 2], 1)
    return scattered((halves - torch.tensor([0.5, 0.25])) * 0.55, rng)


def drawn(points: Tensor, count: int, rng: torch.Generator) -> Data:
    """What a user drew, (N, 2) in [-1, 1], with a little noise about each point.

    Raises UserError for fewer than three points, and for those outside.
    """
    if points.dim() != 2 or points.shape[1] != 2 or len(points) < 3:
        raise UserError(f"expected three points of the plane or more, but got {len(points)}")
    if not (points.abs() <= 1).all():
        raise UserError("expected points with coordinates from -1 to 1")
    return scattered(points[torch.randint(len(points), (count,), generator=rng)], rng)


def scattered(points: Tensor, rng: torch.Generator, places: int = 24) -> Data:
    """Points of no centres, with noise: their places are points as far apart as can be."""
    points = (points + 0.02 * torch.randn(points.shape, generator=rng)).clamp(-1, 1)
    found = points[:1]
    for _ in range(places - 1):
        found = torch.cat([found, points[torch.cdist(points, found).min(1).values.argmax()][None]])
    return Data(points, found, 0.15)


DATA: dict[str, Callable[[int, torch.Generator], Data]] = {
    "ring": ring,
    "grid": grid,
    "spirals": spirals,
    "two moons": moons,
}


class Draws:
    """Batches of points, drawn with replacement; each a function of (seed, number)."""

    def __init__(self, points: Tensor, size: int, seed: int) -> None:
        self.points, self.size, self.seed, self.rng = points, size, seed, torch.Generator()

    def __getitem__(self, number: int) -> Batch:
        rng = self.rng.manual_seed(mix_seed(self.seed, number))
        chosen = torch.randint(len(self.points), (self.size,), generator=rng)
        return Batch(self.points[chosen, :, None, None], None, rng)


def layers(inputs: int, outputs: int, width: int) -> nn.Sequential:
    sizes = [inputs, width, width, width]
    hidden = [
        part
        for one, other in itertools.pairwise(sizes)
        for part in (nn.Linear(one, other), nn.LeakyReLU(0.2))
    ]
    return nn.Sequential(*hidden, nn.Linear(width, outputs))


class Generator(nn.Module):
    """Latents (B, Z) -> points (B, C, 1, 1)."""

    def __init__(self, latent_dim: int, width: int, channels: int) -> None:
        super().__init__()
        self.config = SimpleNamespace(latent_dim=latent_dim, num_classes=None)
        self.layers = layers(latent_dim, channels, width)

    def forward(self, latents: Tensor, labels: None = None) -> Tensor:
        return self.layers(latents)[:, :, None, None]


class Quantiles(nn.Module):
    """A generator that has nothing to learn: normal latents (B, 1) -> points (B, 1, 1, 1) of a set.

    points: (N, 1), each as likely
    """

    def __init__(self, points: Tensor) -> None:
        super().__init__()
        self.config = SimpleNamespace(latent_dim=1, num_classes=None)
        self.points = nn.Parameter(points)

    def forward(self, latents: Tensor, labels: None = None) -> Tensor:
        chosen = (torch.special.ndtr(latents[:, 0]) * len(self.points)).long()
        return self.points[chosen.clamp(max=len(self.points) - 1), :, None, None]


class Critic(nn.Module):
    """Points (B, C, 1, 1) -> scores (B,)."""

    def __init__(self, width: int, channels: int, spectral_norm: bool) -> None:
        super().__init__()
        self.layers = layers(channels, 1, width)
        if spectral_norm:
            normalise_spectrally(self)

    def forward(self, samples: Tensor, labels: None = None) -> Tensor:
        return self.layers(samples.flatten(1)).squeeze(1)


class Denoiser(nn.Module):
    """Noisy points (B, C, 1, 1) and times () or (B,) below 1000 -> what is predicted of them."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.config = SimpleNamespace(in_channels=channels, sample_size=1, num_class_embeds=None)
        self.layers = layers(channels + 16, channels, width)

    def forward(
        self, samples: Tensor, times: Tensor, labels: None, return_dict: bool
    ) -> tuple[Tensor]:
        angles = times.reshape(-1, 1) / 1000 * math.pi * 2 ** torch.arange(-1, 7)
        angles = angles.expand(len(samples), -1)
        seen = torch.cat([samples.flatten(1), angles.sin(), angles.cos()], 1)
        return (self.layers(seen)[:, :, None, None],)


class Autoencoder(nn.Module):
    """Points (B, C, 1, 1) -> codes (B, Z), and back."""

    def __init__(self, latent_dim: int, width: int, channels: int, variational: bool) -> None:
        super().__init__()
        self.config = SimpleNamespace(
            latent_dim=latent_dim, num_classes=None, channels=channels, side=1
        )
        self.variational = variational
        self.encoder = layers(channels, 2 * latent_dim, width)
        self.decoder = layers(latent_dim, channels, width)

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
class Adversaries(Architecture):
    """A generator and a critic of linear layers."""

    latent_dim: int = 4  # of the normal latent
    width: int = 64  # of each hidden layer
    spectral_norm: bool = False  # of the critic's weights

    def networks(
        self, channels: int, side: int, num_classes: int | None = None
    ) -> dict[str, nn.Module]:
        return {
            "generator": Generator(self.latent_dim, self.width, channels),
            "critic": Critic(self.width, channels, self.spectral_norm),
        }


@dataclass(frozen=True)
class Coder(Architecture):
    """An encoder and a decoder of linear layers."""

    latent_dim: int = 2  # of the code
    width: int = 64  # of each hidden layer
    variational: bool = True  # the encoder gives a distribution of the code

    def networks(
        self, channels: int, side: int, num_classes: int | None = None
    ) -> dict[str, nn.Module]:
        parts = (self.latent_dim, self.width, channels, self.variational)
        return {"autoencoder": Autoencoder(*parts)}


@dataclass(frozen=True)
class Diffuser(Architecture):
    """A denoiser of linear layers."""

    width: int = 64  # of each hidden layer

    def networks(
        self, channels: int, side: int, num_classes: int | None = None
    ) -> dict[str, nn.Module]:
        return {"unet": Denoiser(self.width, channels)}
