"""Pipelines saved by diffusers, compared with its own DDIM scheduler."""

from pathlib import Path

import diffusers
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, PNDMScheduler, SchedulerMixin, UNet2DModel
from torch import Tensor

import genmodels
from genmodels import inpainting
from genmodels.errors import UserError
from genmodels.pipelines.denoising import DenoisingPipeline, UnguidedDenoisingPipeline
from genmodels.pipelines.diffusers_compat import from_diffusers, solver_for
from genmodels.ui.generate.actions import find_controls

STEPS = 5


def small_unet(**fields: object) -> UNet2DModel:
    torch.manual_seed(0)
    sizes = {"sample_size": 8, "in_channels": 3, "out_channels": 3, "norm_num_groups": 4}
    sizes |= {"block_out_channels": (8, 8), "attention_head_dim": None, "layers_per_block": 1}
    blocks = ("DownBlock2D", "AttnDownBlock2D"), ("AttnUpBlock2D", "UpBlock2D")
    return UNet2DModel(down_block_types=blocks[0], up_block_types=blocks[1], **sizes | fields)


@torch.no_grad()
def ddim_samples(
    unet: UNet2DModel, scheduler: SchedulerMixin, latents: Tensor, labels: Tensor | None = None
) -> Tensor:
    """Return the samples of diffusers' DDIM in STEPS steps."""
    fields = {"timestep_spacing": "trailing"}
    if scheduler.config.beta_schedule in ("sigmoid", "laplace"):  # unknown to DDIM
        original = DDPMScheduler.from_config(scheduler.config, rescale_betas_zero_snr=False)
        fields |= {"beta_schedule": "linear", "trained_betas": original.betas.tolist()}
    ddim = DDIMScheduler.from_config(scheduler.config, **fields)
    ddim.set_timesteps(STEPS)
    for timestep in ddim.timesteps:
        output = unet(latents, timestep, labels).sample
        latents = ddim.step(output, timestep, latents).prev_sample
    return latents.clamp(-1, 1)


def decode(pipeline: DenoisingPipeline, latents: Tensor, *arguments: object) -> Tensor:
    with torch.no_grad():
        return pipeline.decode(latents, *arguments, scheduler="DDIM")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


VELOCITY = {"prediction_type": "v_prediction"}
ZERO_SNR = {"rescale_betas_zero_snr": True, **VELOCITY}


@pytest.mark.parametrize(
    ("fields", "scheduler"),
    [
        ({"sample_size": (8, 8)}, DDPMScheduler()),
        ({"num_class_embeds": 5}, DDPMScheduler(**VELOCITY)),
        ({}, DDPMScheduler(clip_sample_range=2.0)),
        ({}, DDIMScheduler(clip_sample_range=0.5)),
        ({}, DDPMScheduler(clip_sample=False)),
        ({}, DDPMScheduler(thresholding=True, sample_max_value=3.0)),
        ({}, DDPMScheduler(prediction_type="sample")),
        ({}, DDPMScheduler(beta_schedule="sigmoid")),
        ({}, DDPMScheduler(beta_schedule="laplace", **VELOCITY)),
        ({}, DDPMScheduler(beta_schedule="sigmoid", **ZERO_SNR)),
        ({}, DDIMScheduler(set_alpha_to_one=False, **ZERO_SNR)),
        ({}, PNDMScheduler(beta_schedule="scaled_linear", **VELOCITY)),
    ],
    ids=str,
)
def test_samples_equal_those_of_diffusers(
    fields: dict[str, object], scheduler: SchedulerMixin, tmp_path: Path
) -> None:
    unet = small_unet(**fields)
    diffusers.DDPMPipeline(unet, scheduler).save_pretrained(tmp_path / "original")
    pipeline = genmodels.load(tmp_path / "original")
    pipeline.save_pretrained(tmp_path / "saved again")
    latents = pipeline.draw(3, seeded())
    labels = None if "num_class_embeds" not in fields else torch.tensor([0, 4, 2])
    samples = ddim_samples(unet, scheduler, latents, labels)
    for loaded in (pipeline, genmodels.load(tmp_path / "saved again")):
        assert torch.equal(decode(loaded, latents, labels, STEPS), samples)
        assert loaded.sample_shape == (3, 8, 8)
        with torch.no_grad():  # the default solver is another approximation of the same ODE
            assert loaded.decode(latents, labels).isfinite().all()
            assert loaded.encode(samples, labels).isfinite().all()


def test_class_conditional_models_have_no_guidance_without_a_null_label(tmp_path: Path) -> None:
    diffusers.DDPMPipeline(small_unet(num_class_embeds=5), DDPMScheduler()).save_pretrained(
        tmp_path
    )
    pipeline = genmodels.load(tmp_path)
    assert type(pipeline) is UnguidedDenoisingPipeline
    assert pipeline.num_classes == 5
    assert find_controls(pipeline) == (True, False, True, False)
    with pytest.raises(UserError, match="expected no guidance_scale: this model has no null label"):
        pipeline(guidance_scale=2.0)
    with pytest.raises(UserError, match="expected labels from 0 to 4, got 5"):
        pipeline(labels=5)


