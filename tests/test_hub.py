"""The real client against a Hub on loopback: what is pushed, pulled, and told where that fails."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub import ModelCard, close_session, constants

import genmodels
from tests.conftest import ROOT
from tests.hub import OWNER, READER, Hub, Repository
from training import hub as pushing
from training.__main__ import main as train_main
from training.config import Config
from training.hub import UNPUSHED, Unpushed
from training.loop import train
from training.publishing import main, published, push_folder

Small = Callable[..., Config]

VAE = ROOT / "checkpoints/vae-fashion"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub that the client takes for the one of its maker, with the owner logged in."""
    server = Hub()
    with server.serving():
        template = server.address + "/{repo_id}/resolve/{revision}/{filename}"
        for name, value in {
            # As HF_ENDPOINT sets them, which is read when the client is imported.
            "ENDPOINT": server.address,
            "HUGGINGFACE_CO_URL_TEMPLATE": template,
            "HF_HUB_OFFLINE": False,
            "HF_HUB_DISABLE_XET": True,
            "HF_HUB_CACHE": str(tmp_path / "cache"),
            "HF_TOKEN_PATH": str(tmp_path / "token"),
        }.items():
            monkeypatch.setattr(constants, name, value)
        monkeypatch.setenv("HF_TOKEN", OWNER)
        # The client waits between its own attempts, and so do ours.
        asleep = SimpleNamespace(sleep=lambda seconds: None, time=lambda: 0.0)
        for module in ("huggingface_hub.utils._http", "huggingface_hub.file_download"):
            monkeypatch.setattr(f"{module}.time", asleep)
        monkeypatch.setattr(pushing, "time", asleep)
        close_session()
        yield server
        close_session()


def contents(folder: Path) -> dict[str, bytes]:
    """All that was published in a folder."""
    return {path: file.read_bytes() for path, file in published(folder).items()}


def drawn(pipeline: genmodels.pipelines.LatentPipeline) -> torch.Tensor:
    return pipeline(4, torch.Generator().manual_seed(0), output_type="pt").images


def test_what_is_pushed_is_pulled_again_bit_for_bit(hub: Hub) -> None:
    address = push_folder(VAE, "vae", private=False)
    assert address == f"{hub.address}/me/vae"
    repository = hub.repositories["models/me/vae"]
    assert len(repository.commits) == 2  # the first is the Hub's own
    assert repository.files == contents(VAE)
    assert hub.cards == [(VAE / "README.md").read_text()]
    assert torch.equal(drawn(genmodels.load("me/vae")), drawn(genmodels.load(VAE)))


def test_what_has_not_changed_is_no_commit_and_what_went_goes(hub: Hub, tmp_path: Path) -> None:
    push_folder(VAE, "me/vae", private=False)
    push_folder(VAE, "me/vae", private=False)
    repository = hub.repositories["models/me/vae"]
    assert len(repository.commits) == 2
    repository.commits[-1] |= {"metrics.json": b"{}", "autoencoder/old.json": b"{}", "mine": b"1"}
    push_folder(VAE, "me/vae", private=False)
    assert repository.files == contents(VAE) | {"mine": b"1"}


def test_private_means_private(hub: Hub) -> None:
    push_folder(VAE, "me/hidden", private=True)
    assert hub.repositories["models/me/hidden"].private
    public = hub.repositories["models/me/open"] = Repository()
    with pytest.raises(Unpushed, match="could not push to 'me/open': it is public, but was to be"):
        push_folder(VAE, "me/open", private=True)
    assert len(public.commits) == 1
    push_folder(VAE, "me/hidden", private=False)  # and stays it
    assert hub.repositories["models/me/hidden"].private


FAULTS = {
    "refused": lambda first: lambda number: 403 if number == first else None,
    "refused from then on": lambda first: lambda number: 403 if number >= first else None,
    "cut midway": lambda first: lambda number: "cut" if number == first else None,
    "answer lost": lambda first: lambda number: "lost" if number == first else None,
    "cut from then on": lambda first: lambda number: "cut" if number >= first else None,
    "answers lost from then on": lambda first: lambda number: "lost" if number >= first else None,
    "503 twice": lambda first: lambda number: 503 if number in (first, first + 1) else None,
    "429 twice": lambda first: lambda number: 429 if number in (first, first + 1) else None,
    "500 from then on": lambda first: lambda number: 500 if number >= first else None,
}
PASSES = {"cut midway", "answer lost", "503 twice", "429 twice"}


@pytest.mark.parametrize("name", FAULTS)
def test_a_push_is_one_commit_or_none_whatever_fails(name: str, hub: Hub) -> None:
    """The fault at each request of the push in turn."""
    before = contents(VAE)
    push_folder(VAE, "me/vae", private=False)
    count = len(hub.requests)
    kinds = " ".join(path for _, path in hub.requests)
    for place in ("create", "validate-yaml", "preupload", "batch", "storage", "verify", "commit"):
        assert place in kinds
    for first in range(count):
        hub.repositories.clear()
        hub.stored.clear()
        hub.begin(FAULTS[name](first))
        caught = None  # what the push said when it failed
        try:
            push_folder(VAE, "me/vae", private=False)
        except Unpushed as error:
            caught = str(error)
        if caught is not None:
            assert name not in PASSES, (hub.requests[first], caught)
            assert "\n" not in caught
            assert caught.endswith(f"python -m training.publishing {VAE} --hub_model_id me/vae")
        repository = hub.repositories.get("models/me/vae", Repository())
        assert len(repository.commits) == (2 if caught is None or repository.files else 1)
        assert repository.files == (before if len(repository.commits) == 2 else {})
        assert contents(VAE) == before


