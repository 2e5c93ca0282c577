"""A generator that completes images of which only some pixels are mask."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from genmodels.errors import UserError
from genmodels.inpainting import masks
from genmodels.pipelines.completing import CompletingPipeline
from training.core.batches import Batch
from training.objectives.adversarial import WassersteinPenalty


@dataclass(frozen=True)
class Inpainting(WassersteinPenalty):
    """A hole is filled near to the truth, and so that a Wasserstein critic takes it for real.

    Context Encoders: Feature Learning by Inpainting (Pathak et al., 2016), equation 3, with a
    random latent, since a hole has many completions. https://arxiv.org/abs/1604.07379 Holes are
    boxes, strokes and halves by chance, and now and then the whole image, where nothing is near.
    """

    critic_updates: int = 2  # of the critic for each one of the generator
    reconstruction: float = 5.0  # weight of the mean distance to the truth in the hole
    whole: float = 0.1  # part of the images of which nothing is mask

    def __post_init__(self) -> None:
        """Raise UserError for an augmentation, behind which the truth would not be mask."""
        if self.diffaugment:
            raise UserError("expected no --diffaugment, since a completion is held to the truth")

    def play(self, generator: nn.Module, latents: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Beside an image the critic sees which pixels were mask."""
        real, _, rng = batch
        mask = masks.random_masks(len(real), real.shape[-1], rng)
        nothing = torch.rand(len(real), generator=rng, device=rng.device) < self.whole
        mask = mask * ~nothing[:, None, None, None]
        fake = generator(real, mask, latents)
        return torch.cat([real, mask], 1), torch.cat([fake, mask], 1)

    def judge(self, critic: nn.Module, fake: Tensor, batch: Batch) -> dict[str, Tensor]:
        completed, mask = fake[:, :-1], fake[:, -1:]
        # Of an image of which nothing is mask there is no truth to be near to.
        hole = (1 - mask) * mask.amax((2, 3), keepdim=True)
        errors = ((completed - batch.samples).abs() * hole).sum()
        near = self.reconstruction * errors / (hole.sum() * completed.shape[1]).clamp(min=1)
        return super().judge(critic, fake, batch) | {"reconstruction": near}

    def pipeline(self, networks: Mapping[str, nn.Module]) -> CompletingPipeline:
        return CompletingPipeline(networks["generator"])
