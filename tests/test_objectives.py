"""Objectives against the formulas of their papers, on tiny networks in float64."""

import dataclasses
import math
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Independent, MultivariateNormal, Normal, kl_divergence

from genmodels.errors import UserError
from genmodels.networks import autoencoder as networks
from genmodels.networks import dcgan
from training.configs.presets import PRESETS
from training.core.batches import Batch
from training.objectives import OBJECTIVES, Objective
from training.objectives.adversarial import squared_gradient_norms
from training.objectives.augmentation import augment
from training.objectives.autoencoding import LIKELIHOODS, kl_to_standard_normal

COUNT, LATENT = 5, 3
SHAPE = (1, 2, 2)  # shape of a sample


class Generator(nn.Module):
    """A linear generator that adds the label."""

    config = SimpleNamespace(latent_dim=LATENT)

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(normal(LATENT, 4, seed=1))

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        shift = 0 if labels is None else labels[:, None]
        return (latents @ self.weight + shift).unflatten(1, SHAPE)


class Critic(nn.Module):
    """A quadratic critic, so that its gradient depends on the sample; adds the label."""

    def __init__(self, curvature: float = 0.3) -> None:
        super().__init__()
        self.weight = nn.Parameter(normal(4, seed=2))
        self.curvature = curvature

    def forward(self, samples: Tensor, labels: Tensor | None = None) -> Tensor:
        shift = 0 if labels is None else labels
        return (
            samples.flatten(1) @ self.weight
            + self.curvature * samples.flatten(1).square().sum(1)
            + shift
        )

    def gradient_norms(self, samples: Tensor) -> Tensor:
        """Closed form of the gradient norms (B,)."""
        return (self.weight + 2 * self.curvature * samples.flatten(1)).square().sum(1).sqrt()


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def batch(labels: Tensor | None = None) -> Batch:
    return Batch(normal(COUNT, *SHAPE, seed=3), labels, torch.Generator().manual_seed(4))


def gradient(loss: Tensor, network: nn.Module) -> Tensor:
    return torch.autograd.grad(loss, network.weight, retain_graph=True)[0]


def softplus(values: Tensor) -> Tensor:
    return (1 + values.exp()).log()


def expected_losses(
    name: str, network: str, generator: Generator, critic: Critic
) -> dict[str, Tensor]:
    """Return the losses of a GAN objective as its paper defines them."""
    rng = torch.Generator().manual_seed(4)
    fake = generator(torch.randn(COUNT, LATENT, generator=rng, dtype=torch.float64))
    real = batch().samples
    D, G = critic(real), critic(fake)  # noqa: N806
    if network == "generator":
        return {
            "gan-saturating": {"log(1 - D)": (1 - G.sigmoid()).log().mean()},
            "gan": {"-log D": -G.sigmoid().log().mean()},
            "wgan": {"negative score": -G.mean()},
            "wgan-gp": {"negative score": -G.mean()},
            "sngan": {"negative score": -G.mean()},
            "r3gan": {"relative": softplus(D.detach() - G).mean()},
        }[name]
    interpolated = real + torch.rand(COUNT, 1, 1, 1, generator=rng, dtype=torch.float64) * (
        fake - real
    )
    entropy = {"real": -D.sigmoid().log().mean(), "fake": -(1 - G.sigmoid()).log().mean()}
    distance = {"negative distance": G.mean() - D.mean()}
    return {
        "gan-saturating": entropy,
        "gan": entropy,
        "wgan": distance,
        "wgan-gp": distance
        | {"penalty": 10 * (critic.gradient_norms(interpolated) - 1).square().mean()},
        "sngan": {"real": (1 - D).clamp(min=0).mean(), "fake": (1 + G).clamp(min=0).mean()},
        "r3gan": {
            "relative": softplus(G - D).mean(),
            "R1": 0.5 * critic.gradient_norms(real).square().mean(),
            "R2": 0.5 * critic.gradient_norms(fake).square().mean(),
        },
    }[name]


