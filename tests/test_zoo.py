"""The zoo: evaluations in JSON files, generated cards and tables, and the stability study."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from accelerate import Accelerator
from huggingface_hub import ModelCard
from PIL import Image

from genmodels import errors
from genmodels.metrics.evaluation import Result
from genmodels.pipelines import pipeline_class
from genmodels.pipelines.denoising import DenoisingPipeline
from tests.conftest import FASHION, ROOT
from training.configs.config import Config
from training.core.loop import train
from training.release import figures
from training.release.model_cards import model_card, write_card
from training.release.records import Measurement, add_metrics, read_metrics, read_record
from training.studies import stability, zoo, zoo_table

CONDITIONAL = [folder for folder in zoo.models() if read_record(folder)["conditional"]]
PUBLISHED = sorted(card.parent for card in ROOT.glob("checkpoints/*/README.md"))
BEFORE = ROOT / "tests/data/published_before"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A zoo with one generator, one inpainting model and the real images."""
    for name in ("vae-fashion", "inpaint-fashion"):
        shutil.copytree(ROOT / "checkpoints" / name, tmp_path / "checkpoints" / name)
    for name in ("README.md", "checkpoints/README.md", "checkpoints/metrics.json"):
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.setattr(zoo, "ZOO", tmp_path / "checkpoints")
    monkeypatch.setattr(zoo, "REFERENCE", FASHION)
    return tmp_path / "checkpoints"


def test_models_are_evaluated_once(folder: Path, capsys: pytest.CaptureFixture) -> None:
    model, before = folder / "vae-fashion", read_metrics(folder / "vae-fashion")
    assert zoo.models() == [model]  # genmodels.inpainting evaluates inpainting models
    zoo.measure(count=100)
    zoo.nearest()
    zoo.clock()
    assert capsys.readouterr().out.count("vae-fashion {") == 3
    zoo.measure(count=100)
    assert capsys.readouterr().out == ""

    fid = zoo.numbers(model, {"extractor": "domain", "count": 100})["fid"]
    card = ModelCard.load(model / "README.md")
    (result,) = (
        it
        for it in card.data.eval_results
        if it.metric_type == "fid" and (it.metric_args or {}).get("count") == 100
    )
    assert result.metric_value == fid
    assert "100 samples of vae-fashion, seed 0 against 1,000 images" in result.metric_name
    assert f"FID {fid:.4g}" in card.text
    assert 0 < zoo.numbers(model, {})["nearness"] < 10
    assert 0 < zoo.numbers(model, {})["seconds"] < 60
    # A repeated measurement replaces the old one and leaves all others.
    zoo.measure((model,), count=100, again=True)
    after = read_metrics(model)
    assert all(it in after for it in before if it.settings or "fid" in it.numbers)
    names = [(name, str(it.settings)) for it in after for name in it.numbers]
    assert len(set(names)) == len(names)


def test_results_replace_numbers_of_the_same_settings_only(tmp_path: Path) -> None:
    add_metrics(tmp_path, Result({"fid": 1.0, "kid": 2.0}, "old", []), {})
    add_metrics(tmp_path, Result({"fid": 3.0}, "old", []), {"count": 9})
    add_metrics(tmp_path, Result({"fid": 4.0}, "new", ["note"]), {})
    assert read_metrics(tmp_path) == [
        Measurement({"kid": 2.0}, "old", []),
        Measurement({"fid": 3.0}, "old", [], {"count": 9}),
        Measurement({"fid": 4.0}, "new", ["note"]),
    ]


def test_only_the_main_process_writes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(Accelerator, "is_main_process", False)
    before = read_metrics(folder / "vae-fashion")
    zoo.measure(count=100)
    assert read_metrics(folder / "vae-fashion") == before
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("model", PUBLISHED, ids=lambda model: model.name)
def test_cards_are_generated_from_json(model: Path) -> None:
    """Regenerate them with `python -m training.zoo cards`."""
    card = model_card(read_record(model), read_metrics(model))
    assert (model / "README.md").read_text().strip() == card.strip()


def test_tables_are_generated_from_json() -> None:
    """Regenerate them with `python -m training.zoo table`."""
    folders = [zoo.ZOO, *zoo.models()]
    full = "\n".join(zoo_table.table_lines(folders))
    assert full in (ROOT / "checkpoints" / "README.md").read_text()
    short = "\n".join(zoo_table.table_lines(folders, zoo_table.SHORT))
    assert short.replace("](", "](checkpoints/") in (ROOT / "README.md").read_text()


