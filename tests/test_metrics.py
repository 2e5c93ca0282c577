"""Metrics against closed forms and reference implementations, and their command."""

import copy
import hashlib
import json
import math
import os
import re
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
from genmodels.class_labels import Classes as ModelClasses
from genmodels.class_labels import accuracy_labels, labels_like, proportional_labels
from genmodels.device import supports_bf16
from genmodels.errors import UserError
from genmodels.media.image import from_pixels, to_pil, to_pixels
from genmodels.metrics import METRICS, Features, Metric
from genmodels.metrics.__main__ import main
from genmodels.metrics.accumulator import MetricAccumulator
from genmodels.metrics.classes import ClassAccuracy, Classes
from genmodels.metrics.diversity import Diversity
from genmodels.metrics.evaluation import (
    Evaluation,
    ImageSource,
    compute_metrics,
    evaluate,
    is_model,
    match_shapes,
    sample_source,
)
from genmodels.metrics.extractors import (
    ALEXNET,
    INCEPTION,
    LPIPS,
    Extractor,
    FeatureExtractors,
    alexnet_lpips,
    domain,
    inception,
    load_weights,
    raw_pixels,
)
from genmodels.metrics.frechet import FrechetDistance
from genmodels.metrics.image_source import BLOCK, Latents
from genmodels.metrics.inception_score import InceptionScore
from genmodels.metrics.kernel import KernelDistance
from genmodels.metrics.manifold import Manifold
from genmodels.metrics.memorisation import NearestNeighbors, nearest_neighbors
from genmodels.metrics.reconstruction import Reconstruction
from genmodels.metrics.reference_statistics import cache_folder, reference_statistics
from genmodels.metrics.statistics import Moments, Samples
from genmodels.networks.classifier import Classifier
from genmodels.networks.inception import resize
from tests.conftest import FASHION, ROOT
from tests.test_pipelines import untrained_pipeline
from tests.test_training import finish, launch

WEIGHTS = os.environ.get("GENMODELS_WEIGHTS")
REFERENCE = ROOT.parent / "shared/reference"
weights = pytest.mark.skipif(
    not WEIGHTS or not REFERENCE.exists(), reason="no weights in GENMODELS_WEIGHTS"
)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def compute(
    metric_type: type[Metric], real: Tensor, fake: Tensor, logits: Tensor | None = None
) -> dict[str, float]:
    metric = metric_type()
    metric.update(Features(torch.arange(len(real)), real), real=True)
    metric.update(Features(torch.arange(len(fake)), fake, logits))
    return metric.compute()


def test_fid_of_gaussian_samples_matches_the_closed_form() -> None:
    means, deviations = normal(2, 6), normal(2, 6, seed=1).abs()
    exact = (means[0] - means[1]).square().sum() + (deviations[0] - deviations[1]).square().sum()
    samples = [
        mean + deviation * normal(200_000, 6, seed=3 + index)
        for index, (mean, deviation) in enumerate(zip(means, deviations, strict=True))
    ]
    fid = compute(FrechetDistance, *samples)["fid"]
    assert fid == pytest.approx(exact.item(), rel=0.02)


@pytest.mark.parametrize(
    "samples", [normal(500, 8), normal(5, 64), 10 * normal(50, 1024).abs(), torch.ones(50, 8)]
)
def test_fid_of_identical_sets_is_zero(samples: Tensor) -> None:
    """The covariance may be singular, with few or constant samples."""
    assert compute(FrechetDistance, samples, samples)["fid"] == pytest.approx(0, abs=1e-6)
    assert compute(FrechetDistance, samples, samples)["fid"] >= 0
    with pytest.raises(UserError, match="expected at least 2 generated and real samples for FID"):
        compute(FrechetDistance, samples, samples[:1])
    shifted = compute(FrechetDistance, samples, samples + 2)["fid"]
    assert shifted == pytest.approx(4 * samples.shape[1], rel=1e-6)


def test_inception_score_of_confident_predictions_is_the_number_of_classes() -> None:
    logits = 1000 * torch.eye(7, dtype=torch.float64).repeat(3000, 1).roll(3, 0)
    blank = torch.zeros(len(logits), 2)
    score = compute(InceptionScore, blank, blank, logits)
    assert score["is"] == pytest.approx(7, abs=0.05)
    assert score["is_std"] == pytest.approx(0, abs=0.01)
    assert compute(InceptionScore, blank, blank, torch.zeros(len(blank), 7))["is"] == pytest.approx(
        1
    )


def test_inception_score_splits_mix_cyclic_classes() -> None:
    """Samples of conditional models cycle through the classes."""
    logits = 1000 * F.one_hot(torch.arange(5000) % 10).double()
    blank = torch.zeros(len(logits), 2)
    assert compute(InceptionScore, blank, blank, logits)["is"] == pytest.approx(10, abs=0.1)


