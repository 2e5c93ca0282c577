"""The objective of a GAN that inpaints images."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from genmodels.errors import UserError
from genmodels.inpainting import masks
from genmodels.pipelines.completing import CompletingPipeline
from training.core.batches import Batch
from training.objectives.adversarial import WassersteinPenalty
from training.objectives.base import Losses, Networks


@dataclass(frozen=True)
class Inpainting(WassersteinPenalty):
    """The Wasserstein-1 distance of inpainted images and the reconstruction error in the hole.

    Context Encoders: Feature Learning by Inpainting (Pathak et al., 2016), equation 3, plus a
    random latent, because a hole has many plausible fills. https://arxiv.org/abs/1604.07379
    Holes are random boxes, strokes and halves, and sometimes the whole image.
    """

    critic_updates: int = 2  # critic updates per generator update
    reconstruction_weight: float = 5.0  # weight of the mean absolute error in the hole
    full_mask_probability: float = 0.1  # probability that the hole is the whole image

    def __post_init__(self) -> None:
        """Raise UserError for augmentation, which the reconstruction error does not support."""
        if self.diffaugment:
            policies = " ".join(self.diffaugment)
            raise UserError(f"expected no --diffaugment for inpainting, got {policies}")

    def critic_inputs(
        self, generator: nn.Module, latents: Tensor, batch: Batch
    ) -> tuple[Tensor, Tensor]:
        """Return real and inpainted images, each with its mask as one more channel."""
        real, _, rng = batch
        mask = masks.random_masks(len(real), real.shape[-1], rng)
        full = torch.rand(len(real), generator=rng, device=rng.device) < self.full_mask_probability
        mask = mask * ~full[:, None, None, None]
        fake = generator(real, mask, latents)
        return torch.cat([real, mask], 1), torch.cat([fake, mask], 1)

    def generator_losses(self, critic: nn.Module, fake: Tensor, batch: Batch) -> Losses:
        completed, mask = fake[:, :-1], fake[:, -1:]
        # If the hole is the whole image, any image is a valid fill.
        hole = (1 - mask) * mask.amax((2, 3), keepdim=True)
        errors = ((completed - batch.samples).abs() * hole).sum()
        mean_error = errors / (hole.sum() * completed.shape[1]).clamp(min=1)
        reconstruction = self.reconstruction_weight * mean_error
        return super().generator_losses(critic, fake, batch) | {"reconstruction": reconstruction}

    def pipeline(self, networks: Networks) -> CompletingPipeline:
        return CompletingPipeline(networks["generator"])
