"""Diffusion: a network that denoises, and a schedule of noise."""

import torch
from diffusers import DPMSolverMultistepScheduler, UNet2DModel
from torch import Tensor

from .base import Labels, LatentPipeline


class DenoisingPipeline(LatentPipeline):
    """Decodes noise step by step, without drawing any more of it: a deterministic map.

    The differential equation of the probability flow (Song et al., 2021, section 4.3,
    https://arxiv.org/abs/2011.13456), by DPM-Solver++ (Lu et al., 2022), algorithm 2
    https://arxiv.org/abs/2211.01095

    Of a conditional model, K + 1 classes are embedded: the last one stands for none of them.

    Two settings, which are not saved with it:
    steps: calls of the network for a sample; more are slower and truer
    guidance: of a conditional model, how far its samples are pushed towards their class; 1 is not
        at all (Classifier-Free Diffusion Guidance, Ho and Salimans, 2022, equation 6, where it is
        1 + w). https://arxiv.org/abs/2207.12598
    """

    steps = 20
    guidance = 1.0

    def __init__(self, unet: UNet2DModel, scheduler: DPMSolverMultistepScheduler) -> None:
        super().__init__()
        self.register_modules(unet=unet, scheduler=scheduler)

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        config = self.unet.config
        return (config.in_channels, config.sample_size, config.sample_size)

    @property
    def num_classes(self) -> int | None:
        embedded = self.unet.config.num_class_embeds
        return None if embedded is None else embedded - 1

    def decode(self, latents: Tensor, labels: Labels = None) -> Tensor:
        labels = self.conform(labels, len(latents))
        scheduler = DPMSolverMultistepScheduler.from_config(self.scheduler.config)  # it has a state
        scheduler.set_timesteps(timesteps=self.times(), device=latents.device)
        samples = latents
        for time in scheduler.timesteps:
            predicted = self.predict(samples, time, labels)
            samples = scheduler.step(predicted, time, samples).prev_sample
        return samples.clamp(-1, 1)

    def times(self) -> list[int]:
        """When the network is called: from pure noise down, in even steps.

        Raises ValueError unless `steps` is a whole number of at least 1.
        """
        if not isinstance(self.steps, int) or self.steps < 1:
            raise ValueError(
                f"expected a whole number of steps, at least 1, but got {self.steps!r}"
            )
        most = self.scheduler.config.num_train_timesteps
        steps = min(self.steps, most)
        return [most * (steps - step) // steps - 1 for step in range(steps)]

    def predict(self, samples: Tensor, time: Tensor, labels: Tensor | None) -> Tensor:
        """What the network says of noisy samples at a time, with guidance."""
        if labels is None or self.guidance == 1:
            return self.unet(samples, time, labels, return_dict=False)[0]
        both = torch.cat([labels, torch.full_like(labels, self.num_classes)])
        predicted = self.unet(samples.repeat(2, 1, 1, 1), time, both, return_dict=False)[0]
        guided, free = predicted.chunk(2)
        return torch.lerp(free, guided, self.guidance)
