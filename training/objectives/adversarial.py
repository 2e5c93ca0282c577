"""GANs: a critic that tells real from generated, and a generator that is judged by it."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from genmodels.pipelines.adversarial import AdversarialPipeline
from training.batches import Batch

from .base import Objective


@dataclass(frozen=True)
class Adversarial(Objective):
    """Two players: the critic takes some turns, then the generator one.

    Generative Adversarial Nets (Goodfellow et al., 2014), algorithm 1
    https://arxiv.org/abs/1406.2661
    """

    critic_turns: int = 1  # of the critic for each one of the generator

    @abstractmethod
    def critic_terms(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """Scores (B,) of real and generated samples -> what the critic minimises."""

    @abstractmethod
    def generator_terms(self, fake: Tensor) -> dict[str, Tensor]:
        """Scores (B,) of generated samples -> what the generator minimises."""

    def penalty_terms(
        self, critic: nn.Module, real: Tensor, fake: Tensor, rng: torch.Generator
    ) -> dict[str, Tensor]:
        """Samples (B, C, *S) -> what the critic pays beside, by itself nothing."""
        return {}

    def turns(self, step: int) -> tuple[str, ...]:
        return ("critic",) * self.critic_turns + ("generator",)

    def terms(
        self, player: str, moving: nn.Module, networks: Mapping[str, nn.Module], batch: Batch
    ) -> dict[str, Tensor]:
        real, rng = batch.samples, batch.rng
        latent_dim = networks["generator"].config.latent_dim
        latents = torch.randn(len(real), latent_dim, generator=rng, device=real.device)
        if player == "generator":
            return self.generator_terms(networks["critic"](moving(latents)))
        with torch.no_grad():
            fake = networks["generator"](latents)
        # One call for both, since a wrapper that synchronises gradients allows one.
        scores = moving(torch.cat([real, fake])).chunk(2)
        return self.critic_terms(*scores) | self.penalty_terms(networks["critic"], real, fake, rng)

    def pipeline(self, networks: Mapping[str, nn.Module]) -> AdversarialPipeline:
        return AdversarialPipeline(networks["generator"])


@dataclass(frozen=True)
class Wasserstein(Adversarial):
    """A critic that is Lipschitz estimates the Wasserstein distance, which the generator shrinks.

    Wasserstein GAN (Arjovsky et al., 2017), equations 2 and 3
    https://arxiv.org/abs/1701.07875
    """

    critic_turns: int = 5  # of the critic for each one of the generator

    def critic_terms(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        return {"negative distance": fake.mean() - real.mean()}

    def generator_terms(self, fake: Tensor) -> dict[str, Tensor]:
        return {"negative score": -fake.mean()}


@dataclass(frozen=True)
class WassersteinPenalty(Wasserstein):
    """Lipschitz by a penalty: the critic's slope between real and fake is drawn to 1.

    Improved Training of Wasserstein GANs (Gulrajani et al., 2017), algorithm 1
    https://arxiv.org/abs/1704.00028
    """

    penalty: float = 10.0  # weight of the penalty

    def penalty_terms(
        self, critic: nn.Module, real: Tensor, fake: Tensor, rng: torch.Generator
    ) -> dict[str, Tensor]:
        weights = torch.rand(
            (len(real),) + (1,) * (real.dim() - 1), generator=rng, device=real.device
        )
        between = torch.lerp(real.float(), fake.float(), weights).requires_grad_()
        # In float32: a norm of bfloat16 or float16 gradients is too coarse to be drawn to 1.
        with torch.autocast(real.device.type, enabled=False):
            (slopes,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        # The epsilon inside the root keeps its gradient finite where the slope is 0.
        norms = slopes.square().flatten(1).sum(1).add(1e-12).sqrt()
        return {"penalty": self.penalty * (norms - 1).square().mean()}
