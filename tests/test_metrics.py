"""Each metric against its closed form, and against the numbers of the tools that users know."""

import copy
import json
import math
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from genmodels import data
from genmodels.device import supports_bf16
from genmodels.media.image import from_pixels, to_pil
from genmodels.metrics import METRICS, Features, Metric
from genmodels.metrics.__main__ import is_folder_of_images, main, read
from genmodels.metrics.classes import Classes
from genmodels.metrics.diversity import Diversity
from genmodels.metrics.evaluation import Share, cache, ready, real_statistics
from genmodels.metrics.extractors import (
    Extractor,
    FeatureExtractors,
    alex,
    domain,
    inception,
    plain,
)
from genmodels.metrics.frechet import FrechetDistance
from genmodels.metrics.inception_score import InceptionScore
from genmodels.metrics.kernel import KernelDistance
from genmodels.metrics.manifold import Manifold
from genmodels.metrics.memorisation import Nearest, memorisation
from genmodels.metrics.reconstruction import Reconstruction
from genmodels.metrics.statistics import Moments, Samples
from genmodels.networks.classifier import Classifier
from genmodels.networks.inception import resize
from tests.conftest import FASHION, ROOT
from tests.test_training import finish, launch

WEIGHTS = os.environ.get("GENMODELS_WEIGHTS")
REFERENCE = ROOT.parent / "shared/reference"
weights = pytest.mark.skipif(
    not WEIGHTS or not REFERENCE.exists(), reason="no weights in GENMODELS_WEIGHTS"
)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def measured(
    kind: type[Metric], real: Tensor, fake: Tensor, logits: Tensor | None = None
) -> dict[str, float]:
    metric = kind()
    metric.update(Features(torch.arange(len(real)), real), real=True)
    metric.update(Features(torch.arange(len(fake)), fake, logits))
    return metric.compute()


def test_frechet_distance_of_samples_tends_to_that_of_their_distributions() -> None:
    means, deviations = normal(2, 6), normal(2, 6, seed=1).abs()
    exact = (means[0] - means[1]).square().sum() + (deviations[0] - deviations[1]).square().sum()
    samples = [
        mean + deviation * normal(200_000, 6, seed=3 + place)
        for place, (mean, deviation) in enumerate(zip(means, deviations, strict=True))
    ]
    found = measured(FrechetDistance, *samples)["fid"]
    assert found == pytest.approx(exact.item(), rel=0.02)


@pytest.mark.parametrize(
    "samples", [normal(500, 8), normal(5, 64), 10 * normal(50, 1024).abs(), torch.ones(50, 8)]
)
def test_frechet_distance_of_a_set_from_itself_is_zero(samples: Tensor) -> None:
    """Of few samples or constant ones as well, whose covariance is singular."""
    assert measured(FrechetDistance, samples, samples)["fid"] == pytest.approx(0, abs=1e-6)
    moved = measured(FrechetDistance, samples, samples + 2)["fid"]
    assert moved == pytest.approx(4 * samples.shape[1], rel=1e-6)


def test_inception_score_of_sure_predictions_is_the_number_of_classes() -> None:
    logits = 1000 * torch.eye(7, dtype=torch.float64).repeat(3000, 1).roll(3, 0)
    blank = torch.zeros(len(logits), 2)
    score = measured(InceptionScore, blank, blank, logits)
    assert score["is"] == pytest.approx(7, abs=0.05)
    assert score["is_std"] == pytest.approx(0, abs=0.01)
    assert measured(InceptionScore, blank, blank, torch.zeros(len(blank), 7))[
        "is"
    ] == pytest.approx(1)


def test_splits_are_drawn_whatever_the_order_of_the_classes() -> None:
    """A conditional model draws one class after another, by the number of a sample."""
    logits = 1000 * F.one_hot(torch.arange(5000) % 10).double()
    blank = torch.zeros(len(logits), 2)
    assert measured(InceptionScore, blank, blank, logits)["is"] == pytest.approx(10, abs=0.1)


def test_kernel_distance_is_unbiased_and_sees_a_shift() -> None:
    one, other = normal(3000, 16), normal(3000, 16, seed=1)
    assert abs(measured(KernelDistance, one, other)["kid"]) < 2e-3
    assert measured(KernelDistance, one, other + 0.5)["kid"] > 0.1


