"""Inpainting: complete an image of which only some pixels are mask.

    method(pipeline, images, mask, rng, labels, progress) -> Tensor

    images   (B, C, S, S) in [-1, 1]; what they hold at unknown pixels is never read
    mask    (B, 1, S, S), 1 at known pixels and 0 at unknown ones
    labels   (B,) classes, which a conditional model needs and no other takes
    progress is told the part that is done, from 0 to 1; what it raises ends the work
    ->       (B, C, S, S) in [-1, 1], equal to `images` at known pixels, bit for bit

The completion of a hole is a distribution: repeat an image to see several of them.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from genmodels.errors import UserError
from genmodels.inpainting import latent_search, one_pass, pseudo_gibbs, repaint
from genmodels.inpainting.blending import blend
from genmodels.pipelines.adversarial import AdversarialPipeline
from genmodels.pipelines.autoencoding import AutoencodingPipeline
from genmodels.pipelines.base import Labels, LatentPipeline
from genmodels.pipelines.completing import CompletingPipeline
from genmodels.pipelines.denoising import DenoisingPipeline

Progress = Callable[[float], object]


class Method(NamedTuple):
    """A way to complete images, and whose pipelines it can use."""

    complete: Callable[..., Tensor]
    pipelines: tuple[type[LatentPipeline], ...]


METHODS: dict[str, Method] = {
    "one pass": Method(one_pass.complete, (CompletingPipeline,)),
    "pseudo-Gibbs": Method(pseudo_gibbs.complete, (AutoencodingPipeline,)),
    "latent search": Method(latent_search.complete, (AdversarialPipeline, AutoencodingPipeline)),
    "RePaint": Method(repaint.complete, (DenoisingPipeline,)),
}


class Completion(NamedTuple):
    """Completed images, and what is to be mask of them."""

    samples: Tensor  # (B, C, S, S) in [-1, 1]
    notes: list[str]


def methods_of(pipeline: LatentPipeline) -> list[str]:
    """Names of the methods that can use a pipeline, the best first."""
    return [name for name, method in METHODS.items() if isinstance(pipeline, method.pipelines)]


def complete(
    pipeline: LatentPipeline,
    images: Tensor,
    mask: Tensor,
    rng: torch.Generator | None = None,
    method: str | None = None,
    labels: Labels = None,
    seamless: bool = False,
    progress: Progress = lambda part: None,
) -> Completion:
    """Complete images as the list above says, with what a user may get wrong looked after.

    method: a row of METHODS; None for the first that can use the pipeline
    rng: of the completions; None for torch's own
    labels: as for `pipeline.decode`
    seamless: shift the colours of a completion so that no border is seen (`blend`); those of one
        pass and RePaint, which are drawn to fit, stay as they are
    Raises UserError for images or masks of another shape or range than the pipeline's, and for a
    method that cannot use it.
    """
    able = methods_of(pipeline)
    if method is not None and method not in able:
        raise UserError(f"expected {' or '.join(able)} for this model, but got {method!r}")
    pipeline.check_shape(images, pipeline.sample_shape, "images")
    pipeline.check_shape(mask, (1, *pipeline.sample_shape[1:]), "masks")
    if len(mask) != len(images):
        raise UserError(f"expected {len(images)} masks, but got {len(mask)}")
    if not ((mask == 0) | (mask == 1)).all():
        raise UserError("expected masks of 0 and 1")
    if not images.is_floating_point():
        raise UserError(f"expected images of floating point, but got {images.dtype}")
    images = images.to(pipeline.device)
    mask = mask.to(pipeline.device, pipeline.dtype)
    given = torch.where(mask > 0, images.detach(), 0).to(pipeline.dtype)
    if not (given.abs() <= 1).all():
        raise UserError("expected known pixels in [-1, 1]")
    if mask.all():
        return Completion(images, ["there is no hole: the images come back as they are"])
    count = len(images)
    labels = pipeline.prepare_labels(labels, count)
    if not mask.any():
        with torch.no_grad():
            samples = pipeline.decode(pipeline.draw(count, rng), labels)
        return Completion(samples, ["no pixel is mask: this is plain generation"])
    way = METHODS[method or able[0]]
    samples = way.complete(pipeline, given, mask, rng, labels, progress).detach().clamp(-1, 1)
    if seamless:
        samples = blend(samples, given, mask)
    return Completion(torch.where(mask > 0, images, samples.to(images.dtype)), [])
