"""Objectives learn 2-D distributions as their papers claim, in seconds."""

from dataclasses import replace

import pytest
import torch

from training.core.batches import Batch
from training.objectives import OBJECTIVES
from training.studies.laboratory import GAN, NON_ADVERSARIAL, new_trainer, run
from training.studies.toy2d import DATASETS, PointBatches, ToyAutoencoder

STEPS = {"wgan-gp": 800, "sngan": 800, "r3gan": 800, "diffusion": 2000}


@pytest.mark.parametrize("name", STEPS)
def test_samples_cover_all_eight_modes_of_a_ring(name: str) -> None:
    *_, last = run("ring", name, STEPS[name], frames=1).frames
    assert last.covered_modes == 8
    assert last.fraction_near_modes > 0.5


def test_vae_samples_are_better_than_ae_samples_and_both_reconstruct() -> None:
    rng = torch.Generator().manual_seed(1)
    real, fractions = DATASETS["ring"](2000, rng), {}
    points = real.points[:, :, None, None]
    for name, objective in {"ae": OBJECTIVES["ae"](), "vae": OBJECTIVES["vae"](beta=0.003)}.items():
        architecture = ToyAutoencoder(width=128, variational=name == "vae")
        config = replace(NON_ADVERSARIAL, objective=objective, architecture=architecture)
        trainer = new_trainer(config, 2, seed=0)
        batches = PointBatches(real.points, 256, seed=0)
        for _ in range(1500):
            trainer.train_step(batches)
        pipeline = objective.pipeline(trainer.ema.networks)
        objective.fit(pipeline, [Batch(points, None, rng)])
        with torch.no_grad():
            samples = pipeline.decode(torch.randn(2000, 2, generator=rng)).flatten(1)
            reconstructions = pipeline.decode(pipeline.encode(points.clamp(-1, 1))).flatten(1)
        _, fractions[name, "samples"] = real.mode_coverage(samples)
        _, fractions[name, "reconstructions"] = real.mode_coverage(reconstructions)
    assert fractions["vae", "reconstructions"] > 0.9 > fractions["ae", "samples"]
    assert fractions["ae", "reconstructions"] > 0.9
    assert fractions["vae", "samples"] > fractions["ae", "samples"]


def generator_gradient_norm(name: str) -> float:
    """Return the generator's gradient norm for a trained critic of disjoint distributions."""
    trainer = new_trainer(replace(GAN, objective=OBJECTIVES[name]()), 2, seed=0)
    last = trainer.networks["generator"].layers[-1]
    last.weight.data.zero_()
    last.bias.data.fill_(0.1)  # a single point off the ring
    real = DATASETS["ring"](20_000, torch.Generator().manual_seed(1))
    batches = PointBatches(real.points, 256, seed=0)
    for _ in range(200):
        trainer.update("critic", batches)
    trainer.networks.requires_grad_(True)
    losses = trainer.config.objective.losses(
        "generator", trainer.networks["generator"], trainer.networks, batches[1000], 0
    )
    sum(losses.values()).backward()
    return last.bias.grad.norm().item()


def test_generator_gradient_vanishes_for_the_saturating_gan_only() -> None:
    assert generator_gradient_norm("gan-saturating") < 3e-3
    assert generator_gradient_norm("gan") > 1e-1
    assert generator_gradient_norm("wgan-gp") > 1e-1
