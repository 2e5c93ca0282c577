"""The command line of training: flags, --config, errors, and protection of existing files."""

import json
import math
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from genmodels.errors import UserError
from tests.conftest import FIRST_PRESETS, ROOT
from tests.test_training import launch, tiny
from training.__main__ import main, parse
from training.configs.architectures import UNet
from training.configs.presets import PRESETS
from training.configs.training_json import RENAMED_FIELDS, load_config
from training.core.loop import train
from training.core.setup import load_pretrained
from training.objectives import OBJECTIVES, VariationalAutoencoder


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command in this process and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["training", *arguments])
    with pytest.raises(SystemExit) as excinfo:
        main()
    return excinfo.value.code


def test_help_lists_presets_and_fields(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert run(monkeypatch, "--help") == 0
    text = capsys.readouterr().out
    assert all(name in text for name in PRESETS)
    for name, objective in OBJECTIVES.items():
        paper, presets = re.search(
            rf"^{name}: .+\n  (https://\S+)\n  (.+)$", text, re.MULTILINE
        ).groups()
        assert paper in objective.__doc__
        assert FIRST_PRESETS[name] in presets.split(", ")
    assert run(monkeypatch, "wgan-gp-fashion", "--help") == 0
    text = capsys.readouterr().out
    for flag in ("--penalty_weight", "--max_train_steps", "--latent_dim", "--max_grad_norm"):
        assert flag in text
    assert "--beta " not in text  # belongs to another objective
    assert not re.search(r"^│ --\w+ .*\n│\s+\(default", text, re.MULTILINE)  # a field without help


def test_flags_override_the_preset() -> None:
    config = parse(["wgan-gp-fashion", "--penalty_weight", "3", "--width", "16", "--seed", "7"])
    assert (config.objective.penalty_weight, config.architecture.width, config.seed) == (3.0, 16, 7)
    assert config.train_batch_size == PRESETS["wgan-gp-fashion"].train_batch_size


VAE_BETA_7 = VariationalAutoencoder(beta=7.0, likelihood="bernoulli")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected a preset (ae-fashion, vae-fashion, "),
        (["gan"], "-conditional"),
        (["gan"], ") or --config FILE first, got gan"),
        (["vae-fashion", "--seed", "abc"], "abc"),
        (["vae-fashion", "--penalty_weight", "1"], "--penalty_weight"),
        (["vae-fashion", "--train_batch_size", "0"], "expected --train_batch_size >= 1, got 0"),
        (["vae-fashion", "--width", "0"], "expected --width >= 1, got 0"),
        (["vae-fashion", "--beta", "-1"], "expected --beta >= 0, got -1"),
        (["wgan-gp-fashion", "--critic_updates", "0"], "expected --critic_updates >= 1, got 0"),
        (["vae-fashion", "--learning_rate", "nan"], "expected --learning_rate >= 1e-12, got nan"),
        (["vae-fashion", "--adam_beta1", "1.5"], "expected --adam_beta1 in [0, 1), got 1.5"),
        (["vae-fashion", "--ema_halflife", "nan"], "expected --ema_halflife >= 0, got nan"),
        (["vae-fashion", "--max_grad_norm", "0"], "expected --max_grad_norm >= 1e-12, got 0"),
        (["vae-fashion", "--seed", "9" * 30], "got 9999"),
        (["vae-fashion", "--kl_warmup_steps", "-1"], "expected --kl_warmup_steps >= 0, got -1"),
        (["gan-fashion", "--diffaugment", "colour"], "colour"),
        (["diffusion-fashion", "--prediction_type", "sample"], "sample"),
        (["diffusion-fashion", "--snr_gamma", "0"], "expected --snr_gamma >= 1e-12, got 0"),
        (["wgan-fashion", "--clip_value", "0"], "expected --clip_value >= 1e-12, got 0"),
        (["diffusion-fashion", "--ddpm_num_steps", "9", "--ddpm_beta_schedule", "linear"], "91%"),
        (
            ["vae-fashion", "--train_data_dir", ".", "--dataset_config_name", "a"],
            "expected no --dataset_config_name with --train_data_dir, got a",
        ),
        (
            ["vae-fashion", "--train_data_dir", ".", "--dataset_revision", "main"],
            "expected no --dataset_revision with --train_data_dir, got main",
        ),
        (["diffusion-fashion", "--label_dropout", "1"], "in [0, 1), got 1"),
        (["vae-fashion", "--lr_scheduler", "step"], "step"),
        (["vae-fashion", "--gradient_accumulation_steps", "0"], ">= 1, got 0"),
        (["vae-fashion", "--gradient_checkpointing"], "supports it, got Autoencoder"),
        (["vae-fashion", "--variational", "False"], "--variational"),
        (["vae-fashion", "--label_column", "image", "--conditional"], "a column of classes"),
        (["vae-fashion", "--resolution", "0"], "got 0"),
        (["vae-fashion", "--resolution", "30"], "got 30; try 28 or 32"),
        (["diffusion-fashion", "--resolution", "100"], "got 100; try 96 or 104"),
        (["diffusion-fashion", "--levels", "9"], "expected --levels in [1, 9), got 9"),
        (["diffusion-fashion", "--attention", "-1"], "expected --attention >= 0, got -1"),
        (["vae-fashion", "--resolution", "100000"], "got 100000"),
        (["vae-fashion", "--output_dir", "README.md/below"], "README.md/below"),
        (["vae-fashion", "--dataset_name", "no/such"], "no/such"),
        (["vae-fashion", "--train_data_dir", "/no/such"], "/no/such"),
        (["vae-fashion", "--mixed_precision", "fp16"], "fp16"),
        (["vae-fashion", "--report_to", "wandb"], "wandb"),
        (["vae-fashion", "--pretrained_model_name_or_path", "/no/such"], "/no/such"),
        (["vae-fashion", "--hub_model_id", "me/it"], "expected --push_to_hub with --hub_model_id"),
        (["vae-fashion", "--push_to_hub"], "'run'"),
        (["vae-fashion", "--config", "training.json"], "got both vae-fashion and --config"),
    ],
)
def test_user_errors_exit_with_2_and_one_sentence(
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    tmp_path: Path,
) -> None:
    # A tiny network, in case training starts.
    unet = arguments[:1] == ["diffusion-fashion"]
    unet_fields = {"latent_dim": None, "blocks": None} if unet else {}
    fields = tiny(tmp_path / "run", **unet_fields) if len(arguments) > 1 else []
    assert run(monkeypatch, *arguments[:1], *fields, *arguments[1:]) == 2
    output = capsys.readouterr()
    assert message in " ".join((output.out + output.err).replace("│", " ").split())
    assert "Traceback" not in output.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["vae-fashion", "wgan-fashion", "diffusion-fashion-conditional"])
