import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler
from safetensors.torch import load_file, save_file

import genmodels
from genmodels import data
from genmodels.errors import UserError
from genmodels.networks.classifier import Classifier
from genmodels.pipelines import PIPELINES
from genmodels.pipelines.base import LatentPipeline
from genmodels.pipelines.denoising import DenoisingPipeline
from tests.conftest import FASHION, ROOT
from training.configs.architectures import UNet
from training.configs.presets import PRESETS
from training.core.batches import Batch
from training.objectives import OBJECTIVES

CHECKPOINTS = sorted(path.parent for path in (ROOT / "checkpoints").glob("*/model_index.json"))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def untrained_pipeline(name: str, channels: int = 1, side: int = 28) -> LatentPipeline:
    """Return a preset's untrained pipeline in evaluation mode, with random BatchNorm statistics."""
    preset = PRESETS[name]
    torch.manual_seed(0)
    num_classes = 10 if preset.conditional else None
    networks = preset.architecture.networks(channels, side, num_classes)
    for network in networks.values():
        for part in network.modules():
            if isinstance(part, torch.nn.Embedding):
                torch.nn.init.normal_(part.weight)
            if isinstance(part, torch.nn.BatchNorm2d):
                part.running_mean.normal_()
                part.running_var.uniform_(0.5, 2)
        network.eval()
    return preset.objective.pipeline(networks)


# A preset for each kind of pipeline, network and conditioning
NAMES = [
    "ae-fashion",
    "vae-fashion",
    "wgan-gp-fashion",
    "sngan-cifar10",
    "diffusion-fashion",
    "inpaint-fashion",
    "vae-fashion-conditional",
    "sngan-fashion-conditional",
    "diffusion-fashion-conditional",
]


