"""Diffusion: one player, which learns to take noise away."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler
from torch import Tensor, nn

from genmodels.errors import UserError
from genmodels.pipelines.denoising import CLIP_SAMPLES, SOLVER, DenoisingPipeline
from training.core.batches import Batch
from training.objectives.base import Objective


@dataclass(frozen=True)
class Diffusion(Objective):
    """Samples are add_noise to any degree, and a network that is told the degree finds the noise.

    Denoising Diffusion Probabilistic Models (Ho et al., 2020), algorithm 1 and equation 14,
    https://arxiv.org/abs/2006.11239. The cosine schedule squaredcos_cap_v2 is that of Improved
    Denoising Diffusion Probabilistic Models (Nichol and Dhariwal, 2021), equation 17,
    https://arxiv.org/abs/2102.09672. The velocity sqrt(a) noise - sqrt(1 - a) sample is that of
    Progressive Distillation for Fast Sampling (Salimans and Ho, 2022), section 4,
    https://arxiv.org/abs/2202.00512; the bounded weights, of a gamma of 5, that of Efficient
    Diffusion Training via Min-SNR Weighting Strategy (Hang et al., 2023), equation 8,
    https://arxiv.org/abs/2303.09556.
    """

    prediction_type: Literal["epsilon", "v_prediction"] = "v_prediction"  # noise, or velocity
    ddpm_num_steps: int = 1000  # degrees of noise
    ddpm_beta_schedule: Literal["linear", "squaredcos_cap_v2"] = "squaredcos_cap_v2"
    snr_gamma: float | None = None  # bound of the weight of nearly clean samples; None: all alike
    label_dropout: float = 0.1  # of a conditional network's labels, for guidance without classifier

    def __post_init__(self) -> None:
        """Raise UserError for a schedule that does not end in noise."""
        left = self.scheduler.alphas_cumprod[-1].item()
        if left > 0.01:
            raise UserError(
                f"expected more --ddpm_num_steps for the schedule {self.ddpm_beta_schedule}: after "
                f"{self.ddpm_num_steps}, {left:.0%} of a sample's variance are left"
            )

    @cached_property
    def scheduler(self) -> DDPMScheduler:
        return DDPMScheduler(
            num_train_timesteps=self.ddpm_num_steps,
            beta_schedule=self.ddpm_beta_schedule,
            prediction_type=self.prediction_type,
        )

    def update_order(self, step: int) -> tuple[str]:
        return ("unet",)

    def losses(
        self,
        player: str,
        model: nn.Module,
        networks: Mapping[str, nn.Module],
        batch: Batch,
        step: int,
    ) -> dict[str, Tensor]:
        samples, labels, rng = batch
        shape, device = (len(samples),), samples.device
        times = torch.randint(self.ddpm_num_steps, shape, generator=rng, device=device)
        noise = torch.empty_like(samples).normal_(generator=rng)
        if labels is not None:
            dropped = torch.rand(shape, generator=rng, device=device) < self.label_dropout
            labels = labels.masked_fill(dropped, networks["unet"].config.num_class_embeds - 1)
        noisy = self.scheduler.add_noise(samples, noise, times)
        target = noise
        if self.prediction_type == "v_prediction":
            target = self.scheduler.get_velocity(samples, noise, times)
        predicted = model(noisy, times, labels, return_dict=False)[0]
        errors = (predicted.to(samples.dtype) - target).square().flatten(1).mean(1)
        return {"denoising": (self.weights(times) * errors).mean()}

    def weights(self, times: Tensor) -> Tensor:
        """What the error at each of the times (B,) weighs."""
        if self.snr_gamma is None:
            return torch.ones_like(times, dtype=torch.float32)
        alphas = self.scheduler.alphas_cumprod.to(times.device)[times]
        snr = alphas / (1 - alphas)
        # The error of the noise is the snr times that of the sample, of the velocity snr + 1 times.
        scale = snr if self.prediction_type == "epsilon" else snr + 1
        return snr.clamp(max=self.snr_gamma) / scale

    def pipeline(self, networks: Mapping[str, nn.Module]) -> DenoisingPipeline:
        # Sampling begins at pure noise, as training ends: Common Diffusion Noise Schedules and
        # Sample Steps are Flawed (Lin et al., 2024), section 3.3, https://arxiv.org/abs/2305.08891.
        # There an error of the noise is a thousandfold one of the sample, held in [-1, 1].
        sampler = DPMSolverMultistepScheduler(
            num_train_timesteps=self.ddpm_num_steps,
            beta_schedule=self.ddpm_beta_schedule,
            prediction_type=self.prediction_type,
            **SOLVER,
            **CLIP_SAMPLES,
        )
        return DenoisingPipeline(networks["unet"], sampler)
