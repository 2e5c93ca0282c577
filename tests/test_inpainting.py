"""Completions: known pixels as they were, the hole as the model would have it."""

import itertools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from genmodels import data
from genmodels.inpainting import METHODS, complete, methods_of, repaint
from genmodels.inpainting.__main__ import main, mean_fill, nearest_fill
from genmodels.inpainting.blending import blend, laplacian
from genmodels.inpainting.masks import HOLES, mixed
from genmodels.inpainting.repaint import JUMP, RESAMPLE, STEPS, walk
from genmodels.latents.latent_optimization import minimize, optimize_latents
from genmodels.media.image import from_pixels
from tests.conftest import FASHION
from tests.test_pipelines import fresh

MODELS = {
    "one pass": "inpaint-fashion",
    "pseudo-Gibbs": "vae-fashion",
    "latent search": "wgan-gp-fashion",
    "RePaint": "diffusion-fashion",
}
TRIED = [*MODELS.items(), ("pseudo-Gibbs", "ae-fashion"), ("latent search", "vae-fashion")]
TRIED += [
    ("latent search", "sngan-fashion-conditional"),
    ("pseudo-Gibbs", "vae-fashion-conditional"),
    ("RePaint", "diffusion-fashion-conditional"),
]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genmodels.inpainting.repaint.STEPS", 6)
    monkeypatch.setattr("genmodels.inpainting.repaint.RESAMPLE", 2)
    monkeypatch.setattr("genmodels.inpainting.pseudo_gibbs.ROUNDS", 3)
    for name in ("COARSE_STEPS", "FINE_STEPS", "CANDIDATES"):
        monkeypatch.setattr(f"genmodels.latents.latent_optimization.{name}", 5)


@pytest.fixture(scope="module")
def real() -> Tensor:
    return from_pixels(data.load(FASHION, split="test").pixels[:6])


def test_there_is_a_model_for_every_method() -> None:
    assert list(MODELS) == list(METHODS)
    for method, model in TRIED:
        assert method in methods_of(fresh(model))


@pytest.mark.parametrize("seamless", [False, True])
@pytest.mark.parametrize(("method", "model"), TRIED)
def test_known_pixels_come_back_bit_for_bit_and_unknown_ones_are_never_read(
    method: str, model: str, seamless: bool, real: Tensor
) -> None:
    pipeline, mask = fresh(model), mixed(len(real), 28, seeded(1))
    given = {"method": method, "seamless": seamless}
    given["labels"] = None if pipeline.num_classes is None else [5, 1, 2, 3, 4, 0]
    found, notes = complete(pipeline, real, mask, seeded(), **given)
    assert notes == []
    assert found.shape == real.shape
    assert found.abs().max() <= 1
    kept = mask.bool().expand_as(real)
    assert torch.equal(found[kept], real[kept])
    holed = torch.where(kept, real, torch.nan)
    again = complete(pipeline, holed, mask, seeded(), **given).samples
    assert torch.equal(again, found)
    for kind in (torch.bool, torch.uint8, torch.int64, torch.float64):
        same = complete(pipeline, real, mask.to(kind), seeded(), **given).samples
        assert torch.equal(same, found)
    double = complete(pipeline, real.double(), mask, seeded(), **given).samples
    assert double.dtype == torch.float64
    assert torch.allclose(double.float(), found, atol=1e-6)
    with torch.inference_mode():
        assert torch.equal(complete(pipeline, real, mask, seeded(), **given).samples, found)
    other = complete(pipeline, real, mask, seeded(2), **given).samples
    assert not torch.equal(other, found)  # one of many completions


