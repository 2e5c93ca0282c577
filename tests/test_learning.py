"""Each objective learns what its paper says it does: on points of the plane, in seconds."""

import copy
import math
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from genmodels.networks.convolutions import normalise_spectrally
from training.batches import Batch
from training.objectives import OBJECTIVES, Objective

MODES = 8
CENTRES = torch.tensor(
    [
        [math.cos(2 * math.pi * mode / MODES), math.sin(2 * math.pi * mode / MODES)]
        for mode in range(MODES)
    ]
)
RADIUS, DEVIATION = 0.7, 0.03


def ring(count: int, rng: torch.Generator) -> Tensor:
    """Points (count, 2, 1, 1) of eight normal distributions on a circle."""
    centres = RADIUS * CENTRES[torch.randint(MODES, (count,), generator=rng)]
    return (centres + DEVIATION * torch.randn(count, 2, generator=rng))[:, :, None, None]


def layers(inputs: int, outputs: int, width: int = 128) -> nn.Sequential:
    hidden = [nn.Linear(width, width), nn.LeakyReLU(0.2)]
    first = [nn.Linear(inputs, width), nn.LeakyReLU(0.2)]
    return nn.Sequential(*first, *hidden, *copy.deepcopy(hidden), nn.Linear(width, outputs))


class Generator(nn.Module):
    config = SimpleNamespace(latent_dim=4, num_classes=None)

    def __init__(self) -> None:
        super().__init__()
        self.layers = layers(4, 2)

    def forward(self, latents: Tensor, labels: None = None) -> Tensor:
        return self.layers(latents)[:, :, None, None]


class Critic(nn.Module):
    def __init__(self, spectral_norm: bool = False) -> None:
        super().__init__()
        self.layers = layers(2, 1)
        if spectral_norm:
            normalise_spectrally(self)

    def forward(self, samples: Tensor, labels: None = None) -> Tensor:
        return self.layers(samples.flatten(1)).squeeze(1)


class Denoiser(nn.Module):
    config = SimpleNamespace(in_channels=2, sample_size=1, num_class_embeds=None)

    def __init__(self) -> None:
        super().__init__()
        self.layers = layers(2 + 16, 2)

    def forward(
        self, samples: Tensor, times: Tensor, labels: None, return_dict: bool
    ) -> tuple[Tensor]:
        angles = times.reshape(-1, 1) / 1000 * math.pi * 2 ** torch.arange(-1, 7)
        angles = angles.expand(len(samples), -1)
        seen = torch.cat([samples.flatten(1), angles.sin(), angles.cos()], 1)
        return (self.layers(seen)[:, :, None, None],)


class Autoencoder(nn.Module):
    config = SimpleNamespace(latent_dim=2, num_classes=None, channels=2, side=1)

    def __init__(self, variational: bool) -> None:
        super().__init__()
        self.variational = variational
        self.encoder, self.decoder = layers(2, 4), layers(2, 2)
        self.register_buffer("place", torch.zeros(()))

    @property
    def device(self) -> torch.device:
        return self.place.device

    def encode(self, samples: Tensor, labels: None = None) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.encoder(samples.flatten(1)).chunk(2, 1)
        return mean, log_variance

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


def learn(
    objective: Objective,
    networks: dict[str, nn.Module],
    steps: int,
    rate: float = 1e-3,
    betas: tuple[float, float] = (0.0, 0.9),
    players: tuple[str, ...] = ("generator", "critic", "unet", "autoencoder"),
) -> dict[str, nn.Module]:
    """Play the turns of these players, as the loop does -> averages of the networks' weights."""
    rng = torch.Generator().manual_seed(0)
    optimizers = {
        name: torch.optim.Adam(network.parameters(), rate, betas, fused=True)
        for name, network in networks.items()
    }
    averages = copy.deepcopy(networks)
    for step in range(steps):
        for player in (turn for turn in objective.turns(step) if turn in players):
            for name, network in networks.items():
                network.requires_grad_(name == player)
            batch = Batch(ring(256, rng), None, rng)
            terms = objective.terms(player, networks[player], networks, batch, step)
            optimizers[player].zero_grad()
            sum(terms.values()).backward()
            optimizers[player].step()
            objective.constrain(player, networks[player])
        for name, network in networks.items():
            ours, theirs = list(averages[name].parameters()), list(network.parameters())
            torch._foreach_lerp_([weight.data for weight in ours], theirs, 0.02)
    return averages


