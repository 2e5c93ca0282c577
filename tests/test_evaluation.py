"""Evaluation during training."""

import errno
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from PIL import Image

import genmodels
from genmodels import data
from genmodels.class_labels import labels_like
from genmodels.errors import UserError
from genmodels.metrics import FeatureExtractors
from genmodels.metrics.evaluation import ImageSource, compute_metrics, sample_source
from genmodels.metrics.frechet import FrechetDistance
from genmodels.networks.classifier import Classifier
from tests.conftest import FASHION
from tests.test_training import finish, launch, train_and_get_losses
from training.configs.config import Config
from training.core import loop
from training.core.loop import train
from training.release.records import read_metrics

Small = Callable[..., Config]


@pytest.fixture
def extractors(tmp_path: Path) -> str:
    """The folder of an untrained classifier."""
    torch.manual_seed(0)
    Classifier(10, 4, 28, 1).save_pretrained(tmp_path / "extractors")
    return str(tmp_path / "extractors")


def compute_fid(folder: Path, extractors: str, count: int = 60) -> float:
    """Compute the FID of a published model."""
    pipeline, images = genmodels.load(folder), data.load(FASHION)
    fake = sample_source(pipeline, count, 0, labels=labels_like(pipeline, count, images))
    real = ImageSource.from_tensor("real", images.pixels)
    result = compute_metrics([FrechetDistance], fake, real, FeatureExtractors(extractors))
    return result.numbers["fid"]


def card_fid(folder: Path) -> float:
    """Return the FID in a model card."""
    (number,) = re.findall(r"^\| FID (\S+) \|", (folder / "README.md").read_text(), re.M)
    return float(number)


