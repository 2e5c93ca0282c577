"""Inpainting with a diffusion model: known pixels replace samples at every noise level."""

import itertools

import torch
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

from genmodels.inpainting.task import Task
from genmodels.pipelines.denoising import DenoisingPipeline, add_noise

STEPS = 50  # noise levels
JUMP_LENGTH = 5  # noise levels per jump back
RESAMPLINGS = 4  # passes over each stretch of JUMP_LENGTH levels


@torch.no_grad()
def complete(pipeline: DenoisingPipeline, task: Task) -> Tensor:
    """Denoise, and merge with the known pixels at the same noise level after every step.

    RePaint: Inpainting using Denoising Diffusion Probabilistic Models (Lugmayr et al., 2022),
    algorithm 1, with the jumps of appendix B, https://arxiv.org/abs/2201.09865
    """
    images, mask, generator, labels, progress = task
    num_timesteps = pipeline.num_timesteps
    steps = min(STEPS, num_timesteps)
    timesteps = [num_timesteps * (steps - step) // steps - 1 for step in range(steps)]
    alphas_cumprod = [*map(pipeline.alpha_cumprod, timesteps), 1.0]  # the last level is clean

    def noise() -> Tensor:
        return randn_tensor(images.shape, generator, images.device, images.dtype)

    samples = pipeline.draw(len(images), generator)
    levels = resampling_schedule(steps)
    for index, (level, next_level) in enumerate(itertools.pairwise(levels), 1):
        alpha_cumprod, next_alpha_cumprod = alphas_cumprod[level], alphas_cumprod[next_level]
        if next_level > level:
            clean = pipeline.predict_clean(samples, timesteps[level], labels)
            # The reverse process: Ho et al. (2020), equation 7
            alpha = alpha_cumprod / next_alpha_cumprod
            mean = (next_alpha_cumprod**0.5 * (1 - alpha) * clean) / (1 - alpha_cumprod)
            mean = mean + alpha**0.5 * (1 - next_alpha_cumprod) / (1 - alpha_cumprod) * samples
            variance = (1 - alpha) * (1 - next_alpha_cumprod) / (1 - alpha_cumprod)
            unknown = mean + variance**0.5 * noise()
            known = add_noise(images, noise(), next_alpha_cumprod)
            samples = torch.where(mask > 0, known, unknown)
        else:
            samples = add_noise(samples, noise(), next_alpha_cumprod / alpha_cumprod)
        progress(index / (len(levels) - 1))
    return samples


def resampling_schedule(steps: int) -> list[int]:
    """Return the sequence of noise levels, from 0 (noise) to `steps` (clean), with jumps back.

    Each stretch of JUMP_LENGTH levels is repeated RESAMPLINGS times. The last one is not, because
    clean samples cannot be noised to the scheduler's levels.
    """
    levels = [0]
    for start in range(0, steps, JUMP_LENGTH):
        stretch = list(range(start + 1, min(start + JUMP_LENGTH, steps) + 1))
        levels += stretch
        if stretch[-1] < steps:
            levels += (RESAMPLINGS - 1) * [start, *stretch]
    return levels
