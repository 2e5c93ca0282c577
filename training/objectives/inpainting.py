"""A generator that completes images of which only some pixels are known."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from genmodels.inpainting import masks
from genmodels.pipelines.completing import CompletingPipeline
from training.batches import Batch

from .adversarial import WassersteinPenalty


@dataclass(frozen=True)
class Inpainting(WassersteinPenalty):
    """A hole is filled near to the truth, and so that a Wasserstein critic takes it for real.

    Context Encoders: Feature Learning by Inpainting (Pathak et al., 2016), equation 3, with a
    random latent, since a hole has many completions. https://arxiv.org/abs/1604.07379 Holes are
    boxes, strokes and halves by chance, and now and then the whole image, where nothing is near.
    """

    critic_turns: int = 2  # of the critic for each one of the generator
    reconstruction: float = 5.0  # weight of the mean distance to the truth in the hole
    whole: float = 0.1  # part of the images of which nothing is known

    def __post_init__(self) -> None:
        """Raise ValueError for an augmentation, behind which the truth would not be known."""
        if self.diffaugment:
            raise ValueError("expected no --diffaugment, since a completion is held to the truth")

    def play(self, generator: nn.Module, latents: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Beside an image the critic sees which pixels were known."""
        real, _, rng = batch
        known = masks.mixed(len(real), real.shape[-1], rng)
        nothing = torch.rand(len(real), generator=rng, device=rng.device) < self.whole
        known = known * ~nothing[:, None, None, None]
        fake = generator(real, known, latents)
        return torch.cat([real, known], 1), torch.cat([fake, known], 1)

    def judge(self, critic: nn.Module, fake: Tensor, batch: Batch) -> dict[str, Tensor]:
        completed, known = fake[:, :-1], fake[:, -1:]
        # Of an image of which nothing is known there is no truth to be near to.
        hole = (1 - known) * known.amax((2, 3), keepdim=True)
        errors = ((completed - batch.samples).abs() * hole).sum()
        near = self.reconstruction * errors / (hole.sum() * completed.shape[1]).clamp(min=1)
        return super().judge(critic, fake, batch) | {"reconstruction": near}

    def pipeline(self, networks: Mapping[str, nn.Module]) -> CompletingPipeline:
        return CompletingPipeline(networks["generator"])