def test_kid_is_unbiased_and_detects_a_shift() -> None:
    first, second = normal(3000, 16), normal(3000, 16, seed=1)
    assert abs(compute(KernelDistance, first, second)["kid"]) < 2e-3
    assert compute(KernelDistance, first, second + 0.5)["kid"] > 0.1


def test_precision_and_recall_of_identical_similar_distant_and_collapsed_sets() -> None:
    first, second = normal(1000, 4), normal(1000, 4, seed=1)
    same = compute(Manifold, first, first)
    assert (same["precision"], same["recall"], same["coverage"]) == (1, 1, 1)
    similar = compute(Manifold, first, second)
    assert min(similar["precision"], similar["recall"], similar["coverage"]) > 0.9
    assert similar["density"] == pytest.approx(1, abs=0.1)
    distant = compute(Manifold, first, second + 50)
    assert set(distant.values()) == {0.0}
    collapsed = compute(Manifold, first, first[:1].repeat(1000, 1))
    assert collapsed["precision"] == 1
    assert collapsed["recall"] < 0.05


def test_class_frequencies_and_class_accuracy() -> None:
    requested = torch.arange(400) % 4
    predicted = requested.clone()
    predicted[:40] = 3  # correct for ten of them
    blank = torch.zeros(400, 1)
    logits = F.one_hot(predicted).float()
    values = compute(Classes, blank, blank, logits) | compute(ClassAccuracy, blank, blank, logits)
    frequencies = [0.225, 0.225, 0.225, 0.325]
    assert [values[f"classes_{label}"] for label in range(4)] == pytest.approx(frequencies)
    entropy = -sum(frequency * math.log(frequency) for frequency in frequencies)
    assert values["classes"] == pytest.approx(math.exp(entropy))
    assert values["class_accuracy"] == pytest.approx(0.925)
    collapsed = F.one_hot(torch.full((400,), 2), 4).float()
    assert compute(Classes, blank, blank, collapsed)["classes"] == 1


class TwoClasses(SimpleNamespace):
    """A perfect conditional model of two classes: dark and bright images of normal levels."""

    num_classes, device = 2, torch.device("cpu")

    def balanced_labels(self, count: int) -> Tensor:
        return torch.arange(count) % 2

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.randn(count, 1, 28, 28, generator=generator)

    def decode(self, latents: Tensor, labels: Tensor) -> Tensor:
        return (latents * 0.1 + labels.view(-1, 1, 1, 1) - 0.5).clamp(-1, 1)


def two_class_images(bright: int, dark: int, classes: list[str]) -> data.Images:
    labels = torch.tensor([1] * bright + [0] * dark)
    pixels = to_pixels(TwoClasses().decode(torch.randn(len(labels), 1, 28, 28), labels))
    return data.Images(data.Pixels.from_tensor(pixels), labels, classes, "images")


def test_conditional_models_are_measured_with_the_class_shares_of_the_data(
    classifier: Path,
) -> None:
    torch.manual_seed(0)
    real = two_class_images(900, 100, ["dark", "bright"])
    source = ImageSource.from_tensor("real", real.pixels)
    extractors, model = FeatureExtractors(str(classifier)), TwoClasses(classes=None)
    fids = []
    for labels in (labels_like(model, 1000, real), model.balanced_labels(1000)):
        fake = sample_source(model, 1000, 0, labels=labels)
        result = compute_metrics([FrechetDistance], fake, source, extractors)
        fids.append(result.numbers["fid"])
    assert fids[0] < fids[1] / 50
    assert labels_like(model, 1000, real).bincount().tolist() == [100, 900]


def test_classes_are_matched_by_name() -> None:
    real = two_class_images(30, 10, ["dark", "bright"])
    swapped = TwoClasses(classes=ModelClasses(("bright", "dark"), (5, 5)))
    assert labels_like(swapped, 8, real).tolist() == [0, 0, 1, 0, 0, 0, 1, 0]
    assert accuracy_labels(swapped, ModelClasses(("dark", "bright"), None), 4).tolist() == [
        1, 0, 1, 0
    ]  # fmt: skip
    empty = TwoClasses(classes=ModelClasses(("bright", "blue"), None))
    assert set(labels_like(empty, 8, real).tolist()) == {0}  # never a class without images
    unlabelled = real._replace(labels=None, classes=[])
    trained = TwoClasses(classes=ModelClasses(("a", "b"), (1, 3)))
    assert labels_like(trained, 8, unlabelled).bincount().tolist() == [2, 6]
    with pytest.raises(UserError, match=r"a model of the classes dark, bright .* got a, b"):
        labels_like(trained, 8, real)
    with pytest.raises(UserError, match="a classifier of the model's classes bright, blue"):
        accuracy_labels(empty, ModelClasses(("dark", "bright"), None), 4)
    with pytest.raises(UserError, match="the class names of the classifier"):
        accuracy_labels(empty, None, 4)


