"""Each metric against its closed form, and against the numbers of the tools that users know."""

import copy
import json
import math
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from genmodels import data, images
from genmodels.metrics import METRICS, Features, Metric
from genmodels.metrics.__main__ import main
from genmodels.metrics.extractors import inception
from genmodels.metrics.frechet import FrechetDistance, frechet
from genmodels.networks.alexnet import Lpips
from genmodels.networks.inception import resize
from tests.conftest import FASHION, ROOT
from tests.test_training import finish, launch, script

WEIGHTS = os.environ.get("GENMODELS_WEIGHTS")
REFERENCE = ROOT.parent / "shared/reference"
weights = pytest.mark.skipif(
    not WEIGHTS or not REFERENCE.exists(), reason="no weights in GENMODELS_WEIGHTS"
)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def measured(name: str, real: Tensor, fake: Tensor, logits: Tensor | None = None) -> dict:
    metric = METRICS[name]()
    metric.update(Features(torch.arange(len(real)), real, None), real=True)
    metric.update(Features(torch.arange(len(fake)), fake, logits), real=False)
    return metric.compute()


def test_frechet_distance_of_normal_distributions_has_a_closed_form() -> None:
    means, deviations = normal(2, 6), normal(2, 6, seed=1).abs()
    exact = (means[0] - means[1]).square().sum() + (deviations[0] - deviations[1]).square().sum()
    covariances = [deviation.square().diag() for deviation in deviations]
    turn, _ = torch.linalg.qr(normal(6, 6, seed=2))
    ours = frechet(means[0], covariances[0], means[1], covariances[1])
    turned = [turn @ covariance @ turn.T for covariance in covariances]
    assert ours.item() == pytest.approx(exact.item(), rel=1e-9)
    assert frechet(turn @ means[0], turned[0], turn @ means[1], turned[1]).item() == (
        pytest.approx(exact.item(), rel=1e-9)
    )
    samples = [
        mean + deviation * normal(200_000, 6, seed=3 + place)
        for place, (mean, deviation) in enumerate(zip(means, deviations, strict=True))
    ]
    assert measured("fid", *samples)["fid"] == pytest.approx(exact.item(), rel=0.02)


@pytest.mark.parametrize("samples", [normal(500, 8), normal(5, 64), torch.ones(50, 8)])
def test_frechet_distance_of_a_set_from_itself_is_zero(samples: Tensor) -> None:
    """Of few samples or constant ones as well, whose covariance is singular."""
    assert measured("fid", samples, samples)["fid"] == pytest.approx(0, abs=1e-6)
    moved = measured("fid", samples, samples + 2)["fid"]
    assert moved == pytest.approx(4 * samples.shape[1], rel=1e-6)


def test_inception_score_of_sure_predictions_is_the_number_of_classes() -> None:
    logits = 1000 * torch.eye(7, dtype=torch.float64).repeat(100, 1).roll(3, 0)
    blank = torch.zeros(len(logits), 2)
    score = measured("is", blank, blank, logits)
    assert score["is"] == pytest.approx(7, rel=1e-9)
    assert score["is_std"] == pytest.approx(0, abs=1e-9)
    assert measured("is", blank, blank, torch.zeros(700, 7))["is"] == pytest.approx(1)


def test_kernel_distance_is_unbiased_and_sees_a_shift() -> None:
    one, other = normal(3000, 16), normal(3000, 16, seed=1)
    assert abs(measured("kid", one, other)["kid"]) < 2e-3
    assert measured("kid", one, other + 0.5)["kid"] > 0.1


def test_manifolds_of_one_set_and_of_distant_ones() -> None:
    one, other = normal(1000, 4), normal(1000, 4, seed=1)
    same = measured("manifold", one, one)
    assert (same["precision"], same["recall"], same["coverage"]) == (1, 1, 1)
    alike = measured("manifold", one, other)
    assert min(alike["precision"], alike["recall"], alike["coverage"]) > 0.9
    assert alike["density"] == pytest.approx(1, abs=0.1)
    apart = measured("manifold", one, other + 50)
    assert set(apart.values()) == {0.0}
    few = measured("manifold", one, one[:1].repeat(1000, 1))  # one mode, perfectly
    assert few["precision"] == 1
    assert few["recall"] < 0.05


@pytest.mark.parametrize("name", METRICS)
def test_batches_in_any_order_on_any_number_of_processes_give_the_same(name: str) -> None:
    def features(count: int, seed: int) -> Features:
        values = normal(count, 12, seed=seed)
        return Features(torch.arange(count), values, 3 * values[:, :5])

    sets = {True: features(1500, 0), False: features(1300, 1)}
    whole = METRICS[name]()
    for real, given in sets.items():
        whole.update(given, real)
    expected = whole.compute()
    rng = torch.Generator().manual_seed(2)
    for ranks in (1, 3):
        shares: list[Metric] = [METRICS[name]() for _ in range(ranks)]
        for real, given in sets.items():
            order = torch.randperm(len(given.numbers), generator=rng)
            for place, part in enumerate(order.split(70 + 100 * ranks)):
                batch = Features(*(tensor[part] for tensor in given))
                shares[place % ranks].update(batch, real)
        merged = METRICS[name]()
        for share in shares[::-1]:
            merged.merge(copy.deepcopy(share))
        assert merged.compute() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", METRICS)