@pytest.fixture(params=NAMES)
def saved_pipeline(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[LatentPipeline, Path]:
    pipeline = untrained_pipeline(request.param)
    pipeline.save_pretrained(tmp_path / "model")
    return pipeline, tmp_path / "model"


def labels_for(pipeline: LatentPipeline, count: int) -> torch.Tensor | None:
    return None if pipeline.num_classes is None else torch.arange(count) % pipeline.num_classes


def weights_file(folder: Path) -> Path:
    (file,) = folder.rglob("*.safetensors")
    return file


def test_saved_and_loaded_pipelines_are_equal(saved_pipeline: tuple[LatentPipeline, Path]) -> None:
    pipeline, folder = saved_pipeline
    loaded = genmodels.load(folder)
    before = pipeline(batch_size=5, generator=seeded(), output_type="pt").images
    after = loaded(batch_size=5, generator=seeded(), output_type="pt").images
    assert torch.equal(before, after)
    assert before.shape == (5, 1, 28, 28)
    assert loaded.num_classes == pipeline.num_classes
    assert before.abs().max() <= 1
    assert not torch.equal(before, loaded(5, seeded(1), output_type="pt").images)
    images = loaded(batch_size=2, generator=seeded()).images
    assert [image.size for image in images] == [(28, 28)] * 2
    assert {image.mode for image in images} == {"L"}


@pytest.mark.parametrize("name", NAMES)
def test_pipelines_with_three_channels_return_rgb_images(name: str) -> None:
    (image,) = untrained_pipeline(name, channels=3, side=32)().images
    assert (image.mode, image.size) == ("RGB", (32, 32))


@pytest.mark.parametrize("name", NAMES)
def test_larger_batches_start_with_the_same_latents(name: str) -> None:
    pipeline = untrained_pipeline(name)
    assert torch.equal(pipeline.draw(3, seeded()), pipeline.draw(40, seeded())[:3])


def test_save_writes_only_safetensors_and_json(saved_pipeline: tuple[LatentPipeline, Path]) -> None:
    files = {path.suffix for path in saved_pipeline[1].rglob("*") if path.is_file()}
    assert files == {".json", ".safetensors"}


@pytest.mark.parametrize("name", ["ae-fashion", "vae-fashion", "vae-fashion-conditional"])
def test_encode_returns_latents_that_decode_accepts(name: str) -> None:
    pipeline = untrained_pipeline(name)
    samples, labels = torch.rand(3, 1, 28, 28) * 2 - 1, labels_for(pipeline, 3)
    latents = pipeline.encode(samples, labels)
    assert latents.shape == pipeline.draw(3).shape
    assert pipeline.decode(latents, labels).shape == samples.shape


def test_fitted_prior_makes_latents_standard_normal() -> None:
    pipeline, preset = untrained_pipeline("ae-fashion"), PRESETS["ae-fashion"]
    samples = data.load(FASHION).pixels[:500] / 127.5 - 1
    batches = [Batch(part, None, seeded()) for part in samples.split(100)]
    preset.objective.fit(pipeline, batches)
    with torch.no_grad():
        latents = pipeline.encode(samples)
        codes, _ = pipeline.autoencoder.encode(samples)
    assert torch.allclose(latents.mean(0), torch.zeros(32), atol=1e-2)
    assert torch.allclose(latents.T.cov(), torch.eye(32), atol=0.1)
    with torch.no_grad():
        assert torch.allclose(
            pipeline.decode(latents), pipeline.autoencoder.decode(codes), atol=1e-3
        )


def test_decode_is_differentiable(saved_pipeline: tuple[LatentPipeline, Path]) -> None:
    latents = saved_pipeline[0].draw(2, seeded()).requires_grad_()
    saved_pipeline[0].decode(latents, labels_for(saved_pipeline[0], 2)).sum().backward()
    assert latents.grad.abs().sum() > 0


CONDITIONAL = [name for name in NAMES if "conditional" in name]


@pytest.mark.parametrize("name", CONDITIONAL)
def test_conditional_samples_depend_on_labels(name: str) -> None:
    pipeline = untrained_pipeline(name)
    assert pipeline.num_classes == 10

    def sample(labels: object, count: int = 3) -> torch.Tensor:
        return pipeline(count, seeded(), labels, output_type="pt").images

    assert torch.equal(sample(4), sample([4, 4, 4]))
    assert torch.equal(sample([4, 5, 6]), sample(torch.tensor([4, 5, 6])))
    assert torch.allclose(sample([4, 5, 6])[0], sample(4)[0], atol=1e-5)
    assert not torch.allclose(sample(5)[0], sample(4)[0], atol=1e-3)
    assert torch.equal(sample(None), sample([0, 1, 2]))  # default labels cycle through the classes
    assert torch.allclose(sample(None, 12)[:3], sample(None), atol=1e-4)
    assert torch.equal(sample(torch.tensor(4)), sample(4))


@pytest.mark.parametrize("name", CONDITIONAL)
def test_invalid_labels_raise_user_errors(name: str) -> None:
    pipeline = untrained_pipeline(name)
    latents = pipeline.draw(3, seeded())
    for labels, message in [
        (None, "expected labels from 0 to 9, one for all samples or one for each; got none"),
        (torch.tensor([1.0, 2.0, 3.0]), "expected labels from 0 to 9 as integers, got torch.float"),
        (1.5, "expected labels from 0 to 9 as integers, got torch.float32"),
        ("cat", "expected labels from 0 to 9, got 'cat'"),
        (True, "expected labels from 0 to 9 as integers, got torch.bool"),
        ([1, 2], "expected one label, or one for each of 3 samples, got 2"),
        (torch.tensor([1, 2, 10]), "expected labels from 0 to 9, got 10"),
        (torch.tensor([1, 2, -1]), "expected labels from 0 to 9, got -1"),
    ]:
        with pytest.raises(UserError, match=message):
            pipeline.decode(latents, labels)


@pytest.mark.parametrize("name", ["ae-fashion", "gan-fashion", "diffusion-fashion"])
def test_unconditional_models_reject_labels(name: str) -> None:
    with pytest.raises(UserError, match="expected no labels: this model is unconditional"):
        untrained_pipeline(name)(2, labels=3)


def test_guidance_extrapolates_from_unconditional_to_conditional() -> None:
    pipeline = untrained_pipeline("diffusion-fashion-conditional")
    noisy, labels = pipeline.draw(2, seeded()), torch.tensor([3, 7])
    timestep = torch.tensor(500)

    @torch.no_grad()
    def predict(guidance_scale: float, labels: torch.Tensor = labels) -> torch.Tensor:
        return pipeline.predict(noisy, timestep, labels, guidance_scale)

    unconditional, conditional = predict(1.0, torch.full_like(labels, 10)), predict(1.0)
    assert not torch.allclose(unconditional, conditional)
    assert torch.allclose(predict(0.0), unconditional, atol=1e-5)
    extrapolated = unconditional + 3 * (conditional - unconditional)
    assert torch.allclose(predict(3.0), extrapolated, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "expected a number of samples of at least 1, got 0"),
        ({"batch_size": 2.5}, "expected a number of samples of at least 1, got 2.5"),
        ({"batch_size": "3"}, "expected a number of samples of at least 1, got '3'"),
        ({"num_inference_steps": 0}, "expected num_inference_steps from 1 to 1000, got 0"),
        ({"num_inference_steps": -1}, "expected num_inference_steps from 1 to 1000, got -1"),
        ({"num_inference_steps": 2.5}, "expected num_inference_steps from 1 to 1000, got 2.5"),
        ({"num_inference_steps": 10**9}, "expected num_inference_steps from 1 to 1000, got 1000"),
        ({"guidance_scale": -1}, "expected guidance_scale from 0 to 50, got -1"),
        ({"guidance_scale": 1e6}, "expected guidance_scale from 0 to 50, got 1000000.0"),
        ({"guidance_scale": float("nan")}, "expected guidance_scale from 0 to 50, got nan"),
        ({"guidance_scale": "high"}, "expected guidance_scale from 0 to 50, got 'high'"),
        ({"scheduler": "Euler"}, r"expected scheduler .* or DDIM, got 'Euler'"),
        ({"scheduler": DDIMScheduler()}, "expected scheduler .* or DDIM, got DDIMScheduler"),
        ({"scheduler": ["DDIM"]}, "expected scheduler .* or DDIM, got list"),
        ({"generator": 7}, r"generator such as torch.Generator\(\).manual_seed\(0\), got 7"),
        ({"generator": [seeded()], "batch_size": 2}, "expected one generator or 2, got 1"),
        ({"generator": [1]}, "expected a generator such as .*, got 1"),
        ({"output_type": "np"}, "expected output_type 'pil' or 'pt', got 'np'"),
    ],
)
def test_invalid_arguments_raise_one_sentence(arguments: dict, message: str) -> None:
    with pytest.raises(UserError, match=message) as excinfo:
        untrained_pipeline("diffusion-fashion-conditional")(**arguments)
    assert "\n" not in str(excinfo.value)