@pytest.mark.parametrize(
    ("count", "weights", "numbers"),
    [
        (10, [9, 1], [9, 1]),
        (3, [1, 1], [2, 1]),
        (7, [3, 0, 2], [4, 0, 3]),
        (2, [1, 1, 8], [0, 0, 2]),
    ],
)
def test_labels_are_proportional_to_weights(
    count: int, weights: list[int], numbers: list[int]
) -> None:
    labels = proportional_labels(count, torch.tensor(weights))
    assert labels.bincount(minlength=len(weights)).tolist() == numbers
    assert proportional_labels(20, torch.full((10,), 6000)).tolist() == [*range(10), *range(10)]


METRIC_TYPES = list(dict.fromkeys(METRICS.values()))


@pytest.mark.parametrize("metric_type", METRIC_TYPES)
def test_values_do_not_depend_on_batches_order_or_processes(metric_type: type[Metric]) -> None:
    def features(count: int, seed: int) -> Features:
        values = normal(count, 12, seed=seed)
        return Features(torch.arange(count), values, 3 * values[:, :5])

    sets = {True: features(1500, 0), False: features(1300, 1)}
    whole = metric_type()
    for real, samples in sets.items():
        whole.update(samples, real)
    expected = whole.compute()
    rng = torch.Generator().manual_seed(2)
    for processes in (1, 3):
        parts: list[Metric] = [metric_type() for _ in range(processes)]
        for real, samples in sets.items():
            order = torch.randperm(len(samples.indices), generator=rng)
            for number, indices in enumerate(order.split(70 + 100 * processes)):
                batch = Features(*(tensor[indices] for tensor in samples))
                parts[number % processes].update(batch, real)
        merged = metric_type()
        for part in parts[::-1]:
            merged.merge(copy.deepcopy(part))
        assert merged.compute() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("metric_type", METRIC_TYPES)
def test_too_few_samples_raise_a_user_error(metric_type: type[Metric]) -> None:
    with pytest.raises(UserError, match="expected"):
        metric_type().compute()


def test_fid_of_few_samples_has_a_note_about_its_bias() -> None:
    metric = FrechetDistance()
    for real in (True, False):
        metric.update(Features(torch.arange(10), normal(10, 64)), real)
    assert metric.notes() == [
        "FID is biased upwards: 10 samples are too few to estimate the covariance of 64 features"
    ]


def test_resizing_matches_tensorflow() -> None:
    ramp = torch.arange(4.0).expand(1, 1, 4, 4)
    wide = resize(ramp)[0, 0, 0]
    # Output pixel x samples the input at 4 x / 299, clamped to its last pixel.
    assert torch.allclose(wide, (torch.arange(299) * 4 / 299).clamp(max=3), atol=1e-5)


@pytest.fixture(scope="module")
def inception_features() -> dict[str, Features]:
    """Inception features of the reference images."""
    if not os.environ.get("SLOW_TESTS"):
        pytest.skip("Inception takes 5 to 12 minutes for 3,000 images: set SLOW_TESTS=1")
    extract = inception()
    sets = load_file(REFERENCE / "images.safetensors")
    features = {}
    for name in ("reference", "samples"):
        parts = [extract(part, torch.arange(len(part))).values for part in sets[name].split(50)]
        values = torch.cat(parts)
        features[name] = Features(torch.arange(len(values)), values, None)
    return features


@weights
def test_inception_features_are_those_that_matched_torch_fidelity() -> None:
    """The file was written when `test_values_match_torch_fidelity` passed."""
    pinned = load_file(ROOT / "tests/data/inception_features.safetensors")
    features = inception()(pinned["images"], torch.arange(len(pinned["images"])))
    assert torch.allclose(features.values, pinned["features"], atol=1e-4)