@pytest.mark.parametrize("network", ["critic", "generator"])
@pytest.mark.parametrize("name", ["gan-saturating", "gan", "wgan", "wgan-gp", "sngan", "r3gan"])
def test_gan_losses_and_gradients_match_the_paper(name: str, network: str) -> None:
    networks = {"generator": Generator(), "critic": Critic()}
    objective = OBJECTIVES[name]()
    for key, module in networks.items():
        module.requires_grad_(key == network)
    losses = objective.losses(network, networks[network], networks, batch(), 0)
    networks[network].requires_grad_(True)
    expected = expected_losses(name, network, **networks)
    assert losses.keys() == expected.keys()
    for loss, value in losses.items():
        assert value.item() == pytest.approx(expected[loss].item(), rel=1e-9), loss
    actual_gradient = gradient(sum(losses.values()), networks[network])
    expected_gradient = gradient(sum(expected.values()), networks[network])
    assert torch.allclose(actual_gradient, expected_gradient, rtol=1e-7)


@pytest.mark.parametrize("norm", [0.0, 0.5, 1.0, 3.0])
def test_gradient_penalty_of_a_linear_critic_has_a_closed_form(norm: float) -> None:
    critic = Critic(curvature=0.0)
    critic.weight.data *= norm / critic.weight.data.norm()
    networks = {"generator": Generator(), "critic": critic}
    losses = OBJECTIVES["wgan-gp"](penalty_weight=7.0).losses(
        "critic", critic, networks, batch(), 0
    )
    assert losses["penalty"].item() == pytest.approx(7 * (norm - 1) ** 2, abs=1e-4)
    gradient_of_norm = 14 * (norm - 1) * critic.weight / max(norm, 1e-6)
    assert torch.allclose(gradient(losses["penalty"], critic), gradient_of_norm, atol=1e-4)


def test_gradient_penalties_are_taken_behind_the_augmentation() -> None:
    """With respect to the samples before it, the gradient would be 0 where cutout erases them."""
    networks, policies = {"generator": Generator(), "critic": Critic()}, ("cutout",)
    rng = torch.Generator().manual_seed(4)
    fake = networks["generator"](torch.randn(COUNT, LATENT, generator=rng, dtype=torch.float64))
    real, fake = augment(torch.cat([batch().samples, fake]), policies, rng).chunk(2)
    between = torch.lerp(real, fake, torch.rand(COUNT, 1, 1, 1, generator=rng, dtype=torch.float64))
    for name, loss, samples in [
        ("r3gan", "R1", real),
        ("r3gan", "R2", fake),
        ("wgan-gp", "penalty", between),
    ]:
        objective = OBJECTIVES[name](diffaugment=policies)
        losses = objective.losses("critic", networks["critic"], networks, batch(), 0)
        norms = networks["critic"].gradient_norms(samples)
        expected = 10 * (norms - 1).square() if loss == "penalty" else norms.square() / 2
        assert losses[loss].item() == pytest.approx(expected.mean().item(), rel=1e-6)


@pytest.mark.parametrize(("kind", "error"), [(torch.bfloat16, 0.01), (torch.float16, 0)])
def test_gradient_penalty_under_autocast_matches_float32(kind: torch.dtype, error: float) -> None:
    """Within 1% in bfloat16; exactly in float16, where the penalty disables autocast."""
    torch.manual_seed(0)
    critic, samples = dcgan.Critic(8, blocks=1), torch.rand(64, 1, 28, 28) * 2 - 1
    results = []
    for autocast in (False, True):
        with torch.autocast("cpu", kind, enabled=autocast):
            norms = squared_gradient_norms(critic, samples, None)
        penalty = (norms.add(1e-12).sqrt() - 1).square().mean()
        weights = torch.autograd.grad(penalty, critic.parameters(), allow_unused=True)
        gradient = torch.cat([weight.flatten() for weight in weights if weight is not None])
        results.append((norms, gradient))
    (norms, gradient), (autocast_norms, autocast_gradient) = results
    assert autocast_norms.dtype == torch.float32
    assert torch.allclose(autocast_norms, norms, rtol=5 * error, atol=0)
    assert (autocast_gradient - gradient).norm() <= 2 * error * gradient.norm()


def test_only_critic_weights_are_clipped() -> None:
    objective = OBJECTIVES["wgan"](clip_value=0.01)
    networks = {"generator": Generator(), "critic": Critic()}
    for name, network in networks.items():
        objective.constrain(name, network)
    assert networks["critic"].weight.abs().max() == 0.01
    assert networks["generator"].weight.abs().max() > 0.01