def test_manifolds_of_one_set_and_of_distant_ones() -> None:
    one, other = normal(1000, 4), normal(1000, 4, seed=1)
    same = measured(Manifold, one, one)
    assert (same["precision"], same["recall"], same["coverage"]) == (1, 1, 1)
    alike = measured(Manifold, one, other)
    assert min(alike["precision"], alike["recall"], alike["coverage"]) > 0.9
    assert alike["density"] == pytest.approx(1, abs=0.1)
    apart = measured(Manifold, one, other + 50)
    assert set(apart.values()) == {0.0}
    few = measured(Manifold, one, one[:1].repeat(1000, 1))  # one mode, perfectly
    assert few["precision"] == 1
    assert few["recall"] < 0.05


def test_classes_are_counted_by_a_classifiers_verdicts() -> None:
    asked = torch.arange(400) % 4
    taken = asked.clone()
    taken[:40] = 3  # of which ten were to be
    found = measured(Classes, torch.zeros(400, 1), torch.zeros(400, 1), F.one_hot(taken).float())
    shares = [0.225, 0.225, 0.225, 0.325]
    assert [found[f"classes_{label}"] for label in range(4)] == pytest.approx(shares)
    entropy = -sum(share * math.log(share) for share in shares)
    assert found["classes"] == pytest.approx(math.exp(entropy))
    assert found["class_accuracy"] == pytest.approx(0.925)
    collapsed = F.one_hot(torch.full((400,), 2), 4).float()
    assert measured(Classes, torch.zeros(400, 1), torch.zeros(400, 1), collapsed)["classes"] == 1


KINDS = list(dict.fromkeys(METRICS.values()))


@pytest.mark.parametrize("kind", KINDS)
def test_batches_in_any_order_on_any_number_of_processes_give_the_same(kind: type[Metric]) -> None:
    def features(count: int, seed: int) -> Features:
        values = normal(count, 12, seed=seed)
        return Features(torch.arange(count), values, 3 * values[:, :5])

    sets = {True: features(1500, 0), False: features(1300, 1)}
    whole = kind()
    for real, given in sets.items():
        whole.update(given, real)
    expected = whole.compute()
    rng = torch.Generator().manual_seed(2)
    for ranks in (1, 3):
        shares: list[Metric] = [kind() for _ in range(ranks)]
        for real, given in sets.items():
            order = torch.randperm(len(given.numbers), generator=rng)
            for place, part in enumerate(order.split(70 + 100 * ranks)):
                batch = Features(*(tensor[part] for tensor in given))
                shares[place % ranks].update(batch, real)
        merged = kind()
        for share in shares[::-1]:
            merged.merge(copy.deepcopy(share))
        assert merged.compute() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_too_few_samples_are_named(kind: type[Metric]) -> None:
    with pytest.raises(ValueError, match="expected"):
        kind().compute()


def test_what_is_biased_says_so() -> None:
    metric = FrechetDistance()
    for real in (True, False):
        metric.update(Features(torch.arange(10), normal(10, 64)), real)
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
    """The real Inception's features of the reference images: seconds of many cores."""
    if torch.backends.cpu.get_cpu_capability() in ("AVX2", "DEFAULT"):
        pytest.skip("3,000 images take Inception nine minutes of a core without AVX-512")
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
    ("kind", "theirs"),
    [
        (FrechetDistance, {"fid": ("frechet_inception_distance", {"rel": 1e-3})}),
        (
            KernelDistance,
            {
                "kid": ("kernel_inception_distance_mean", {"abs": 1e-4}),
                "kid_std": ("kernel_inception_distance_std", {"abs": 1e-4}),
            },
        ),
        (
            Manifold,
            {"precision": ("precision", {"abs": 1e-6}), "recall": ("recall", {"abs": 1e-6})},
        ),
    ],
)
def test_numbers_are_those_of_torch_fidelity(
    kind: type[Metric], theirs: dict, genuine: dict[str, Features]
) -> None:
    expected = json.loads((REFERENCE / "numbers.json").read_text())
    found = measured(kind, genuine["reference"].values, genuine["samples"].values)
    for ours, (their, close) in theirs.items():
        assert found[ours] == pytest.approx(expected[their], **close)