@weights
@pytest.mark.parametrize(
    ("metric_type", "references"),
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
def test_values_match_torch_fidelity(
    metric_type: type[Metric], references: dict, inception_features: dict[str, Features]
) -> None:
    expected = json.loads((REFERENCE / "numbers.json").read_text())
    sides = inception_features["reference"].values, inception_features["samples"].values
    values = compute(metric_type, *sides)
    for name, (reference, tolerance) in references.items():
        assert values[name] == pytest.approx(expected[reference], **tolerance)


@weights
def test_distances_match_the_lpips_package() -> None:
    distance = alexnet_lpips().distance
    sets = load_file(REFERENCE / "images.safetensors")
    numbers = json.loads((REFERENCE / "numbers.json").read_text())
    left, right = (from_pixels(sets[f"lpips_{side}"]) for side in ("left", "right"))
    with torch.no_grad():
        enlarged = distance(
            *(side.repeat_interleave(2, 2).repeat_interleave(2, 3) for side in (left, right))
        )
        assert torch.equal(distance(left, left), torch.zeros(len(left)))
        distances = distance(left, right)
        gray = left[:, :1]
        repeated = gray.expand(-1, 3, -1, -1)
        assert torch.equal(distance(gray, -gray), distance(repeated, -repeated))
        # Small images are enlarged before they are embedded.
        small, other = left[:, :, :16, :16], right[:, :, :16, :16]
        large = [side.repeat_interleave(2, 2).repeat_interleave(2, 3) for side in (small, other)]
        assert torch.allclose(distance(small, other), distance(*large))
    assert torch.allclose(distances, torch.tensor(numbers["lpips_alex_32"]), atol=1e-5)
    assert torch.allclose(enlarged, torch.tensor(numbers["lpips_alex_64_nearest"]), atol=1e-5)


@weights
def test_inception_score_needs_a_classification_head() -> None:
    features = inception()(torch.zeros(2, 3, 32, 32, dtype=torch.uint8), torch.arange(2))
    with pytest.raises(UserError, match="weights have no classification head"):
        InceptionScore().update(features)


@weights
@pytest.mark.skipif(not supports_bf16(), reason="this processor has no bfloat16")
def test_bfloat16_inception_is_close_to_float32() -> None:
    samples = load_file(REFERENCE / "images.safetensors")["samples"][:4], torch.arange(4)
    exact, rounded = (
        FeatureExtractors("inception").features(*samples),
        FeatureExtractors("inception-bf16").features(*samples),
    )
    assert rounded.values.dtype == torch.float32
    error = (rounded.values - exact.values).norm() / exact.values.norm()
    assert 0 < error < 0.05
    assert FeatureExtractors("inception-bf16").features.protocol.endswith(", bfloat16")


def test_missing_and_damaged_weights_raise_user_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENMODELS_WEIGHTS", str(tmp_path))
    with pytest.raises(UserError, match=r"could not load the weights of inception.*there is no"):
        FeatureExtractors("inception").features  # noqa: B018
    with pytest.raises(UserError, match=r"could not load the weights of LPIPS.*there is no"):
        FeatureExtractors("inception").perception  # noqa: B018
    (tmp_path / "lpips-alex.safetensors").write_bytes(b"damaged")
    with pytest.raises(UserError, match="could not load the weights of LPIPS"):
        alexnet_lpips()
    save_file({"features.0.weight": torch.zeros(1)}, tmp_path / "lpips-alex.safetensors")
    with pytest.raises(UserError, match="expected the weights of LPIPS, got others"):
        alexnet_lpips()


def test_downloaded_weights_are_checked_against_their_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "cache"))
    monkeypatch.delenv("GENMODELS_WEIGHTS", raising=False)
    file, weights = tmp_path / "alex.pth", {"weight": torch.arange(3.0)}
    torch.save(weights, file)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    source = (file.as_uri(), sha256)
    torch.save({"weight": torch.zeros(3)}, file)
    for _ in range(2):  # the refused file is not cached
        with pytest.raises(UserError, match=rf"weights of it: invalid hash .*{sha256}.*; set GEN"):
            load_weights("it", "*", [source])
    torch.save(weights, file)
    assert torch.equal(load_weights("it", "*", [source])["weight"], weights["weight"])
    file.unlink()
    assert torch.equal(load_weights("it", "*", [source])["weight"], weights["weight"])  # cached


def test_addresses_of_weights_are_permanent() -> None:
    """They name a release, a commit or a hash, never a branch."""
    for url, sha256 in (INCEPTION, ALEXNET, LPIPS):
        assert re.search(r"/download/v[\d.]+/|/[0-9a-f]{40}/|-[0-9a-f]{8}\.pth", url)
        assert re.fullmatch("[0-9a-f]{64}", sha256)
        assert "-" not in Path(url).stem or Path(url).stem.endswith(f"-{sha256[:8]}")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small untrained classifier."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("classifier")
    Classifier(10, 4, 28, 1).save_pretrained(folder)
    return folder


