from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from training.batches import Batch
from training.objectives import OBJECTIVES, VariationalAutoencoder, WassersteinPenalty
from training.objectives.autoencoding import kl_to_standard_normal
from training.presets import PRESETS


class Linear(nn.Module):
    """A critic whose slope is known."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((16,), slope / 4))

    def forward(self, samples: Tensor) -> Tensor:
        return samples.flatten(1) @ self.weight


class Constant(nn.Module):
    """A generator that always draws the same."""

    config = SimpleNamespace(latent_dim=3)

    def forward(self, latents: Tensor) -> Tensor:
        return torch.full((len(latents), 1, 4, 4), 0.25)


def batch(value: float = 1.0) -> Batch:
    return Batch(torch.full((5, 1, 4, 4), value), torch.Generator().manual_seed(0))


def test_every_objective_has_a_preset_and_cites_its_paper() -> None:
    assert {type(preset.objective) for preset in PRESETS.values()} == set(OBJECTIVES.values())
    for objective in OBJECTIVES.values():
        assert "https://" in objective.__doc__


def test_kl_is_that_of_torch() -> None:
    mean, log_variance = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(0))
    posterior = Normal(mean, (log_variance / 2).exp())
    expected = kl_divergence(posterior, Normal(0, 1)).sum(1)
    assert torch.allclose(kl_to_standard_normal(mean, log_variance), expected, atol=1e-5)


def test_vae_terms_are_the_reconstruction_and_beta_times_the_kl() -> None:
    def autoencoder(samples: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        return samples + 0.5, torch.full((5, 2), 2.0), torch.zeros(5, 2)

    terms = VariationalAutoencoder(beta=3.0).terms("autoencoder", autoencoder, {}, batch())
    assert terms["reconstruction"].item() == pytest.approx(16 * 0.25)
    assert terms["kl"].item() == pytest.approx(3 * 2 * 0.5 * 2.0**2)


@pytest.mark.parametrize("slope", [0.0, 1.0, 3.0])
def test_wgan_gp_terms_for_a_critic_of_known_slope(slope: float) -> None:
    networks = {"generator": Constant(), "critic": Linear(slope)}
    objective = WassersteinPenalty(penalty=10.0)
    terms = objective.terms("critic", networks["critic"], networks, batch())
    # Mean scores: real 16 * slope / 4, fake a quarter of it.
    assert terms["negative distance"].item() == pytest.approx(-3 * slope)
    assert terms["penalty"].item() == pytest.approx(10 * (slope - 1) ** 2, abs=1e-4)
    sum(terms.values()).backward()
    assert networks["critic"].weight.grad.isfinite().all()
    terms = objective.terms("generator", networks["generator"], networks, batch())
    assert terms["negative score"].item() == pytest.approx(-slope)


def test_wgan_gp_plays_the_critic_first() -> None:
    assert WassersteinPenalty(critic_turns=2).turns(0) == ("critic", "critic", "generator")