def test_repaint_without_guidance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genmodels.inpainting.repaint.STEPS", 3)
    pipeline = from_diffusers(small_unet(num_class_embeds=5), DDPMScheduler())
    images, mask = torch.zeros(2, 3, 8, 8), torch.ones(2, 1, 8, 8).tril()
    completed = inpainting.complete(pipeline, images, mask, seeded(), labels=[4, 0]).samples
    assert completed.isfinite().all()


def test_the_last_embedding_may_be_a_null_label(tmp_path: Path) -> None:
    unet, scheduler = small_unet(num_class_embeds=5), DDPMScheduler(**VELOCITY)
    from_diffusers(unet, scheduler, null_label=True).save_pretrained(tmp_path)
    pipeline = genmodels.load(tmp_path)
    assert type(pipeline) is DenoisingPipeline
    assert pipeline.num_classes == 4
    assert find_controls(pipeline).guidance
    latents, labels = pipeline.draw(3, seeded()), torch.tensor([0, 3, 2])
    null_labels = torch.full_like(labels, 4)
    conditional = ddim_samples(unet, scheduler, latents, labels)
    assert torch.equal(decode(pipeline, latents, labels, STEPS, 1.0), conditional)
    unconditional = ddim_samples(unet, scheduler, latents, null_labels)
    assert torch.equal(decode(pipeline, latents, labels, STEPS, 0.0), unconditional)
    assert not torch.equal(conditional, unconditional)

    class Guided(torch.nn.Module):
        def forward(self, noisy: Tensor, timestep: Tensor, labels: Tensor) -> object:
            both = unet(noisy.repeat(2, 1, 1, 1), timestep, torch.cat([null_labels, labels])).sample
            without, with_label = both.chunk(2)
            return diffusers.models.unets.unet_2d.UNet2DOutput(without + 3 * (with_label - without))

    guided = ddim_samples(Guided(), scheduler, latents, labels)
    assert torch.allclose(decode(pipeline, latents, labels, STEPS, 3.0), guided, atol=1e-4)


@pytest.mark.parametrize("limit", [0.5, 1.0, 2.0])
def test_the_solver_clips_to_the_same_range(limit: float) -> None:
    scheduler = DDPMScheduler(prediction_type="sample", clip_sample_range=limit)
    pipeline = from_diffusers(small_unet(), scheduler)
    pipeline.unet.forward = lambda noisy, *_, **__: (torch.full_like(noisy, 3),)
    for name in ("DPM-Solver++", "DDIM"):
        *_, samples = pipeline.sample_steps(pipeline.draw(1), None, STEPS, scheduler=name)
        assert torch.allclose(samples, torch.full_like(samples, limit), atol=1e-4)


def test_the_solver_keeps_only_the_noise_schedule_and_clipping() -> None:
    solver = diffusers.DPMSolverMultistepScheduler(
        beta_schedule="squaredcos_cap_v2", algorithm_type="sde-dpmsolver++", use_karras_sigmas=True
    )
    pipeline = from_diffusers(small_unet(), solver)
    assert torch.equal(pipeline.scheduler.alphas_cumprod, solver.alphas_cumprod)
    first, second = (pipeline(2, seeded(), output_type="pt").images for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("fields", "scheduler", "message"),
    [
        (
            {"class_embed_type": "timestep"},
            DDPMScheduler(),
            "expected a UNet2DModel with class labels as num_class_embeds alone, got "
            "class_embed_type 'timestep'; train without it",
        ),
        ({"out_channels": 6}, DDPMScheduler(), "3 output channels, .* got 6; remove the channels"),
        ({"sample_size": (8, 16)}, DDPMScheduler(), r"for square samples, got \[8, 16\]; set samp"),
        ({"sample_size": None}, DDPMScheduler(), "for square samples, got None; set sample_size"),
        (
            {},
            diffusers.UniPCMultistepScheduler(),
            r"expected diffusers.DDPMScheduler or .*; convert it: DDIMScheduler.from_config\(",
        ),
    ],
)
def test_unsupported_pipelines_raise_one_sentence_with_the_remedy(
    fields: dict[str, object], scheduler: SchedulerMixin, message: str, tmp_path: Path
) -> None:
    diffusers.DDPMPipeline(small_unet(**fields), scheduler).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=message) as excinfo:
        genmodels.load(tmp_path)
    assert "\n" not in str(excinfo.value)


def test_other_prediction_types_are_refused() -> None:
    scheduler = diffusers.DPMSolverMultistepScheduler(prediction_type="flow_prediction")
    with pytest.raises(UserError, match="epsilon, v_prediction, sample, got flow_prediction; "):
        solver_for(scheduler)


@pytest.mark.parametrize("options", [{"safe_serialization": False}, {"variant": "fp16"}], ids=str)
def test_only_safetensors_are_read(options: dict[str, object], tmp_path: Path) -> None:
    diffusers.DDPMPipeline(small_unet(), DDPMScheduler()).save_pretrained(tmp_path, **options)
    remedy = "only safetensors are read: save again with safe_serialization=True"
    with pytest.raises(UserError, match=rf"unet, found diffusion_.*; {remedy}") as excinfo:
        genmodels.load(tmp_path)
    assert "\n" not in str(excinfo.value)
