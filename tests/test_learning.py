"""Each objective learns what its paper says it does: on points of the plane, in seconds."""

from dataclasses import replace

import pytest
import torch

from training.core.batches import Batch
from training.objectives import OBJECTIVES
from training.studies.laboratory import GAN, NON_ADVERSARIAL, new_trainer, run
from training.studies.toy2d import DATASETS, PointBatches, ToyAutoencoder

STEPS = {"wgan-gp": 800, "sngan": 800, "r3gan": 800, "diffusion": 2000}


@pytest.mark.parametrize("name", STEPS)
def test_all_eight_modes_of_a_ring_are_covered(name: str) -> None:
    *_, last = run("ring", name, STEPS[name], frames=1).frames
    assert last.covered_modes == 8
    assert last.fraction_near_modes > 0.5


def test_a_vae_is_sampled_better_than_an_ae_and_reconstructs() -> None:
    rng = torch.Generator().manual_seed(1)
    real, near = DATASETS["ring"](2000, rng), {}
    points = real.points[:, :, None, None]
    for name, objective in {"ae": OBJECTIVES["ae"](), "vae": OBJECTIVES["vae"](beta=0.003)}.items():
        coder = ToyAutoencoder(width=128, variational=name == "vae")
        config = replace(NON_ADVERSARIAL, objective=objective, architecture=coder)
        game = new_trainer(config, 2, seed=0)
        batches = PointBatches(real.points, 256, seed=0)
        for _ in range(1500):
            game.train_step(batches)
        pipeline = objective.pipeline(game.ema.networks)
        objective.fit(pipeline, [Batch(points, None, rng)])
        with torch.no_grad():
            samples = pipeline.decode(torch.randn(2000, 2, generator=rng)).flatten(1)
            again = pipeline.decode(pipeline.encode(points.clamp(-1, 1))).flatten(1)
        _, near[name, "samples"] = real.mode_coverage(samples)
        _, near[name, "reconstructions"] = real.mode_coverage(again)
    assert near["vae", "reconstructions"] > 0.9 > near["ae", "samples"]
    assert near["ae", "reconstructions"] > 0.9
    assert near["vae", "samples"] > near["ae", "samples"]


def slope(name: str) -> float:
    """Norm of the generator's gradient, once a critic is perfect: real and generated lie apart."""
    game = new_trainer(replace(GAN, objective=OBJECTIVES[name]()), 2, seed=0)
    last = game.networks["generator"].layers[-1]
    last.weight.data.zero_()
    last.bias.data.fill_(0.1)  # one point, off the ring
    real = DATASETS["ring"](20_000, torch.Generator().manual_seed(1))
    batches = PointBatches(real.points, 256, seed=0)
    for _ in range(200):
        game.update("critic", batches)
    game.networks.requires_grad_(True)
    losses = game.config.objective.losses(
        "generator", game.networks["generator"], game.networks, batches[1000], 0
    )
    sum(losses.values()).backward()
    return last.bias.grad.norm().item()


def test_the_gradient_of_a_saturating_gan_vanishes_and_a_wgan_s_does_not() -> None:
    assert slope("gan-saturating") < 1e-3
    assert slope("gan") > 1e-1
    assert slope("wgan-gp") > 1e-1