@pytest.mark.parametrize("name", ["gan", "r3gan", "wgan-gp"])
def test_critic_scores_samples_with_their_labels(name: str) -> None:
    networks = {"generator": Generator(), "critic": Critic(curvature=0.0)}
    labels = torch.tensor([0, 1, 2, 3, 4])
    losses = OBJECTIVES[name]().losses("critic", networks["critic"], networks, batch(labels), 0)
    rng = torch.Generator().manual_seed(4)
    latents = torch.randn(COUNT, LATENT, generator=rng, dtype=torch.float64)
    D = networks["critic"](batch().samples, labels)  # noqa: N806
    G = networks["critic"](networks["generator"](latents, labels), labels)  # noqa: N806
    expected = {
        "gan": softplus(-D).mean() + softplus(G).mean(),
        "r3gan": softplus(G - D).mean(),
        "wgan-gp": G.mean() - D.mean(),
    }[name]
    scores = [value for loss, value in losses.items() if loss not in ("penalty", "R1", "R2")]
    assert sum(scores).item() == pytest.approx(expected.item())


def test_critic_updates_precede_the_generator_update() -> None:
    wgan_gp = OBJECTIVES["wgan-gp"](critic_updates=2)
    assert wgan_gp.update_order(0) == ("critic", "critic", "generator")
    assert OBJECTIVES["wgan"]().update_order(0) == ("critic",) * 5 + ("generator",)
    assert OBJECTIVES["diffusion"]().update_order(0) == ("unet",)


class Autoencoder(nn.Module):
    """A linear autoencoder with tied weights; the posterior's standard deviation is 1/2."""

    config = SimpleNamespace(latent_dim=LATENT)

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(normal(4, LATENT, seed=1) / 2)

    def forward(
        self, samples: Tensor, labels: Tensor | None, rng: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        mean = samples.flatten(1) @ self.weight
        log_variance = torch.full_like(mean, math.log(0.25))
        noise = torch.empty_like(mean).normal_(generator=rng)
        return ((mean + noise / 2) @ self.weight.T).unflatten(1, SHAPE), mean, log_variance


def test_autoencoder_losses_and_gradients_match_the_paper() -> None:
    network, rng = Autoencoder(), torch.Generator().manual_seed(4)
    samples = batch().samples.flatten(1)
    mean = samples @ network.weight
    noise = torch.empty_like(mean).normal_(generator=rng)
    decoded = (mean + noise / 2) @ network.weight.T
    reconstruction = (decoded - samples).square().sum(1).mean()
    posterior, prior = (
        Independent(Normal(mean, mean.new_tensor(0.5)), 1),
        Independent(Normal(torch.zeros_like(mean), torch.ones_like(mean)), 1),
    )
    kl = 3 * kl_divergence(posterior, prior).mean()
    plain = OBJECTIVES["ae"]().losses("autoencoder", network, {}, batch(), 0)
    assert plain.keys() == {"reconstruction"}
    losses = OBJECTIVES["vae"](beta=3.0).losses("autoencoder", network, {}, batch(), 0)
    for actual, expected in [
        (plain["reconstruction"], reconstruction),
        (losses["reconstruction"], reconstruction),
        (losses["kl"], kl),
    ]:
        assert actual.item() == pytest.approx(expected.item(), rel=1e-9)
        assert torch.allclose(gradient(actual, network), gradient(expected, network), rtol=1e-7)


def test_bernoulli_reconstruction_is_cross_entropy() -> None:
    """Its gradient is that of the logits, also where the reconstruction is certain and wrong."""
    samples = torch.tensor([[-1.0, 1.0, 0.0, -0.9, 1.0, -1.0]])
    logits = torch.tensor([[-0.5, 0.5, 0.8, -1.0, -200.0, 200.0]], requires_grad=True)
    (loss,) = LIKELIHOODS["bernoulli"](logits, samples)
    expected = -Bernoulli(logits=logits.double(), validate_args=False).log_prob((samples + 1) / 2)
    assert loss.item() == pytest.approx(expected.sum().item(), rel=1e-6)
    (slope,) = torch.autograd.grad(loss, logits)
    assert torch.allclose(slope, logits.sigmoid() - (samples + 1) / 2)
    assert slope[0, -2:].tolist() == [-1, 1]
    objective = OBJECTIVES["vae"](likelihood="bernoulli")
    assert torch.equal(objective.reconstruction_losses(logits, samples), loss[None])


def test_bernoulli_objective_trains_the_logits_of_what_the_network_decodes() -> None:
    torch.manual_seed(0)
    network, labels = networks.Autoencoder(4, 4, 12, num_classes=3).eval(), torch.tensor([0, 2])
    images = torch.rand(2, 1, 12, 12) * 2 - 1
    objective = OBJECTIVES["vae"](likelihood="bernoulli", beta=0.0)
    rng = [torch.Generator().manual_seed(1) for _ in range(2)]
    losses = objective.losses("autoencoder", network, {}, Batch(images, labels, rng[0]), 0)
    reconstruction, *_ = network(images, labels, rng[1])
    expected = nn.functional.binary_cross_entropy(
        (reconstruction + 1) / 2, (images + 1) / 2, reduction="sum"
    )
    assert losses["reconstruction"].item() == pytest.approx(expected.item() / 2, rel=1e-5)


def test_kl_matches_torch() -> None:
    mean, log_variance = normal(2, 4, 6, seed=0)
    expected = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0, 1))
    assert torch.allclose(kl_to_standard_normal(mean, log_variance), expected, rtol=1e-9)