def test_a_classifier_folder_is_an_extractor(classifier: Path) -> None:
    pixels = data.load(FASHION, split="test").pixels[:20]
    extractors, indices = FeatureExtractors(str(classifier)), torch.arange(20)
    features = extractors.features(pixels, indices)
    network = Classifier.from_pretrained(classifier).eval()
    with torch.no_grad():
        logits = network(from_pixels(pixels))
    assert torch.allclose(features.logits, logits, atol=1e-6)
    assert extractors.features.key() == domain(classifier).key()
    # LPIPS is the squared distance of the embeddings.
    embeddings = extractors.perception(pixels, indices).values
    samples = from_pixels(pixels)
    expected = (embeddings[:10] - embeddings[10:]).square().sum(1)
    assert torch.allclose(extractors.perception.distance(samples[:10], samples[10:]), expected)
    layers = [layer for layer in network.layers if isinstance(layer, torch.nn.ReLU)]
    # The squared distance of two unit vectors, averaged over positions, is at most 2 per layer.
    assert (expected > 0).all()
    assert (expected <= 2 * len(layers)).all()
    with pytest.raises(UserError, match="side of 28 pixels for this extractor, got 32"):
        extractors.features(torch.zeros(1, 1, 32, 32, dtype=torch.uint8), indices)
    with pytest.raises(UserError, match="expected images with 1 channels, got 3"):
        extractors.features(torch.zeros(1, 3, 28, 28, dtype=torch.uint8), indices)
    with pytest.raises(UserError, match="expected a classifier in no, found none"):
        domain(Path("no"))


def test_lpips_requires_samples_of_one_shape_in_range(classifier: Path) -> None:
    distance = FeatureExtractors(str(classifier)).perception.distance
    samples = torch.zeros(2, 1, 28, 28)
    assert torch.equal(distance(samples, samples), torch.zeros(2))
    for invalid in (samples + 1.5, samples - 1.1, samples * torch.nan):
        with pytest.raises(UserError, match=r"expected samples in \[-1, 1\]"):
            distance(samples, invalid)
    with pytest.raises(UserError, match="expected samples of one shape"):
        distance(samples, samples[:1])
    shifted = (samples + 0.5).requires_grad_()
    distance(samples, shifted).sum().backward()
    assert shifted.grad.abs().sum() > 0


def test_diversity_is_the_mean_over_all_pairs() -> None:
    values = normal(40, 7)
    squares = torch.cdist(values, values).square()
    lpips = compute(Diversity, values, values)["lpips"]
    assert lpips == pytest.approx((squares.sum() / (40 * 39)).item(), rel=1e-9)
    assert compute(Diversity, values, torch.ones(5, 7))["lpips"] == pytest.approx(0, abs=1e-12)


def test_the_subset_of_many_samples_does_not_depend_on_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Samples, "MAX_SAMPLES", 100)
    indices = torch.arange(1000)
    rng = torch.Generator().manual_seed(0)
    subsets = []
    for size in (7, 1000):
        samples = Samples()
        for batch in torch.randperm(1000, generator=rng).split(size):
            samples.update(Features(indices[batch], indices[batch, None].double()))
        assert len(samples) == 100
        assert samples.count == 1000
        subsets.append(samples.features())
    assert torch.equal(*subsets)
    # A random subset has the mean of the whole set, within three standard deviations.
    assert subsets[0].mean().item() == pytest.approx(499.5, abs=3 * 289 / 10)
    for metric_type in (KernelDistance, Manifold):
        metric = metric_type()
        metric.real = metric.fake = samples
        assert "100 of the 1,000 real samples are used" in metric.notes()


class CountingExtractor(Extractor):
    """Returns the mean and standard deviation of each image and counts the images."""

    def __init__(self) -> None:
        self.images = 0
        super().__init__(torch.nn.Linear(1, 1), 1, "counting", self.moments)

    def moments(self, pixels: Tensor) -> tuple[Tensor, None]:
        self.images += len(pixels)
        flat = pixels.flatten(1).float()
        return torch.stack([flat.mean(1), flat.std(1)], 1), None


def test_reference_statistics_are_cached_until_images_or_weights_change() -> None:
    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (130, 1, 28, 28), dtype=torch.uint8)
    extract = CountingExtractor()

    def moments(images: Tensor, cached: bool = True) -> Moments:
        extractors = SimpleNamespace(features=extract, reference_statistics={})
        fingerprint = str(images.sum().item()) if cached else None
        source = ImageSource.from_tensor("noise", images, fingerprint)
        return reference_statistics(source, extractors)[Moments]

    first = moments(pixels, cached=False)
    assert torch.equal(moments(pixels, cached=False).mean, first.mean)
    assert extract.images == 260
    extract.images = 0
    first = moments(pixels)
    assert extract.images == 130
    second = moments(pixels)
    assert extract.images == 130
    assert torch.equal(first.mean, second.mean)
    assert torch.equal(first.covariance, second.covariance)
    changed = pixels.clone()
    changed[7, 0, 3, 3] ^= 1
    assert not torch.equal(moments(changed).mean, first.mean)
    assert extract.images == 260
    with torch.no_grad():
        extract.network.weight.add_(1)
    moments(pixels)
    assert extract.images == 390
    for file in cache_folder().glob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:-100])  # damaged
    assert torch.equal(moments(pixels).mean, first.mean)
    assert extract.images == 520