def test_unsupported_arguments_raise_errors() -> None:
    with pytest.raises(UserError, match="expected no guidance_scale: this model is uncond"):
        untrained_pipeline("diffusion-fashion")(guidance_scale=2.0)
    with pytest.raises(UserError, match=r"expected no num_inference_steps: .* one step, got 12"):
        untrained_pipeline("gan-fashion")(num_inference_steps=12)
    with pytest.raises(UserError, match=r"expected no guidance_scale: .* one step, got 1.5"):
        untrained_pipeline("sngan-fashion-conditional")(guidance_scale=1.5)
    with pytest.raises(TypeError, match="unexpected keyword argument 'seed'"):
        untrained_pipeline("gan-fashion")(seed=0)


def test_call_and_decode_accept_the_keywords_of_diffusers() -> None:
    pipeline = untrained_pipeline("diffusion-fashion-conditional")
    settings = {"num_inference_steps": 3, "guidance_scale": 1.5, "labels": 3}
    images = pipeline(batch_size=2, generator=seeded(), output_type="pt", **settings).images
    with torch.no_grad():
        assert torch.equal(pipeline.decode(pipeline.draw(2, seeded()), **settings), images)
    (as_tuple,) = pipeline(2, seeded(), output_type="pt", return_dict=False, **settings)
    assert torch.equal(as_tuple, images)
    numpy_types = {"num_inference_steps": np.int64(3), "guidance_scale": np.float32(1.5)}
    same = pipeline(np.int64(2), seeded(), np.int64(3), output_type="pt", **numpy_types).images
    assert torch.equal(same, images)


@pytest.mark.parametrize("name", ["vae-fashion", "diffusion-fashion"])
def test_each_sample_depends_only_on_its_own_generator(name: str) -> None:
    pipeline = untrained_pipeline(name)
    latents = pipeline.draw(2, [seeded(3), seeded(4)])
    assert torch.equal(latents, torch.cat([pipeline.draw(1, seeded(seed)) for seed in (3, 4)]))
    images = pipeline(2, (seeded(3), seeded(4)), output_type="pt").images
    with torch.no_grad():
        assert torch.equal(images, pipeline.decode(latents))


