import pytest
import torch

from genmodels.networks.autoencoder import Autoencoder
from genmodels.networks.dcgan import Critic, Generator


@pytest.mark.parametrize("side", [28, 32, 48, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes_and_ranges(side: int, channels: int) -> None:
    latents, samples = torch.randn(2, 16), torch.rand(2, channels, side, side) * 2 - 1
    fake = Generator(16, 8, side, channels)(latents)
    assert fake.shape == samples.shape
    assert fake.abs().max() <= 1
    assert Critic(8, side, channels)(samples).shape == (2,)
    autoencoder = Autoencoder(16, 8, side, channels)
    reconstruction, mean, log_variance = autoencoder(samples, torch.Generator())
    assert reconstruction.shape == samples.shape
    assert mean.shape == log_variance.shape == (2, 16)


@pytest.mark.parametrize("side", [27, 30, 8, 0, 1024])
def test_a_side_that_does_not_halve_is_refused(side: int) -> None:
    with pytest.raises(ValueError, match=f"got {side}"):
        Generator(side=side)


def test_critic_scores_each_sample_by_itself() -> None:
    critic, samples = Critic(8).train(), torch.rand(4, 1, 28, 28)
    assert torch.allclose(critic(samples)[:1], critic(samples[:1]), atol=1e-6)


def test_code_is_drawn_by_the_rng_alone() -> None:
    autoencoder, samples = Autoencoder(8, 8).eval(), torch.rand(2, 1, 28, 28)
    one, again, other = (
        autoencoder(samples, torch.Generator().manual_seed(seed))[0] for seed in (1, 1, 2)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