def test_a_read_only_cache_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GENMODELS_CACHE", str(tmp_path / "file" / "folder"))
    pixels = torch.randint(0, 256, (60, 1, 28, 28), dtype=torch.uint8)
    extract = CountingExtractor()
    for _ in range(2):
        extractors = SimpleNamespace(features=extract, reference_statistics={})
        reference_statistics(ImageSource.from_tensor("noise", pixels, "noise"), extractors)
    assert extract.images == 120


def test_an_accumulator_computes_at_any_time_what_one_pass_computes(classifier: Path) -> None:
    extractors = FeatureExtractors(str(classifier))
    real = ImageSource.from_tensor("real", data.load(FASHION).pixels)
    pixels = data.load(FASHION, split="test").pixels
    accumulator = MetricAccumulator(METRIC_TYPES, extractors)
    # One statistic for FID, one for KID and the manifolds, one for each other metric.
    assert sum(len(statistics) for _, statistics in accumulator.consumers) == 5
    accumulator.set_reference(reference_statistics(real, extractors))
    for indices in torch.arange(200).split(20):
        accumulator.update(pixels[indices], indices)
        count = int(indices[-1]) + 1
        if count in (120, 200):
            fake = ImageSource.from_tensor("fake", pixels[:count])
            expected = compute_metrics(METRIC_TYPES, fake, real, extractors)
            assert accumulator.compute() == pytest.approx(expected.numbers, rel=1e-4)
            assert accumulator.notes() == expected.notes


def test_copies_are_nearer_to_training_images_than_held_out_images() -> None:
    training = data.load(FASHION, split="train").pixels[:]
    held_out = data.load(FASHION, split="test").pixels
    queries = torch.cat([training[torch.tensor([17, 3, 999])], held_out[:50]])
    sources = (
        ImageSource.from_tensor(name, images)
        for name, images in (("queries", queries), ("training", training))
    )
    nearest = nearest_neighbors(*sources, {"pixels": raw_pixels()})["pixels"]
    assert nearest.indices[:3].tolist() == [17, 3, 999]
    assert nearest.squared_distances[:3].max() < 1e-12
    assert nearest.squared_distances[3:].min() > 1e-3
    # Direct computation, and batches in another order.
    differences = from_pixels(training) - from_pixels(held_out[:1])
    squares = differences.square().flatten(1).mean(1)
    assert nearest.indices[3] == squares.argmin()
    assert nearest.squared_distances[3].item() == pytest.approx(squares.min().item(), rel=1e-5)
    other = NearestNeighbors(nearest.queries)
    for batch in torch.arange(1000).flip(0).split(37):
        other.update(Features(batch, raw_pixels()(training[batch], batch).values))
    assert torch.equal(other.indices, nearest.indices)
    expected = nearest.squared_distances.tolist()
    assert other.squared_distances.tolist() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("values", "half"), [(3, False), (8, False), (8, True)])
@pytest.mark.parametrize("count", [1, 15, 16, 79, 80, 130, 200])
def test_latents_drawn_in_blocks_equal_a_single_draw(
    count: int, values: int, half: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = untrained_pipeline("vae-fashion").to(torch.float16 if half else torch.float32)
    monkeypatch.setattr(type(pipeline), "latent_shape", (values,))
    single, blocks = (torch.Generator().manual_seed(4) for _ in range(2))
    draw, sizes = pipeline.draw, []
    expected = draw(count, single)

    def record(size: int, rng: torch.Generator) -> Tensor:
        sizes.append(size)
        return draw(size, rng)

    latents = Latents(record, count, blocks)
    assert torch.equal(single.get_state(), blocks.get_state())
    assert torch.equal(latents[:], expected)
    for start in [*range(0, count, 9)][::-1]:  # in any order
        assert torch.equal(latents[start : start + 9], expected[start : start + 9])
    assert max(sizes) < BLOCK + 16


def test_more_queries_than_metrics_keep_are_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Samples, "MAX_SAMPLES", 20)
    training = data.load(FASHION, split="train").pixels[:150]
    sources = [ImageSource.from_tensor("images", pixels) for pixels in (training.flip(0), training)]
    nearest = nearest_neighbors(*sources, {"pixels": raw_pixels()})["pixels"]
    assert nearest.indices.tolist() == list(range(150))[::-1]