def test_a_run_pushes_at_its_end_with_its_settings(
    hub: Hub, small: Small, capsys: pytest.CaptureFixture
) -> None:
    config = small("vae-fashion", push_to_hub=True, hub_model_id="me/run", hub_private_repo=True)
    trained = train(config)
    assert f"pushed to {hub.address}/me/run" in capsys.readouterr().out
    repository = hub.repositories["models/me/run"]
    assert repository.private
    assert len(repository.commits) == 2
    assert repository.files == contents(Path(config.output_dir))
    assert set(repository.files) == {
        "model_index.json",
        "autoencoder/config.json",
        "autoencoder/diffusion_pytorch_model.safetensors",
        "README.md",
        "samples.png",
        "training.json",
    }
    settings = json.loads(repository.files["training.json"])
    assert settings["command"].startswith(
        "accelerate launch -m training vae-fashion --dataset_name"
    )
    assert (settings["objective"], settings["steps"], settings["beta"]) == ("vae", 4, 1.0)
    assert torch.equal(drawn(genmodels.load("me/run")), drawn(trained))


def test_every_save_is_pushed_and_one_that_fails_ends_no_run(hub: Hub, small: Small) -> None:
    config = small("vae-fashion", push_to_hub=True, hub_strategy="every_save")
    config = dataclasses.replace(config, checkpointing_steps=1)
    train(config)
    repository = hub.repositories["models/me/vae-fashion"]
    steps = [json.loads(files["training.json"])["steps"] for files in repository.commits[1:]]
    assert steps == [1, 2, 3, 4]


def test_numbers_are_pushed_with_their_protocol(hub: Hub, small: Small) -> None:
    train(small("classifier-fashion", push_to_hub=True, eval_every=4))
    files = hub.repositories["models/me/classifier-fashion"].files
    assert set(files) >= {"config.json", "diffusion_pytorch_model.safetensors", "metrics.json"}
    measured = json.loads(files["metrics.json"])
    (result,) = ModelCard(files["README.md"].decode()).data.eval_results
    assert result.metric_value == measured["error"]
    assert result.metric_name == f"error, {measured['protocol']}"
    assert result.task_type == "image-classification"


# What keeps from a push is said before a run begins, where it would not pass by itself.
@pytest.mark.parametrize(
    ("token", "name", "sentence"),
    [
        ("", "me/run", "log in by `hf auth login`, or set HF_TOKEN"),
        ("hf_wrong", "me/run", "the token is missing or wrong"),
        (READER, "me/run", "the token is not for that"),
        (OWNER, "other/run", "the token is not for that"),
        (OWNER, "a/b/c", "it is no id of a repository"),
    ],
)
def test_what_keeps_from_a_push_is_said_before_the_run(
    token: str, name: str, sentence: str, hub: Hub, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    config = small("vae-fashion", push_to_hub=True, hub_model_id=name)
    with pytest.raises(ValueError, match=f"could not push to '{name}': {sentence}"):
        train(config)
    assert not Path(config.output_dir).exists()


def test_a_hub_that_is_down_costs_no_run(
    hub: Hub, small: Small, capsys: pytest.CaptureFixture
) -> None:
    hub.begin(lambda number: "cut")
    config = small(
        "vae-fashion", push_to_hub=True, hub_model_id="me/run", hub_strategy="every_save"
    )
    with pytest.raises(
        Unpushed, match="could not push to 'me/run': the Hub cannot be reached; all"
    ):
        train(dataclasses.replace(config, checkpointing_steps=2))
    assert capsys.readouterr().err.count("training goes on") == 2  # before it, and at step 2
    assert genmodels.load(config.output_dir)
    hub.begin()
    push_folder(Path(config.output_dir), "me/run", private=False)
    assert hub.repositories["models/me/run"].files == contents(Path(config.output_dir))


def test_the_commands_end_with_3_where_only_the_push_failed(
    hub: Hub, small: Small, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(
        "training.__main__.parse", lambda arguments: small("vae-fashion", push_to_hub=True)
    )
    hub.begin(lambda number: "cut" if number > 1 else None)  # after the look at the start
    with pytest.raises(SystemExit) as caught:
        train_main()
    assert caught.value.code == UNPUSHED == 3
    with pytest.raises(SystemExit) as caught:
        main(VAE, "me/vae")
    assert caught.value.code == UNPUSHED
    assert capsys.readouterr().err.count("to be pushed by: python -m training.publishing") == 2


def test_the_token_is_told_to_nobody(
    hub: Hub, small: Small, capfd: pytest.CaptureFixture, tmp_path: Path
) -> None:
    train(small("vae-fashion", push_to_hub=True, report_to="tensorboard"))
    hub.begin(lambda number: 403)
    with pytest.raises(Unpushed) as caught:
        push_folder(VAE, "me/vae", private=False)
    told = "".join(capfd.readouterr()) + str(caught.value)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert OWNER not in told
    assert [path for path in files if OWNER.encode() in path.read_bytes()] == []


def test_the_command_alone_pushes_where_hf_endpoint_says(hub: Hub, tmp_path: Path) -> None:
    """In a process of its own, with no hand on the client."""
    environment = {"HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    process = subprocess.run(
        [sys.executable, "-m", "training.publishing", str(VAE), "--hub_model_id", "me/vae"],
        cwd=ROOT,
        env=os.environ | environment | {"HF_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout == f"pushed to {hub.address}/me/vae\n"
    assert hub.repositories["models/me/vae"].files == contents(VAE)