def test_too_few_samples_are_named(name: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        METRICS[name]().compute()


def test_what_is_biased_says_so() -> None:
    metric = FrechetDistance()
    for real in (True, False):
        metric.update(Features(torch.arange(10), normal(10, 64), None), real)
    assert metric.notes() == [
        "FID is biased upwards: 10 samples are too few for a covariance of 64 features"
    ]


def test_resizing_is_tensorflow_s() -> None:
    ramp = torch.arange(4.0).expand(1, 1, 4, 4)
    wide = resize(ramp)[0, 0, 0]
    # Place x of 299 lies at 4 x / 299 of the image; beyond its last pixel there is no more to see.
    assert torch.allclose(wide, (torch.arange(299) * 4 / 299).clamp(max=3), atol=1e-5)


@pytest.fixture(scope="module")
def genuine() -> dict[str, Features]:
    """The real Inception's features of the reference images."""
    extract = inception()
    before = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    sets = load_file(REFERENCE / "images.safetensors")
    found = {}
    for name in ("reference", "samples"):
        parts = [extract(part, torch.arange(len(part))).values for part in sets[name].split(50)]
        values = torch.cat(parts)
        found[name] = Features(torch.arange(len(values)), values, None)
    torch.set_num_threads(before)
    return found


@weights
@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("fid", {"fid": ("frechet_inception_distance", {"rel": 1e-3})}),
        (
            "kid",
            {
                "kid": ("kernel_inception_distance_mean", {"abs": 1e-4}),
                "kid_std": ("kernel_inception_distance_std", {"abs": 1e-4}),
            },
        ),
        (
            "manifold",
            {"precision": ("precision", {"abs": 1e-6}), "recall": ("recall", {"abs": 1e-6})},
        ),
    ],
)
def test_numbers_are_those_of_torch_fidelity(
    name: str, theirs: dict, genuine: dict[str, Features]
) -> None:
    expected = json.loads((REFERENCE / "numbers.json").read_text())
    found = measured(name, genuine["reference"].values, genuine["samples"].values)
    for ours, (their, close) in theirs.items():
        assert found[ours] == pytest.approx(expected[their], **close)


@weights
def test_distances_are_those_of_lpips() -> None:
    network = Lpips()
    network.load_state_dict(load_file(Path(WEIGHTS) / "lpips-alex-v0.1.safetensors"))
    sets = load_file(REFERENCE / "images.safetensors")
    numbers = json.loads((REFERENCE / "numbers.json").read_text())
    left, right = (images.from_pixels(sets[f"lpips_{side}"]) for side in ("left", "right"))
    with torch.no_grad():
        found = network(left, right)
        enlarged = network(
            *(side.repeat_interleave(2, 2).repeat_interleave(2, 3) for side in (left, right))
        )
        assert torch.equal(network(left, left), torch.zeros(len(left)))
    assert torch.allclose(found, torch.tensor(numbers["lpips_alex_32"]), atol=1e-5)
    assert torch.allclose(enlarged, torch.tensor(numbers["lpips_alex_64_nearest"]), atol=1e-5)


@weights
def test_weights_without_a_head_have_no_inception_score(genuine: dict[str, Features]) -> None:
    with pytest.raises(ValueError, match="these weights have no head"):
        METRICS["is"]().update(genuine["samples"], real=False)


# The command with a network of no training, since it is its plumbing that is tried.
TINY = """
import sys, torch
from genmodels.metrics import EXTRACTORS, Extractor
from genmodels.metrics.__main__ import main

class Tiny(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(49, 16)

    def forward(self, pixels):
        small = torch.nn.functional.avg_pool2d(pixels.float() / 255, 4).flatten(1)
        hidden = self.layer(small)
        return hidden, hidden[:, :4]

torch.manual_seed(0)
EXTRACTORS["tiny"] = lambda network=Tiny(): Extractor(network, 1, "tiny")
main()
"""


def run_tiny(folder: Path, *arguments: str, processes: int = 1) -> dict:
    program = script(folder / "tiny.py", TINY)
    fields = ["--reference", FASHION, "--split", "test", "--extractor", "tiny"]
    fields += ["--metrics", "is,fid,kid,manifold", "--json", str(folder / "numbers.json")]
    finish(launch(*fields, *arguments, processes=processes, program=program))
    return json.loads((folder / "numbers.json").read_text())


def test_the_command_measures_a_model_alike_by_one_process_and_by_two(tmp_path: Path) -> None:
    arguments = ("--samples", "checkpoints/wgan-gp-fashion", "--count", "330")
    one = run_tiny(tmp_path, *arguments)
    two = run_tiny(tmp_path, *arguments, processes=2)
    assert one["protocol"] == (
        "tiny; 330 samples of wgan-gp-fashion, seed 0 "
        "against 200 images of fashion_mnist, split test"
    )
    for name, value in one.items():
        if isinstance(value, float):
            assert math.isfinite(value)
            assert two[name] == pytest.approx(value, rel=1e-4), name  # float32 networks


def test_the_command_measures_a_folder_of_images(tmp_path: Path) -> None:
    samples = tmp_path / "samples"
    samples.mkdir()
    real = data.load(FASHION, split="test")
    for place, image in enumerate(images.to_pil(images.from_pixels(real.pixels))):
        image.save(samples / f"{place:03d}.png")
    found = run_tiny(tmp_path, "--samples", str(samples))
    assert found["fid"] == pytest.approx(0, abs=1e-6)
    assert (found["precision"], found["recall"]) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--metrics", "fid,fib"], "expected is or fid or kid or manifold, but got 'fib'"),
        (["--extractor", "vgg"], "expected inception, but got 'vgg'"),
        (["--samples", "no/such"], "but could not get 'no/such'"),
        (["--reference", "no/such"], "found no folder 'no/such'"),
        (["--count", "0"], "expected a count of at least 1, but got 0"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    arguments: list[str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    given = {"--samples": "checkpoints/vae-fashion", "--reference": FASHION, "--split": "test"}
    given |= dict(zip(arguments[::2], arguments[1::2], strict=True))
    words = [word for pair in given.items() for word in pair]
    monkeypatch.setattr("sys.argv", ["metrics", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert sentence in capsys.readouterr().err