def test_reconstruction_errors_merge() -> None:
    samples = torch.zeros(4, 1, 2, 2)
    parts = [Reconstruction() for _ in range(2)]
    parts[0].update(samples[:1], samples[:1] + 1, torch.tensor([0.5]))
    parts[1].update(samples[1:], samples[1:], torch.tensor([0.1, 0.1, 0.1]))
    parts[0].merge(parts[1])
    assert parts[0].compute() == pytest.approx(
        {"reconstruction_lpips": 0.2, "reconstruction_mse": 0.25}
    )
    with pytest.raises(UserError, match="got none"):
        Reconstruction().compute()


def run_command(folder: Path, *arguments: str, processes: int = 1) -> dict:
    fields = ["--reference", FASHION, "--split", "train", "--json", str(folder / "values.json")]
    program = ("-m", "genmodels.metrics")
    finish(launch(*fields, *arguments, processes=processes, program=program))
    return json.loads((folder / "values.json").read_text())


def test_the_command_gives_equal_values_on_one_and_two_processes(
    tmp_path: Path, classifier: Path
) -> None:
    names = [*METRICS, "memorisation", "reconstruction", "path_length"]
    arguments = ["--samples", "checkpoints/vae-fashion", "--count", "330"]
    arguments += ["--extractor", str(classifier)]
    pairs = ["--pairs", str(tmp_path / "pairs.png")]
    one = run_command(tmp_path, *arguments, "--metrics", ",".join(names), *pairs)
    two = run_command(tmp_path, *arguments, "--metrics", *names, processes=2)
    assert one["protocol"][0] == (
        f"the classifier {classifier.name} and LPIPS of the classifier {classifier.name}, "
        "unweighted; 330 samples of vae-fashion, seed 0 against 1,000 images of fashion_mnist, "
        "split train"
    )
    assert len(one["protocol"]) == 4
    assert one["notes"] == [
        "IS is biased downwards: 330 samples are few for 10 splits of 10 classes",
        "KID uses subsets of 330 samples instead of 1,000",
        "precision, recall, density and coverage of 330 generated and 1,000 real samples are "
        "unreliable: use at least 1,000 of each",
    ]
    values = {name for name, value in one.items() if isinstance(value, float)}
    assert {name for key in values for name in names if key.startswith(name)} == set(names)
    for name in values:
        assert math.isfinite(one[name])
        assert two[name] == pytest.approx(one[name], rel=1e-4), name  # float32 networks
    assert Image.open(tmp_path / "pairs.png").size == (12 * 30 + 2, 4 * 30 + 2)


def test_the_command_evaluates_a_folder_of_images_and_a_dataset(
    tmp_path: Path, classifier: Path
) -> None:
    samples = tmp_path / "samples"
    samples.mkdir()
    real = data.load(FASHION, split="train")
    for number, image in enumerate(to_pil(from_pixels(real.pixels[:]))):
        image.save(samples / f"{number:03d}.png")
    arguments = ["--metrics", "fid,precision,recall", "--extractor", str(classifier)]
    same = run_command(tmp_path, "--samples", str(samples), *arguments)
    assert same["fid"] == pytest.approx(0, abs=1e-6)
    assert (same["precision"], same["recall"]) == (1, 1)
    assert "density" not in same
    fields = ["--samples_split", "test", "--reference_count", "300"]
    few = run_command(tmp_path, "--samples", FASHION, *fields, *arguments)
    assert "200 images of fashion_mnist, split test against 300 images" in few["protocol"][0]
    Image.new("L", (60, 40)).save(samples / "other.png")
    scaled = run_command(tmp_path, "--samples", str(samples), "--resolution", "28", *arguments)
    assert scaled["protocol"][0].endswith("; images scaled to 28 pixels")
    assert 0 < scaled["fid"] < 1
    test = run_command(tmp_path, "--samples", FASHION, *fields[:2], *arguments)
    assert 0 < test["fid"] < few["fid"]
    assert "200 images of fashion_mnist, split test against 1,000 images" in test["protocol"][0]