def test_the_scheduler_component_can_be_replaced() -> None:
    pipeline = untrained_pipeline("diffusion-fashion")
    settings = {"num_inference_steps": 4, "output_type": "pt"}
    expected = pipeline(2, seeded(), scheduler="DDIM", **settings).images
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    assert torch.equal(pipeline(2, seeded(), **settings).images, expected)
    pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config)
    with pytest.raises(UserError, match=r"expected scheduler .*, got EulerDiscreteScheduler"):
        pipeline()


def test_published_scheduler_has_the_shifted_noise_schedule(tmp_path: Path) -> None:
    objective = OBJECTIVES["diffusion"]()
    networks = UNet(width=8, layers_per_block=1).networks(3, 128)
    objective.pipeline(networks).save_pretrained(tmp_path)
    pipeline, trained = genmodels.load(tmp_path), objective.scheduler_for(128)
    ddim = DDIMScheduler.from_config(pipeline.scheduler.config)
    for scheduler in (pipeline.scheduler, ddim):
        assert torch.equal(scheduler.alphas_cumprod, trained.alphas_cumprod)
    image = torch.rand(1, 3, 128, 128, generator=seeded()) * 2 - 1
    replace_network(pipeline, lambda *_: image)
    for name in ("DPM-Solver++", "DDIM"):
        samples = pipeline.decode(pipeline.draw(1, seeded()), None, 5, scheduler=name)
        assert torch.allclose(samples, image, atol=1e-3)


def test_guidance_scale_0_draws_unconditional_samples() -> None:
    pipeline = untrained_pipeline("diffusion-fashion-conditional")
    one, other = (
        pipeline(2, seeded(), labels=label, guidance_scale=0, output_type="pt").images
        for label in (3, 7)
    )
    assert torch.equal(one, other)


@pytest.mark.parametrize("steps", [*range(1, 130), 999, 1000])
def test_timesteps_start_at_pure_noise_and_decrease(steps: int) -> None:
    timesteps = untrained_pipeline("diffusion-fashion").timesteps(steps)
    assert len(timesteps) == steps
    assert timesteps[0] == 999
    assert all(later < earlier for earlier, later in itertools.pairwise(timesteps))
    assert 0 <= timesteps[-1] <= 1000 // steps - 1


@pytest.mark.parametrize("steps", [2, 3, 6, 12, 20, 30])
@pytest.mark.parametrize(("end", "second"), [(0.02, 888), (0.01, 998)])
def test_timesteps_are_uniform_in_log_snr(end: float, second: int, steps: int) -> None:
    """With beta_end 0.01 the last timestep still has signal, so the first step is not clipped."""
    pipeline = untrained_pipeline("diffusion-fashion")
    pipeline.scheduler = DPMSolverMultistepScheduler(beta_end=end)
    timesteps = pipeline.timesteps(steps)
    alphas = pipeline.scheduler.alphas_cumprod.double()[timesteps]
    assert timesteps[-1] == 1000 // steps - 1
    if steps > 2:
        assert timesteps[1] == second
        gaps = (alphas / (1 - alphas)).log().diff()[1:] / 2
        assert gaps.max() - gaps.min() <= 0.03  # rounding to whole timesteps


def replace_network(pipeline: DenoisingPipeline, predict_clean: Callable) -> None:
    """Replace the U-Net by the velocity of the exact expected clean sample."""

    def velocity(noisy: torch.Tensor, timestep: torch.Tensor, *_: object, **__: object) -> tuple:
        alpha = pipeline.scheduler.alphas_cumprod[timestep]
        clean = predict_clean(noisy, alpha)
        noise = (noisy - alpha.sqrt() * clean) / (1 - alpha).sqrt()
        return (alpha.sqrt() * noise - (1 - alpha).sqrt() * clean,)

    pipeline.unet.forward = velocity


@pytest.mark.parametrize("steps", [1, 7, 50])
def test_exact_denoiser_of_one_image_generates_it_in_any_number_of_steps(steps: int) -> None:
    pipeline = untrained_pipeline("diffusion-fashion")
    image = data.load(FASHION).pixels[:1] / 127.5 - 1
    replace_network(pipeline, lambda *_: image)
    samples = pipeline.decode(pipeline.draw(3, seeded()), num_inference_steps=steps)
    assert torch.allclose(samples, image.expand(3, 1, 28, 28), atol=1e-3)