@weights
def test_distances_are_those_of_lpips() -> None:
    distance = alex().distance
    sets = load_file(REFERENCE / "images.safetensors")
    numbers = json.loads((REFERENCE / "numbers.json").read_text())
    left, right = (from_pixels(sets[f"lpips_{side}"]) for side in ("left", "right"))
    with torch.no_grad():
        enlarged = distance(
            *(side.repeat_interleave(2, 2).repeat_interleave(2, 3) for side in (left, right))
        )
        assert torch.equal(distance(left, left), torch.zeros(len(left)))
        found = distance(left, right)
        grey = left[:, :1]
        repeated = grey.expand(-1, 3, -1, -1)
        assert torch.equal(distance(grey, -grey), distance(repeated, -repeated))
        # A small image is what it looks like enlarged.
        small, other = left[:, :, :16, :16], right[:, :, :16, :16]
        large = [side.repeat_interleave(2, 2).repeat_interleave(2, 3) for side in (small, other)]
        assert torch.allclose(distance(small, other), distance(*large))
    assert torch.allclose(found, torch.tensor(numbers["lpips_alex_32"]), atol=1e-5)
    assert torch.allclose(enlarged, torch.tensor(numbers["lpips_alex_64_nearest"]), atol=1e-5)


@weights
def test_weights_without_a_head_have_no_inception_score() -> None:
    features = inception()(torch.zeros(2, 3, 32, 32, dtype=torch.uint8), torch.arange(2))
    with pytest.raises(ValueError, match="these weights have no head"):
        InceptionScore().update(features)


@weights
@pytest.mark.skipif(not supports_bf16(), reason="this processor has no bfloat16")
def test_inception_in_bfloat16_sees_nearly_the_same() -> None:
    shown = load_file(REFERENCE / "images.safetensors")["samples"][:4], torch.arange(4)
    exact, rounded = (
        FeatureExtractors("inception").features(*shown),
        FeatureExtractors("inception-bf16").features(*shown),
    )
    assert rounded.values.dtype == torch.float32
    error = (rounded.values - exact.values).norm() / exact.values.norm()
    assert 0 < error < 0.05
    assert FeatureExtractors("inception-bf16").features.protocol.endswith(", bfloat16")


def test_weights_that_are_missing_or_broken_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENMODELS_WEIGHTS", str(tmp_path))
    with pytest.raises(ValueError, match=r"could not get the weights of inception.*there is no"):
        FeatureExtractors("inception").features  # noqa: B018
    with pytest.raises(ValueError, match=r"could not get the weights of LPIPS.*there is no"):
        FeatureExtractors("inception").perception  # noqa: B018
    (tmp_path / "lpips-alex.safetensors").write_bytes(b"torn")
    with pytest.raises(ValueError, match="could not get the weights of LPIPS"):
        alex()
    save_file({"features.0.weight": torch.zeros(1)}, tmp_path / "lpips-alex.safetensors")
    with pytest.raises(ValueError, match="expected the weights of LPIPS, but"):
        alex()


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a classifier of no training, small enough for anything."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("classifier")
    Classifier(10, 4, 28, 1).save_pretrained(folder)
    return folder


def test_a_classifier_of_one_s_own_is_an_extractor(classifier: Path) -> None:
    pixels = data.load(FASHION, split="test").pixels[:20]
    extractors, numbers = FeatureExtractors(str(classifier)), torch.arange(20)
    features = extractors.features(pixels, numbers)
    network = Classifier.from_pretrained(classifier).eval()
    with torch.no_grad():
        logits = network(from_pixels(pixels))
    assert torch.allclose(features.logits, logits, atol=1e-6)
    assert extractors.features.key() == domain(classifier).key()
    # What the extractors of LPIPS make of pixels is where its distances come from.
    embeddings = extractors.perception(pixels, numbers).values
    samples = from_pixels(pixels)
    expected = (embeddings[:10] - embeddings[10:]).square().sum(1)
    assert torch.allclose(extractors.perception.distance(samples[:10], samples[10:]), expected)
    layers = [layer for layer in network.layers if isinstance(layer, torch.nn.ReLU)]
    # Each layer's means over its places of the squared distance of two directions: 2 at the most.
    assert (expected > 0).all()
    assert (expected <= 2 * len(layers)).all()
    with pytest.raises(ValueError, match="side of 28, but got 32"):
        extractors.features(torch.zeros(1, 1, 32, 32, dtype=torch.uint8), numbers)
    with pytest.raises(ValueError, match="expected 1 channels, but got 3"):
        extractors.features(torch.zeros(1, 3, 28, 28, dtype=torch.uint8), numbers)
    with pytest.raises(ValueError, match="expected a classifier in no, but there is none"):
        domain(Path("no"))