def test_the_command_prints_what_it_read(
    classifier: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """On stderr, because others may read the values from stdout."""
    argv = ["--samples", "checkpoints/sngan-fashion-conditional", "--reference", FASHION]
    argv += ["--metrics", "memorisation", "--count", "4", "--reference_count", "30"]
    monkeypatch.setattr("sys.argv", ["metrics", *argv, "--extractor", str(classifier)])
    main()
    output = capsys.readouterr()
    assert output.out.startswith("memorisation_lpips: ")
    lines = [line for line in output.err.splitlines() if line.startswith("--")]
    reference, held_out, samples = lines
    assert reference.startswith("--reference: read 1,000 images of 28x28 pixels, 1 channel, 10 ")
    assert reference.endswith(f"Ankle boot 99) from {FASHION}, split train")
    assert held_out.startswith("--held_out: read 200 images of 28x28 pixels")
    assert samples == (
        "--samples: the model checkpoints/sngan-fashion-conditional generates samples of shape "
        "1x28x28 of 10 classes"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metrics", "fid,fib"], "memorisation, reconstruction, path_length, got 'fib'"),
        (["--metrics", ","], "expected at least one name for --metrics"),
        (
            ["--extractor", "vgg"],
            "inception, inception-bf16, domain or the folder of a classifier, got 'vgg'",
        ),
        (["--extractor", "tests"], "expected a classifier in tests, found none"),
        (["--samples_split", "no"], "expected a folder no in 'checkpoints/vae-fashion'"),
        (["--held_out", "no", "--metrics", "reconstruction"], "could not read"),
        (["--pairs", "x.png"], "expected the metric memorisation for --pairs"),
        (
            ["--samples", "checkpoints/wgan-gp-fashion", "--metrics", "reconstruction"],
            "expected --samples to be an autoencoder for reconstruction",
        ),
        (
            ["--split", "test", "--metrics", "memorisation"],
            "expected --held_out to differ from --split, got 'test' for both",
        ),
        (["--json", "no/such.json"], "writable folder, got no/such.json"),
        (["--json", "tests"], "expected a file in an existing, writable folder, got tests"),
        (["--pairs", "x.foo", "--metrics", "memorisation"], "expected a .png file in"),
        (["--samples", "no/such"], "got 'no/such': "),
        (["--reference", "no/such"], "found no folder 'no/such'"),
        (["--count", "0"], "expected --count to be at least 1, got 0"),
        (["--reference_count", "0"], "expected --reference_count to be at least 1, got 0"),
        (
            ["--metrics", "class_accuracy"],
            "expected --samples to be a conditional model for class_accuracy",
        ),
    ],
)
def test_the_command_reports_user_errors(
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    flags = {"--samples": "checkpoints/vae-fashion", "--reference": FASHION, "--split": "train"}
    flags |= dict(zip(arguments[::2], arguments[1::2], strict=True))
    argv = [word for pair in flags.items() for word in pair]
    monkeypatch.setattr("sys.argv", ["metrics", *argv])
    with pytest.raises(SystemExit) as excinfo:
        main()
    assert excinfo.value.code == 2
    assert message in capsys.readouterr().err


def test_samples_are_images_unless_the_folder_has_a_model_or_a_run(tmp_path: Path) -> None:
    samples = tmp_path / "samples"
    samples.mkdir()
    Image.new("L", (28, 28)).save(samples / "0.png")
    (samples / "args.json").write_text("{}")
    run = tmp_path / "run"  # the model is not published yet
    shutil.copytree(samples, run / "samples")
    (run / "run.json").touch()
    sources = ["user/model", "checkpoints/vae-fashion", str(run), str(samples), FASHION]
    assert list(map(is_model, sources)) == [True, True, True, False, False]


def test_transparent_images_are_in_the_protocol(tmp_path: Path, classifier: Path) -> None:
    for number in range(6):
        Image.new("LA", (28, 28), (9, 40 * number)).save(tmp_path / f"{number}.png")
    arguments = (str(tmp_path), FASHION, ("precision",), str(classifier))
    (result,) = evaluate(Evaluation(*arguments, background="black"))
    assert result.protocol.endswith("; 6 transparent images on black")


def test_samples_and_reference_of_different_shapes(tmp_path: Path, classifier: Path) -> None:
    gray = ImageSource.from_tensor("gray", data.load(FASHION).pixels)
    color = ImageSource.from_tensor("color", torch.zeros(2, 3, 32, 32, dtype=torch.uint8))
    real, fake, notes = match_shapes(gray, color, strict=False)
    assert torch.equal(real.pixels(slice(2)), gray.pixels(slice(2)).repeat(1, 3, 1, 1))
    assert fake is color
    assert notes == ["samples have 32x32 pixels and the reference 28x28; set --resolution"]
    arguments = (FASHION, ("memorisation",), str(classifier))
    (tmp_path / "large").mkdir()
    for number in range(3):
        Image.new("L", (32, 32), number).save(tmp_path / f"large/{number}.png")
    large = str(tmp_path / "large")
    with pytest.raises(UserError, match=r"samples of 28x28 pixels .* got 32x32; set --resolution"):
        evaluate(Evaluation(large, *arguments))
    (result,) = evaluate(Evaluation(large, FASHION, ("classes",), str(classifier), resolution=28))
    assert result.notes == []


def test_the_domain_classifier_is_accurate() -> None:
    real = data.load(FASHION, split="test")
    features = FeatureExtractors("domain").features(real.pixels[:], torch.arange(len(real.pixels)))
    assert (features.logits.argmax(1) == real.labels).double().mean() > 0.9