def test_kl_warmup_and_free_bits() -> None:
    def kl(step: int, **fields: float) -> float:
        objective = OBJECTIVES["vae"](**fields)
        return objective.losses("autoencoder", Autoencoder(), {}, batch(), step)["kl"].item()

    full = kl(0)
    assert kl(0, kl_warmup_steps=9) == pytest.approx(full / 10)
    assert kl(4, kl_warmup_steps=9) == pytest.approx(full / 2)
    assert kl(9, kl_warmup_steps=9) == kl(500, kl_warmup_steps=9) == pytest.approx(full)
    assert kl(0, free_bits=100.0) == pytest.approx(100 * LATENT)
    free = OBJECTIVES["vae"](free_bits=100.0)
    network = Autoencoder()
    losses = free.losses("autoencoder", network, {}, batch(), 0)
    assert gradient(losses["kl"], network).abs().max() == 0


def test_elbo_bounds_the_log_likelihood_of_a_gaussian() -> None:
    """For x = A z + noise of variance 1/2, the VAE loss is the negative ELBO.

    The bound is tight for the true posterior, which is Gaussian, and loose for any other.
    """
    matrix = normal(4, LATENT, seed=5)[:, :1]
    sample = normal(1, 4, seed=6)
    likelihood = MultivariateNormal(
        torch.zeros(4, dtype=torch.float64), matrix @ matrix.T + torch.eye(4).double() / 2
    )
    exact = likelihood.log_prob(sample).item()
    precision = 1 + 2 * matrix.square().sum()
    true_mean = 2 * sample @ matrix / precision

    def elbo(mean: Tensor, variance: Tensor) -> float:
        def network(samples: Tensor, labels: None, rng: torch.Generator) -> tuple[Tensor, ...]:
            noise = torch.empty(len(samples), 1, dtype=torch.float64).normal_(generator=rng)
            codes = mean + variance.sqrt() * noise
            decoded = (codes @ matrix.T).unflatten(1, SHAPE)
            return decoded, mean.expand(len(samples), 1), variance.log().expand(len(samples), 1)

        many = sample.expand(200_000, 4).unflatten(1, SHAPE)
        batch = Batch(many, None, torch.Generator().manual_seed(0))
        loss = sum(OBJECTIVES["vae"]().losses("autoencoder", network, {}, batch, 0).values())
        return -loss.item() - 2 * math.log(math.pi)  # constant: ½ log π for each of four pixels

    assert elbo(true_mean, 1 / precision) == pytest.approx(exact, abs=0.02)
    assert elbo(true_mean + 0.5, 1 / precision) < exact - 0.2
    assert elbo(true_mean, 3 / precision) < exact - 0.2


class Denoiser(nn.Module):
    """A linear denoiser that records its labels."""

    config = SimpleNamespace(num_class_embeds=11)

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.3, dtype=torch.float64))
        self.labels: list[Tensor] = []

    def forward(
        self, samples: Tensor, times: Tensor, labels: Tensor | None, return_dict: bool
    ) -> tuple[Tensor]:
        self.labels.append(labels)
        return (self.weight * samples + times.view(-1, 1, 1, 1) / 1000,)


