import math
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from tests.conftest import FIRST
from tests.test_training import launch, tiny
from training.__main__ import main, parse
from training.configs.presets import PRESETS
from training.core.loop import train
from training.objectives import OBJECTIVES, VariationalAutoencoder


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["training", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    return caught.value.code


def test_help_names_the_presets_and_each_field(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert run(monkeypatch, "--help") == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in PRESETS)
    for name, objective in OBJECTIVES.items():
        paper, presets = re.search(
            rf"^{name}: .+\n  (https://\S+)\n  (.+)$", shown, re.MULTILINE
        ).groups()
        assert paper in objective.__doc__
        assert FIRST[name] in presets.split(", ")
    assert run(monkeypatch, "wgan-gp-fashion", "--help") == 0
    shown = capsys.readouterr().out
    for flag in ("--penalty", "--max_train_steps", "--latent_dim", "--resume_from_checkpoint"):
        assert flag in shown
    assert "--beta " not in shown  # of another objective


def test_fields_override_the_preset() -> None:
    config = parse(["wgan-gp-fashion", "--penalty", "3", "--width", "16", "--seed", "7"])
    assert (config.objective.penalty, config.architecture.width, config.seed) == (3.0, 16, 7)
    assert config.train_batch_size == PRESETS["wgan-gp-fashion"].train_batch_size


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "expected a preset (ae-fashion, vae-fashion, "),
        (["gan"], "-conditional), but got gan"),
        (["vae-fashion", "--seed", "abc"], "abc"),
        (["vae-fashion", "--penalty", "1"], "--penalty"),
        (["vae-fashion", "--train_batch_size", "0"], "expected --train_batch_size >= 1, but got 0"),
        (["vae-fashion", "--width", "0"], "expected --width >= 1, but got 0"),
        (["vae-fashion", "--beta", "-1"], "expected --beta >= 0, but got -1"),
        (["wgan-gp-fashion", "--critic_updates", "0"], "expected --critic_updates >= 1, but got 0"),
        (
            ["vae-fashion", "--learning_rate", "nan"],
            "expected --learning_rate >= 1e-12, but got nan",
        ),
        (
            ["vae-fashion", "--adam_beta1", "1.5"],
            "expected --adam_beta1 from 0 to below 1, but got 1.5",
        ),
        (["vae-fashion", "--ema_halflife", "nan"], "expected --ema_halflife >= 0, but got nan"),
        (["vae-fashion", "--seed", "9" * 30], "but got 9999"),
        (["vae-fashion", "--kl_warmup_steps", "-1"], "expected --kl_warmup_steps >= 0, but got -1"),
        (["gan-fashion", "--diffaugment", "colour"], "colour"),
        (["diffusion-fashion", "--prediction_type", "sample"], "sample"),
        (["diffusion-fashion", "--snr_gamma", "0"], "expected --snr_gamma >= 1e-12, but got 0"),
        (["wgan-fashion", "--clip", "0"], "expected --clip >= 1e-12, but got 0"),
        (["diffusion-fashion", "--ddpm_num_steps", "9", "--ddpm_beta_schedule", "linear"], "91%"),
        (["vae-fashion", "--train_data_dir", ".", "--label_column", "a"], "no --label_column with"),
        (["diffusion-fashion", "--label_dropout", "1"], "from 0 to below 1, but got 1"),
        (["vae-fashion", "--lr_scheduler", "step"], "step"),
        (["vae-fashion", "--gradient_accumulation_steps", "0"], ">= 1, but got 0"),
        (["vae-fashion", "--variational", "False"], "--variational"),
        (["vae-fashion", "--label_column", "image", "--conditional"], "ClassLabel"),
        (["vae-fashion", "--resolution", "0"], "but got 0"),
        (["vae-fashion", "--resolution", "100000"], "but got 100000"),
        (
            ["vae-fashion", "--output_dir", "README.md/below"],
            "could not write to --output_dir README.md/below",
        ),
        (["vae-fashion", "--dataset_name", "no/such"], "found no folder 'no/such'"),
        (["vae-fashion", "--train_data_dir", "/no/such"], "there is no folder '/no/such'"),
        (["vae-fashion", "--resolution", "30"], "that halves to 8 or less, but got 30"),
        (["vae-fashion", "--mixed_precision", "fp16"], "expected a GPU for fp16"),
        (["vae-fashion", "--report_to", "wandb"], "expected wandb to be installed"),
        (["vae-fashion", "--pretrained_model_name_or_path", "/no/such"], "could not get"),
        (["vae-fashion", "--hub_model_id", "me/it"], "expected --push_to_hub with --hub_model_id"),
        (["vae-fashion", "--push_to_hub"], "could not push to 'run': "),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    arguments: list[str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    tmp_path: Path,
) -> None:
    # Small, in case that it trains after all.
    unet = arguments[:1] == ["diffusion-fashion"]
    without = {"latent_dim": None, "blocks": None} if unet else {}
    fields = tiny(tmp_path / "run", **without) if len(arguments) > 1 else []
    assert run(monkeypatch, *arguments[:1], *fields, *arguments[1:]) == 2
    shown = capsys.readouterr()
    assert sentence in " ".join((shown.out + shown.err).replace("│", " ").split())
    assert "Traceback" not in shown.err
    assert not (tmp_path / "run").exists()


