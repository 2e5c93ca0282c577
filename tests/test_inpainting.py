"""Inpainting methods, masks, blending, and the command that measures them."""

import itertools
from pathlib import Path

import pytest
import torch
from torch import Tensor

from genmodels import data
from genmodels.errors import UserError
from genmodels.inpainting import METHODS, complete, methods_for, repaint
from genmodels.inpainting.__main__ import main, nearest_fill
from genmodels.inpainting.blending import blend, laplacian
from genmodels.inpainting.masks import MASKS, mean_fill, random_masks
from genmodels.inpainting.repaint import JUMP_LENGTH, RESAMPLINGS, STEPS, resampling_schedule
from genmodels.inpainting.task import Task
from genmodels.latents.latent_optimization import minimize, optimize_latents
from genmodels.media.image import from_pixels
from genmodels.pipelines import PIPELINES
from tests.conftest import FASHION
from tests.test_pipelines import untrained_pipeline

MODELS = {
    "one pass": "inpaint-fashion",
    "pseudo-Gibbs": "vae-fashion",
    "latent search": "wgan-gp-fashion",
    "RePaint": "diffusion-fashion",
}
PAIRS = [*MODELS.items(), ("pseudo-Gibbs", "ae-fashion"), ("latent search", "vae-fashion")]
PAIRS += [
    ("latent search", "sngan-fashion-conditional"),
    ("pseudo-Gibbs", "vae-fashion-conditional"),
    ("RePaint", "diffusion-fashion-conditional"),
]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genmodels.inpainting.repaint.STEPS", 6)
    monkeypatch.setattr("genmodels.inpainting.repaint.RESAMPLINGS", 2)
    monkeypatch.setattr("genmodels.inpainting.pseudo_gibbs.ITERATIONS", 3)
    for name in ("COARSE_STEPS", "FINE_STEPS", "CANDIDATES"):
        monkeypatch.setattr(f"genmodels.latents.latent_optimization.{name}", 5)


@pytest.fixture(scope="module")
def real() -> Tensor:
    return from_pixels(data.load(FASHION, split="test").pixels[:6])


def test_every_pipeline_has_a_method_and_every_method_a_model() -> None:
    assert all(methods_for(kind) for kind in PIPELINES.values())
    assert list(MODELS) == list(METHODS)
    for method, model in PAIRS:
        assert method in methods_for(type(untrained_pipeline(model)))


@pytest.mark.parametrize("seamless", [False, True])
@pytest.mark.parametrize(("method", "model"), PAIRS)
def test_known_pixels_stay_unchanged_and_the_hole_is_ignored(
    method: str, model: str, seamless: bool, real: Tensor
) -> None:
    pipeline, mask = untrained_pipeline(model), random_masks(len(real), 28, seeded(1))
    labels = None if pipeline.num_classes is None else [5, 1, 2, 3, 4, 0]

    def run(images: Tensor, mask: Tensor, seed: int = 0) -> Tensor:
        return complete(pipeline, images, mask, seeded(seed), method, labels, seamless).samples

    completed, notes = complete(pipeline, real, mask, seeded(), method, labels, seamless)
    assert notes == []
    assert completed.shape == real.shape
    assert completed.abs().max() <= 1
    keep = mask.bool().expand_as(real)
    assert torch.equal(completed[keep], real[keep])
    assert torch.equal(run(torch.where(keep, real, torch.nan), mask), completed)
    for dtype in (torch.bool, torch.uint8, torch.int64, torch.float64):
        assert torch.equal(run(real, mask.to(dtype)), completed)
    double = run(real.double(), mask)
    assert double.dtype == torch.float64
    assert torch.allclose(double.float(), completed, atol=1e-6)
    with torch.inference_mode():
        assert torch.equal(run(real, mask), completed)
    assert not torch.equal(run(real, mask, seed=2), completed)


