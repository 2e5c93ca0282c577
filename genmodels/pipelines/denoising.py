"""Diffusion: a denoising network and a noise schedule."""

import itertools
from collections.abc import Iterator
from numbers import Integral, Real

import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, SchedulerMixin, UNet2DModel
from torch import Tensor

from genmodels.errors import UserError
from genmodels.pipelines.base import Labels, LatentPipeline

# DPM-Solver++ (Lu et al., 2022), algorithm 2, https://arxiv.org/abs/2211.01095, and Denoising
# Diffusion Implicit Models (Song et al., 2021), equation 12, https://arxiv.org/abs/2010.02502
SECOND_ORDER = "DPM-Solver++(2M)"  # with steps down to the lowest noise level
SCHEDULERS = {
    "DPM-Solver++": DPMSolverMultistepScheduler,
    SECOND_ORDER: DPMSolverMultistepScheduler,
    "DDIM": DDIMScheduler,
}

NUM_INFERENCE_STEPS = 12  # defaults of DenoisingPipeline
GUIDANCE_SCALE = 1.5
NUM_ENCODING_STEPS = 50
MAX_GUIDANCE = 50

# Settings of the scheduler saved with a pipeline
SOLVER = {"solver_order": 3, "timestep_spacing": "trailing"}
CLIP_SAMPLES = {"thresholding": True, "sample_max_value": 1.0}

MIN_HALF_LOG_SNR = -4.0  # below it a sample is noise only


class ClippingSolver(DPMSolverMultistepScheduler):
    """DPM-Solver++ that clips the predicted sample to ±clip_sample_range, as DDIMScheduler does."""

    def convert_model_output(self, model_output: Tensor, sample: Tensor) -> Tensor:
        limit = self.config.clip_sample_range
        return super().convert_model_output(model_output, sample=sample).clamp(-limit, limit)


