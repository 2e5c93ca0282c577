"""GAN objectives: a critic scores real and generated samples, and trains the generator."""

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.nn import functional as F

from genmodels.errors import UserError
from genmodels.pipelines.adversarial import AdversarialPipeline
from training.core.batches import Batch
from training.objectives.augmentation import Policy, augment
from training.objectives.base import Losses, Networks, Objective


@dataclass(frozen=True)
class Adversarial(Objective):
    """Base of all GANs: each step updates the critic one or more times, then the generator once.

    Generative Adversarial Nets (Goodfellow et al., 2014), algorithm 1
    https://arxiv.org/abs/1406.2661
    """

    critic_updates: int = 1  # critic updates per generator update
    diffaugment: tuple[Policy, ...] = ()  # DiffAugment policies, applied to all critic inputs

    @abstractmethod
    def critic_losses(self, real: Tensor, fake: Tensor) -> Losses:
        """Compute the critic's losses from the scores (B,) of real and of generated samples."""

    @abstractmethod
    def generator_losses(self, critic: nn.Module, fake: Tensor, batch: Batch) -> Losses:
        """Compute the generator's losses from augmented generated samples (B, C, *S)."""

    def penalty_losses(self, critic: nn.Module, real: Tensor, fake: Tensor, batch: Batch) -> Losses:
        """Compute penalties on gradients at augmented samples (B, C, *S); none by default.

        The gradients are those of the scores with respect to the critic's inputs, that is, behind
        DiffAugment, not with respect to the samples before it.
        """
        return {}

    def critic_inputs(
        self, generator: nn.Module, latents: Tensor, batch: Batch
    ) -> tuple[Tensor, Tensor]:
        """Return real and generated critic inputs, (B, C, *S) each."""
        return batch.samples, generator(latents, batch.labels)

    def update_order(self, step: int) -> tuple[str, ...]:
        return ("critic",) * self.critic_updates + ("generator",)

    def losses(
        self, name: str, model: nn.Module, networks: Networks, batch: Batch, step: int
    ) -> Losses:
        real, labels, rng = batch
        shape = (len(real), networks["generator"].config.latent_dim)
        latents = torch.randn(shape, generator=rng, device=real.device, dtype=real.dtype)
        if name == "generator":
            _, fake = self.critic_inputs(model, latents, batch)
            augmented = augment(fake, self.diffaugment, rng)
            return self.generator_losses(networks["critic"], augmented, batch)
        with torch.no_grad():
            real, fake = self.critic_inputs(networks["generator"], latents, batch)
        # One forward pass for both, because DDP allows only one per update.
        augmented = augment(torch.cat([real, fake]), self.diffaugment, rng)
        # Losses stay in the precision of the samples under autocast.
        scores = model(augmented, None if labels is None else labels.repeat(2)).to(real.dtype)
        penalty = self.penalty_losses(networks["critic"], *augmented.chunk(2), batch)
        return self.critic_losses(*scores.chunk(2)) | penalty

    def pipeline(self, networks: Networks) -> AdversarialPipeline:
        return AdversarialPipeline(networks["generator"])


@dataclass(frozen=True)
class NonRelativistic(Adversarial):
    """Base of the GANs whose generator loss depends on the scores of generated samples only."""

    @abstractmethod
    def generator_losses_from_scores(self, fake: Tensor) -> Losses:
        """Compute the generator's losses from the scores (B,) of generated samples."""

    def generator_losses(self, critic: nn.Module, fake: Tensor, batch: Batch) -> Losses:
        scores = critic(fake, batch.labels).to(batch.samples.dtype)
        return self.generator_losses_from_scores(scores)


@dataclass(frozen=True)
class Saturating(NonRelativistic):
    """The original minimax GAN: the generator minimises log(1 - D(G(z))).

    The score is the logit of D, so log D = -softplus(-score) and log(1 - D) = -softplus(score).

    Generative Adversarial Nets (Goodfellow et al., 2014), equation 1
    https://arxiv.org/abs/1406.2661
    """

    def critic_losses(self, real: Tensor, fake: Tensor) -> Losses:
        return {"real": F.softplus(-real).mean(), "fake": F.softplus(fake).mean()}

    def generator_losses_from_scores(self, fake: Tensor) -> Losses:
        return {"log(1 - D)": -F.softplus(fake).mean()}


@dataclass(frozen=True)
class NonSaturating(Saturating):
    """The non-saturating GAN: the generator maximises log D(G(z)).

    Its gradient does not vanish when the critic rejects generated samples with confidence.

    Generative Adversarial Nets (Goodfellow et al., 2014), section 3
    https://arxiv.org/abs/1406.2661
    """

    def generator_losses_from_scores(self, fake: Tensor) -> Losses:
        return {"-log D": F.softplus(-fake).mean()}