@pytest.mark.parametrize(("method", "model"), [*MODELS.items(), ("latent search", "vae-fashion")])
def test_masks_that_keep_every_pixel_or_none(method: str, model: str, real: Tensor) -> None:
    pipeline, ones = untrained_pipeline(model), torch.ones(len(real), 1, 28, 28)
    samples, notes = complete(pipeline, real, ones, seeded(), method)
    assert torch.equal(samples, real)
    assert notes == ["the mask keeps every pixel: the images are unchanged"]
    samples, notes = complete(pipeline, real, 0 * ones, seeded(), method)
    assert notes == ["the mask keeps no pixel: the whole image is generated"]
    with torch.no_grad():
        assert torch.equal(samples, pipeline.decode(pipeline.draw(len(real), seeded())))
    # All three kinds of masks in one batch
    mask = torch.stack([ones[0], 0 * ones[0], random_masks(1, 28, seeded())[0]])
    samples, _ = complete(pipeline, real[:3], mask, seeded(), method, seamless=True)
    assert torch.equal(samples[0], real[0])
    assert samples.isfinite().all()


@pytest.mark.parametrize(("method", "model"), MODELS.items())
def test_progress_rises_to_one_and_can_cancel(method: str, model: str, real: Tensor) -> None:
    fractions: list[float] = []
    mask, pipeline = random_masks(len(real), 28, seeded()), untrained_pipeline(model)
    complete(pipeline, real, mask, seeded(), method, progress=fractions.append)
    assert fractions == sorted(fractions)
    assert 0 < fractions[0] <= fractions[-1] == 1

    class CancelledError(Exception):
        pass

    def cancel(fraction: float) -> None:
        raise CancelledError

    with pytest.raises(CancelledError):
        complete(pipeline, real, mask, seeded(), method, progress=cancel)


ZEROS, ONES = torch.zeros(6, 1, 28, 28), torch.ones(6, 1, 28, 28)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": torch.zeros(6, 1, 32, 32)}, r"expected images \(B, 1, 28"),
        ({"images": torch.zeros(6, 3, 28, 28)}, r"expected images \(B, 1, 28"),
        ({"images": ZEROS + 2}, r"expected known pixels in \[-1, 1\]"),
        ({"images": ZEROS + torch.nan}, r"expected known pixels in \[-1, 1\]"),
        ({"images": ZEROS.byte()}, "expected images of a floating-point type, got torch.uint8"),
        ({"mask": torch.ones(6, 1, 14, 14)}, r"expected a mask \(B, 1, 28, 28"),
        ({"mask": ONES[:2]}, "expected a mask for each of 6 images, got 2"),
        ({"mask": ONES / 2}, "expected a mask of zeros and ones"),
        ({"mask": ONES * torch.nan}, "expected a mask of zeros and ones"),
        (
            {"method": "RePaint"},
            "expected method pseudo-Gibbs or latent search for this model, got 'RePaint'",
        ),
        ({"labels": 3}, "expected no labels"),
    ],
)
def test_invalid_inputs_raise_a_user_error(changes: dict, message: str, real: Tensor) -> None:
    inputs = {"images": real, "mask": random_masks(len(real), 28, seeded())} | changes
    with pytest.raises(UserError, match=message):
        complete(untrained_pipeline("vae-fashion"), **inputs)


def test_search_finds_a_latent_with_a_lower_loss() -> None:
    pipeline = untrained_pipeline("wgan-gp-fashion")

    def loss(samples: Tensor, target: Tensor) -> Tensor:
        return (samples - target).square().flatten(1).sum(1)

    with torch.no_grad():
        target = pipeline.decode(pipeline.draw(3, seeded(5)))
        initial = loss(pipeline.decode(pipeline.draw(3, seeded())), target)
        latents = optimize_latents(pipeline, loss, [target], None, seeded(), None, 0.0)
        assert (loss(pipeline.decode(latents), target) < initial).all()


def test_optimization_treats_each_row_alone() -> None:
    start = torch.linspace(-1, 1, 8)[:, None].repeat(1, 4)
    best, losses = minimize(lambda latents: (latents - 0.5).square().sum(1), start, 200)
    assert torch.allclose(best, torch.full_like(best, 0.5), atol=0.02)
    alone, _ = minimize(lambda latents: (latents - 0.5).square().sum(1), start[:1], 200)
    assert torch.allclose(alone, best[:1], atol=0.02)
    assert losses.max() < 1e-2