def covered(samples: Tensor) -> tuple[int, float]:
    """Points (N, 2, 1, 1) -> modes with a fifth of their share at least, and part near a mode."""
    distances = torch.cdist(samples.flatten(1), RADIUS * CENTRES)
    nearest, mode = distances.min(1)
    near = nearest < 5 * DEVIATION
    counts = torch.bincount(mode[near], minlength=MODES)
    return int((counts > len(samples) / MODES / 5).sum()), near.float().mean().item()


SETTINGS = {
    "wgan-gp": {"objective": OBJECTIVES["wgan-gp"](penalty=1.0, critic_turns=3), "steps": 800},
    "sngan": {"objective": OBJECTIVES["sngan"](critic_turns=3), "steps": 800},
    "r3gan": {"objective": OBJECTIVES["r3gan"](gamma=0.1), "steps": 1000},
    "diffusion": {"objective": OBJECTIVES["diffusion"](), "steps": 2500, "betas": (0.9, 0.99)},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_all_eight_modes_of_a_ring_are_covered(name: str) -> None:
    torch.manual_seed(0)
    networks: dict[str, nn.Module] = {"unet": Denoiser()}
    if name != "diffusion":
        networks = {"generator": Generator(), "critic": Critic(spectral_norm=name == "sngan")}
    objective = SETTINGS[name]["objective"]
    pipeline = objective.pipeline(learn(networks=networks, **SETTINGS[name]))
    pipeline.steps = 20
    with torch.no_grad():
        samples = pipeline.decode(torch.randn(2000, *pipeline.latent_shape))
    modes, near = covered(samples)
    assert modes == MODES
    assert near > 0.5


def test_a_vae_is_sampled_better_than_an_ae_and_reconstructs() -> None:
    rng = torch.Generator().manual_seed(1)
    real, near = ring(2000, rng), {}
    for name, objective in {"ae": OBJECTIVES["ae"](), "vae": OBJECTIVES["vae"](beta=0.003)}.items():
        torch.manual_seed(0)
        networks = {"autoencoder": Autoencoder(variational=name == "vae")}
        averages = learn(objective, networks, steps=1500, rate=2e-3, betas=(0.9, 0.99))
        pipeline = objective.pipeline(averages)
        objective.fit(pipeline, [Batch(real, None, rng)])
        with torch.no_grad():
            near[name, "samples"] = covered(pipeline.decode(torch.randn(2000, 2)))[1]
            near[name, "reconstructions"] = covered(pipeline.decode(pipeline.encode(real)))[1]
    assert near["vae", "reconstructions"] > 0.9 > near["ae", "samples"]
    assert near["ae", "reconstructions"] > 0.9
    assert near["vae", "samples"] > near["ae", "samples"]


def slope(name: str) -> float:
    """Norm of the generator's gradient, once a critic is perfect: real and generated lie apart."""
    torch.manual_seed(0)
    networks = {"generator": Generator(), "critic": Critic()}
    networks["generator"].layers[-1].weight.data.zero_()
    networks["generator"].layers[-1].bias.data.fill_(0.1)  # one point, off the ring
    objective = OBJECTIVES[name]()
    learn(objective, networks, steps=200, players=("critic",))
    rng = torch.Generator().manual_seed(1)
    networks["generator"].requires_grad_(True)
    terms = objective.terms(
        "generator", networks["generator"], networks, Batch(ring(256, rng), None, rng), 0
    )
    sum(terms.values()).backward()
    return networks["generator"].layers[-1].bias.grad.norm().item()


def test_the_gradient_of_a_saturating_gan_vanishes_and_a_wgan_s_does_not() -> None:
    assert slope("gan-saturating") < 1e-3
    assert slope("gan") > 1e-1
    assert slope("wgan-gp") > 1e-1