@pytest.mark.parametrize("schedule", ["linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("gamma", [None, 5.0])
def test_diffusion_loss_and_gradient_match_the_paper(
    schedule: str, prediction: str, gamma: float | None
) -> None:
    objective = OBJECTIVES["diffusion"](
        prediction_type=prediction, ddpm_beta_schedule=schedule, snr_gamma=gamma
    )
    network, rng = Denoiser(), torch.Generator().manual_seed(4)
    (loss,) = objective.losses("unet", network, {}, batch(), 0).values()

    samples = batch().samples
    times = torch.randint(1000, (COUNT,), generator=rng)
    noise = torch.empty_like(samples).normal_(generator=rng)
    steps = torch.arange(1001, dtype=torch.float64)
    curve = ((steps / 1000 + 0.008) / 1.008 * math.pi / 2).cos().square()
    betas = {
        "linear": torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64),
        "squaredcos_cap_v2": (1 - curve[1:] / curve[:-1]).clamp(max=0.999),
    }[schedule]
    alphas = (1 - betas).cumprod(0)[times].view(-1, 1, 1, 1)
    noisy = alphas.sqrt() * samples + (1 - alphas).sqrt() * noise
    velocity = alphas.sqrt() * noise - (1 - alphas).sqrt() * samples
    target = noise if prediction == "epsilon" else velocity
    errors = (network(noisy, times, None, False)[0] - target).square().mean((1, 2, 3))
    snr = (alphas / (1 - alphas)).flatten()
    weights = torch.ones(COUNT)
    if gamma:
        weights = snr.clamp(max=gamma) / (snr if prediction == "epsilon" else snr + 1)
    expected = (weights * errors).mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)  # the schedule is float32
    assert torch.allclose(gradient(loss, network), gradient(expected, network), rtol=1e-4)


def test_noisy_samples_have_the_mean_and_variance_of_ddpm() -> None:
    objective = OBJECTIVES["diffusion"]()
    sample, count = 0.5, 100_000
    noise = torch.randn(count, 1, 1, 1, generator=torch.Generator().manual_seed(0))
    for time in (0, 300, 999):
        times = torch.full((count,), time)
        noisy = objective.scheduler.add_noise(torch.full_like(noise, sample), noise, times)
        alpha = objective.scheduler.alphas_cumprod[time].item()
        assert noisy.mean().item() == pytest.approx(math.sqrt(alpha) * sample, abs=0.01)
        assert noisy.std().item() == pytest.approx(math.sqrt(1 - alpha), abs=0.01)
    assert alpha < 1e-6  # pure noise at the last timestep