class DenoisingPipeline(LatentPipeline):
    """Decode noise step by step, without drawing more noise: a deterministic map.

    Solves the probability flow ODE (Song et al., 2021, section 4.3),
    https://arxiv.org/abs/2011.13456, with one of SCHEDULERS.

    A conditional U-Net embeds K + 1 classes; the last one stands for "no class".

    Arguments of `decode`, `sample_steps`, `encode` and of a call:
        num_inference_steps: network evaluations per sample, from 1 to the timesteps of the noise
            schedule; more are slower and more accurate. Default 12, for `encode` 50.
        guidance_scale: conditional models only: how strongly samples are pushed towards their
            class. 0 draws unconditional samples and 1 conditional ones, each with one network
            evaluation per step; other values need two. Default 1.5. Classifier-Free Diffusion
            Guidance (Ho and Salimans, 2022), equation 6, where it is 1 + w,
            https://arxiv.org/abs/2207.12598.
        scheduler: a key of SCHEDULERS. Default: the class of the `scheduler` component, which is
            "DPM-Solver++" unless replaced as diffusers does it:
            `pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)`.
            "DPM-Solver++(2M)" keeps fine detail in few steps.

    The last step returns the expected clean sample, which loses the detail that the noise hides. Of
    a direction with standard deviation s the fraction s^2 / (s^2 + (1 - a) / a) of the variance is
    left, where a is `alpha_cumprod` of the last timestep. Of s = 0.079 this is 23% with 12 steps
    and 78% with 50, but 98% with "DPM-Solver++(2M)", whose last timestep is always 0.
    """

    def __init__(self, unet: UNet2DModel, scheduler: DPMSolverMultistepScheduler) -> None:
        super().__init__()
        self.register_modules(unet=unet, scheduler=scheduler)

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        config = self.unet.config
        return (config.in_channels, config.sample_size, config.sample_size)

    @property
    def sample_shape(self) -> tuple[int, int, int]:
        return self.latent_shape

    @property
    def num_classes(self) -> int | None:
        num_embeddings = self.unet.config.num_class_embeds
        return None if num_embeddings is None else num_embeddings - 1

    @property
    def has_guidance(self) -> bool:
        """Whether guidance_scale applies."""
        return self.num_classes is not None

    @property
    def num_timesteps(self) -> int:
        """Timesteps of the noise schedule."""
        return self.scheduler.config.num_train_timesteps

    def decode(
        self,
        latents: Tensor,
        labels: Labels = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        scheduler: str | None = None,
    ) -> Tensor:
        steps = self.sample_steps(latents, labels, num_inference_steps, guidance_scale, scheduler)
        for samples in steps:
            final = samples
        return final.clamp(-1, 1)

    def sample_steps(
        self,
        latents: Tensor,
        labels: Labels = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        scheduler: str | None = None,
    ) -> Iterator[Tensor]:
        """Yield the samples (B, C, S, S) after each step, less and less noisy; see `decode`."""
        self.check_shape(latents, self.latent_shape, "latents")
        labels = self.prepare_labels(labels, len(latents))
        guidance_scale = self.check_guidance(guidance_scale)
        steps = self.check_steps(num_inference_steps, NUM_INFERENCE_STEPS)
        solver = self.build_solver(scheduler)
        if isinstance(solver, DDIMScheduler):  # uniform in time
            solver.set_timesteps(steps, device=latents.device)
        else:
            last = 0 if scheduler == SECOND_ORDER else None
            solver.set_timesteps(timesteps=self.timesteps(steps, last), device=latents.device)
        samples = latents
        for timestep in solver.timesteps:
            output = self.predict(samples, timestep, labels, guidance_scale)
            samples = solver.step(output, timestep, samples).prev_sample
            yield samples

    def encode(
        self,
        samples: Tensor,
        labels: Labels = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
    ) -> Tensor:
        """Encode samples (B, C, S, S) in [-1, 1] into noise (B, C, S, S) that decodes to them.

        Solves the same ODE in reverse (Denoising Diffusion Implicit Models, Song et al., 2021,
        section 4.3), https://arxiv.org/abs/2010.02502. Starts from a little noise, because the
        network finds none in a clean image. It is the same for every sample, so the result does
        not depend on the rest of the batch. Approximate; differentiable.
        """
        self.check_samples(samples)
        labels = self.prepare_labels(labels, len(samples))
        guidance_scale = self.check_guidance(guidance_scale)
        steps = self.check_steps(num_inference_steps, NUM_ENCODING_STEPS)
        last = self.num_timesteps - 1
        timesteps = torch.linspace((last + 1) // 100, last, steps + 1).round().int().tolist()
        noise = self.draw(1, torch.Generator().manual_seed(0))  # independent of the batch
        latents = add_noise(samples, noise, self.alpha_cumprod(timesteps[0]))
        for timestep, next_timestep in itertools.pairwise(timesteps):
            alpha, next_alpha = self.alpha_cumprod(timestep), self.alpha_cumprod(next_timestep)
            clean = self.predict_clean(latents, timestep, labels, guidance_scale)
            noise = (latents - alpha**0.5 * clean) / (1 - alpha) ** 0.5
            latents = add_noise(clean, noise, next_alpha)
        return latents

    def build_solver(self, name: str | None) -> SchedulerMixin:
        """Return a new solver, because solvers have a state, of the class of a name."""
        config, kind = self.scheduler.config, self.scheduler_class(name)
        clips = config.get("clip_sample") and not config.get("thresholding")
        if kind is DPMSolverMultistepScheduler and clips:
            kind = ClippingSolver
        options = {"solver_order": 2} if name == SECOND_ORDER else {}
        return kind.from_config(config, **options)

    def scheduler_class(self, name: str | None) -> type[SchedulerMixin]:
        """Return the class of SCHEDULERS with a name; None gives the pipeline's own."""
        if name is None and type(self.scheduler) in SCHEDULERS.values():
            return type(self.scheduler)
        if not isinstance(name, str) or name not in SCHEDULERS:
            got = repr(name) if isinstance(name, str) else type(name or self.scheduler).__name__
            raise UserError(f"expected scheduler {' or '.join(SCHEDULERS)}, got {got}")
        return SCHEDULERS[name]

    def check_steps(self, steps: int | None, default: int) -> int:
        """Return the number of steps; None gives the default, or all timesteps if fewer."""
        most = self.num_timesteps
        if steps is None:
            return min(default, most)
        if not isinstance(steps, Integral) or not 1 <= steps <= most:
            raise UserError(f"expected num_inference_steps from 1 to {most}, got {steps!r}")
        return int(steps)

    def check_guidance(self, scale: float | None) -> float | None:
        """Return the guidance scale; None gives the default of a conditional model."""
        if not self.has_guidance:
            if scale is not None:
                reason = "is unconditional" if self.num_classes is None else "has no null label"
                raise UserError(f"expected no guidance_scale: this model {reason}")
            return None
        if scale is None:
            return GUIDANCE_SCALE
        if not isinstance(scale, Real) or not 0 <= scale <= MAX_GUIDANCE:
            raise UserError(f"expected guidance_scale from 0 to {MAX_GUIDANCE}, got {scale!r}")
        return float(scale)

    def alpha_cumprod(self, timestep: int) -> float:
        """Return the signal's fraction of the variance: near 1 at timestep 0, then falling."""
        return self.scheduler.alphas_cumprod[timestep].item()

    def timesteps(self, steps: int, last: int | None = None) -> list[int]:
        """Return the timesteps of the network evaluations, uniform in log SNR from pure noise.

        This is the schedule of DPM-Solver (Lu et al., 2022, section 3.3),
        https://arxiv.org/abs/2206.00927. By default, more steps end at a lower noise level.
        """
        alphas = self.scheduler.alphas_cumprod.double()
        half_log_snr = (alphas / (1 - alphas)).log() / 2  # decreasing in the timestep
        total = len(half_log_snr)
        first = max(MIN_HALF_LOG_SNR, half_log_snr[-1].item())
        last = half_log_snr[total // steps - 1 if last is None else last].item()
        timesteps = [total - 1]
        targets = torch.linspace(last, first, steps - 1).flip(0)
        for remaining, target in zip(range(steps - 2, -1, -1), targets, strict=True):
            nearest = (half_log_snr - target).abs().argmin().item()
            timesteps.append(max(min(nearest, timesteps[-1] - 1), remaining))  # each only once
        return timesteps

    def predict(
        self, samples: Tensor, timestep: Tensor, labels: Tensor | None, guidance_scale: float | None
    ) -> Tensor:
        """Return the network's output for noisy samples at a timestep, with guidance."""
        if guidance_scale is None or guidance_scale == 1:
            return self.unet(samples, timestep, labels, return_dict=False)[0]
        no_label = torch.full_like(labels, self.num_classes)
        if guidance_scale == 0:
            return self.unet(samples, timestep, no_label, return_dict=False)[0]
        both = torch.cat([labels, no_label])
        output = self.unet(samples.repeat(2, 1, 1, 1), timestep, both, return_dict=False)[0]
        conditional, unconditional = output.chunk(2)
        return torch.lerp(unconditional, conditional, guidance_scale)

    def predict_clean(
        self,
        samples: Tensor,
        timestep: int,
        labels: Tensor | None,
        guidance_scale: float | None = None,
    ) -> Tensor:
        """Return the expected clean samples in [-1, 1], given noisy ones at a timestep."""
        guidance_scale = self.check_guidance(guidance_scale)
        at = torch.tensor(timestep, device=samples.device)
        output = self.predict(samples, at, labels, guidance_scale)
        alpha = self.alpha_cumprod(timestep)
        prediction_type = self.scheduler.config.prediction_type
        if prediction_type == "sample":
            return output.clamp(-1, 1)
        if prediction_type == "v_prediction":
            return (alpha**0.5 * samples - (1 - alpha) ** 0.5 * output).clamp(-1, 1)
        return ((samples - (1 - alpha) ** 0.5 * output) / alpha**0.5).clamp(-1, 1)


class UnguidedDenoisingPipeline(DenoisingPipeline):
    """A conditional U-Net that embeds K classes without "no class", so there is no guidance."""

    @property
    def num_classes(self) -> int:
        return self.unet.config.num_class_embeds

    @property
    def has_guidance(self) -> bool:
        return False


def add_noise(samples: Tensor, noise: Tensor, alpha_cumprod: float) -> Tensor:
    """Mix samples and noise; `alpha_cumprod` is the samples' fraction of the variance."""
    return alpha_cumprod**0.5 * samples + (1 - alpha_cumprod) ** 0.5 * noise