def test_config_repeats_a_run_from_its_training_json(
    name: str, small: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = small(name, max_train_steps=2, learning_rate=1e-3, max_grad_norm=0.5)
    train(config)
    file = Path(config.output_dir) / "training.json"
    settings = json.loads(file.read_text())
    file.write_text(json.dumps(settings | {"some_later_key": 1}))
    repeated = load_config(file)
    assert repeated.result_fields() == config.result_fields()
    assert repeated.output_dir == f"runs/{name}"
    flags = ["--output_dir", str(tmp_path / "again"), "--report_to", "none"]
    monkeypatch.setattr(sys, "argv", ["training", "--config", str(file), *flags])
    main()
    weights = list(Path(config.output_dir).glob("*/*.safetensors"))
    assert weights
    for path in weights:
        copy = load_file(tmp_path / "again" / path.relative_to(config.output_dir))
        assert all(torch.equal(tensor, copy[key]) for key, tensor in load_file(path).items())


def test_flags_override_config(tmp_path: Path) -> None:
    file = tmp_path / "training.json"
    settings = {"objective": "wgan", "architecture": "DCGAN", "width": 8, "critic_updates": 2}
    file.write_text(json.dumps(settings | {"pretrained_model_name_or_path": "me/base"}))
    config = parse([f"--config={file}", "--width", "16", "--output_dir", "elsewhere"])
    assert (config.architecture.width, config.objective.critic_updates) == (16, 2)
    assert config.pretrained_model_name_or_path == "me/base"
    assert config.output_dir == "elsewhere"


@pytest.mark.parametrize("file", sorted(ROOT.glob("checkpoints/*/training.json")), ids=str)
def test_config_reads_published_files(file: Path) -> None:
    """Each key that names a field, by its current or old name, sets that field."""
    fields = json.loads(json.dumps(load_config(file).result_fields()))
    settings = {
        RENAMED_FIELDS.get(name, name): value
        for name, value in json.loads(file.read_text()).items()
    }
    assert {name: fields[name] for name in settings if name in fields} == {
        name: value for name, value in settings.items() if name in fields
    }
    assert not {"halflife", "critic_turns", "clip", "penalty"} & set(settings)


@pytest.mark.parametrize("file", sorted(ROOT.glob("checkpoints/*/training.json")), ids=str)
def test_config_builds_the_published_networks(file: Path) -> None:
    """Fields that an older file lacks have the values that its run had."""
    config = load_config(file)
    num_classes = 10 if config.conditional else None
    with torch.device("meta"):
        networks = config.architecture.networks(1, 28, num_classes)
    published = config.objective.pipeline(networks)
    parts = getattr(published, "components", {"": published})
    for name, part in parts.items():
        if isinstance(part, torch.nn.Module):
            (weights,) = (file.parent / name).glob("*.safetensors")
            shapes = {key: tensor.shape for key, tensor in part.state_dict().items()}
            assert {key: tensor.shape for key, tensor in load_file(weights).items()} == shapes
        elif name == "scheduler":
            settings = json.loads((file.parent / name / "scheduler_config.json").read_text())
            assert settings["trained_betas"] is part.config.trained_betas is None


def test_pretrained_weights_published_without_max_width_are_loaded() -> None:
    preset = PRESETS["ae-fashion"]
    networks = preset.architecture.networks(1, 28)
    load_pretrained(str(ROOT / "checkpoints/ae-fashion"), preset.objective, networks)
    weights = load_file(
        ROOT / "checkpoints/ae-fashion/autoencoder/diffusion_pytorch_model.safetensors"
    )
    loaded = networks["autoencoder"].state_dict()
    assert all(torch.equal(loaded[key], weight.float()) for key, weight in weights.items())


def test_pretrained_weights_of_another_noise_schedule_are_rejected(tmp_path: Path) -> None:
    shifted, plain = (OBJECTIVES["diffusion"](schedule_base_side=side) for side in (64, None))
    networks = UNet(width=8, layers_per_block=1).networks(1, 128)
    plain.pipeline(networks).save_pretrained(tmp_path)
    load_pretrained(str(tmp_path), plain, networks)
    with pytest.raises(UserError, match=r"expected the noise schedule .*--schedule_base_side"):
        load_pretrained(str(tmp_path), shifted, networks)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("{", "expected --config to be a run's training.json, got"),
        ("[1]", "expected --config to be a run's training.json, got"),
        ({"architecture": "DCGAN"}, "expected objective to be one of ae, vae, .*, got None"),
        ({"objective": "wgan", "architecture": "LSTM"}, "architecture .* DCGAN, .*, got LSTM"),
        ({"objective": "wgan", "architecture": "DCGAN", "width": "8"}, "valid width .*, got '8'"),
        ({"objective": "wgan", "architecture": "DCGAN", "seed": True}, "valid seed .*, got True"),
        ({"objective": "wgan", "architecture": "DCGAN", "seed": -1}, "--seed .*, got -1"),
        ({"objective": "gan", "architecture": "DCGAN", "optimizer": "sgd"}, "valid optimizer"),
        ({"objective": "gan", "architecture": "DCGAN", "diffaugment": ["x"]}, "valid diffaugment"),
    ],
)
def test_invalid_training_json_is_a_user_error(
    settings: str | dict, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "training.json"
    file.write_text(settings if isinstance(settings, str) else json.dumps(settings))
    with pytest.raises(UserError, match=message):
        load_config(file)


def train_weights(config: object) -> Tensor:
    pipeline = train(config)
    networks = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
    return torch.cat([weight.flatten() for part in networks for weight in part.parameters()])


def test_gradient_checkpointing_trains_the_same_weights(small: Callable, tmp_path: Path) -> None:
    """The recomputed activations must use the same dropout masks."""
    fields = {"architecture": UNet(width=8, layers_per_block=1, dropout=0.1), "max_train_steps": 2}
    plain, checkpointed = (
        train_weights(
            small(
                "diffusion-fashion",
                gradient_checkpointing=enabled,
                output_dir=str(tmp_path / str(enabled)),
                **fields,
            )
        )
        for enabled in (False, True)
    )
    assert torch.allclose(plain, checkpointed, atol=1e-6)


def test_max_grad_norm_bounds_the_gradient_of_every_update(
    small: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    norms: list[float] = []
    step = torch.optim.Adam.step

    def record(self: torch.optim.Optimizer, *arguments: object, **fields: object) -> object:
        gradients = [weight.grad for group in self.param_groups for weight in group["params"]]
        norms.append(torch.nn.utils.get_total_norm(gradients).item())
        return step(self, *arguments, **fields)

    monkeypatch.setattr(torch.optim.Adam, "step", record)
    fields = {"max_train_steps": 2, "gradient_accumulation_steps": 2}
    config = small("wgan-gp-fashion", max_grad_norm=0.01, **fields)
    train(config)
    assert len(norms) == 2 * (config.objective.critic_updates + 1)
    assert norms == pytest.approx([0.01] * len(norms), rel=1e-3)


def test_existing_files_are_not_overwritten(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    assert run(monkeypatch, "vae-fashion", *tiny(tmp_path)) == 2
    assert str(tmp_path) in capsys.readouterr().err
    assert run(monkeypatch, "vae-fashion", *tiny(tmp_path / "thesis.txt")) == 2
    assert "thesis.txt" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_a_run_cannot_continue_in_the_folder_of_another_run(
    small: Callable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    for folder in ("one", "other"):
        train(small("vae-fashion", output_dir=str(tmp_path / folder)))
    checkpoint = tmp_path / "other" / "checkpoint-4"
    fields = tiny(tmp_path / "one", resume_from_checkpoint=checkpoint, max_train_steps=6)
    assert run(monkeypatch, "vae-fashion", *fields) == 2
    assert str(tmp_path / "one") in capsys.readouterr().err
    assert not (tmp_path / "one" / "checkpoint-6").exists()


def test_latest_starts_a_run_that_has_no_checkpoint(small: Callable, tmp_path: Path) -> None:
    (tmp_path / "vae-fashion" / "samples").mkdir(parents=True)
    with pytest.raises(UserError, match="vae-fashion"):
        train(small("vae-fashion", resume_from_checkpoint="latest"))
    # A run that is killed before its first checkpoint leaves this file.
    (tmp_path / "vae-fashion" / "run.json").touch()
    train(small("vae-fashion", resume_from_checkpoint="latest"))
    assert (tmp_path / "vae-fashion" / "model_index.json").exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_train_steps": 3}, "expected --max_train_steps >= 4"),
        ({"learning_rate": 0.5}, "expected --learning_rate 0.001, .* got 0.5"),
        ({"max_grad_norm": 0.5}, "expected --max_grad_norm None, .* got 0.5"),
        ({"train_batch_size": 4}, "expected train_batch_size x .* processes 8, .* got 4"),
        ({"seed": 1}, "expected --seed 0, .* got 1"),
        ({"objective": VAE_BETA_7}, "expected --beta 1.0, .* got 7.0"),
        ({"dataset_name": "tests/data/fashion_mnist", "resolution": 32}, "data"),
        ({"resume_from_checkpoint": "checkpoint-2"}, "last checkpoint"),
    ],
)
def test_fields_that_affect_the_result_cannot_change_on_resume(
    fields: dict[str, object], message: str, small: Callable, tmp_path: Path
) -> None:
    train(small("vae-fashion", checkpointing_steps=2))
    resume = fields.get("resume_from_checkpoint", "latest")
    if resume != "latest":
        resume = str(tmp_path / "vae-fashion" / resume)
    with pytest.raises(UserError, match=message):
        train(small("vae-fashion", **fields | {"resume_from_checkpoint": resume}))


def test_labels_cannot_change_on_resume(small: Callable, tmp_path: Path) -> None:
    for index in range(4):
        for name in ("cat", "dog"):
            (tmp_path / "data" / name).mkdir(parents=True, exist_ok=True)
            Image.new("L", (28, 28), 9 * index).save(
                tmp_path / "data" / name / f"{name}{index}.png"
            )
    fields = {"train_data_dir": str(tmp_path / "data"), "max_train_steps": 2}
    train(small("vae-fashion-conditional", **fields))
    (tmp_path / "data/dog/dog0.png").rename(tmp_path / "data/cat/dog0.png")
    with pytest.raises(UserError, match="expected data"):
        train(small("vae-fashion-conditional", resume_from_checkpoint="latest", **fields))


def test_max_train_steps_cannot_grow_with_a_decaying_learning_rate(small: Callable) -> None:
    fields = {"lr_scheduler": "linear", "resume_from_checkpoint": "latest"}
    train(small("vae-fashion", lr_scheduler="linear"))
    message = r"--max_train_steps 4 \(--lr_scheduler linear depends on it\), .* got 6"
    with pytest.raises(UserError, match=message):
        train(small("vae-fashion", max_train_steps=6, **fields))


def test_a_non_finite_loss_stops_training_with_its_step_and_name(
    small: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The third critic update of step 3 diverges, long before the next log at step 9."""
    objective = OBJECTIVES["wgan-gp"](critic_updates=3)
    updates, original = iter(range(1, 100)), type(objective).critic_losses

    def critic_losses(self: object, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        factor = math.inf if next(updates) == 9 else 1.0
        return {loss: factor * value for loss, value in original(self, real, fake).items()}

    monkeypatch.setattr(type(objective), "critic_losses", critic_losses)
    config = small("wgan-gp-fashion", objective=objective, max_train_steps=9, logging_steps=9)
    checkpoint = tmp_path / "wgan-gp-fashion" / "checkpoint-2"
    message = f"loss critic/negative distance is -?inf at step 3; the last .* is {checkpoint}"
    with pytest.raises(FloatingPointError, match=message):
        train(replace(config, checkpointing_steps=2))
    for file in checkpoint.parent.glob("checkpoint-*/model*.safetensors"):
        assert all(tensor.isfinite().all() for tensor in load_file(file).values())
    assert not (checkpoint.parent / "checkpoint-4").exists()


@pytest.mark.parametrize("damage", ["kind", "truncated", "missing", "not a checkpoint"])
def test_invalid_checkpoints_are_user_errors_and_stay_unchanged(
    damage: str,
    small: Callable,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    tmp_path: Path,
) -> None:
    name = "vae-fashion"
    train(small(name))
    checkpoint = tmp_path / name / "checkpoint-4"
    message = str(checkpoint)
    if damage == "kind":
        name, message = "wgan-gp-fashion", "got WassersteinPenalty"
    elif damage == "truncated":
        file = checkpoint / "model.safetensors"
        file.write_bytes(file.read_bytes()[:-10])
    elif damage == "missing":
        (checkpoint / "model.safetensors").unlink()
    else:
        checkpoint, message = tmp_path, "expected a checkpoint"
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    fields = tiny(tmp_path / "new", resume_from_checkpoint=checkpoint, max_train_steps=6)
    assert run(monkeypatch, name, *fields) == 2
    output = capsys.readouterr().err
    assert message in output
    assert "Traceback" not in output
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


def test_the_program_exits_with_2_and_one_line() -> None:
    process = launch("nonsense")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 2
    (line,) = output.splitlines()
    assert line.startswith("error: expected a preset (ae-fashion, ")
    assert line.endswith(" or --config FILE first, got nonsense")
