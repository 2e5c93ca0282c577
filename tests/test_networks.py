"""Shapes, conditioning and normalisation of the networks."""

from dataclasses import replace
from types import ModuleType

import pytest
import torch
from torch import nn

from genmodels.errors import UserError
from genmodels.networks import dcgan, resnet
from genmodels.networks.autoencoder import Autoencoder, GaussianPrior
from genmodels.networks.classifier import Classifier
from training.configs.architectures import (
    DCGAN,
    Architecture,
    Completion,
    ConvolutionalAutoencoder,
    ConvolutionalClassifier,
    UNet,
)

GANS = [dcgan, resnet]
LABELS = torch.tensor([0, 2])


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("num_classes", [None, 3])
@pytest.mark.parametrize("side", [28, 32, 48, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_output_shapes_and_ranges(side: int, channels: int, num_classes: int | None) -> None:
    samples = torch.rand(2, channels, side, side) * 2 - 1
    labels = None if num_classes is None else LABELS
    for gan in GANS:
        fake = gan.Generator(16, 8, side, channels, num_classes)(normal(2, 16), labels)
        assert fake.shape == samples.shape
        assert fake.abs().max() <= 1
        assert gan.Critic(8, side, channels, num_classes)(samples, labels).shape == (2,)
    for variational in (True, False):
        autoencoder = Autoencoder(16, 8, side, channels, num_classes, variational)
        reconstruction, mean, log_variance = autoencoder(samples, labels, torch.Generator())
        assert reconstruction.shape == samples.shape
        assert mean.shape == (2, 16)
        assert (log_variance is not None) == variational
    unet = UNet(width=8, layers_per_block=1).networks(channels, side, num_classes)["unet"]
    assert unet(samples, torch.tensor([1, 900]), labels)[0].shape == samples.shape
    classifier = Classifier(10, 8, side, channels)
    assert classifier(samples).shape == (2, 10)
    assert torch.equal(classifier.eval()(samples), classifier.head(classifier.features(samples)))


@pytest.mark.parametrize("side", [27, 30, 8, 0, 1024])
def test_unsupported_image_sides_are_user_errors(side: int) -> None:
    with pytest.raises(UserError, match=f"got {side}"):
        dcgan.Generator(side=side)


@pytest.mark.parametrize(
    ("architecture", "side", "sentence"),
    [
        (DCGAN(), 100, r"to be 4, 5, 6 or 7 times a power of 2 .*, got 100; try 96 or 112"),
        (ConvolutionalClassifier(), 8, "got 8; try 12$"),
        (Completion(), 1000, "got 1000; try 896$"),
        (UNet(), 100, "to be a multiple of 8 from .*, got 100; try 96 or 104"),
        (UNet(), 8, "to be a multiple of 8 from 16 to 1024, got 8; try 12$"),
        (UNet(), 2000, "got 2000; try 1024$"),
        (UNet(levels=3), 102, "to be a multiple of 4 from 4 to 1024, got 102; try 100 or 104"),
    ],
)
def test_errors_name_the_nearest_sides_that_work(
    architecture: Architecture, side: int, sentence: str
) -> None:
    with pytest.raises(UserError, match=f"expected --resolution .*{sentence}"):
        architecture.check_side(side)


@pytest.mark.parametrize(
    ("unet", "side", "resolutions", "attended"),
    [
        (UNet(), 28, [28, 14, 7], [14, 7]),
        (UNet(), 32, [32, 16, 8, 4], [16, 8, 4]),
        (UNet(), 64, [64, 32, 16, 8], [16, 8]),
        (UNet(), 72, [72, 36, 18, 9], [9]),
        (UNet(), 104, [104, 52, 26, 13], [13]),
        (UNet(), 128, [128, 64, 32, 16, 8], [16, 8]),
        (UNet(), 200, [200, 100, 50, 25], []),
        (UNet(), 256, [256, 128, 64, 32, 16, 8], [16, 8]),
        (UNet(levels=2), 100, [100, 50], []),
        (UNet(levels=1, attention=64), 16, [16], [16]),
        (UNet(attention=8), 28, [28, 14, 7], [7]),
        (UNet(attention=0), 32, [32, 16, 8, 4], []),
    ],
)
def test_unet_has_levels_and_attention_by_side(
    unet: UNet, side: int, resolutions: list[int], attended: list[int]
) -> None:
    network = replace(unet, width=8, layers_per_block=1).networks(1, side)["unet"]
    kinds = {False: "DownBlock2D", True: "AttnDownBlock2D"}
    assert unet.resolutions(side) == resolutions
    assert network.config.down_block_types == tuple(kinds[it in attended] for it in resolutions)
    widths = tuple(8 if it == side or it >= 64 else 16 for it in resolutions)
    assert network.config.block_out_channels == widths
    samples = torch.zeros(1, 1, side, side)
    with torch.no_grad():
        assert network(samples, torch.tensor([1]))[0].shape == samples.shape


# Millions of parameters at 64, 128 and 256 pixels, without a maximum width and with the default
@pytest.mark.parametrize(
    ("architecture", "unbounded", "bounded"),
    [
        (DCGAN(), (6.6, 24.4, 93.6), (6.6, 15.0, 23.4)),
        (ConvolutionalAutoencoder(), (6.3, 23.9, 92.6), (6.3, 14.7, 23.1)),
        (Completion(), (9.9, 32.3, 114.9), (9.9, 23.6, 40.4)),
        (ConvolutionalClassifier(), (4.7, 18.9, 75.5), (4.7, 9.4, 14.2)),
    ],
)
def test_max_width_bounds_the_parameters(
    architecture: Architecture, unbounded: tuple[float, ...], bounded: tuple[float, ...]
) -> None:
    num_classes = 10 if isinstance(architecture, ConvolutionalClassifier) else None
    for maximum, millions in ((None, unbounded), (512, bounded)):
        sizes = []
        for side in (64, 128, 256):
            with torch.device("meta"):
                it = replace(architecture, max_width=maximum).networks(3, side, num_classes)
            sizes.append(sum(part.numel() for net in it.values() for part in net.parameters()))
        assert [size / 1e6 for size in sizes] == pytest.approx(millions, abs=0.1)
    assert architecture.max_width == 512


@pytest.mark.parametrize("network", [dcgan.Generator, dcgan.Critic, Autoencoder])
def test_max_width_bounds_every_layer_and_keeps_the_width(network: type[nn.Module]) -> None:
    for width, widest in ((8, 16), (24, 24)):
        model = network(width=width, side=64, blocks=1, max_width=16)
        convolutions = [part for part in model.modules() if isinstance(part, nn.Conv2d)]
        assert max(part.out_channels for part in convolutions) == widest


@pytest.mark.parametrize("gan", GANS)
def test_critic_scores_do_not_depend_on_the_batch(gan: ModuleType) -> None:
    critic, samples = gan.Critic(8, 28, 1).train(), torch.rand(4, 1, 28, 28)
    assert torch.allclose(critic(samples)[:1], critic(samples[:1]), atol=1e-5)


@pytest.mark.parametrize("gan", GANS)
def test_labels_change_generated_samples_and_critic_scores(gan: ModuleType) -> None:
    torch.manual_seed(0)
    generator, critic = gan.Generator(8, 8, 28, 1, 3), gan.Critic(8, 28, 1, 3)
    for part in generator.modules():
        if isinstance(part, nn.Embedding):
            nn.init.normal_(part.weight)  # at initialisation all classes are equal
    latents, samples = normal(1, 8).expand(2, 8), normal(1, 1, 28, 28).expand(2, 1, 28, 28)
    one, other = generator.eval()(latents, LABELS)
    assert not torch.allclose(one, other)
    one, other = critic(samples, LABELS)
    assert not torch.allclose(one, other)


def test_labels_change_codes_and_reconstructions() -> None:
    autoencoder = Autoencoder(8, 8, num_classes=3).eval()
    (one, other), _ = autoencoder.encode(normal(1, 1, 28, 28).expand(2, 1, 28, 28), LABELS)
    assert not torch.allclose(one, other)
    one, other = autoencoder.decode(normal(1, 8).expand(2, 8), LABELS)
    assert not torch.allclose(one, other)


@pytest.mark.parametrize("gan", GANS)
def test_spectral_norm_makes_the_largest_singular_value_one(gan: ModuleType) -> None:
    torch.manual_seed(0)
    critic = gan.Critic(8, 28, 1, 3, spectral_norm=True).double().train()
    before = {
        name: part.parametrizations.weight.original.detach().clone()
        for name, part in critic.named_modules()
        if hasattr(part, "parametrizations")
    }
    samples = torch.rand(2, 1, 28, 28, dtype=torch.float64)
    for _ in range(300):  # each call does one power iteration
        critic(samples, LABELS)
    critic.eval()
    layers = [part for part in critic.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    assert len(before) == len(layers) + 1  # the layers and the label embedding
    for name, original in before.items():
        weight = critic.get_submodule(name).weight
        largest = torch.linalg.matrix_norm(weight.flatten(1), ord=2).item()
        assert largest == pytest.approx(1, abs=1e-6), name
        sigma = torch.linalg.matrix_norm(original.flatten(1), ord=2)
        assert torch.allclose(weight * sigma, original, atol=1e-6)


def test_codes_are_sampled_by_the_generator_alone() -> None:
    autoencoder, samples = Autoencoder(8, 8).eval(), torch.rand(2, 1, 28, 28)
    one, again, other = (
        autoencoder(samples, None, torch.Generator().manual_seed(seed))[0] for seed in (1, 1, 2)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_gaussian_prior_matches_the_moments_of_codes_and_whitens_them() -> None:
    codes = normal(5000, 4) @ normal(4, 4, seed=1) + 3
    prior = GaussianPrior(4)
    prior.fit(codes)
    samples = prior(normal(50_000, 4, seed=2))
    assert torch.allclose(samples.mean(0), codes.mean(0), atol=0.1)
    assert torch.allclose(samples.T.cov(), codes.T.cov(), rtol=0.05, atol=0.05)
    whitened = prior.inverse(codes)
    assert torch.allclose(whitened.T.cov(), torch.eye(4), atol=1e-2)
    assert torch.allclose(prior(whitened), codes, atol=1e-4)


def test_gaussian_prior_accepts_codes_without_variance() -> None:
    prior = GaussianPrior(3)
    for codes in (torch.ones(1, 3), torch.ones(10, 3), normal(10, 1).expand(10, 3)):
        prior.fit(codes)
        assert torch.allclose(prior(prior.inverse(codes)), codes, atol=1e-3)