def test_distances_are_asked_of_samples_in_their_range(classifier: Path) -> None:
    distance = FeatureExtractors(str(classifier)).perception.distance
    samples = torch.zeros(2, 1, 28, 28)
    assert torch.equal(distance(samples, samples), torch.zeros(2))
    for wrong in (samples + 1.5, samples - 1.1, samples * torch.nan):
        with pytest.raises(ValueError, match=r"expected samples in \[-1, 1\]"):
            distance(samples, wrong)
    with pytest.raises(ValueError, match="expected samples of one shape"):
        distance(samples, samples[:1])
    moved = (samples + 0.5).requires_grad_()
    distance(samples, moved).sum().backward()
    assert moved.grad.abs().sum() > 0


def test_diversity_is_the_mean_of_all_pairs() -> None:
    values = normal(40, 7)
    squares = torch.cdist(values, values).square()
    found = measured(Diversity, values, values)
    assert found["lpips"] == pytest.approx((squares.sum() / (40 * 39)).item(), rel=1e-9)
    assert measured(Diversity, values, torch.ones(5, 7))["lpips"] == pytest.approx(0, abs=1e-12)


def test_of_many_samples_a_part_is_kept_that_does_not_depend_on_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Samples, "CAP", 100)
    numbers = torch.arange(1000)
    rng = torch.Generator().manual_seed(0)
    found = []
    for size in (7, 1000):
        kept = Samples()
        for part in torch.randperm(1000, generator=rng).split(size):
            kept.update(Features(numbers[part], numbers[part, None].double()))
        assert len(kept) == 100
        assert kept.count == 1000
        found.append(kept.features())
    assert torch.equal(*found)
    # As if drawn by chance: the mean of the whole, within three deviations.
    assert found[0].mean().item() == pytest.approx(499.5, abs=3 * 289 / 10)
    for kind in (KernelDistance, Manifold):
        metric = kind()
        metric.real = metric.fake = kept
        assert "of the 1,000 real samples 100 are compared, drawn by a hash" in metric.notes()


class Counting(Extractor):
    """Sees an image's mean and deviation, and counts the images."""

    def __init__(self) -> None:
        self.seen = 0
        super().__init__(torch.nn.Linear(1, 1), 1, "counting", self.look)

    def look(self, pixels: Tensor) -> tuple[Tensor, None]:
        self.seen += len(pixels)
        flat = pixels.flatten(1).float()
        return torch.stack([flat.mean(1), flat.std(1)], 1), None


def test_statistics_of_real_images_are_kept_and_never_stale() -> None:
    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (130, 1, 28, 28), dtype=torch.uint8)
    extract = Counting()

    def statistics(of: Tensor) -> Moments:
        extractors = SimpleNamespace(features=extract, seen={})
        return real_statistics(ready("noise", of), extractors, Share())[Moments]

    first = statistics(pixels)
    assert extract.seen == 130
    again = statistics(pixels)
    assert extract.seen == 130
    assert torch.equal(first.mean, again.mean)
    assert torch.equal(first.covariance, again.covariance)
    changed = pixels.clone()
    changed[7, 0, 3, 3] ^= 1
    assert not torch.equal(statistics(changed).mean, first.mean)
    assert extract.seen == 260
    with torch.no_grad():
        extract.network.weight.add_(1)  # another network
    statistics(pixels)
    assert extract.seen == 390
    for file in cache().glob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:-100])  # torn
    assert torch.equal(statistics(pixels).mean, first.mean)
    assert extract.seen == 520


def test_a_cache_that_cannot_be_written_only_costs_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GENMODELS_CACHE", str(tmp_path / "file" / "below"))
    pixels = torch.randint(0, 256, (60, 1, 28, 28), dtype=torch.uint8)
    extract = Counting()
    for _ in range(2):
        extractors = SimpleNamespace(features=extract, seen={})
        real_statistics(ready("noise", pixels), extractors, Share())
    assert extract.seen == 120