@dataclass(frozen=True)
class Hinge(NonRelativistic):
    """The hinge loss with a spectrally normalised critic.

    Spectral Normalization for Generative Adversarial Networks (Miyato et al., 2018), equations 16
    and 17, https://arxiv.org/abs/1802.05957. The architecture normalises its critic with
    --spectral_norm.
    """

    def critic_losses(self, real: Tensor, fake: Tensor) -> Losses:
        return {"real": F.relu(1 - real).mean(), "fake": F.relu(1 + fake).mean()}

    def generator_losses_from_scores(self, fake: Tensor) -> Losses:
        return {"negative score": -fake.mean()}


@dataclass(frozen=True)
class Wasserstein(NonRelativistic):
    """The Wasserstein-1 distance, estimated by a Lipschitz critic and minimised by the generator.

    Wasserstein GAN (Arjovsky et al., 2017), equations 2 and 3
    https://arxiv.org/abs/1701.07875
    """

    critic_updates: int = 5  # critic updates per generator update

    def critic_losses(self, real: Tensor, fake: Tensor) -> Losses:
        return {"negative distance": fake.mean() - real.mean()}

    def generator_losses_from_scores(self, fake: Tensor) -> Losses:
        return {"negative score": -fake.mean()}


@dataclass(frozen=True)
class WassersteinClipping(Wasserstein):
    """The Wasserstein-1 distance up to a factor, with weight clipping in the critic.

    Wasserstein GAN (Arjovsky et al., 2017), algorithm 1
    https://arxiv.org/abs/1701.07875
    """

    clip_value: float = 0.01  # clip the critic's weights to [-clip_value, clip_value]

    @torch.no_grad()
    def constrain(self, name: str, network: nn.Module) -> None:
        if name == "critic":
            for weight in network.parameters():
                weight.clamp_(-self.clip_value, self.clip_value)


@dataclass(frozen=True)
class WassersteinPenalty(Wasserstein):
    """The Wasserstein-1 distance, with a gradient penalty between real and generated samples.

    Improved Training of Wasserstein GANs (Gulrajani et al., 2017), algorithm 1
    https://arxiv.org/abs/1704.00028. With DiffAugment, the penalty is on the gradient at points
    between augmented real and augmented generated samples.
    """

    penalty_weight: float = 10.0  # weight of the gradient penalty

    def penalty_losses(self, critic: nn.Module, real: Tensor, fake: Tensor, batch: Batch) -> Losses:
        shape = (len(real),) + (1,) * (real.dim() - 1)
        weights = torch.rand(shape, generator=batch.rng, device=real.device, dtype=real.dtype)
        interpolated = torch.lerp(real, fake, weights)
        # The epsilon inside the root keeps the derivative finite where the gradient is 0.
        norms = squared_gradient_norms(critic, interpolated, batch.labels).add(1e-12).sqrt()
        return {"penalty": self.penalty_weight * (norms - 1).square().mean()}


@dataclass(frozen=True)
class Relativistic(Adversarial):
    """The relativistic pairing loss with R1 and R2 gradient penalties (R3GAN).

    The GAN is dead; long live the GAN! A Modern GAN Baseline (Huang et al., 2024), equations 2 to 4
    https://arxiv.org/abs/2501.05441. With DiffAugment, R1 and R2 are on the gradients at augmented
    samples.
    """

    gamma: float = 1.0  # weight of the R1 and R2 gradient penalties

    def critic_losses(self, real: Tensor, fake: Tensor) -> Losses:
        return {"relative": F.softplus(fake - real).mean()}

    def penalty_losses(self, critic: nn.Module, real: Tensor, fake: Tensor, batch: Batch) -> Losses:
        labels = None if batch.labels is None else batch.labels.repeat(2)
        norms = squared_gradient_norms(critic, torch.cat([real, fake]), labels)
        r1, r2 = (self.gamma / 2 * half.mean() for half in norms.chunk(2))
        return {"R1": r1, "R2": r2}

    def generator_losses(self, critic: nn.Module, fake: Tensor, batch: Batch) -> Losses:
        augmented = augment(batch.samples, self.diffaugment, batch.rng)
        with torch.no_grad():
            real = critic(augmented, batch.labels).to(augmented.dtype)
        relative = real - critic(fake, batch.labels).to(augmented.dtype)
        return {"relative": F.softplus(relative).mean()}


def squared_gradient_norms(critic: nn.Module, samples: Tensor, labels: Tensor | None) -> Tensor:
    """Compute the squared gradient norms (B,) of the critic's scores at samples (B, C, *S).

    Returns float32. Under bfloat16 autocast the critic runs in bfloat16: the penalty's gradient
    agrees to a thousandth, in half the time. Under float16 autocast it runs in float32, because
    small gradients would underflow.
    """
    if isinstance(critic, FSDPModule):  # torch cannot differentiate it twice
        raise UserError("expected DDP, got FSDP: FSDP cannot train with a gradient penalty")
    samples, device = samples.detach().requires_grad_(), samples.device.type
    autocast = torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device)
    with torch.autocast(device, torch.bfloat16, enabled=autocast is torch.bfloat16):
        (slopes,) = torch.autograd.grad(critic(samples, labels).sum(), samples, create_graph=True)
    return slopes.square().flatten(1).sum(1)
