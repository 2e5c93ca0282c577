"""The published models under one protocol: what is measured, entered, and shown in the table."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from accelerate import Accelerator
from huggingface_hub import ModelCard
from PIL import Image

import genmodels
from genmodels import errors
from genmodels.metrics.evaluation import Evaluation, Result, evaluate
from genmodels.pipelines import pipeline_class
from genmodels.pipelines.denoising import DenoisingPipeline
from tests.conftest import FASHION, ROOT
from training.configs.config import Config
from training.core.loop import train
from training.release import figures
from training.release.model_cards import enter, entries
from training.studies import stability, zoo

CONDITIONAL = [folder for folder in zoo.models() if genmodels.load(folder).num_classes is not None]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A zoo of one model beside the real images."""
    for name in ("vae-fashion", "inpaint-fashion"):
        shutil.copytree(ROOT / "checkpoints" / name, tmp_path / "checkpoints" / name)
    for name in ("README.md", "checkpoints/README.md"):
        text = (ROOT / name).read_text()
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(zoo, "ROOT", tmp_path)
    monkeypatch.setattr(zoo, "ZOO", tmp_path / "checkpoints")
    monkeypatch.setattr(zoo, "REFERENCE", FASHION)
    return tmp_path / "checkpoints"


def test_a_model_is_measured_once_and_its_numbers_stand_in_its_card(
    folder: Path, capsys: pytest.CaptureFixture
) -> None:
    model, before = folder / "vae-fashion", (folder / "vae-fashion" / "README.md").read_text()
    assert zoo.models() == [model]  # a completing network draws nothing of its own
    zoo.measure(count=100)
    zoo.nearest()
    zoo.clock()
    assert capsys.readouterr().out.count("vae-fashion {") == 3
    zoo.measure(count=100)
    assert capsys.readouterr().out == ""

    card = ModelCard.load(model / "README.md")
    found = {
        it.metric_type: it
        for it in card.data.eval_results
        if it.metric_args in (None, {"extractor": "domain", "count": 100})
    }
    assert "100 samples of vae-fashion, seed 0 against 1,000 images" in found["fid"].metric_name
    assert 0 < found["nearness"].metric_value < 10
    assert 0 < found["seconds"].metric_value < 60
    assert f"fid {found['fid'].metric_value:.4g}" in card.text
    # All else is as it was.
    old, new = (
        re.sub(r"## Measured.*?(?=## Limits)", "", text, flags=re.DOTALL)
        for text in (before.split("---\n", 2)[2], card.text)
    )
    assert new.strip() == old.strip()
    # Measured again, a number takes the place of the old one.
    zoo.measure((model,), count=100, again=True)
    found = zoo.card_of(model).data.eval_results
    kinds = [(it.metric_type, it.metric_args) for it in found]
    assert all(kinds.count(kind) == 1 for kind in kinds)


def test_of_several_processes_one_enters_what_all_have_measured(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(Accelerator, "is_main_process", False)
    before = (folder / "vae-fashion" / "README.md").read_text()
    zoo.measure(count=100)
    assert (folder / "vae-fashion" / "README.md").read_text() == before
    assert capsys.readouterr().out == ""


def test_the_tables_are_what_the_cards_say() -> None:
    """No number of them is by hand, nor older than a card."""
    lines = "\n".join(f"| {' | '.join(cells)} |" for cells in zoo.rows(zoo.known()))
    assert lines in (ROOT / "checkpoints" / "README.md").read_text()
    assert lines.replace("](", "](checkpoints/") in (ROOT / "README.md").read_text()


def test_the_table_and_the_figures_are_made_by_one_command(folder: Path) -> None:
    for settings, fid in ((zoo.DOMAIN, 1.234), (zoo.INCEPTION, 56.78), (zoo.MANY, 51.23)):
        found = entries(Result({"fid": fid}, "fit"), zoo.TASK, zoo.REFERENCE, **settings)
        enter(folder / "vae-fashion" / "README.md", found)
    zoo.measure(count=100)  # of which the table knows nothing
    zoo.clock()
    zoo.table()
    one, other = (file.read_text() for file in (folder / "README.md", folder.parent / "README.md"))
    (row,) = (line for line in one.splitlines() if "[vae-fashion]" in line)
    assert all(f"| {number} |" in row for number in ("1.23", "56.8", "51.2"))
    assert "By `inception-bf16`: 50,000 samples beside all training images." in other
    assert "](vae-fashion) |" in one
    assert "](checkpoints/vae-fashion) |" in other
    for name in ("triangles", "classes"):
        assert Image.open(folder / f"{name}.png").width == 1200
    zoo.table()
    assert (folder / "README.md").read_text() == one


@pytest.mark.parametrize("model", CONDITIONAL, ids=lambda model: model.name)
def test_conditional_models_obey_their_labels(model: Path) -> None:
    """As often as their cards say."""
    told = zoo.numbers(zoo.card_of(model).data, zoo.DOMAIN)["class_accuracy"]
    assert told >= 0.9
    count = 40 if pipeline_class(model) is DenoisingPipeline else 500
    evaluation = Evaluation(str(model), FASHION, ("class_accuracy",), "domain", count)
    (result,) = evaluate(evaluation)
    assert result.numbers["class_accuracy"] == pytest.approx(told, abs=0.05)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--extractor", "no"], "expected domain or inception-bf16, but got 'no'"),
        (["no/such"], "expected a model with a card, but there is none in no/such"),
        (["tests", "--count", "20"], "expected a model with a card, but there is none in tests"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    arguments: list[str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setattr("sys.argv", ["zoo", "measure", *arguments])
    with pytest.raises(SystemExit, match="2"):
        errors.run_command({"measure": zoo.measure, "table": zoo.table}, "zoo")
    assert sentence in capsys.readouterr().err


def test_games_are_played_once_from_each_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = []

    def play(name: str, steps: int, every: int, width: int, seed: int) -> list[float]:
        played.append((name, seed))
        return [2.0, 1.0]

    monkeypatch.setattr(stability, "play", play)
    file = tmp_path / "curves.json"
    stability.stability(seeds=1, output=file)
    stability.stability(seeds=2, output=file)
    assert sorted(played) == sorted((name, seed) for name in stability.GAMES for seed in (0, 1))
    told = json.loads(file.read_text())
    assert told["fid"]["sngan-fashion"] == [[2.0, 1.0]] * 2
    figures.curves(told)
    stability.stability(steps=500, seeds=1, output=file)  # another game altogether
    assert len(played) == 3 * len(stability.GAMES)


def test_a_game_is_that_of_the_preset(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small: Callable[..., Config]
) -> None:
    monkeypatch.setitem(stability.PRESETS, "sngan-fashion", small("sngan-fashion"))
    found = stability.play("sngan-fashion", 4, 2, 8, 0)
    fields = {"seed": 0, "max_train_steps": 4, "eval_every": 2, "eval_samples": 2000}
    fields["train_batch_size"] = 64
    config = small("sngan-fashion", eval_extractor="domain", **fields)
    train(config)
    numbers = json.loads((Path(config.output_dir) / "metrics.json").read_text())
    assert found[-1] == pytest.approx(numbers["fid"], rel=1e-6)