def test_nothing_is_written_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    assert run(monkeypatch, "vae-fashion", *tiny(tmp_path)) == 2
    assert "expected a new or empty --output_dir" in capsys.readouterr().err
    assert run(monkeypatch, "vae-fashion", *tiny(tmp_path / "thesis.txt")) == 2
    assert "expected a new or empty --output_dir" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_a_run_may_not_go_on_in_the_folder_of_another(
    small: Callable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    for folder in ("one", "other"):
        train(small("vae-fashion", output_dir=str(tmp_path / folder)))
    from_other = tmp_path / "other" / "checkpoint-4"
    fields = tiny(tmp_path / "one", resume_from_checkpoint=from_other, max_train_steps=6)
    assert run(monkeypatch, "vae-fashion", *fields) == 2
    assert "expected a new or empty --output_dir" in capsys.readouterr().err
    assert not (tmp_path / "one" / "checkpoint-6").exists()


def test_latest_of_a_run_without_a_checkpoint_begins_it(small: Callable, tmp_path: Path) -> None:
    (tmp_path / "vae-fashion" / "samples").mkdir(parents=True)
    with pytest.raises(ValueError, match="expected a new or empty --output_dir"):
        train(small("vae-fashion", resume_from_checkpoint="latest"))
    (tmp_path / "vae-fashion" / "run.json").touch()  # as a run that was killed early leaves it
    train(small("vae-fashion", resume_from_checkpoint="latest"))
    assert (tmp_path / "vae-fashion" / "model_index.json").exists()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"max_train_steps": 3}, "expected --max_train_steps >= 4"),
        ({"learning_rate": 0.5}, "expected learning_rate .* got 0.5"),
        ({"train_batch_size": 4}, "expected train_batch_size 8, as in .*, got 4"),
        ({"seed": 1}, "expected seed 0, as in .*, got 1"),
        (
            {"objective": VariationalAutoencoder(beta=7.0, likelihood="bernoulli")},
            "expected beta 1.0, as in .*, got 7.0",
        ),
        ({"dataset_name": "tests/data/fashion_mnist", "resolution": 32}, "expected data"),
        (
            {"resume_from_checkpoint": "checkpoint-2"},
            "expected .*checkpoint-4, the last checkpoint",
        ),
    ],
)
def test_a_run_goes_on_as_it_began(
    fields: dict[str, object], sentence: str, small: Callable, tmp_path: Path
) -> None:
    train(small("vae-fashion", checkpointing_steps=2))
    resume = fields.get("resume_from_checkpoint", "latest")
    if resume != "latest":
        resume = str(tmp_path / "vae-fashion" / resume)
    with pytest.raises(ValueError, match=sentence):
        train(small("vae-fashion", **fields | {"resume_from_checkpoint": resume}))