@pytest.mark.parametrize(
    ("scheduler", "steps", "tolerance"),
    [
        ("DPM-Solver++", 12, 0.1),
        ("DPM-Solver++", 20, 0.04),
        ("DPM-Solver++", 50, 0.01),
        ("DPM-Solver++(2M)", 12, 0.04),
        ("DDIM", 20, 0.12),
        ("DDIM", 50, 0.05),
    ],
)
def test_solvers_match_the_exact_solution_for_gaussian_data(
    scheduler: str, steps: int, tolerance: float
) -> None:
    """For data from N(0, s^2) the exact solution is s times the noise."""
    pipeline, scale = untrained_pipeline("diffusion-fashion"), 0.3
    replace_network(
        pipeline,
        lambda noisy, alpha: noisy * alpha.sqrt() / (alpha + (1 - alpha) / scale**2),
    )
    latents = pipeline.draw(3, seeded(1))  # not the noise of `encode`
    exact = (scale * latents).clamp(-1, 1)
    errors = pipeline.decode(latents, None, steps, scheduler=scheduler) - exact
    assert errors.square().mean().sqrt() <= tolerance * scale
    assert (pipeline.encode(exact) - latents).square().mean().sqrt() <= 0.1


@pytest.mark.parametrize(
    ("scheduler", "steps", "fraction"),
    [
        ("DPM-Solver++", 12, 0.23),
        ("DPM-Solver++", 50, 0.78),
        ("DPM-Solver++(2M)", 12, 1.0),
        ("DPM-Solver++(2M)", 50, 1.0),
    ],
)
def test_variance_of_fine_detail(scheduler: str, steps: int, fraction: float) -> None:
    """Of a direction of Gaussian data with standard deviation 0.079, as the docstring says."""
    pipeline, scale = untrained_pipeline("diffusion-fashion"), 0.079
    replace_network(
        pipeline,
        lambda noisy, alpha: noisy * alpha.sqrt() / (alpha + (1 - alpha) / scale**2),
    )
    latents = pipeline.draw(1, seeded()).clamp(-3, 3)
    samples = pipeline.decode(latents, None, steps, scheduler=scheduler)
    variance = (samples.square().mean() / latents.square().mean()).item()
    assert variance == pytest.approx(fraction * scale**2, abs=0.03 * scale**2)
    alpha = pipeline.alpha_cumprod(pipeline.timesteps(steps, 0 if "2M" in scheduler else None)[-1])
    expected = scale**2 / (scale**2 + (1 - alpha) / alpha)
    assert variance == pytest.approx(expected * scale**2, abs=0.06 * scale**2)


def test_encode_does_not_depend_on_the_batch() -> None:
    pipeline = untrained_pipeline("diffusion-fashion")
    samples = data.load(FASHION).pixels[:3] / 127.5 - 1
    with torch.no_grad():
        latents, permuted = (
            pipeline.encode(samples[order], num_inference_steps=4)
            for order in ([0, 1, 2], [2, 0, 1])
        )
        assert torch.equal(permuted, latents[[2, 0, 1]])
        alone = pipeline.encode(samples[2:], num_inference_steps=4)
        assert torch.allclose(alone, latents[2:], atol=1e-3)


def test_module_paths_are_part_of_the_file_format() -> None:
    components: dict[str, set] = {}
    kinds = {(type(it.objective), type(it.architecture)): name for name, it in PRESETS.items()}
    for name in kinds.values():
        pipeline = untrained_pipeline(name)
        if isinstance(pipeline, Classifier):  # a classifier is not part of a pipeline
            continue
        entries = components.setdefault(type(pipeline).__name__, set())
        entries |= {item for item in dict(pipeline.config).items() if not item[0].startswith("_")}
    autoencoder = ("autoencoder", ("genmodels.networks.autoencoder", "Autoencoder"))
    assert components == {
        "AutoencodingPipeline": {autoencoder},
        "CompletingPipeline": {("completer", ("genmodels.networks.completer", "Completer"))},
        "FittedAutoencodingPipeline": {
            autoencoder,
            ("prior", ("genmodels.networks.autoencoder", "GaussianPrior")),
        },
        "AdversarialPipeline": {
            ("generator", ("genmodels.networks.dcgan", "Generator")),
            ("generator", ("genmodels.networks.resnet", "Generator")),
        },
        "DenoisingPipeline": {
            ("unet", ("diffusers", "UNet2DModel")),
            ("scheduler", ("diffusers", "DPMSolverMultistepScheduler")),
        },
    }
    # No preset trains a conditional U-Net without a null label.
    assert set(components) | {"UnguidedDenoisingPipeline"} == set(PIPELINES)