@pytest.mark.parametrize(("method", "model"), [*MODELS.items(), ("latent search", "vae-fashion")])
def test_without_a_hole_nothing_is_done_and_without_a_known_pixel_all(
    method: str, model: str, real: Tensor
) -> None:
    pipeline, ones = fresh(model), torch.ones(len(real), 1, 28, 28)
    found, notes = complete(pipeline, real, ones, seeded(), method)
    assert torch.equal(found, real)
    assert notes == ["there is no hole: the images come back as they are"]
    found, notes = complete(pipeline, real, 0 * ones, seeded(), method)
    assert notes == ["no pixel is mask: this is plain generation"]
    with torch.no_grad():
        assert torch.equal(found, pipeline.decode(pipeline.draw(len(real), seeded())))
    # And one of each among others.
    mask = torch.stack([ones[0], 0 * ones[0], mixed(1, 28, seeded())[0]])
    found, _ = complete(pipeline, real[:3], mask, seeded(), method, seamless=True)
    assert torch.equal(found[0], real[0])
    assert found.isfinite().all()


@pytest.mark.parametrize(("method", "model"), MODELS.items())
def test_progress_is_told_and_may_end_the_work(method: str, model: str, real: Tensor) -> None:
    parts: list[float] = []
    mask, pipeline = mixed(len(real), 28, seeded()), fresh(model)
    complete(pipeline, real, mask, seeded(), method, progress=parts.append)
    assert parts == sorted(parts)
    assert 0 < parts[0] <= parts[-1] <= 1

    class CancelledError(Exception):
        pass

    def cancel(part: float) -> None:
        raise CancelledError

    with pytest.raises(CancelledError):
        complete(pipeline, real, mask, seeded(), method, progress=cancel)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda given: given.update(images=torch.zeros(6, 1, 32, 32)),
            r"expected images \(B, 1, 28",
        ),
        (
            lambda given: given.update(images=torch.zeros(6, 3, 28, 28)),
            r"expected images \(B, 1, 28",
        ),
        (
            lambda given: given.update(mask=torch.ones(6, 1, 14, 14)),
            r"expected masks \(B, 1, 28, 28",
        ),
        (lambda given: given.update(mask=torch.ones(2, 1, 28, 28)), "expected 6 masks, but got 2"),
        (lambda given: given["mask"].fill_(0.5), "expected masks of 0 and 1"),
        (lambda given: given["mask"].fill_(torch.nan), "expected masks of 0 and 1"),
        (lambda given: given["images"].fill_(2), r"expected known pixels in \[-1, 1\]"),
        (lambda given: given["images"].fill_(torch.nan), r"expected known pixels in \[-1, 1\]"),
        (lambda given: given.update(method="RePaint"), "pseudo-Gibbs or latent search for this"),
        (lambda given: given.update(labels=3), "expected no labels: this model is not conditional"),
        (
            lambda given: given.update(images=torch.zeros(6, 1, 28, 28).byte()),
            "expected images of floating point",
        ),
    ],
)
def test_what_cannot_be_completed_is_said(change: Callable, sentence: str, real: Tensor) -> None:
    given = {"images": real.clone(), "mask": mixed(len(real), 28, seeded())}
    change(given)
    with pytest.raises(ValueError, match=sentence):
        complete(fresh("vae-fashion"), **given)


def test_a_search_finds_the_latent_of_a_sample() -> None:
    pipeline = fresh("wgan-gp-fashion")
    with torch.no_grad():
        wanted = pipeline.decode(pipeline.draw(3, seeded(5)))

    def loss(drawn: Tensor, wanted: Tensor) -> Tensor:
        return (drawn - wanted).square().flatten(1).sum(1)

    with torch.no_grad():
        begun = loss(pipeline.decode(pipeline.draw(3, seeded())), wanted)
        found = optimize_latents(pipeline, loss, [wanted], None, seeded(), prior=0.0)
        assert (loss(pipeline.decode(found), wanted) < begun).all()
    # Each image for itself: the others of its batch change nothing.
    near = torch.linspace(-1, 1, 8)[:, None].repeat(1, 4)
    best, least = minimize(lambda latents: (latents - 0.5).square().sum(1), near, 200)
    assert torch.allclose(best, torch.full_like(best, 0.5), atol=0.02)
    alone, _ = minimize(lambda latents: (latents - 0.5).square().sum(1), near[:1], 200)
    assert torch.allclose(alone, best[:1], atol=0.02)
    assert least.max() < 1e-2


