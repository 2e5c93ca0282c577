"""What is measured of a run while it trains."""

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
from genmodels.metrics import FeatureExtractors
from genmodels.metrics.evaluation import Share, drawn, measure, ready
from genmodels.metrics.frechet import FrechetDistance
from genmodels.networks.classifier import Classifier
from tests.conftest import FASHION
from tests.test_training import finish, launch, losses_of
from training.configs.config import Config
from training.core import loop
from training.core.loop import train

Small = Callable[..., Config]


@pytest.fixture
def extractors(tmp_path: Path) -> str:
    """A classifier of no training, by which FID is measured."""
    torch.manual_seed(0)
    Classifier(10, 4, 28, 1).save_pretrained(tmp_path / "extractors")
    return str(tmp_path / "extractors")


def fid(folder: Path, extractors: str) -> float:
    """As anyone would measure what is published."""
    pipeline = genmodels.load(folder)
    latents = pipeline.draw(60, torch.Generator().manual_seed(0))
    fake = drawn("samples", latents, pipeline.balanced_labels(60), pipeline.decode)
    real = ready("real", data.load(FASHION).pixels)
    return measure([FrechetDistance], fake, real, FeatureExtractors(extractors), Share()).numbers[
        "fid"
    ]


def told(folder: Path) -> float:
    """FID in a card."""
    (number,) = re.findall(r"^\| fid (\S+) \|", (folder / "README.md").read_text(), re.M)
    return float(number)


@pytest.mark.parametrize("name", ["ae-fashion", "sngan-fashion-conditional"])
def test_the_best_is_kept_as_well_as_the_last(
    name: str, small: Small, extractors: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So fast that it gets worse again.
    fields = {"max_train_steps": 12, "learning_rate": 0.05, "ema_halflife": 1e-6}
    measures = {"eval_every": 3, "eval_samples": 60, "eval_extractor": extractors}
    config = small(name, **fields, **measures)
    folder = Path(config.output_dir)
    found = losses_of(config, monkeypatch)["fid"]
    assert len(found) == 4
    assert told(folder) == pytest.approx(found[-1], rel=1e-3)
    assert told(folder / "best") == pytest.approx(min(found), rel=1e-3)
    for place in (folder, folder / "best"):
        assert told(place) == pytest.approx(fid(place, extractors), rel=1e-3)
    step = 3 * (1 + found.index(min(found)))
    steps = f"{step} of 12" if step < 12 else "12"
    assert f"| Steps | {steps}, batch size 8," in (folder / "best" / "README.md").read_text()


def test_what_could_not_be_kept_is_not_the_best(
    small: Small, extractors: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    fields = {"max_train_steps": 12, "learning_rate": 0.05, "ema_halflife": 1e-6}
    measures = {"eval_every": 2, "eval_samples": 60, "eval_extractor": extractors}
    config = small("ae-fashion", **fields, **measures)
    found = losses_of(config, monkeypatch)["fid"]
    best = min(found[:-1])
    write = loop.publish

    def publish(folder: Path, *arguments: object, half: bool) -> None:
        if folder.name == "best" and arguments[4].numbers["fid"] == best:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(folder, *arguments, half=half)

    monkeypatch.setattr(loop, "publish", publish)
    shutil.rmtree(config.output_dir)
    AcceleratorState._reset_state(reset_partial_state=True)
    assert losses_of(config, monkeypatch)["fid"] == found
    assert "could not keep the best model so far" in capsys.readouterr().err
    others = [number for number in found if number != best]
    assert told(Path(config.output_dir) / "best") == pytest.approx(min(others), rel=1e-3)


def test_a_resumed_run_knows_its_best(small: Small, extractors: str, tmp_path: Path) -> None:
    """And so does its last checkpoint, whether it was measured on the way or not."""
    fields = {
        "learning_rate": 0.05,
        "ema_halflife": 1e-6,
        "eval_samples": 60,
        "eval_extractor": extractors,
    }
    for folder, stops in (("whole", [8]), ("broken", [5, 8])):
        for steps in stops:
            config = small(
                "vae-fashion",
                output_dir=str(tmp_path / folder),
                max_train_steps=steps,
                resume_from_checkpoint="latest",
                eval_every=2,
                **fields,
            )
            train(config)
    for place in ("", "best"):
        whole, broken = tmp_path / "whole" / place, tmp_path / "broken" / place
        if not place or told(whole) <= told(broken):
            assert_equal_weights(whole, broken)
    train(small("vae-fashion", output_dir=str(tmp_path / "plain"), max_train_steps=8, **fields))
    assert_equal_weights(tmp_path / "plain", tmp_path / "whole")


def assert_equal_weights(one: Path, other: Path) -> None:
    ours, theirs = (genmodels.load(place).autoencoder.state_dict() for place in (one, other))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_two_processes_measure_what_one_does(tmp_path: Path, extractors: str) -> None:
    measures = ["--eval_every", "2", "--eval_samples", "230", "--eval_extractor", extractors]
    fields = ["--dataset_name", FASHION, "--max_train_steps", "2", "--report_to", "none"]
    fields += ["--mixed_precision", "bf16"]  # for which the processor is looked at first
    found = []
    for processes in (1, 2):
        # Without a step that moves anything, since the processes of a run share its batches out.
        folder = tmp_path / str(processes)
        rate = ["--learning_rate", "1e-12", "--output_dir", str(folder)]
        finish(launch("wgan-gp-fashion", *fields, *measures, *rate, processes=processes))
        found.append(told(folder))
    assert found[0] == pytest.approx(found[1], rel=1e-3)


def test_what_cannot_be_measured_is_said_before_the_first_step(
    small: Small, extractors: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENMODELS_WEIGHTS", str(tmp_path))
    folder = tmp_path / "data"
    for kind in ("shoe", "shirt"):
        (folder / kind).mkdir(parents=True)
        Image.new("L", (28, 28)).save(folder / kind / "0.png")
    for name, fields, sentence in (
        ("vae-fashion", {}, "could not get the weights of inception"),
        ("vae-fashion", {"eval_extractor": "vgg"}, "domain or the folder of a classifier"),
        ("vae-fashion", {"eval_extractor": extractors, "resolution": 32}, "side of 28, but got 32"),
        ("classifier-fashion", {"train_data_dir": str(folder)}, "dataset with a split 'test'"),
    ):
        with pytest.raises(ValueError, match=sentence):
            train(small(name, eval_every=2, **fields))
        assert not (tmp_path / name).exists()
    for name in ("train", "test"):
        (tmp_path / "splits" / name).mkdir(parents=True)
    for kind, colour in (("a", "L"), ("b", "L")):
        for split in ("train", "test"):
            place = tmp_path / "splits" / split / kind
            place.mkdir()
            mode = colour if split == "train" else "RGB"
            for count in range(9):
                Image.new(mode, (28, 28), count).save(place / f"{count}.png")
    with pytest.raises(ValueError, match="expected channels 1 in split 'test', but got 3"):
        train(small("classifier-fashion", dataset_name=str(tmp_path / "splits"), eval_every=2))
    with pytest.raises(ValueError, match="expected --eval_every >= 1, but got 0"):
        small("vae-fashion", eval_every=0)


def test_scores_of_two_networks_are_not_compared(
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
