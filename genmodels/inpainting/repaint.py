"""Completion by a diffusion model that is shown the known pixels at each level of noise."""

import itertools
from collections.abc import Callable

import torch
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

from genmodels.pipelines.denoising import DenoisingPipeline, add_noise

STEPS = 50  # levels of noise
JUMP = 5  # levels that are gone back
RESAMPLE = 4  # times that each stretch of a jump is gone down


@torch.no_grad()
def complete(
    pipeline: DenoisingPipeline,
    images: Tensor,
    mask: Tensor,
    rng: torch.Generator | None,
    labels: Tensor | None,
    progress: Callable[[float], object],
) -> Tensor:
    """RePaint: Inpainting using Denoising Diffusion Probabilistic Models (Lugmayr et al., 2022),
    algorithm 1, with the jumps of its appendix B. https://arxiv.org/abs/2201.09865
    """
    most = pipeline.scheduler.config.num_train_timesteps
    steps = min(STEPS, most)
    times = [most * (steps - step) // steps - 1 for step in range(steps)]
    signal = [*map(pipeline.alpha_cumprod, times), 1.0]  # at each level, from the noisiest one

    def noise() -> Tensor:
        return randn_tensor(images.shape, generator=rng, device=images.device, dtype=images.dtype)

    samples = pipeline.draw(len(images), rng)
    levels = walk(len(times))
    for place, (level, following) in enumerate(itertools.pairwise(levels)):
        now, then = signal[level], signal[following]
        if following > level:
            clean = pipeline.predict_clean(samples, times[level], labels)
            # One step of the reversed process (Ho et al., 2020, equation 7).
            kept = now / then
            mean = (then**0.5 * (1 - kept) * clean) / (1 - now)
            mean = mean + kept**0.5 * (1 - then) / (1 - now) * samples
            variance = (1 - kept) * (1 - then) / (1 - now)
            unknown = mean + variance**0.5 * noise()
            given = add_noise(images, noise(), then)
            samples = torch.where(mask > 0, given, unknown)
        else:
            samples = add_noise(samples, noise(), then / now)
        progress((place + 1) / (len(levels) - 1))
    return samples


def walk(count: int) -> list[int]:
    """Levels in the order they are visited: down in stretches, each gone back and down again."""
    levels = [0]
    for first in range(0, count, JUMP):
        stretch = list(range(first + 1, min(first + JUMP, count) + 1))
        levels += stretch
        # The last stretch ends without noise, whence there is no way back.
        if stretch[-1] < count:
            levels += (RESAMPLE - 1) * [first, *stretch]
    return levels
