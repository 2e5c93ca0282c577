"""Images that can only be read by indices give the results of images in memory."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from genmodels import data
from genmodels.inpainting import __main__ as inpainting
from genmodels.metrics.evaluation import Evaluation, evaluate
from genmodels.metrics.image_source import BATCH
from genmodels.networks.classifier import Classifier
from genmodels.ui.metrics.extractor_choices import ExtractorChoices
from genmodels.ui.metrics.live_actions import LiveMetrics
from genmodels.ui.metrics.memorisation_actions import find_nearest
from genmodels.ui.models import Models
from genmodels.ui.reference_dataset import ReferenceDatasets
from tests.conftest import FASHION, ROOT
from tests.test_training import train_and_get_losses
from training.configs.config import Config


class IndexedPixels:
    """The operations that every user of `images.pixels` may rely on, and no others."""

    largest = 0  # number of images in the largest read of all

    def __init__(self, pixels: Tensor) -> None:
        self.__pixels = pixels
        self.shape, self.nbytes = tuple(pixels.shape), pixels.nbytes

    def __len__(self) -> int:
        return len(self.__pixels)

    def __getitem__(self, indices: slice | Tensor) -> Tensor:
        if isinstance(indices, Tensor):
            if indices.dtype != torch.int64 or indices.dim() != 1 or indices.is_cuda:
                raise TypeError(f"expected indices (B,) int64, got {indices!r}")
        elif not isinstance(indices, slice):
            raise TypeError(f"expected a slice or indices (B,), got {indices!r}")
        images = self.__pixels[indices].clone()
        IndexedPixels.largest = max(IndexedPixels.largest, len(images))
        return images


class IndexedImages(data.Images):
    fingerprint = property(lambda images: f"{images.source} {images.pixels.shape}")


@pytest.fixture
def use_indexed_pixels(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return a function after whose call data can only be read by indices."""
    load = data.load

    def load_indexed(*arguments: object, **fields: object) -> data.Images:
        images = load(*arguments, **fields)
        return IndexedImages(IndexedPixels(images.pixels), *images[1:])

    monkeypatch.setattr(IndexedPixels, "largest", 0)
    return lambda: monkeypatch.setattr(data, "load", load_indexed)


@pytest.fixture
def extractor(tmp_path: Path) -> str:
    """The folder of an untrained classifier."""
    torch.manual_seed(0)
    Classifier(10, 4, 28, 1).save_pretrained(tmp_path / "extractor")
    return str(tmp_path / "extractor")


def test_evaluation(use_indexed_pixels: Callable[[], None], extractor: str, tmp_path: Path) -> None:
    names = ("fid", "lpips", "memorisation", "reconstruction", "path_length")
    results, pairs = [], [tmp_path / "memory.png", tmp_path / "indexed.png"]
    for file in pairs:
        fields = {"count": 70, "reference_count": 330, "pairs": file}
        evaluation = Evaluation("checkpoints/vae-fashion", FASHION, names, extractor, **fields)
        results.append(evaluate(evaluation))
        use_indexed_pixels()
    assert results[0] == results[1]
    assert pairs[0].read_bytes() == pairs[1].read_bytes()
    assert 0 < IndexedPixels.largest <= BATCH


@pytest.mark.parametrize("name", ["ae-fashion", "classifier-fashion", "inpaint-fashion"])
def test_training_with_previews_and_evaluation(
    name: str,
    use_indexed_pixels: Callable[[], None],
    extractor: str,
    small: Callable[..., Config],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An autoencoder's prior is fitted to all images."""
    fields = {"max_train_steps": 2, "eval_samples": 60, "eval_extractor": extractor}
    if name != "inpaint-fashion":  # has no evaluation
        fields["eval_every"] = 1
    folders, losses = [tmp_path / "memory", tmp_path / "indexed"], []
    for folder in folders:
        config = small(name, output_dir=str(folder), **fields)
        losses.append(train_and_get_losses(config, monkeypatch))
        use_indexed_pixels()
    assert losses[0] == losses[1]
    weights = [sorted(folder.rglob("*.safetensors")) for folder in folders]
    assert len(weights[0]) == len(weights[1]) > 0
    for pair in zip(*weights, strict=True):
        assert pair[0].read_bytes() == pair[1].read_bytes()
    assert 0 < IndexedPixels.largest <= BATCH


def test_the_inpainting_table(
    use_indexed_pixels: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setattr(inpainting, "CHUNK", 100 * 28 * 28)
    monkeypatch.setattr("genmodels.inpainting.pseudo_gibbs.ITERATIONS", 3)
    monkeypatch.setattr(inpainting, "BATCH_SIZE", 4)
    for name in ("COARSE_STEPS", "FINE_STEPS", "CANDIDATES"):
        monkeypatch.setattr(f"genmodels.latents.latent_optimization.{name}", 4)
    tables = []
    for _ in range(2):
        inpainting.evaluate("checkpoints/vae-fashion", FASHION, 7, "domain")
        lines = capsys.readouterr().out.splitlines()
        tables.append([line.rpartition(" | ")[0] for line in lines])  # without the time
        use_indexed_pixels()
    assert tables[0] == tables[1]
    assert len(tables[0]) == 8
    assert 0 < IndexedPixels.largest <= 100


def test_the_tab_metrics(
    use_indexed_pixels: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENMODELS_REFERENCE", FASHION)
    models, results = Models([ROOT / "checkpoints" / "vae-fashion"]), []
    for _ in range(2):
        references, extractors = ReferenceDatasets(), ExtractorChoices([], models)
        *_, measurement = LiveMetrics(models, references, extractors).measure(
            ["vae-fashion"], ["fid"], "domain", references.name, 100, "0"
        )
        arguments = ("vae-fashion", 2, "0", "pixels", references.name)
        *_, (pairs, note) = find_nearest(models, references, extractors, *arguments)
        images = [(image.tobytes(), caption) for image, caption in pairs]
        results.append((measurement[2].table(), images, note))
        use_indexed_pixels()
    assert results[0] == results[1]
    assert 0 < IndexedPixels.largest <= BATCH