def truncate(folder: Path) -> None:
    weights_file(folder).write_bytes(weights_file(folder).read_bytes()[:-100])


def overwrite(folder: Path) -> None:
    weights_file(folder).write_bytes(b"not safetensors")


def remove_weights_file(folder: Path) -> None:
    weights_file(folder).unlink()


def remove_a_weight(folder: Path) -> None:
    tensors = load_file(weights_file(folder))
    tensors.pop(sorted(tensors)[0])
    save_file(tensors, weights_file(folder), {"format": "pt"})


def add_a_weight(folder: Path) -> None:
    tensors = load_file(weights_file(folder)) | {"extra": torch.zeros(1)}
    save_file(tensors, weights_file(folder), {"format": "pt"})


def reshape_a_weight(folder: Path) -> None:
    tensors = load_file(weights_file(folder))
    tensors[sorted(tensors)[0]] = torch.zeros(7)
    save_file(tensors, weights_file(folder), {"format": "pt"})


def edit_index(**fields: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        index = json.loads((folder / "model_index.json").read_text())
        (folder / "model_index.json").write_text(json.dumps(index | fields))

    return change


def write_index(text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "model_index.json").write_text(text)

    return change


def edit_config(**fields: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (file,) = folder.glob("*/config.json")
        file.write_text(json.dumps(json.loads(file.read_text()) | fields))

    return change


def remove_index(folder: Path) -> None:
    (folder / "model_index.json").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, "is broken"),
        (overwrite, "is broken"),
        (remove_weights_file, "found none; only safetensors are read: save again with"),
        (remove_a_weight, "do not match"),
        (add_a_weight, "do not match"),
        (reshape_a_weight, "is broken|do not match"),
        (write_index("{"), "model_index.json in .* is broken"),
        (remove_index, "found no model_index.json"),
        (edit_index(_class_name="StableDiffusionPipeline"), "got StableDiffusionPipeline"),
        (edit_index(_class_name=[]), r"got \[\]"),
        (
            edit_index(generator=["os", "system"]),
            r"expected genmodels\.networks\.dcgan\.Generator or",
        ),
        (edit_index(generator=["genmodels.networks.dcgan", "Critic"]), "got .*Critic"),
        (edit_index(generator="dcgan"), "got dcgan"),
        (edit_index(generator=[["a"], {}]), "expected genmodels"),
        (write_index("[]"), r"got \[\]"),
        (write_index("null"), "got None"),
        (write_index("[" * 100_000), "model_index.json in .* is broken"),
        (edit_config(latent_dim="a"), "is broken"),
        (edit_config(width=None), "is broken"),
        (edit_config(quantization_config={"quant_method": "gguf"}), "is broken"),
        (edit_index(critic=["genmodels.networks.dcgan", "Critic"]), "got generator, critic"),
    ],
)
def test_broken_pipelines_raise_one_sentence(
    damage: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    untrained_pipeline("wgan-gp-fashion").save_pretrained(folder)
    damage(folder)
    with pytest.raises(UserError, match=message) as excinfo:
        genmodels.load(folder)
    assert "\n" not in str(excinfo.value)


@pytest.mark.parametrize("source", ["no/such", "../nowhere", "a b", "/nowhere/at/all", "x" * 5000])
def test_missing_sources_raise_user_errors(source: str) -> None:
    with pytest.raises(UserError, match="expected a folder or the id of a model on the Hub"):
        genmodels.load(source)


@pytest.mark.parametrize("folder", CHECKPOINTS, ids=lambda folder: folder.name)
def test_published_checkpoints_generate_garments(folder: Path) -> None:
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) <= 10e6
    pipeline = genmodels.load(folder)
    samples = pipeline(batch_size=64, generator=seeded(), output_type="pt").images
    # Garments on black: mostly dark, with contrast (at least 0.17 in real images), and diverse.
    assert samples.mean() < 0
    assert (samples.flatten(1).std(1) > 0.1).all()
    assert torch.cdist(samples.flatten(1), samples.flatten(1)).fill_diagonal_(9).min() > 1
    card = (folder / "README.md").read_text()
    assert f"accelerate launch -m training {folder.name}" in card
    assert (folder / "samples.png").exists()


def test_every_checkpoint_has_a_preset() -> None:
    assert {folder.name for folder in CHECKPOINTS} <= set(PRESETS)
