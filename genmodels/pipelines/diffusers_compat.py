"""Load unconditional pipelines of diffusers as a DenoisingPipeline."""

from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    PNDMScheduler,
    UNet2DModel,
)

from genmodels.errors import UserError
from genmodels.pipelines.denoising import CLIP_SAMPLES, SOLVER, DenoisingPipeline


def from_diffusers(
    unet: UNet2DModel,
    scheduler: DDPMScheduler | DDIMScheduler | PNDMScheduler | DPMSolverMultistepScheduler,
) -> DenoisingPipeline:
    """Build a DenoisingPipeline with the same network and noise schedule, and our solver.

    Raises:
        UserError: a conditional network, other output than input channels, samples that are not
            square, or another prediction type than epsilon or v_prediction.
    """
    config = unet.config
    if config.num_class_embeds is not None or config.class_embed_type is not None:
        raise UserError("expected an unconditional UNet2DModel, got a conditional one")
    if config.out_channels != config.in_channels:
        expected = f"{config.in_channels} output channels, as many as input channels"
        raise UserError(f"expected a UNet2DModel with {expected}, got {config.out_channels}")
    if not isinstance(config.sample_size, int):
        raise UserError(f"expected a UNet2DModel for square samples, got {config.sample_size}")
    prediction_type = scheduler.config.prediction_type
    if prediction_type not in ("epsilon", "v_prediction"):
        raise UserError(f"expected prediction type epsilon or v_prediction, got {prediction_type}")
    # The other schedulers call it clip_sample, the solver calls it thresholding.
    options = SOLVER | CLIP_SAMPLES if scheduler.config.get("clip_sample") else SOLVER
    solver = DPMSolverMultistepScheduler.from_config(scheduler.config, **options)
    return DenoisingPipeline(unet, solver)


# Class names in a model_index.json that `from_diffusers` builds.
DIFFUSERS_PIPELINES = ("DDPMPipeline", "DDIMPipeline", "PNDMPipeline")

# Their older repositories have no folder per component, only these files.
FLAT_FILES = ("config.json", "scheduler_config.json", "diffusion_pytorch_model.safetensors")