def test_copies_are_nearer_to_the_training_images_than_what_was_held_out() -> None:
    training = data.load(FASHION, split="train").pixels
    held_out = data.load(FASHION, split="test").pixels
    copies = training[torch.tensor([17, 3, 999])]
    queries = torch.cat([copies, held_out[:50]])
    parts = {"pixels": plain()}
    whole = memorisation(ready("queries", queries), ready("training", training), parts, Share())
    nearest = whole["pixels"]
    assert nearest.numbers[:3].tolist() == [17, 3, 999]
    assert nearest.squares[:3].max() < 1e-12
    assert nearest.squares[3:].min() > 1e-3
    # Found by hand, and by batches in another order.
    differences = from_pixels(training) - from_pixels(held_out[:1])
    squares = differences.square().flatten(1).mean(1)
    assert nearest.numbers[3] == squares.argmin()
    assert nearest.squares[3].item() == pytest.approx(squares.min().item(), rel=1e-5)
    other = Nearest(nearest.queries)
    for part in torch.arange(1000).flip(0).split(37):
        other.update(Features(part, plain()(training[part], part).values))
    assert torch.equal(other.numbers, nearest.numbers)
    assert other.squares.tolist() == pytest.approx(nearest.squares.tolist(), rel=1e-9, abs=1e-12)


def test_reconstructions_are_measured_by_pairs() -> None:
    samples = torch.zeros(4, 1, 2, 2)
    parts = [Reconstruction() for _ in range(2)]
    parts[0].update(samples[:1], samples[:1] + 1, torch.tensor([0.5]))
    parts[1].update(samples[1:], samples[1:], torch.tensor([0.1, 0.1, 0.1]))
    parts[0].merge(parts[1])
    assert parts[0].compute() == pytest.approx(
        {"reconstruction_lpips": 0.2, "reconstruction_mse": 0.25}
    )
    with pytest.raises(ValueError, match="but got none"):
        Reconstruction().compute()


def run_command(folder: Path, *arguments: str, processes: int = 1) -> dict:
    fields = ["--reference", FASHION, "--split", "train", "--json", str(folder / "numbers.json")]
    program = ("-m", "genmodels.metrics")
    finish(launch(*fields, *arguments, processes=processes, program=program))
    return json.loads((folder / "numbers.json").read_text())


def test_the_command_measures_a_model_alike_by_one_process_and_by_two(
    tmp_path: Path, classifier: Path
) -> None:
    names = [*METRICS, "memorisation", "reconstruction", "path_length"]
    arguments = ["--samples", "checkpoints/vae-fashion", "--count", "330"]
    arguments += ["--metrics", ",".join(names), "--extractor", str(classifier)]
    one = run_command(tmp_path, *arguments, "--pairs", str(tmp_path / "pairs.png"))
    two = run_command(tmp_path, *arguments, processes=2)
    assert one["protocol"][0] == (
        f"the classifier {classifier.name} and LPIPS of the classifier {classifier.name}, "
        "unweighted; 330 samples of vae-fashion, seed 0 against 1,000 images of fashion_mnist, "
        "split train"
    )
    assert len(one["protocol"]) == 4
    assert one["notes"] == [
        "IS is biased downwards: 330 samples are few for 10 splits of 10 classes",
        "KID is of subsets of 330, not 1,000: there are no more samples",
        "precision, recall, density and coverage are of 330 generated and 1,000 real samples: with "
        "fewer than 1,000 they say little",
    ]
    found = {name for name, value in one.items() if isinstance(value, float)}
    assert {name for key in found for name in names if key.startswith(name)} == set(names)
    for name in found:
        assert math.isfinite(one[name])
        assert two[name] == pytest.approx(one[name], rel=1e-4), name  # float32 networks
    assert Image.open(tmp_path / "pairs.png").size == (12 * 30 + 2, 4 * 30 + 2)


