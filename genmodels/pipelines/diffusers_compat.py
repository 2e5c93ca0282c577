"""Load pipelines of diffusers that wrap a UNet2DModel as a DenoisingPipeline."""

from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    PNDMScheduler,
    UNet2DModel,
)

from genmodels.errors import UserError
from genmodels.pipelines.denoising import (
    CLIP_SAMPLES,
    SOLVER,
    DenoisingPipeline,
    UnguidedDenoisingPipeline,
)

Scheduler = DDPMScheduler | DDIMScheduler | PNDMScheduler | DPMSolverMultistepScheduler

PREDICTION_TYPES = ("epsilon", "v_prediction", "sample")
SOLVER_SCHEDULES = ("linear", "scaled_linear", "squaredcos_cap_v2")  # all that the solver computes

# Settings of a scheduler that define the noise schedule and the clipping of samples
KEPT_SETTINGS = (
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "prediction_type",
    "rescale_betas_zero_snr",
    "set_alpha_to_one",
    "thresholding",
    "dynamic_thresholding_ratio",
    "sample_max_value",
    "clip_sample",
    "clip_sample_range",
)


def from_diffusers(
    unet: UNet2DModel, scheduler: Scheduler, null_label: bool = False
) -> DenoisingPipeline:
    """Build a DenoisingPipeline with the same network and noise schedule, and our solver.

    Args:
        null_label: the last embedding of a conditional network stands for "no class", so K + 1
            embeddings are K classes, with guidance; otherwise K are K classes, without guidance

    Raises:
        UserError: class embeddings other than a table, other output than input channels, samples
            that are not square, or another prediction type than PREDICTION_TYPES.
    """
    side = check_network(unet)
    unet.register_to_config(sample_size=side)
    conditional = unet.config.num_class_embeds is not None
    pipeline = UnguidedDenoisingPipeline if conditional and not null_label else DenoisingPipeline
    return pipeline(unet, solver_for(scheduler))


def check_network(unet: UNet2DModel) -> int:
    """Return the side of the samples, or raise UserError; see `from_diffusers`."""
    config = unet.config
    if config.class_embed_type is not None:
        expected = "class labels as num_class_embeds alone"
        got = f"class_embed_type {config.class_embed_type!r}"
        raise UserError(f"expected a UNet2DModel with {expected}, got {got}; train without it")
    if config.out_channels != config.in_channels:
        expected = f"{config.in_channels} output channels, as many as input channels"
        remedy = "remove the channels of a learned variance from conv_out"
        raise UserError(
            f"expected a UNet2DModel with {expected}, got {config.out_channels}; {remedy}"
        )
    size = config.sample_size
    sides = {size} if isinstance(size, int) else set(size or ())
    if len(sides) != 1:
        remedy = "set sample_size in its config.json to the one side of its samples"
        raise UserError(f"expected a UNet2DModel for square samples, got {size}; {remedy}")
    return sides.pop()


def solver_for(scheduler: Scheduler) -> DPMSolverMultistepScheduler:
    """Return our solver with the noise schedule and the clipping of another scheduler."""
    config = {name: scheduler.config[name] for name in KEPT_SETTINGS if name in scheduler.config}
    if config["prediction_type"] not in PREDICTION_TYPES:
        expected = f"prediction type {', '.join(PREDICTION_TYPES)}"
        raise UserError(f"expected {expected}, got {config['prediction_type']}; train with one")
    if config["beta_schedule"] not in SOLVER_SCHEDULES and config["trained_betas"] is None:
        # Betas before the rescaling, because the solver rescales them itself
        original = DDPMScheduler.from_config(scheduler.config, rescale_betas_zero_snr=False)
        config["trained_betas"] = original.betas.tolist()
    # DDIM and the solver share dynamic thresholding, which is clipping if the maximum is 1. Other
    # ranges stay in the config as clip_sample_range, see ClippingSolver.
    clips = config.get("clip_sample") and not config.get("thresholding")
    options = CLIP_SAMPLES if clips and config.get("clip_sample_range", 1) == 1 else {}
    return DPMSolverMultistepScheduler.from_config(config, **SOLVER, **options)


# Class names in a model_index.json that `from_diffusers` builds.
DIFFUSERS_PIPELINES = ("DDPMPipeline", "DDIMPipeline", "PNDMPipeline")

# Their older repositories have no folder per component, only these files.
FLAT_FILES = ("config.json", "scheduler_config.json", "diffusion_pytorch_model.safetensors")
