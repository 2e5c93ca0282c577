"""GANs: a critic that tells real from generated, and a generator that is judged by it."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.nn import functional as F

from genmodels.errors import UserError
from genmodels.pipelines.adversarial import AdversarialPipeline
from training.core.batches import Batch
from training.objectives.augmentation import Policy, augment
from training.objectives.base import Objective


@dataclass(frozen=True)
class Adversarial(Objective):
    """Two players: the critic takes some turns, then the generator one.

    Generative Adversarial Nets (Goodfellow et al., 2014), algorithm 1
    https://arxiv.org/abs/1406.2661
    """

    critic_updates: int = 1  # of the critic for each one of the generator
    diffaugment: tuple[Policy, ...] = ()  # of all that the critic sees

    @abstractmethod
    def critic_losses(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """Scores (B,) of real and generated samples -> what the critic minimises."""

    @abstractmethod
    def judge(self, critic: nn.Module, fake: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Generated samples (B, C, *S) as the critic sees them -> what the generator minimises."""

    def penalty_losses(
        self, critic: nn.Module, real: Tensor, fake: Tensor, batch: Batch
    ) -> dict[str, Tensor]:
        """Samples (B, C, *S) as the critic sees them -> what it pays beside, by itself nothing.

        A slope is that at what the critic sees, behind the augmentation.
        """
        return {}

    def play(self, generator: nn.Module, latents: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Real and generated samples (B, C, *S), as the critic is to tell them apart."""
        return batch.samples, generator(latents, batch.labels)

    def update_order(self, step: int) -> tuple[str, ...]:
        return ("critic",) * self.critic_updates + ("generator",)

    def losses(
        self,
        player: str,
        model: nn.Module,
        networks: Mapping[str, nn.Module],
        batch: Batch,
        step: int,
    ) -> dict[str, Tensor]:
        real, labels, rng = batch
        shape = (len(real), networks["generator"].config.latent_dim)
        latents = torch.randn(shape, generator=rng, device=real.device, dtype=real.dtype)
        if player == "generator":
            _, fake = self.play(model, latents, batch)
            seen = augment(fake, self.diffaugment, rng)
            return self.judge(networks["critic"], seen, batch)
        with torch.no_grad():
            real, fake = self.play(networks["generator"], latents, batch)
        # One call for both, since a wrapper that synchronises gradients allows one.
        seen = augment(torch.cat([real, fake]), self.diffaugment, rng)
        # Losses in the samples' precision, whatever the networks' is under autocast.
        scores = model(seen, None if labels is None else labels.repeat(2)).to(real.dtype)
        penalty = self.penalty_losses(networks["critic"], *seen.chunk(2), batch)
        return self.critic_losses(*scores.chunk(2)) | penalty

    def pipeline(self, networks: Mapping[str, nn.Module]) -> AdversarialPipeline:
        return AdversarialPipeline(networks["generator"])


@dataclass(frozen=True)
class Absolute(Adversarial):
    """The generator is judged by its own samples alone."""

    @abstractmethod
    def generator_losses(self, fake: Tensor) -> dict[str, Tensor]:
        """Scores (B,) of generated samples -> what the generator minimises."""

    def judge(self, critic: nn.Module, fake: Tensor, batch: Batch) -> dict[str, Tensor]:
        return self.generator_losses(critic(fake, batch.labels).to(batch.samples.dtype))


@dataclass(frozen=True)
class Saturating(Absolute):
    """The original game: real from generated, and the generator descends log(1 - D(G(z))).

    A score is the logit of D, so that log D is -softplus(-score), and log(1 - D) -softplus(score).

    Generative Adversarial Nets (Goodfellow et al., 2014), equation 1
    https://arxiv.org/abs/1406.2661
    """

    def critic_losses(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        return {"real": F.softplus(-real).mean(), "fake": F.softplus(fake).mean()}

    def generator_losses(self, fake: Tensor) -> dict[str, Tensor]:
        return {"log(1 - D)": -F.softplus(fake).mean()}


@dataclass(frozen=True)
class NonSaturating(Saturating):
    """Real from generated, and the generator climbs log D(G(z)), which a sure critic leaves steep.

    Generative Adversarial Nets (Goodfellow et al., 2014), section 3
    https://arxiv.org/abs/1406.2661
    """

    def generator_losses(self, fake: Tensor) -> dict[str, Tensor]:
        return {"-log D": F.softplus(-fake).mean()}


@dataclass(frozen=True)
class Hinge(Absolute):
    """The critic is content with a margin of 1, and Lipschitz by spectral normalisation.

    Spectral Normalization for Generative Adversarial Networks (Miyato et al., 2018), equations 16
    and 17, https://arxiv.org/abs/1802.05957. The normalisation is the network's: --spectral_norm.
    """

    def critic_losses(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        return {"real": F.relu(1 - real).mean(), "fake": F.relu(1 + fake).mean()}

    def generator_losses(self, fake: Tensor) -> dict[str, Tensor]:
        return {"negative score": -fake.mean()}


@dataclass(frozen=True)
class Wasserstein(Absolute):
    """A critic that is Lipschitz estimates the Wasserstein distance, which the generator shrinks.

    Wasserstein GAN (Arjovsky et al., 2017), equations 2 and 3
    https://arxiv.org/abs/1701.07875
    """

    critic_updates: int = 5  # of the critic for each one of the generator

    def critic_losses(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        return {"negative distance": fake.mean() - real.mean()}

    def generator_losses(self, fake: Tensor) -> dict[str, Tensor]:
        return {"negative score": -fake.mean()}


@dataclass(frozen=True)
class WassersteinClipping(Wasserstein):
    """Lipschitz, to an unknown constant, by keeping the critic's weights small.

    Wasserstein GAN (Arjovsky et al., 2017), algorithm 1
    https://arxiv.org/abs/1701.07875
    """

    clip: float = 0.01  # no weight of the critic is farther from 0

    @torch.no_grad()
    def constrain(self, player: str, network: nn.Module) -> None:
        if player == "critic":
            for weight in network.parameters():
                weight.clamp_(-self.clip, self.clip)


@dataclass(frozen=True)
class WassersteinPenalty(Wasserstein):
    """Lipschitz by a penalty: the critic's slope between real and fake is drawn to 1.

    Improved Training of Wasserstein GANs (Gulrajani et al., 2017), algorithm 1
    https://arxiv.org/abs/1704.00028
    """

    penalty: float = 10.0  # weight of the penalty

    def penalty_losses(
        self, critic: nn.Module, real: Tensor, fake: Tensor, batch: Batch
    ) -> dict[str, Tensor]:
        shape = (len(real),) + (1,) * (real.dim() - 1)
        weights = torch.rand(shape, generator=batch.rng, device=real.device, dtype=real.dtype)
        between = torch.lerp(real, fake, weights)
        # The epsilon inside the root keeps its gradient finite where the slope is 0.
        norms = squared_slopes(critic, between, batch.labels).add(1e-12).sqrt()
        return {"penalty": self.penalty * (norms - 1).square().mean()}


@dataclass(frozen=True)
class Relativistic(Adversarial):
    """Real is to score higher than generated, pair by pair, by a critic that is flat at both.

    The GAN is dead; long live the GAN! A Modern GAN Baseline (Huang et al., 2024), equations 2 to 4
    https://arxiv.org/abs/2501.05441
    """

    gamma: float = 1.0  # weight of the penalties R1 and R2

    def critic_losses(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        return {"relative": F.softplus(fake - real).mean()}

    def penalty_losses(
        self, critic: nn.Module, real: Tensor, fake: Tensor, batch: Batch
    ) -> dict[str, Tensor]:
        twice = None if batch.labels is None else batch.labels.repeat(2)
        slopes = squared_slopes(critic, torch.cat([real, fake]), twice)
        r1, r2 = (self.gamma / 2 * half.mean() for half in slopes.chunk(2))
        return {"R1": r1, "R2": r2}

    def judge(self, critic: nn.Module, fake: Tensor, batch: Batch) -> dict[str, Tensor]:
        seen = augment(batch.samples, self.diffaugment, batch.rng)
        with torch.no_grad():
            real = critic(seen, batch.labels).to(seen.dtype)
        relative = real - critic(fake, batch.labels).to(seen.dtype)
        return {"relative": F.softplus(relative).mean()}


def squared_slopes(critic: nn.Module, samples: Tensor, labels: Tensor | None) -> Tensor:
    """Samples (B, C, *S) -> the squared norms (B,) of the gradients of their scores, in float32.

    The critic itself is in bfloat16 where autocast is: the gradient of a penalty is then the same
    to a thousandth, in half the time. In float16 slopes would be lost, so that it is left there.
    Raises UserError for a critic that is sharded, whose slopes torch cannot differentiate again.
    """
    if isinstance(critic, FSDPModule):
        raise UserError("expected DDP, since FSDP cannot train a critic with a gradient penalty")
    samples, device = samples.detach().requires_grad_(), samples.device.type
    halved = torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device)
    with torch.autocast(device, torch.bfloat16, enabled=halved is torch.bfloat16):
        (slopes,) = torch.autograd.grad(critic(samples, labels).sum(), samples, create_graph=True)
    return slopes.square().flatten(1).sum(1)
