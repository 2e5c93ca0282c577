"""Diffusion: a network that denoises, and a schedule of noise."""

import itertools
from collections.abc import Iterator

import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, UNet2DModel
from torch import Tensor

from .base import Labels, LatentPipeline

# DPM-Solver++ (Lu et al., 2022), algorithm 2, https://arxiv.org/abs/2211.01095, and Denoising
# Diffusion Implicit Models (Song et al., 2021), equation 12, https://arxiv.org/abs/2010.02502
SAMPLERS = {"DPM-Solver++": DPMSolverMultistepScheduler, "DDIM": DDIMScheduler}

# Of the scheduler that is saved with a pipeline: how it solves, and what holds its samples in range
SOLVER = {"solver_order": 3, "timestep_spacing": "trailing"}
BOUNDED = {"thresholding": True, "sample_max_value": 1.0}

# Half the logarithm of the ratio of signal to noise, below which there is nothing to be seen
NOISE = -4.0


class DenoisingPipeline(LatentPipeline):
    """Decodes noise step by step, without drawing any more of it: a deterministic map.

    The differential equation of the probability flow (Song et al., 2021, section 4.3,
    https://arxiv.org/abs/2011.13456), by one of SAMPLERS.

    Of a conditional model, K + 1 classes are embedded: the last one stands for none of them.

    Three settings, which are not saved with it:
    sampler: a row of SAMPLERS
    steps: calls of the network for a sample; more are slower and truer
    guidance: of a conditional model, how far its samples are pushed towards their class; 1 is not
        at all, and takes half the time (Classifier-Free Diffusion Guidance, Ho and Salimans, 2022,
        equation 6, where it is 1 + w). https://arxiv.org/abs/2207.12598
    """

    sampler = "DPM-Solver++"
    steps = 12
    guidance = 1.5
    ENCODING_STEPS = 50

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
        embedded = self.unet.config.num_class_embeds
        return None if embedded is None else embedded - 1

    def decode(self, latents: Tensor, labels: Labels = None) -> Tensor:
        for samples in self.forming(latents, labels):
            last = samples
        return last.clamp(-1, 1)

    def forming(self, latents: Tensor, labels: Labels = None) -> Iterator[Tensor]:
        """Samples (B, C, S, S) after each step, less and less noisy. Else as `decode`."""
        self.expect(latents, self.latent_shape, "latents")
        labels = self.conform(labels, len(latents))
        if self.sampler not in SAMPLERS:
            raise ValueError(f"expected {' or '.join(SAMPLERS)}, but got {self.sampler!r}")
        scheduler = SAMPLERS[self.sampler].from_config(self.scheduler.config)  # it has a state
        times = self.times(self.steps)
        if self.sampler == "DDIM":  # which goes in even steps of time
            scheduler.set_timesteps(len(times), device=latents.device)
        else:
            scheduler.set_timesteps(timesteps=times, device=latents.device)
        samples = latents
        for time in scheduler.timesteps:
            predicted = self.predict(samples, time, labels)
            samples = scheduler.step(predicted, time, samples).prev_sample
            yield samples

    def encode(self, samples: Tensor, labels: Labels = None) -> Tensor:
        """Samples (B, C, S, S) in [-1, 1] -> noise (B, C, S, S) that decodes to them, nearly.

        The same equation the other way (Denoising Diffusion Implicit Models, Song et al., 2021,
        section 4.3). https://arxiv.org/abs/2010.02502 It begins at a little noise, always the same,
        since from none the network would find none. Differentiable.
        """
        self.expect_samples(samples)
        labels = self.conform(labels, len(samples))
        most = self.scheduler.config.num_train_timesteps
        times = (
            torch.linspace(most // 100, most - 1, self.ENCODING_STEPS + 1).round().int().tolist()
        )
        noise = self.draw(len(samples), torch.Generator().manual_seed(0))
        found = noised(samples, noise, self.signal(times[0]))
        for time, following in itertools.pairwise(times):
            now, then = self.signal(time), self.signal(following)
            clean = self.clean(found, time, labels)
            noise = (found - now**0.5 * clean) / (1 - now) ** 0.5
            found = noised(clean, noise, then)
        return found

    def signal(self, time: int) -> float:
        """The part of the variance that is the sample's own, from 1 at the first time to 0."""
        return self.scheduler.alphas_cumprod[time].item()

    def clean(self, samples: Tensor, time: int, labels: Tensor | None) -> Tensor:
        """The mean of what noisy samples at a time may come from, in [-1, 1]."""
        predicted = self.predict(samples, torch.tensor(time, device=samples.device), labels)
        signal = self.signal(time)
        if self.scheduler.config.prediction_type == "v_prediction":
            return (signal**0.5 * samples - (1 - signal) ** 0.5 * predicted).clamp(-1, 1)
        return ((samples - (1 - signal) ** 0.5 * predicted) / signal**0.5).clamp(-1, 1)

    def times(self, steps: int) -> list[int]:
        """When the network is called: at pure noise, then down in even steps of the log SNR.

        In these the equation bends least (DPM-Solver, Lu et al., 2022, section 3.3).
        https://arxiv.org/abs/2206.00927 The more steps, the less noise is left at the last.

        Raises ValueError unless `steps` is a whole number of at least 1.
        """
        if not isinstance(steps, int) or steps < 1:
            raise ValueError(f"expected a whole number of steps, at least 1, but got {steps!r}")
        signals = self.scheduler.alphas_cumprod.double()
        heights = (signals / (1 - signals)).log() / 2  # of each time, falling
        most = len(heights)
        steps = min(steps, most)
        first, last = max(NOISE, heights[-1].item()), heights[most // steps - 1].item()
        times = [most - 1]
        wanted = torch.linspace(last, first, steps - 1).flip(0)
        for left, height in zip(range(steps - 2, -1, -1), wanted, strict=True):
            nearest = (heights - height).abs().argmin().item()
            times.append(max(min(nearest, times[-1] - 1), left))  # each of them once
        return times

    def predict(self, samples: Tensor, time: Tensor, labels: Tensor | None) -> Tensor:
        """What the network says of noisy samples at a time, with guidance."""
        if labels is None or self.guidance == 1:
            return self.unet(samples, time, labels, return_dict=False)[0]
        both = torch.cat([labels, torch.full_like(labels, self.num_classes)])
        predicted = self.unet(samples.repeat(2, 1, 1, 1), time, both, return_dict=False)[0]
        guided, free = predicted.chunk(2)
        return torch.lerp(free, guided, self.guidance)


def noised(samples: Tensor, noise: Tensor, signal: float) -> Tensor:
    """Samples and noise mixed, so that `signal` is the samples' part of the variance."""
    return signal**0.5 * samples + (1 - signal) ** 0.5 * noise