def test_the_command_measures_a_folder_of_images_and_a_dataset(
    tmp_path: Path, classifier: Path
) -> None:
    samples = tmp_path / "samples"
    samples.mkdir()
    real = data.load(FASHION, split="train")
    for place, image in enumerate(to_pil(from_pixels(real.pixels))):
        image.save(samples / f"{place:03d}.png")
    arguments = ["--metrics", "fid,precision,recall", "--extractor", str(classifier)]
    found = run_command(tmp_path, "--samples", str(samples), *arguments)
    assert found["fid"] == pytest.approx(0, abs=1e-6)
    assert (found["precision"], found["recall"]) == (1, 1)
    assert "density" not in found
    fields = ["--samples_split", "test", "--reference_count", "300"]
    few = run_command(tmp_path, "--samples", FASHION, *fields, *arguments)
    assert "200 images of fashion_mnist, split test against 300 images" in few["protocol"][0]
    Image.new("L", (60, 40)).save(samples / "other.png")
    scaled = run_command(tmp_path, "--samples", str(samples), "--resolution", "28", *arguments)
    assert scaled["protocol"][0].endswith("; images scaled to 28 pixels")
    assert 0 < scaled["fid"] < 1
    other = run_command(tmp_path, "--samples", FASHION, *fields[:2], *arguments)
    assert 0 < other["fid"] < few["fid"]
    assert "200 images of fashion_mnist, split test against 1,000 images" in other["protocol"][0]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--metrics", "fid,fib"], "memorisation, reconstruction, path_length, but got 'fib'"),
        (
            ["--extractor", "vgg"],
            "inception, inception-bf16, domain or the folder of a classifier, but got 'vgg'",
        ),
        (["--extractor", "tests"], "expected a classifier in tests, but there is none"),
        (["--samples_split", "no"], "could not read"),
        (["--held_out", "no", "--metrics", "reconstruction"], "could not read"),
        (["--pairs", "x.png"], "expected memorisation among the metrics for --pairs"),
        (
            ["--samples", "checkpoints/wgan-gp-fashion", "--metrics", "reconstruction"],
            "expected an autoencoder for reconstruction",
        ),
        (
            ["--split", "test", "--metrics", "memorisation"],
            "expected another split than 'test' for --held_out",
        ),
        (["--json", "no/such.json"], "expected a file to write to, but got no/such.json"),
        (["--json", "tests"], "expected a file to write to, but got tests"),
        (
            ["--pairs", "x.foo", "--metrics", "memorisation"],
            "expected a file .png to write to, but got x.foo",
        ),
        (["--samples", "no/such"], "but could not get 'no/such'"),
        (["--reference", "no/such"], "found no folder 'no/such'"),
        (["--count", "0"], "expected a count of at least 1, but got 0"),
        (["--reference_count", "0"], "expected a reference_count of at least 1, but got 0"),
        (["--metrics", "class_accuracy"], "expected a conditional model for class_accuracy"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    arguments: list[str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    given = {"--samples": "checkpoints/vae-fashion", "--reference": FASHION, "--split": "train"}
    given |= dict(zip(arguments[::2], arguments[1::2], strict=True))
    words = [word for pair in given.items() for word in pair]
    monkeypatch.setattr("sys.argv", ["metrics", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert sentence in capsys.readouterr().err


def test_a_dataset_with_a_picture_beside_its_table_is_no_folder_of_images(tmp_path: Path) -> None:
    table = tmp_path / "dataset"
    shutil.copytree(FASHION, table)
    Image.new("L", (28, 28)).save(table / "preview.png")
    splits = tmp_path / "splits"
    for split, count in (("train", 3), ("test", 2)):
        for kind in ("a", "b"):
            (splits / split / kind).mkdir(parents=True)
            for place in range(count):
                Image.new("L", (28, 28), place).save(splits / split / kind / f"{place}.png")
    alone = splits / "train" / "a"
    run = tmp_path / "run"  # that has published nothing yet
    shutil.copytree(alone, run / "samples")
    (run / "run.json").touch()
    assert [is_folder_of_images(str(it)) for it in (table, splits, alone, run)] == [
        False,
        False,
        True,
        False,
    ]
    assert len(read(str(table), "test").pixels) == 200
    assert len(read(str(splits), "test").pixels) == 4


@pytest.mark.parametrize("kind", ["side", "channels"])
def test_images_that_cannot_be_compared_are_named(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "samples"
    folder.mkdir()
    size = (32, 32) if kind == "side" else (28, 28)
    for place in range(3):
        Image.new("RGB" if kind == "channels" else "L", size, place).save(folder / f"{place}.png")
    words = ["--samples", str(folder), "--reference", FASHION, "--metrics", "memorisation"]
    monkeypatch.setattr("sys.argv", ["metrics", *words])
    with pytest.raises(SystemExit):
        main()
    assert "expected samples (1, 28, 28) for memorisation" in capsys.readouterr().err


def test_the_network_of_the_domain_knows_it() -> None:
    real = data.load(FASHION, split="test")
    features = FeatureExtractors("domain").features(real.pixels, torch.arange(len(real.pixels)))
    assert (features.logits.argmax(1) == real.labels).double().mean() > 0.9