@pytest.mark.parametrize("name", ["ae-fashion", "sngan-fashion-conditional"])
def test_the_best_and_the_last_model_are_published(
    name: str, small: Small, extractors: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The learning rate is so high that FID increases again.
    fields = {"max_train_steps": 12, "learning_rate": 0.05, "ema_halflife": 1e-6}
    settings = {"eval_every": 3, "eval_samples": 60, "eval_extractor": extractors}
    config = small(name, **fields, **settings)
    folder = Path(config.output_dir)
    fids = train_and_get_losses(config, monkeypatch)["fid"]
    assert len(fids) == 4
    assert card_fid(folder) == pytest.approx(fids[-1], rel=1e-3)
    assert card_fid(folder / "best") == pytest.approx(min(fids), rel=1e-3)
    for model in (folder, folder / "best"):
        assert card_fid(model) == pytest.approx(compute_fid(model, extractors), rel=1e-3)
    step = 3 * (1 + fids.index(min(fids)))
    steps = f"{step} of 12" if step < 12 else "12"
    assert f"| Steps | {steps}, batch size 8," in (folder / "best" / "README.md").read_text()


def test_the_best_model_is_replaced_only_if_it_could_be_written(
    small: Small, extractors: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    fields = {"max_train_steps": 12, "learning_rate": 0.05, "ema_halflife": 1e-6}
    settings = {"eval_every": 2, "eval_samples": 60, "eval_extractor": extractors}
    config = small("ae-fashion", **fields, **settings)
    fids = train_and_get_losses(config, monkeypatch)["fid"]
    best = min(fids[:-1])
    write = loop.publish

    def publish(folder: Path, *arguments: object) -> None:
        if folder.name == "best" and arguments[4].numbers["fid"] == best:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(folder, *arguments)

    monkeypatch.setattr(loop, "publish", publish)
    shutil.rmtree(config.output_dir)
    AcceleratorState._reset_state(reset_partial_state=True)
    assert train_and_get_losses(config, monkeypatch)["fid"] == fids
    assert "could not keep the best model so far" in capsys.readouterr().err
    others = [fid for fid in fids if fid != best]
    assert card_fid(Path(config.output_dir) / "best") == pytest.approx(min(others), rel=1e-3)


def test_a_resumed_run_keeps_its_best_score(small: Small, extractors: str, tmp_path: Path) -> None:
    """Resumption and evaluation change neither the last model nor the best one."""
    fields = {
        "learning_rate": 0.05,
        "ema_halflife": 1e-6,
        "eval_samples": 60,
        "eval_extractor": extractors,
    }
    for folder, step_limits in (("uninterrupted", [8]), ("resumed", [5, 8])):
        for steps in step_limits:
            config = small(
                "vae-fashion",
                output_dir=str(tmp_path / folder),
                max_train_steps=steps,
                resume_from_checkpoint="latest",
                eval_every=2,
                **fields,
            )
            train(config)
    for name in ("", "best"):
        uninterrupted, resumed = tmp_path / "uninterrupted" / name, tmp_path / "resumed" / name
        if not name or card_fid(uninterrupted) <= card_fid(resumed):
            assert_equal_weights(uninterrupted, resumed)
    train(small("vae-fashion", output_dir=str(tmp_path / "plain"), max_train_steps=8, **fields))
    assert_equal_weights(tmp_path / "plain", tmp_path / "uninterrupted")


def assert_equal_weights(first: Path, second: Path) -> None:
    one, two = (genmodels.load(folder).autoencoder.state_dict() for folder in (first, second))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_one_and_two_processes_compute_the_same_fid(tmp_path: Path, extractors: str) -> None:
    settings = ["--eval_every", "2", "--eval_samples", "230", "--eval_extractor", extractors]
    fields = ["--dataset_name", FASHION, "--max_train_steps", "2", "--report_to", "none"]
    fields += ["--mixed_precision", "bf16"]
    fids = []
    for processes in (1, 2):
        # One and two processes train on different batches, so the learning rate is too small to
        # change the weights.
        folder = tmp_path / str(processes)
        rate = ["--learning_rate", "1e-12", "--output_dir", str(folder)]
        finish(launch("wgan-gp-fashion", *fields, *settings, *rate, processes=processes))
        fids.append(card_fid(folder))
    assert fids[0] == pytest.approx(fids[1], rel=1e-3)


def test_two_processes_evaluate_the_published_generator(tmp_path: Path, extractors: str) -> None:
    """Its BatchNorm statistics included, which differ between the processes."""
    settings = ["--eval_every", "3", "--eval_samples", "230", "--eval_extractor", extractors]
    fields = ["--dataset_name", FASHION, "--max_train_steps", "3", "--report_to", "none"]
    fields += ["--train_batch_size", "2", "--ema_halflife", "1e-6", "--width", "8"]
    folder = tmp_path / "run"
    finish(launch("gan-fashion", *fields, *settings, "--output_dir", str(folder), processes=2))
    (measurement,) = read_metrics(folder)
    fid = compute_fid(folder, extractors, 230)
    assert measurement.numbers["fid"] == pytest.approx(fid, rel=1e-4)


def test_evaluation_errors_are_raised_before_the_first_step(
    small: Small, extractors: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENMODELS_WEIGHTS", str(tmp_path))
    folder = tmp_path / "data"
    for label in ("shoe", "shirt"):
        (folder / label).mkdir(parents=True)
        Image.new("L", (28, 28)).save(folder / label / "0.png")
    for name, fields, message in (
        ("vae-fashion", {}, "could not load the weights of inception"),
        ("vae-fashion", {"eval_extractor": "vgg"}, "domain or the folder of a classifier"),
        ("vae-fashion", {"eval_extractor": extractors, "resolution": 32}, "side of 28 pixels"),
        ("classifier-fashion", {"train_data_dir": str(folder)}, "use --eval_every None"),
    ):
        with pytest.raises(UserError, match=message):
            train(small(name, eval_every=2, **fields))
        assert not (tmp_path / name).exists()
    for split, mode in (("train", "L"), ("test", "RGB")):
        for label in ("a", "b"):
            folder = tmp_path / "splits" / split / label
            folder.mkdir(parents=True)
            for value in range(9):
                Image.new(mode, (28, 28), value).save(folder / f"{value}.png")
    with pytest.raises(UserError, match="expected channels 1 in split 'test', got 3"):
        train(small("classifier-fashion", dataset_name=str(tmp_path / "splits"), eval_every=2))
    with pytest.raises(UserError, match=r"expected --eval_every >= 1,.* got 0"):
        small("vae-fashion", eval_every=0)


def test_scores_of_different_extractors_are_not_compared(
    small: Small, extractors: str, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    Classifier(10, 6, 28, 1).save_pretrained(tmp_path / "others")
    fields = {"eval_every": 2, "eval_samples": 60, "resume_from_checkpoint": "latest"}
    train(small("vae-fashion", max_train_steps=2, eval_extractor=extractors, **fields))
    others = str(tmp_path / "others")
    train(small("vae-fashion", max_train_steps=4, eval_extractor=others, **fields))
    best = tmp_path / "vae-fashion" / "best" / "README.md"
    assert "the classifier others" in best.read_text()