def test_a_descent_ends_when_nothing_gets_better() -> None:
    calls: list[float] = []
    minimize(lambda latents: 0 * latents.sum(1) + 1, torch.zeros(2, 3), 1000, calls.append)
    assert len(calls) < 20
    # Of two the one that goes on is waited for.
    start = torch.tensor([[0.0], [9.0]])
    best, _ = minimize(lambda latents: latents.square().sum(1) + 1, start, 1000)
    assert best.abs().max() < 0.3


@pytest.fixture
def all_steps(few_steps: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of RePaint, as it is used."""
    monkeypatch.setattr(repaint, "STEPS", STEPS)
    monkeypatch.setattr(repaint, "RESAMPLE", RESAMPLE)


@pytest.mark.usefixtures("all_steps")
def test_jumps_go_back_and_end_without_noise() -> None:
    levels = walk(STEPS)
    assert (levels[0], levels[-1]) == (0, STEPS)
    assert levels.count(STEPS) == 1
    changes = [after - before for before, after in itertools.pairwise(levels)]
    assert set(changes) == {1, -JUMP}
    assert changes.count(-JUMP) == (RESAMPLE - 1) * (STEPS // JUMP - 1)


@pytest.mark.usefixtures("all_steps")
def test_repaint_is_exact_where_the_model_is() -> None:
    """Of two images that differ in the hole by what is mask, the one is drawn that fits."""
    left = torch.full((1, 1, 8, 8), -0.5)
    images_ = torch.cat([left, -left])  # dark, or bright
    alphas = torch.cos(torch.linspace(0.01, 1.55, 1000)).square()

    class Exact:
        """The mean of the two images given a noisy one."""

        scheduler = SimpleNamespace(config=SimpleNamespace(num_train_timesteps=1000))

        def alpha_cumprod(self, time: int) -> float:
            return alphas[time].item()

        def predict_clean(self, samples: Tensor, time: int, labels: None) -> Tensor:
            signal = self.alpha_cumprod(time)
            distances = torch.stack(
                [(samples - signal**0.5 * image).square().flatten(1).sum(1) for image in images_], 1
            )
            weights = (-distances / (2 * (1 - signal))).softmax(1)
            return torch.einsum("bn,nchw->bchw", weights, images_)

        def draw(self, count: int, rng: torch.Generator) -> Tensor:
            return torch.randn(count, 1, 8, 8, generator=rng)

    mask = torch.ones(40, 1, 8, 8)
    mask[..., 4:] = 0
    truth = images_.repeat(20, 1, 1, 1)
    found = METHODS["RePaint"].complete(
        Exact(), truth * mask, mask, seeded(), None, lambda part: None
    )
    assert ((found - truth).abs().amax((1, 2, 3)) < 0.05).double().mean() > 0.95


def test_a_blend_keeps_differences_and_meets_the_border() -> None:
    mask = torch.ones(2, 1, 20, 20)
    mask[0, :, 5:15, 5:15] = 0
    mask[1, :, :, 10:] = 0
    ramp = torch.linspace(-0.5, 0.5, 20).expand(2, 1, 20, 20)
    # A completion that is right but for its brightness becomes right.
    blended = blend(ramp + 0.3, ramp, mask)
    assert torch.allclose(blended, ramp, atol=1e-5)
    texture = 0.1 * torch.randn(2, 1, 20, 20, generator=seeded())
    blended = blend(ramp + texture, ramp, mask).double()
    hole = (1 - mask).bool()
    inner = hole & (torch.nn.functional.avg_pool2d((1 - mask), 3, 1, 1) > 0.99)
    differences = (laplacian(blended) - laplacian((ramp + texture).double()))[inner]
    assert differences.abs().max() < 1e-5
    assert torch.equal(blended[~hole].float(), ramp[~hole])


@pytest.mark.parametrize("name", [*HOLES, "mixed"])
def test_holes_are_of_some_pixels_and_of_their_seed(name: str) -> None:
    hole = mixed if name == "mixed" else HOLES[name]
    mask = hole(200, 28, seeded())
    assert mask.shape == (200, 1, 28, 28)
    assert set(mask.unique().tolist()) == {0, 1}
    sizes = (1 - mask).mean((1, 2, 3))
    assert (sizes > 0.005).all()
    assert (sizes <= 0.65).all()
    assert torch.equal(mask, hole(200, 28, seeded()))
    assert len(mask.unique(dim=0)) > (3 if name == "half" else 100)


def test_fills_without_a_model(real: Tensor) -> None:
    mask = mixed(len(real), 28, seeded())
    filled = mean_fill(real, mask)
    hole = filled[0, 0][mask[0, 0] == 0]
    assert torch.allclose(hole, real[0, 0][mask[0, 0] == 1].mean().expand_as(hole))
    training = data.load(FASHION, split="train").pixels
    found = nearest_fill(real, mask, training)
    candidates = from_pixels(training)
    for place in range(2):
        distances = ((candidates - real[place]).square() * mask[place]).sum((1, 2, 3))
        expected = torch.where(mask[place] > 0, real[place], candidates[distances.argmin()])
        assert torch.equal(found[place], expected)


def test_the_command_scores_every_method(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    words = ["--models", "checkpoints/vae-fashion,checkpoints/sngan-fashion", "--count", "12"]
    words += ["--dataset", FASHION, "--extractor", "domain"]
    monkeypatch.setattr("sys.argv", ["inpainting", *words])
    main()
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if "| " in line]
    names = [row[0].removeprefix("| ") for row in rows[1:]]
    assert names == [
        "mean of the known pixels",
        "nearest training image",
        "pseudo-Gibbs, vae-fashion",
        "latent search, vae-fashion",
        "latent search, sngan-fashion",
    ]
    mean = rows[1]
    for row in rows[3:]:  # the search of so few steps as well
        assert float(row[1]) < float(mean[1])
        assert float(row[2]) > float(mean[2])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--count", "0"], "expected a count of at least 1, but got 0"),
        (["--models", "no/such"], "could not get 'no/such'"),
        (["--models", "checkpoints/vae-fashion,checkpoints/vae-fashion/"], "of different names"),
        (["--extractor", "vgg"], "the folder of a classifier, but got 'vgg'"),
    ],
)
def test_what_cannot_be_scored_is_said(
    arguments: list[str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    given = {"--models": "checkpoints/vae-fashion", "--dataset": FASHION, "--count": "4"}
    given |= dict(zip(arguments[::2], arguments[1::2], strict=True))
    monkeypatch.setattr("sys.argv", ["inpainting", *(word for it in given.items() for word in it)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert sentence in capsys.readouterr().err


def test_without_a_seed_torch_s_own_random_numbers_go_on(real: Tensor) -> None:
    pipeline, mask = fresh("vae-fashion"), mixed(len(real), 28, seeded())
    found = []
    for _ in range(2):
        torch.manual_seed(3)
        found += [complete(pipeline, real, mask).samples, torch.rand(3)]
    assert torch.equal(found[0], found[2])
    assert torch.equal(found[1], found[3])


def test_a_conditional_model_is_told_the_class(real: Tensor) -> None:
    pipeline, mask = fresh("vae-fashion-conditional"), mixed(len(real), 28, seeded())
    with pytest.raises(ValueError, match="expected labels 0 to 9"):
        complete(pipeline, real, mask, seeded())
    one, other = (complete(pipeline, real, mask, seeded(), labels=it).samples for it in (0, 1))
    assert not torch.equal(one, other)


def test_a_model_of_another_size_is_named_before_anything_is_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    fresh("vae-fashion", side=32).save_pretrained(tmp_path / "larger")
    words = ["--models", f"checkpoints/vae-fashion,{tmp_path / 'larger'}", "--dataset", FASHION]
    monkeypatch.setattr("sys.argv", ["inpainting", *words, "--extractor", "domain"])
    with pytest.raises(SystemExit):
        main()
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "expected images for larger (B, 1, 32, 32)" in shown.err