def test_table_command_writes_tables_and_figures(folder: Path) -> None:
    for settings, fid in (
        (zoo_table.DOMAIN, 1.234),
        (zoo_table.INCEPTION, 56.78),
        (zoo_table.INCEPTION_50K, 51.23),
    ):
        add_metrics(folder / "vae-fashion", Result({"fid": fid}, "fit"), settings)
        write_card(folder / "vae-fashion")
    zoo.measure(count=100)  # not in the table
    zoo.clock()
    zoo_table.table()
    zoo_readme, readme = (
        file.read_text() for file in (folder / "README.md", folder.parent / "README.md")
    )
    (row,) = (line for line in zoo_readme.splitlines() if "[vae-fashion]" in line)
    assert all(f"| {number} |" in row for number in ("1.23", "56.8", "51.2"))
    assert "- *FID 50k*: FID with Inception features of 50,000 samples." in zoo_readme
    assert "](vae-fashion) |" in zoo_readme
    assert "](checkpoints/vae-fashion) |" in readme
    for name in ("triangles", "classes"):
        assert Image.open(folder / f"{name}.png").width == 1200
    zoo_table.table()
    assert (folder / "README.md").read_text() == zoo_readme


@pytest.mark.parametrize("model", CONDITIONAL, ids=lambda model: model.name)
def test_conditional_models_generate_the_requested_class(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zoo, "REFERENCE", FASHION)
    monkeypatch.setitem(zoo.METRICS, "domain", [])
    published = zoo.numbers(model, zoo_table.DOMAIN)["class_accuracy"]
    assert published >= 0.9
    count = 40 if pipeline_class(model) is DenoisingPipeline else 500
    (result,) = zoo.evaluate_model(Accelerator(), model, "domain", count)
    tolerance = 3 * (published * (1 - published) / count) ** 0.5  # 3 standard errors
    assert result.numbers["class_accuracy"] == pytest.approx(published, abs=tolerance)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--extractor", "no"], "expected --extractor domain or inception-bf16, got 'no'"),
        (["no/such"], "expected a published model in no/such, found no training.json"),
        (["tests", "--count", "20"], "expected a published model in tests, found no training.json"),
        (
            [str(BEFORE / "vae-fashion"), "--count", "20"],
            "with model and dataset, got one by an older version",
        ),
    ],
)
def test_invalid_arguments_are_reported(
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setattr("sys.argv", ["zoo", "measure", *arguments])
    with pytest.raises(SystemExit, match="2"):
        errors.run_command({"measure": zoo.measure, "table": zoo_table.table}, "zoo")
    assert message in capsys.readouterr().err


def test_metrics_of_older_versions_are_readable(tmp_path: Path) -> None:
    old = {"fid": 1.5, "protocol": "domain", "notes": ["few"]}
    (tmp_path / "metrics.json").write_text(json.dumps(old))
    assert read_metrics(tmp_path) == [Measurement({"fid": 1.5}, "domain", ["few"])]


def test_finished_stability_runs_are_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []

    def fid_curve(name: str, steps: int, every: int, width: int, seed: int) -> list[float]:
        runs.append((name, seed))
        return [2.0, 1.0]

    monkeypatch.setattr(stability, "fid_curve", fid_curve)
    file = tmp_path / "curves.json"
    stability.stability(seeds=1, output=file)
    stability.stability(seeds=2, output=file)
    assert sorted(runs) == sorted((name, seed) for name in stability.NAMES for seed in (0, 1))
    study = json.loads(file.read_text())
    assert study["fid"]["sngan-fashion"] == [[2.0, 1.0]] * 2
    figures.stability_curves(study)
    stability.stability(steps=500, seeds=1, output=file)  # other settings start a new study
    assert len(runs) == 3 * len(stability.NAMES)


def test_stability_study_trains_like_the_preset(
    monkeypatch: pytest.MonkeyPatch, small: Callable[..., Config]
) -> None:
    monkeypatch.setitem(stability.PRESETS, "sngan-fashion", small("sngan-fashion"))
    distances = stability.fid_curve("sngan-fashion", 4, 2, 8, 0)
    fields = {"seed": 0, "max_train_steps": 4, "eval_every": 2, "eval_samples": 2000}
    config = small("sngan-fashion", eval_extractor="domain", train_batch_size=64, **fields)
    train(config)
    (measurement,) = read_metrics(Path(config.output_dir))
    assert distances[-1] == pytest.approx(measurement.numbers["fid"], rel=1e-6)
