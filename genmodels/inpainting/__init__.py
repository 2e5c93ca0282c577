"""Inpainting: complete images in which only some pixels are known.

A mask is 1 at the pixels to keep and 0 at the pixels to fill. (diffusers fills where the mask is
1.) The pixels with mask 0 are called the hole; their values in the input are never read.
B batch, C channels, S side.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from genmodels.errors import UserError
from genmodels.inpainting import latent_search, one_pass, pseudo_gibbs, repaint
from genmodels.inpainting.blending import blend
from genmodels.inpainting.task import Task
from genmodels.pipelines.adversarial import AdversarialPipeline
from genmodels.pipelines.autoencoding import AutoencodingPipeline
from genmodels.pipelines.base import Labels, LatentPipeline
from genmodels.pipelines.completing import CompletingPipeline
from genmodels.pipelines.denoising import DenoisingPipeline


class Method(NamedTuple):
    """An inpainting method and the pipelines that it supports."""

    # Returns samples (B, C, S, S), of which only the hole is used.
    complete: Callable[[LatentPipeline, Task], Tensor]
    pipelines: tuple[type[LatentPipeline], ...]


METHODS: dict[str, Method] = {  # fastest first
    "one pass": Method(one_pass.complete, (CompletingPipeline,)),
    "pseudo-Gibbs": Method(pseudo_gibbs.complete, (AutoencodingPipeline,)),
    "latent search": Method(latent_search.complete, (AdversarialPipeline, AutoencodingPipeline)),
    "RePaint": Method(repaint.complete, (DenoisingPipeline,)),
}


class Completion(NamedTuple):
    """Completed images, and remarks for the user."""

    samples: Tensor  # (B, C, S, S) in [-1, 1]
    notes: list[str]


def methods_for(kind: type[LatentPipeline]) -> list[str]:
    """Return the names of the methods that support a pipeline class; the first is the default."""
    return [name for name, method in METHODS.items() if issubclass(kind, method.pipelines)]


def complete(
    pipeline: LatentPipeline,
    images: Tensor,
    mask: Tensor,
    generator: torch.Generator | None = None,
    method: str | None = None,
    labels: Labels = None,
    seamless: bool = False,
    progress: Callable[[float], object] = lambda fraction: None,
) -> Completion:
    """Fill the holes of images; other pixels stay equal bit for bit.

    Args:
        images: (B, C, S, S), floating point, in [-1, 1] where the mask is 1
        mask: (B, 1, S, S), 1 keeps a pixel and 0 fills it
        method: a key of METHODS; None for the first that supports the pipeline
        seamless: hide the border of the hole by Poisson blending (`blend`). Leaves "one pass" and
            "RePaint" unchanged, because they return the known pixels themselves
        progress: called with the completed fraction in [0, 1]; may raise to cancel
    """
    methods = methods_for(type(pipeline))
    if method is not None and method not in methods:
        raise UserError(f"expected method {' or '.join(methods)} for this model, got {method!r}")
    check_inputs(pipeline, images, mask)
    images = images.to(pipeline.device)
    mask = mask.to(pipeline.device, pipeline.dtype)
    known = torch.where(mask > 0, images.detach(), 0).to(pipeline.dtype)
    if not (known.abs() <= 1).all():
        raise UserError("expected known pixels in [-1, 1]")
    if mask.all():
        return Completion(images, ["the mask keeps every pixel: the images are unchanged"])
    labels = pipeline.prepare_labels(labels, len(images))
    if not mask.any():
        with torch.no_grad():
            samples = pipeline.decode(pipeline.draw(len(images), generator), labels)
        return Completion(samples, ["the mask keeps no pixel: the whole image is generated"])
    run = METHODS[method or methods[0]].complete
    task = Task(known, mask, generator, labels, progress)
    samples = run(pipeline, task).detach().clamp(-1, 1)
    if seamless:
        samples = blend(samples, known, mask)
    return Completion(torch.where(mask > 0, images, samples.to(images.dtype)), [])


def check_inputs(pipeline: LatentPipeline, images: Tensor, mask: Tensor) -> None:
    """Raise UserError unless images and mask have shapes and types that fit the pipeline."""
    pipeline.check_shape(images, pipeline.sample_shape, "images")
    pipeline.check_shape(mask, (1, *pipeline.sample_shape[1:]), "a mask")
    if len(mask) != len(images):
        raise UserError(f"expected a mask for each of {len(images)} images, got {len(mask)}")
    if not ((mask == 0) | (mask == 1)).all():
        raise UserError("expected a mask of zeros and ones")
    if not images.is_floating_point():
        raise UserError(f"expected images of a floating-point type, got {images.dtype}")