@pytest.mark.parametrize("schedule", ["linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize(("base", "side"), [(64, 128), (64, 256), (32, 64)])
def test_noise_schedule_shifts_with_the_side(schedule: str, base: int, side: int) -> None:
    """Log SNR as in simple diffusion (Hoogeboom et al., 2023), section 3.1."""
    objective = OBJECTIVES["diffusion"](ddpm_beta_schedule=schedule, schedule_base_side=base)
    before, after = (
        objective.scheduler_for(it).alphas_cumprod.double().logit() for it in (base, side)
    )
    expected = before + 2 * math.log(base / side)
    assert torch.allclose(after, expected, atol=0.01)  # float32 betas
    if schedule == "squaredcos_cap_v2":  # equation of the paper, with the offset of Nichol
        times = (torch.arange(1, 1001, dtype=torch.float64) / 1000 + 0.008) / 1.008
        cosine = -2 * (math.pi / 2 * times).tan().log() + 2 * math.log(base / side)
        # The ends differ, because Nichol divides by the signal at time 0 and clips the last betas.
        assert torch.allclose(after[100:990], cosine[100:990], atol=0.01)


def test_small_images_keep_the_noise_schedule() -> None:
    objective = OBJECTIVES["diffusion"]()
    for side in (1, 28, 32, 64):
        assert objective.scheduler_for(side) is objective.scheduler
    unshifted = OBJECTIVES["diffusion"](schedule_base_side=None)
    assert unshifted.scheduler_for(256).config.trained_betas is None


def test_diffusion_trains_large_images_with_the_shifted_schedule() -> None:
    seen = {}
    for base in (1, 2, 64):  # sides of SHAPE: 2
        network = Denoiser()
        inputs = network.register_forward_pre_hook(
            lambda _, arguments, base=base: seen.update({base: arguments[0]})
        )
        OBJECTIVES["diffusion"](schedule_base_side=base).losses("unet", network, {}, batch(), 0)
        inputs.remove()
    assert torch.equal(seen[2], seen[64])
    samples, rng = batch().samples, torch.Generator().manual_seed(4)
    times = torch.randint(1000, (COUNT,), generator=rng)
    noise = torch.empty_like(samples).normal_(generator=rng)
    scheduler = OBJECTIVES["diffusion"](schedule_base_side=1).scheduler_for(2)
    assert torch.equal(seen[1], scheduler.add_noise(samples, noise, times))
    assert not torch.equal(seen[1], seen[2])


def test_labels_are_dropped_at_the_dropout_rate() -> None:
    network = Denoiser()
    samples, labels = torch.zeros(20_000, *SHAPE, dtype=torch.float64), torch.zeros(20_000).long()
    batch = Batch(samples, labels, torch.Generator().manual_seed(0))
    objective = OBJECTIVES["diffusion"](label_dropout=0.1)
    objective.losses("unet", network, {"unet": network}, batch, 0)
    (inputs,) = network.labels
    assert set(inputs.tolist()) == {0, 10}
    assert (inputs == 10).float().mean().item() == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("objective", OBJECTIVES.values())
def test_every_objective_has_a_preset_and_cites_its_paper(objective: type[Objective]) -> None:
    assert objective in {type(preset.objective) for preset in PRESETS.values()}
    assert "https://" in objective.__doc__


def test_inpainting_losses_depend_on_the_mask() -> None:
    objective = OBJECTIVES["inpaint-gan"](reconstruction_weight=3.0, full_mask_probability=0.0)
    networks = PRESETS["inpaint-fashion"].architecture.networks(1, 28)
    rng = torch.Generator().manual_seed(0)
    samples = torch.rand(6, 1, 28, 28, generator=rng) * 2 - 1
    inputs: list[Tensor] = []

    class SumCritic(nn.Module):
        def forward(self, samples: Tensor, labels: None) -> Tensor:
            inputs.append(samples)
            return samples.flatten(1).sum(1)

    def inpainting_batch() -> Batch:
        return Batch(samples, None, torch.Generator().manual_seed(1))

    networks["critic"] = SumCritic()
    generator = networks["generator"]
    losses = objective.losses("generator", generator, networks, inpainting_batch(), 0)
    completed, mask = inputs[-1].split(1, dim=1)
    keep = mask.bool()
    assert torch.equal(completed[keep], samples[keep])
    assert not torch.equal(completed, samples)
    error = (completed - samples).abs()[~keep].mean()
    assert losses["reconstruction"].item() == pytest.approx(3 * error.item(), rel=1e-5)
    score = inputs[-1].flatten(1).sum(1).mean()
    assert losses["negative score"].item() == pytest.approx(-score.item(), rel=1e-5)
    # If the hole is the whole image, there is no reconstruction error.
    full = dataclasses.replace(objective, full_mask_probability=1.0)
    losses = full.losses("generator", generator, networks, inpainting_batch(), 0)
    assert inputs[-1][:, 1].abs().max() == 0
    assert losses["reconstruction"] == 0
    # The critic scores real and completed images with the same masks.
    inputs.clear()
    objective.losses("critic", networks["critic"], networks, inpainting_batch(), 0)
    real, fake = inputs[0].chunk(2)
    assert torch.equal(real[:, :1], samples)
    assert torch.equal(real[:, 1:], fake[:, 1:])


def test_inpainting_rejects_augmentation_and_labels() -> None:
    with pytest.raises(UserError, match="expected no --diffaugment for inpainting, got color"):
        OBJECTIVES["inpaint-gan"](diffaugment=("color",))
    with pytest.raises(UserError, match="expected no --conditional"):
        PRESETS["inpaint-fashion"].architecture.networks(1, 28, 10)
