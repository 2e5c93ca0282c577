"""Unconditional pipelines of diffusers, as one of ours."""

from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    PNDMScheduler,
    UNet2DModel,
)

from genmodels.errors import UserError
from genmodels.pipelines.denoising import CLIP_SAMPLES, SOLVER, DenoisingPipeline


def denoising(
    unet: UNet2DModel,
    scheduler: DDPMScheduler | DDIMScheduler | PNDMScheduler | DPMSolverMultistepScheduler,
) -> DenoisingPipeline:
    """Their network under the same noise, sampled as we do.

    Raises UserError for a network with classes, or one that predicts more or other than we read.
    """
    config = unet.config
    if config.num_class_embeds is not None or config.class_embed_type is not None:
        raise UserError("expected an unconditional UNet2DModel of diffusers, but it has classes")
    if config.out_channels != config.in_channels:
        raise UserError(
            f"expected a UNet2DModel with as many channels out as in, {config.in_channels}, but "
            f"got {config.out_channels}"
        )
    if not isinstance(config.sample_size, int):
        raise UserError(f"expected a UNet2DModel of one side, but got {config.sample_size}")
    predicted = scheduler.config.prediction_type
    if predicted not in ("epsilon", "v_prediction"):
        raise UserError(
            f"expected the prediction type epsilon or v_prediction, but got {predicted}"
        )
    ours = SOLVER
    if scheduler.config.get("clip_sample"):
        # What they clip to [-1, 1], our solver calls thresholding.
        ours = SOLVER | CLIP_SAMPLES
    return DenoisingPipeline(
        unet, DPMSolverMultistepScheduler.from_config(scheduler.config, **ours)
    )
