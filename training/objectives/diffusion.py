"""The denoising diffusion objective."""

import math
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal

import torch
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler
from torch import Tensor, nn

from genmodels.errors import UserError
from genmodels.pipelines.denoising import CLIP_SAMPLES, SOLVER, DenoisingPipeline
from training.core.batches import Batch
from training.objectives.base import Losses, Networks, Objective


@dataclass(frozen=True)
class Diffusion(Objective):
    """The error of the noise or velocity that a network predicts from a noisy sample.

    Denoising Diffusion Probabilistic Models (Ho et al., 2020), algorithm 1 and equation 14,
    https://arxiv.org/abs/2006.11239

    - Cosine schedule squaredcos_cap_v2: Improved Denoising Diffusion Probabilistic Models (Nichol
      and Dhariwal, 2021), equation 17, https://arxiv.org/abs/2102.09672
    - Velocity sqrt(a) noise - sqrt(1 - a) sample: Progressive Distillation for Fast Sampling
      (Salimans and Ho, 2022), section 4, https://arxiv.org/abs/2202.00512
    - Min-SNR weights, with gamma 5 in the paper: Efficient Diffusion Training via Min-SNR Weighting
      Strategy (Hang et al., 2023), equation 8, https://arxiv.org/abs/2303.09556
    """

    # network output: the noise (epsilon) or the velocity (v_prediction)
    prediction_type: Literal["epsilon", "v_prediction"] = "v_prediction"
    ddpm_num_steps: int = 1000  # number of diffusion timesteps
    # noise schedule: linear, or squaredcos_cap_v2 (cosine)
    ddpm_beta_schedule: Literal["linear", "squaredcos_cap_v2"] = "squaredcos_cap_v2"
    # side in pixels up to which the noise schedule is as it is; the log SNR of larger images is
    # lowered by 2 log(side / schedule_base_side); None: never
    schedule_base_side: int | None = 64
    snr_gamma: float | None = None  # gamma of min-SNR loss weighting; None: no weighting
    label_dropout: float = 0.1  # probability of dropping a label, for classifier-free guidance

    def __post_init__(self) -> None:
        """Raise UserError if the noise schedule does not end in nearly pure noise."""
        signal = self.scheduler.alphas_cumprod[-1].item()
        if signal > 0.01:
            raise UserError(
                f"expected more --ddpm_num_steps for the {self.ddpm_beta_schedule} schedule, got "
                f"{self.ddpm_num_steps}: its last timestep keeps {signal:.0%} of a sample's "
                "variance; try 1000"
            )

    @cached_property
    def scheduler(self) -> DDPMScheduler:
        """The noise schedule, before a shift for large images."""
        return DDPMScheduler(
            num_train_timesteps=self.ddpm_num_steps,
            beta_schedule=self.ddpm_beta_schedule,
            prediction_type=self.prediction_type,
        )

    def scheduler_for(self, side: int) -> DDPMScheduler:
        """Return the noise schedule for samples (B, C, side, side), shifted for large ones.

        Simple diffusion: End-to-end diffusion for high resolution images (Hoogeboom et al., 2023),
        section 3.1, https://arxiv.org/abs/2301.11093
        """
        base = self.schedule_base_side
        if base is None or side <= base:
            return self.scheduler
        return shifted_scheduler(self.scheduler, 2 * math.log(base / side))

    def update_order(self, step: int) -> tuple[str]:
        return ("unet",)

    def losses(
        self, name: str, model: nn.Module, networks: Networks, batch: Batch, step: int
    ) -> Losses:
        samples, labels, rng = batch
        shape, device = (len(samples),), samples.device
        scheduler = self.scheduler_for(samples.shape[-1])
        timesteps = torch.randint(self.ddpm_num_steps, shape, generator=rng, device=device)
        noise = torch.empty_like(samples).normal_(generator=rng)
        if labels is not None:
            dropped = torch.rand(shape, generator=rng, device=device) < self.label_dropout
            labels = labels.masked_fill(dropped, networks["unet"].config.num_class_embeds - 1)
        noisy = scheduler.add_noise(samples, noise, timesteps)
        target = noise
        if self.prediction_type == "v_prediction":
            target = scheduler.get_velocity(samples, noise, timesteps)
        predicted = model(noisy, timesteps, labels, return_dict=False)[0]
        errors = (predicted.to(samples.dtype) - target).square().flatten(1).mean(1)
        return {"denoising": (self.weights(timesteps, scheduler) * errors).mean()}

    def weights(self, timesteps: Tensor, scheduler: DDPMScheduler) -> Tensor:
        """Compute the loss weights (B,) of timesteps (B,)."""
        if self.snr_gamma is None:
            return torch.ones_like(timesteps, dtype=torch.float32)
        alphas = scheduler.alphas_cumprod.to(timesteps.device)[timesteps]
        snr = alphas / (1 - alphas)
        # The noise error is SNR x the sample error, the velocity error (SNR + 1) x.
        scale = snr if self.prediction_type == "epsilon" else snr + 1
        return snr.clamp(max=self.snr_gamma) / scale

    def pipeline(self, networks: Networks) -> DenoisingPipeline:
        # Sampling starts from pure noise at the last timestep of training: Common Diffusion Noise
        # Schedules and Sample Steps are Flawed (Lin et al., 2024), section 3.3,
        # https://arxiv.org/abs/2305.08891. Noise errors grow a thousandfold there when converted
        # to the sample, so the predicted sample is clipped to [-1, 1].
        unet = networks["unet"]
        scheduler = DPMSolverMultistepScheduler(
            num_train_timesteps=self.ddpm_num_steps,
            beta_schedule=self.ddpm_beta_schedule,
            trained_betas=self.scheduler_for(unet.config.sample_size).config.trained_betas,
            prediction_type=self.prediction_type,
            **SOLVER,
            **CLIP_SAMPLES,
        )
        return DenoisingPipeline(unet, scheduler)


@cache
def shifted_scheduler(scheduler: DDPMScheduler, shift: float) -> DDPMScheduler:
    """Add a constant to the log SNR of a noise schedule, in nats, at every timestep.

    The betas of the new schedule are stored in its config as `trained_betas`.
    """
    alphas = (1 - scheduler.betas.double()).cumprod(0)
    alphas = torch.sigmoid(alphas.logit() + shift)  # of the log SNR log(a / (1 - a))
    betas = 1 - alphas / torch.cat([alphas.new_ones(1), alphas[:-1]])
    return DDPMScheduler.from_config(scheduler.config, trained_betas=betas.tolist())