def test_a_conditional_run_goes_on_with_the_same_labels(small: Callable, tmp_path: Path) -> None:
    for place in range(4):
        for name in ("cat", "dog"):
            (tmp_path / "data" / name).mkdir(parents=True, exist_ok=True)
            Image.new("L", (28, 28), 9 * place).save(
                tmp_path / "data" / name / f"{name}{place}.png"
            )
    fields = {"train_data_dir": str(tmp_path / "data"), "max_train_steps": 2}
    train(small("vae-fashion-conditional", **fields))
    (tmp_path / "data/dog/dog0.png").rename(tmp_path / "data/cat/dog0.png")
    with pytest.raises(ValueError, match="expected data"):
        train(small("vae-fashion-conditional", resume_from_checkpoint="latest", **fields))


def test_a_run_grows_no_longer_where_its_learning_rate_counts_on_its_end(small: Callable) -> None:
    fields = {"lr_scheduler": "linear", "resume_from_checkpoint": "latest"}
    train(small("vae-fashion", lr_scheduler="linear"))
    with pytest.raises(ValueError, match=r"expected max_train_steps 4, as in .*, got 6"):
        train(small("vae-fashion", max_train_steps=6, **fields))


def test_a_loss_that_is_not_finite_ends_the_run_by_name(
    small: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In the third turn of the critic of the third step, long before the next report."""
    objective = OBJECTIVES["wgan-gp"](critic_updates=3)
    turns, honest = iter(range(1, 100)), type(objective).critic_losses

    def critic_losses(self: object, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        factor = math.inf if next(turns) == 9 else 1.0
        return {term: factor * value for term, value in honest(self, real, fake).items()}

    monkeypatch.setattr(type(objective), "critic_losses", critic_losses)
    config = small("wgan-gp-fashion", objective=objective, max_train_steps=9, logging_steps=9)
    kept = tmp_path / "wgan-gp-fashion" / "checkpoint-2"
    message = f"loss critic/negative distance is -?inf at step 3; the last .* is {kept}"
    with pytest.raises(FloatingPointError, match=message):
        train(replace(config, checkpointing_steps=2))
    for file in kept.parent.glob("checkpoint-*/model*.safetensors"):
        assert all(tensor.isfinite().all() for tensor in load_file(file).values())
    assert not (kept.parent / "checkpoint-4").exists()


@pytest.mark.parametrize("damage", ["kind", "truncated", "missing", "not a checkpoint"])
def test_a_wrong_checkpoint_is_named_and_kept(
    damage: str,
    small: Callable,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    tmp_path: Path,
) -> None:
    name = "vae-fashion"
    train(small(name))
    checkpoint = tmp_path / name / "checkpoint-4"
    if damage == "kind":
        name, sentence = "wgan-gp-fashion", "got WassersteinPenalty"
    elif damage == "truncated":
        file = checkpoint / "model.safetensors"
        file.write_bytes(file.read_bytes()[:-10])
        sentence = "is damaged"
    elif damage == "missing":
        (checkpoint / "model.safetensors").unlink()
        sentence = "is damaged"
    else:
        checkpoint, sentence = tmp_path, "expected a checkpoint folder"
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    fields = tiny(tmp_path / "new", resume_from_checkpoint=checkpoint, max_train_steps=6)
    assert run(monkeypatch, name, *fields) == 2
    shown = capsys.readouterr().err
    assert sentence in shown
    assert "Traceback" not in shown
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


def test_the_program_itself_ends_with_2_and_one_line() -> None:
    process = launch("nonsense")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 2
    (line,) = output.splitlines()
    assert line.startswith("error: expected a preset (ae-fashion, ")
    assert line.endswith("), but got nonsense")