def test_optimization_stops_when_no_row_improves() -> None:
    calls: list[float] = []
    minimize(lambda latents: 0 * latents.sum(1) + 1, torch.zeros(2, 3), 1000, calls.append)
    assert len(calls) < 20
    start = torch.tensor([[0.0], [9.0]])  # only the second row improves
    best, _ = minimize(lambda latents: latents.square().sum(1) + 1, start, 1000)
    assert best.abs().max() < 0.3


@pytest.fixture
def all_steps(few_steps: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore RePaint's default number of steps."""
    monkeypatch.setattr(repaint, "STEPS", STEPS)
    monkeypatch.setattr(repaint, "RESAMPLINGS", RESAMPLINGS)


@pytest.mark.usefixtures("all_steps")
def test_resampling_schedule_jumps_back_and_ends_clean() -> None:
    levels = resampling_schedule(STEPS)
    assert (levels[0], levels[-1]) == (0, STEPS)
    assert levels.count(STEPS) == 1
    changes = [after - before for before, after in itertools.pairwise(levels)]
    assert set(changes) == {1, -JUMP_LENGTH}
    assert changes.count(-JUMP_LENGTH) == (RESAMPLINGS - 1) * (STEPS // JUMP_LENGTH - 1)


@pytest.mark.usefixtures("all_steps")
def test_repaint_recovers_the_hole_with_an_exact_denoiser() -> None:
    """The data are two images that differ in both halves, so one half determines the other."""
    left = torch.full((1, 1, 8, 8), -0.5)
    data_images = torch.cat([left, -left])  # dark and bright
    alphas = torch.cos(torch.linspace(0.01, 1.55, 1000)).square()

    class Exact:
        """A DenoisingPipeline that returns the exact posterior mean."""

        num_timesteps = 1000

        def alpha_cumprod(self, timestep: int) -> float:
            return alphas[timestep].item()

        def predict_clean(self, samples: Tensor, timestep: int, labels: None) -> Tensor:
            alpha = self.alpha_cumprod(timestep)
            distances = torch.stack(
                [
                    (samples - alpha**0.5 * image).square().flatten(1).sum(1)
                    for image in data_images
                ],
                1,
            )
            weights = (-distances / (2 * (1 - alpha))).softmax(1)
            return torch.einsum("bn,nchw->bchw", weights, data_images)

        def draw(self, count: int, generator: torch.Generator) -> Tensor:
            return torch.randn(count, 1, 8, 8, generator=generator)

    mask = torch.ones(40, 1, 8, 8)
    mask[..., 4:] = 0
    truth = data_images.repeat(20, 1, 1, 1)
    task = Task(truth * mask, mask, seeded(), None, lambda fraction: None)
    completed = METHODS["RePaint"].complete(Exact(), task)
    assert ((completed - truth).abs().amax((1, 2, 3)) < 0.05).double().mean() > 0.95


def test_blend_keeps_gradients_and_meets_the_border() -> None:
    mask = torch.ones(2, 1, 20, 20)
    mask[0, :, 5:15, 5:15] = 0
    mask[1, :, :, 10:] = 0
    ramp = torch.linspace(-0.5, 0.5, 20).expand(2, 1, 20, 20)
    # Blending corrects a constant shift in brightness.
    blended = blend(ramp + 0.3, ramp, mask)
    assert torch.allclose(blended, ramp, atol=1e-5)
    texture = 0.1 * torch.randn(2, 1, 20, 20, generator=seeded())
    blended = blend(ramp + texture, ramp, mask).double()
    hole = (1 - mask).bool()
    inner = hole & (torch.nn.functional.avg_pool2d((1 - mask), 3, 1, 1) > 0.99)
    differences = (laplacian(blended) - laplacian((ramp + texture).double()))[inner]
    assert differences.abs().max() < 1e-5
    assert torch.equal(blended[~hole].float(), ramp[~hole])


@pytest.mark.parametrize("name", [*MASKS, "random_masks"])
def test_masks_fill_a_part_and_depend_on_the_seed(name: str) -> None:
    draw = MASKS.get(name, random_masks)
    mask = draw(200, 28, seeded())
    assert mask.shape == (200, 1, 28, 28)
    assert set(mask.unique().tolist()) == {0, 1}
    sizes = (1 - mask).mean((1, 2, 3))
    assert (sizes > 0.005).all()
    assert (sizes <= 0.65).all()
    assert torch.equal(mask, draw(200, 28, seeded()))
    assert len(mask.unique(dim=0)) > (3 if name == "half" else 100)


def test_baselines_without_a_model(real: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    mask = random_masks(len(real), 28, seeded())
    filled = mean_fill(real, mask)
    hole = filled[0, 0][mask[0, 0] == 0]
    assert torch.allclose(hole, real[0, 0][mask[0, 0] == 1].mean().expand_as(hole))
    monkeypatch.setattr("genmodels.inpainting.__main__.CHUNK", 300 * 28 * 28)
    training = data.load(FASHION, split="train").pixels
    filled = nearest_fill(real, mask, training)
    candidates = from_pixels(training[:])
    for index in range(len(real)):
        distances = ((candidates - real[index]).square() * mask[index]).sum((1, 2, 3))
        expected = torch.where(mask[index] > 0, real[index], candidates[distances.argmin()])
        assert torch.equal(filled[index], expected)


COMMAND = {"--models": "checkpoints/vae-fashion", "--dataset": FASHION, "--count": "4"}


def run_main(monkeypatch: pytest.MonkeyPatch, options: dict[str, str]) -> None:
    arguments = itertools.chain.from_iterable((COMMAND | options).items())
    monkeypatch.setattr("sys.argv", ["inpainting", *arguments])
    main()


def test_command_measures_every_method(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("genmodels.inpainting.__main__.BATCH_SIZE", 9)  # the last batch is smaller
    models = "checkpoints/vae-fashion,checkpoints/sngan-fashion-conditional"
    run_main(monkeypatch, {"--models": models, "--count": "12", "--extractor": "domain"})
    output = capsys.readouterr()
    assert "read 1,000 images of 28x28 pixels, 1 channel, 10 classes" in output.err
    rows = [line.split(" | ") for line in output.out.splitlines() if "| " in line]
    assert [row[0].removeprefix("| ") for row in rows[1:]] == [
        "mean of the known pixels",
        "nearest training image",
        "pseudo-Gibbs, vae-fashion",
        "latent search, vae-fashion",
        "latent search, sngan-fashion-conditional",
    ]
    mean = rows[1]
    for row in rows[3:]:
        assert float(row[1]) < float(mean[1])
        assert float(row[2]) > float(mean[2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"--count": "0"}, "expected --count of at least 1, got 0"),
        ({"--models": "no/such"}, "no/such"),
        ({"--models": "checkpoints/vae-fashion,checkpoints/vae-fashion/"}, "different names"),
        ({"--extractor": "vgg"}, "'vgg'"),
    ],
)
def test_command_reports_invalid_options(
    options: dict, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit) as excinfo:
        run_main(monkeypatch, options)
    assert excinfo.value.code == 2
    assert message in capsys.readouterr().err


def test_command_checks_all_models_before_it_measures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    untrained_pipeline("vae-fashion", side=32).save_pretrained(tmp_path / "larger")
    models = f"checkpoints/vae-fashion,{tmp_path / 'larger'}"
    with pytest.raises(SystemExit):
        run_main(monkeypatch, {"--models": models, "--extractor": "domain"})
    output = capsys.readouterr()
    assert output.out == ""
    assert "expected images for larger (B, 1, 32, 32)" in output.err


def test_without_a_generator_the_global_one_is_used(real: Tensor) -> None:
    pipeline, mask = untrained_pipeline("vae-fashion"), random_masks(len(real), 28, seeded())
    results = []
    for _ in range(2):
        torch.manual_seed(3)
        results.append((complete(pipeline, real, mask).samples, torch.rand(3)))
    (first, after_first), (second, after_second) = results
    assert torch.equal(first, second)
    assert torch.equal(after_first, after_second)


def test_completions_of_a_conditional_model_depend_on_the_label(real: Tensor) -> None:
    pipeline, mask = (
        untrained_pipeline("vae-fashion-conditional"),
        random_masks(len(real), 28, seeded()),
    )
    with pytest.raises(UserError, match="expected labels from 0 to 9"):
        complete(pipeline, real, mask, seeded())
    first, second = (
        complete(pipeline, real, mask, seeded(), labels=label).samples for label in (0, 1)
    )
    assert not torch.equal(first, second)
