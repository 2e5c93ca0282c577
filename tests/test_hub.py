"""The real Hub client against a local server: pushes, downloads, and their errors."""

import dataclasses
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import diffusers
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, PNDMScheduler
from huggingface_hub import ModelCard, RepoCard, close_session, constants, hf_api
from safetensors.torch import load_file, save_file

import genmodels
from genmodels.errors import UserError
from genmodels.pipelines.denoising import DenoisingPipeline
from genmodels.ui.models import Models
from tests.conftest import ROOT
from tests.hub import OWNER, READER, Hub, Repository
from tests.test_diffusers_compat import STEPS, ddim_samples, small_unet
from training.__main__ import main as train_main
from training.configs.config import Config
from training.core.loop import train
from training.publishing import main
from training.release import push as pushing
from training.release.publish import published, push_folder
from training.release.push import PUSH_FAILED, PushError, push
from training.release.space import working_tree

Small = Callable[..., Config]

VAE = ROOT / "checkpoints/vae-fashion"
WEIGHTS = "autoencoder/diffusion_pytorch_model.safetensors"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A local server instead of huggingface.co; the owner is logged in."""
    server = Hub()
    with server.serve():
        template = server.address + "/{repo_id}/resolve/{revision}/{filename}"
        for name, value in {
            # HF_ENDPOINT is read when the client is imported, too early for a fixture.
            "ENDPOINT": server.address,
            "HUGGINGFACE_CO_URL_TEMPLATE": template,
            "HF_HUB_OFFLINE": False,
            "HF_HUB_DISABLE_XET": True,
            "HF_HUB_CACHE": str(tmp_path / "cache"),
            "HF_TOKEN_PATH": str(tmp_path / "token"),
        }.items():
            monkeypatch.setattr(constants, name, value)
        monkeypatch.setattr(hf_api.api, "endpoint", server.address)
        monkeypatch.setenv("HF_TOKEN", OWNER)
        # The client and `push` sleep between attempts.
        fake_time = SimpleNamespace(sleep=lambda seconds: None, time=lambda: 0.0)
        for module in ("huggingface_hub.utils._http", "huggingface_hub.file_download"):
            monkeypatch.setattr(f"{module}.time", fake_time)
        monkeypatch.setattr(pushing, "time", fake_time)
        close_session()
        yield server
        close_session()


def contents(folder: Path) -> dict[str, bytes]:
    """Return the published files of a folder."""
    return {path: file.read_bytes() for path, file in published(folder).items()}


def generate_samples(pipeline: genmodels.pipelines.LatentPipeline) -> torch.Tensor:
    return pipeline(4, torch.Generator().manual_seed(0), output_type="pt").images


def test_pushed_model_loads_bit_equal(hub: Hub) -> None:
    address = push_folder(VAE, "vae", private=False)
    assert address == f"{hub.address}/me/vae"
    repository = hub.repositories["models/me/vae"]
    assert len(repository.commits) == 2  # the Hub makes the first one
    assert repository.files == contents(VAE)
    assert hub.cards == [(VAE / "README.md").read_text()]
    assert torch.equal(
        generate_samples(genmodels.load("me/vae")), generate_samples(genmodels.load(VAE))
    )


def test_unchanged_files_make_no_commit_and_stale_files_are_deleted(
    hub: Hub, tmp_path: Path
) -> None:
    push_folder(VAE, "me/vae", private=False)
    push_folder(VAE, "me/vae", private=False)
    repository = hub.repositories["models/me/vae"]
    assert len(repository.commits) == 2
    repository.commits[-1] |= {"metrics.json": b"{}", "autoencoder/old.json": b"{}", "mine": b"1"}
    push_folder(VAE, "me/vae", private=False)
    assert repository.files == contents(VAE) | {"mine": b"1"}


def test_private_models_stay_private(hub: Hub) -> None:
    push_folder(VAE, "me/hidden", private=True)
    assert hub.repositories["models/me/hidden"].private
    public = hub.repositories["models/me/open"] = Repository()
    with pytest.raises(PushError, match="'me/open': expected a private repository"):
        push_folder(VAE, "me/open", private=True)
    assert len(public.commits) == 1
    push_folder(VAE, "me/hidden", private=False)
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
TRANSIENT = {"cut midway", "answer lost", "503 twice", "429 twice"}


@pytest.mark.parametrize("name", FAULTS)
def test_push_makes_one_commit_or_none_with_every_fault(name: str, hub: Hub) -> None:
    """Repeat the push with the fault at its first request, its second request, and so on."""
    before = contents(VAE)
    push_folder(VAE, "me/vae", private=False)
    count = len(hub.requests)
    paths = " ".join(path for _, path in hub.requests)
    for step in ("create", "validate-yaml", "preupload", "batch", "storage", "verify", "commit"):
        assert step in paths
    for first in range(count):
        hub.repositories.clear()
        hub.large_files.clear()
        hub.reset(FAULTS[name](first))
        message = None
        try:
            push_folder(VAE, "me/vae", private=False)
        except PushError as error:
            message = str(error)
        if message is not None:
            assert name not in TRANSIENT, (hub.requests[first], message)
            assert "\n" not in message
            assert message.endswith(f"python -m training.publishing {VAE} --hub_model_id me/vae")
        repository = hub.repositories.get("models/me/vae", Repository())
        assert len(repository.commits) == (2 if message is None or repository.files else 1)
        assert repository.files == (before if len(repository.commits) == 2 else {})
        assert contents(VAE) == before


def test_run_pushes_its_model_and_settings(
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
        "curves.png",
        "training.json",
    }
    record = json.loads(repository.files["training.json"])
    assert record["command"].startswith("accelerate launch -m training vae-fashion --dataset_name")
    assert (record["objective"], record["steps"], record["beta"]) == ("vae", 4, 1.0)
    assert torch.equal(generate_samples(genmodels.load("me/run")), generate_samples(trained))


def test_card_names_the_base_model_on_the_hub(hub: Hub, small: Small, tmp_path: Path) -> None:
    train(small("vae-fashion", push_to_hub=True, hub_model_id="me/first"))
    for source, base in (("me/first", "me/first"), (str(tmp_path / "vae-fashion"), None)):
        folder = tmp_path / f"from-{base}"
        fields = {"max_train_steps": 1, "output_dir": str(folder)}
        train(small("vae-fashion", pretrained_model_name_or_path=source, **fields))
        card = ModelCard.load(folder / "README.md")
        assert card.data.base_model == base
        assert f"--pretrained_model_name_or_path {source}" in card.text
        assert ("| Started from | vae-fashion: 4 steps in" in card.text) == (base is None)


def test_a_bug_in_a_push_is_neither_retried_nor_hidden(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.release.push.create_repository", lambda *_: None)
    with pytest.raises(TypeError, match="cannot unpack"):
        push("me/it", {})


def test_a_broken_config_is_not_pushed(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"config\.json in .* is broken"):
        published(tmp_path)


def test_every_save_is_pushed(hub: Hub, small: Small) -> None:
    config = small("vae-fashion", push_to_hub=True, hub_strategy="every_save")
    config = dataclasses.replace(config, checkpointing_steps=1)
    train(config)
    repository = hub.repositories["models/me/vae-fashion"]
    steps = [json.loads(files["training.json"])["steps"] for files in repository.commits[1:]]
    assert steps == [1, 2, 3, 4]
    train(dataclasses.replace(config, resume_from_checkpoint="latest", max_train_steps=5))
    assert json.loads(repository.files["training.json"])["steps"] == 5


def test_metrics_are_pushed_with_their_protocol(hub: Hub, small: Small) -> None:
    train(small("classifier-fashion", push_to_hub=True, eval_every=4))
    files = hub.repositories["models/me/classifier-fashion"].files
    assert set(files) >= {"config.json", "diffusion_pytorch_model.safetensors", "metrics.json"}
    (measurement,) = json.loads(files["metrics.json"])
    (result,) = ModelCard(files["README.md"].decode()).data.eval_results
    assert result.metric_value == measurement["numbers"]["error"]
    assert result.metric_name == f"error, {measurement['protocol']}"
    assert result.task_type == "image-classification"


@pytest.mark.parametrize(
    ("token", "name", "message"),
    [
        ("", "me/run", "no token found: log in with `hf auth login` or set HF_TOKEN"),
        ("hf_wrong", "me/run", "missing or invalid token"),
        (READER, "me/run", "the token lacks permission"),
        (OWNER, "other/run", "the token lacks permission"),
        (OWNER, "a/b/c", "invalid repository id"),
    ],
)
def test_permanent_push_errors_are_raised_before_training(
    token: str, name: str, message: str, hub: Hub, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    config = small("vae-fashion", push_to_hub=True, hub_model_id=name)
    with pytest.raises(UserError, match=f"could not push to '{name}': {message}"):
        train(config)
    assert not Path(config.output_dir).exists()


def test_training_continues_while_the_hub_is_down(
    hub: Hub, small: Small, capsys: pytest.CaptureFixture
) -> None:
    hub.reset(lambda number: "cut")
    config = small(
        "vae-fashion", push_to_hub=True, hub_model_id="me/run", hub_strategy="every_save"
    )
    with pytest.raises(
        PushError, match=r"could not push to 'me/run': .*; the published files are in"
    ):
        train(dataclasses.replace(config, checkpointing_steps=2))
    assert capsys.readouterr().err.count("training continues") == 2  # at the start, and at step 2
    assert genmodels.load(config.output_dir)
    hub.reset()
    push_folder(Path(config.output_dir), "me/run", private=False)
    assert hub.repositories["models/me/run"].files == contents(Path(config.output_dir))


def test_commands_exit_with_3_if_only_the_push_failed(
    hub: Hub, small: Small, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(
        "training.__main__.parse", lambda arguments: small("vae-fashion", push_to_hub=True)
    )
    hub.reset(lambda number: "cut" if number > 1 else None)  # after the check at the start
    with pytest.raises(SystemExit) as excinfo:
        train_main()
    assert excinfo.value.code == PUSH_FAILED == 3
    with pytest.raises(SystemExit) as excinfo:
        main(VAE, "me/vae")
    assert excinfo.value.code == PUSH_FAILED
    assert capsys.readouterr().err.count("push them with: python -m training.publishing") == 2


def test_token_appears_in_no_output_or_file(
    hub: Hub, small: Small, capfd: pytest.CaptureFixture, tmp_path: Path
) -> None:
    train(small("vae-fashion", push_to_hub=True, report_to="tensorboard"))
    hub.reset(lambda number: 403)
    with pytest.raises(PushError) as excinfo:
        push_folder(VAE, "me/vae", private=False)
    output = "".join(capfd.readouterr()) + str(excinfo.value)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert OWNER not in output
    assert [path for path in files if OWNER.encode() in path.read_bytes()] == []


def test_publishing_command_uses_hf_endpoint(hub: Hub, tmp_path: Path) -> None:
    """The command runs in its own process, so the client is not patched."""
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


def upload(hub: Hub, name: str, folder: Path) -> Repository:
    """Add a folder to the Hub as a repository."""
    repository = hub.repositories[f"models/{name}"] = Repository()
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    repository.commits.append(repository.commits[-1] | files)
    return repository


def test_load_downloads_only_the_needed_files_and_caches_them(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = upload(hub, "me/vae", VAE)
    repository.commits[-1]["autoencoder/pytorch_model.bin"] = b"\0pickle"
    pipeline = genmodels.load("me/vae")
    paths = {path.split("/main/")[-1] for _, path in hub.requests if "/resolve/" in path}
    files = {path.split(f"{repository.oid(1)}/")[-1] for path in paths}
    assert files == {"model_index.json", "training.json", "autoencoder/config.json", WEIGHTS}
    # If the Hub cannot be reached, the cache is used.
    template, closed_port = constants.HUGGINGFACE_CO_URL_TEMPLATE, "http://127.0.0.1:9"
    closed_template = template.replace(hub.address, closed_port)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", closed_template)
    monkeypatch.setattr(constants, "ENDPOINT", closed_port)
    hub.reset()
    assert torch.equal(generate_samples(genmodels.load("me/vae")), generate_samples(pipeline))
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", hub.address)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert torch.equal(generate_samples(genmodels.load("me/vae")), generate_samples(pipeline))
    assert hub.requests == []


def test_weights_of_an_unsupported_pipeline_are_not_downloaded(hub: Hub) -> None:
    index = json.dumps({"_class_name": "StableDiffusionPipeline"}).encode()
    hub.repositories["models/a/b"] = Repository(commits=[{"model_index.json": index}])
    with pytest.raises(UserError, match="in a/b, got StableDiffusionPipeline"):
        genmodels.load("a/b")
    assert {path for _, path in hub.requests} == {"/a/b/resolve/main/model_index.json"}


def test_revisions_are_branches_tags_and_commits(hub: Hub) -> None:
    repository = upload(hub, "me/model", VAE)
    repository.tags["v1"] = 1
    files = {path: file for path, file in contents(VAE).items() if "autoencoder" not in path}
    repository.commits.append(files)
    for revision in ("v1", repository.oid(1)):
        assert genmodels.load("me/model", revision=revision).latent_shape == (32,)
    with pytest.raises(UserError, match="safetensors in me/model/autoencoder, found none"):
        genmodels.load("me/model")


def make_unreachable(hub: Hub) -> None:
    hub.reset(lambda number: "cut")


def make_private(hub: Hub) -> None:
    hub.repositories["models/me/model"].private = True


def make_gated(hub: Hub) -> None:
    hub.repositories["models/me/model"].gated = True


def make_unavailable(hub: Hub) -> None:
    hub.reset(lambda number: 503)


def make_forbidden(hub: Hub) -> None:
    hub.reset(lambda number: 403)


def go_offline(hub: Hub) -> None:
    constants.HF_HUB_OFFLINE = True  # the fixture restores it


def tamper_with(path: str, change: Callable[[bytes], bytes]) -> Callable[[Hub], None]:
    """Send contents that do not match the hash."""

    def tamper(hub: Hub) -> None:
        repository = hub.repositories["models/me/model"]
        repository.corrupt_files[path] = change(repository.files[path])

    return tamper


def replace_file(path: str, content: bytes | None) -> Callable[[Hub], None]:
    """Replace a file of the repository, or delete it."""

    def replace(hub: Hub) -> None:
        files = hub.repositories["models/me/model"].commits[-1]
        files[path] = content
        if content is None:
            del files[path]

    return replace


@pytest.mark.parametrize(
    ("name", "revision", "damage", "message"),
    [
        ("me/no", None, None, "got 'me/no': no such repository, or it is private and the token"),
        ("me/model", None, make_private, "got 'me/model': no such repository, or it is private"),
        ("me/model", None, make_gated, "got 'me/model': the repository is gated: request access"),
        ("me/model", "v9", None, "got 'me/model' at revision 'v9': no such revision"),
        (
            "me/model",
            None,
            replace_file("model_index.json", None),
            "the repository has no model_index.json",
        ),
        (
            "me/model",
            None,
            replace_file("model_index.json", b'{"_class_name": "X"}'),
            "in me/model, got X",
        ),
        ("me/model", None, replace_file(WEIGHTS, None), "in me/model/autoencoder, found none"),
        ("me/model", None, replace_file(WEIGHTS, b"\0" * 99), "me/model/autoencoder is broken"),
        ("me/model", None, tamper_with(WEIGHTS, lambda it: it[:-9]), "Consistency check failed"),
        (
            "me/model",
            None,
            tamper_with(WEIGHTS, lambda it: it[:-9] + b"tampered!"),
            f"{WEIGHTS} of 'me/model' does not match its hash",
        ),
        (
            "me/model",
            None,
            tamper_with("autoencoder/config.json", lambda it: it.replace(b"32", b"33")),
            "autoencoder/config.json of 'me/model' does not match its hash",
        ),
        ("me/model", None, make_unreachable, "got 'me/model': the Hub cannot be reached"),
        ("me/model", None, make_unavailable, "got 'me/model': the Hub responded with status 503"),
        ("me/model", None, make_forbidden, "got 'me/model': the token lacks permission"),
        ("me/model", None, go_offline, "got 'me/model': offline mode is on: unset HF_HUB_OFFLINE"),
        ("a/b/c", None, None, "got 'a/b/c': invalid repository id"),
    ],
)
@pytest.mark.parametrize("token", [READER, ""])
def test_failed_downloads_raise_one_sentence(
    name: str,
    revision: str | None,
    damage: Callable[[Hub], None] | None,
    message: str,
    token: str,
    hub: Hub,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    upload(hub, "me/model", VAE)
    if damage is not None:
        damage(hub)
    for _ in range(2):  # the second call must not use the failed download
        with pytest.raises(UserError, match=re.escape(message)) as excinfo:
            genmodels.load(name, revision)
        assert "\n" not in str(excinfo.value)
    hub.repositories["models/me/model"].corrupt_files.clear()
    if "hash" in message:
        assert genmodels.load(name)


FIRST_ATTENTION_NAMES = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def legacy_name(weight: str) -> str:
    """Return the name of an attention weight in the first versions of diffusers."""
    for name, old in FIRST_ATTENTION_NAMES.items():
        weight = weight.replace(f".{name}.", f".{old}.")
    return weight


SCHEDULERS = {
    "DDPMPipeline": DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
    "DDIMPipeline": DDIMScheduler(prediction_type="v_prediction", clip_sample=False),
    "PNDMPipeline": PNDMScheduler(beta_schedule="squaredcos_cap_v2", set_alpha_to_one=True),
}


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("flat", [False, True], ids=["folders", "flat"])
def test_unconditional_diffusers_pipelines_load(
    name: str, flat: bool, hub: Hub, tmp_path: Path
) -> None:
    """Components have their own folders, or share one as in google/ddpm-cifar10-32."""
    unet, scheduler = small_unet(), SCHEDULERS[name]
    getattr(diffusers, name)(unet, scheduler).save_pretrained(tmp_path / "model")
    if flat:
        for component in ("unet", "scheduler"):
            for file in (tmp_path / "model" / component).iterdir():
                file.rename(tmp_path / "model" / file.name)
            (tmp_path / "model" / component).rmdir()
        file = tmp_path / "model" / "diffusion_pytorch_model.safetensors"
        weights = load_file(file)
        save_file({legacy_name(weight): it for weight, it in weights.items()}, file)
    upload(hub, "google/model", tmp_path / "model")
    for source in ("google/model", tmp_path / "model"):
        pipeline = genmodels.load(source)
        assert type(pipeline) is DenoisingPipeline
        assert pipeline.latent_shape == (3, 8, 8)
        assert pipeline.num_classes is None
        loaded = pipeline.scheduler
        assert torch.equal(loaded.alphas_cumprod, scheduler.alphas_cumprod)
        assert loaded.config.prediction_type == scheduler.config.prediction_type
        assert (loaded.config.solver_order, loaded.config.timestep_spacing) == (3, "trailing")
        assert loaded.config.thresholding == scheduler.config.get("clip_sample", False)
        latents = pipeline.draw(2, torch.Generator().manual_seed(0))
        with torch.no_grad():
            samples = pipeline.decode(latents, None, STEPS, scheduler="DDIM")
        assert torch.equal(samples, ddim_samples(unet, scheduler, latents))
    models = Models([tmp_path / "model"])
    assert models.kinds == {"model": DenoisingPipeline}
    assert type(models.get("model")) is DenoisingPipeline


@pytest.mark.parametrize("folder", sorted(ROOT.glob("checkpoints/*/model_index.json")))
def test_components_of_checkpoints_load_with_their_own_class(folder: Path, hub: Hub) -> None:
    upload(hub, "me/model", folder.parent)
    pipeline = genmodels.load("me/model")
    for name, component in pipeline.components.items():
        alone = type(component).from_pretrained("me/model", subfolder=name)
        assert repr(alone) == repr(component)
        if isinstance(component, torch.nn.Module):
            for weight, other in zip(component.parameters(), alone.parameters(), strict=True):
                assert torch.equal(weight, other)


def test_space_has_the_app_and_is_updated_only_if_it_changed(
    hub: Hub, capsys: pytest.CaptureFixture
) -> None:
    main(space="me/app")
    assert capsys.readouterr().out == f"pushed to {hub.address}/spaces/me/app\n"
    space = hub.repositories["spaces/me/app"]
    tracked = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()
    excluded = (".", "tests/", "Makefile", "pyproject.toml")
    # The working tree may have files that git does not track.
    assert set(space.files) >= {path for path in tracked if not path.startswith(excluded)}
    assert not any(path.startswith(excluded) or "__pycache__" in path for path in space.files)
    assert all((ROOT / path).read_bytes() == file for path, file in space.files.items())
    assert [card for card in hub.cards if card.startswith("---\ntitle: genmodels\n")]
    main(space="me/app")
    assert len(space.commits) == 2
    space.commits[-1] |= {"app.py": b"old", "genmodels/gone.py": b"1", "data.csv": b"mine"}
    main(space="me/app")
    assert len(space.commits) == 3
    assert space.files["app.py"] == (ROOT / "app.py").read_bytes()
    assert "genmodels/gone.py" not in space.files
    assert space.files["data.csv"] == b"mine"


def test_space_lists_its_models(hub: Hub) -> None:
    for _ in range(2):
        main(space="me/app", models=("me/vae", "me/gan"), hub_private_repo=True)
    space = hub.repositories["spaces/me/app"]
    assert space.private
    assert len(space.commits) == 2
    card, local = RepoCard(space.files["README.md"].decode()), RepoCard.load(ROOT / "README.md")
    assert card.data.models == card.data.preload_from_hub == ["me/vae", "me/gan"]
    assert card.text == local.text
    assert local.data.to_dict().items() <= card.data.to_dict().items()


def test_dry_run_lists_files_and_sends_no_requests(hub: Hub, capsys: pytest.CaptureFixture) -> None:
    main(space="me/app", dry_run=True)
    sizes = dict(line.split()[::-1] for line in capsys.readouterr().out.splitlines())
    assert sizes["app.py"] == f"{(ROOT / 'app.py').stat().st_size:,}"
    assert sizes.keys() == working_tree().keys()
    main(VAE, "me/vae", dry_run=True)
    assert len(capsys.readouterr().out.splitlines()) == len(published(VAE))
    assert hub.requests == []
    assert hub.repositories == {}


def test_space_has_all_files_that_it_imports(hub: Hub, tmp_path: Path) -> None:
    for path, file in working_tree(["me/vae"]).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(file if isinstance(file, bytes) else file.read_bytes())
    code = "import app, genmodels; genmodels.load('checkpoints/vae-fashion'); "
    code += "assert app.MODELS[1:] == ('me/vae',)"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "expected FOLDER --hub_model_id NAME, or"),
        ({"folder": VAE}, "expected FOLDER --hub_model_id NAME, or"),
        (
            {"folder": VAE, "space": "me/app"},
            "expected FOLDER --hub_model_id NAME, or",
        ),
        (
            {"folder": ROOT, "hub_model_id": "me/it"},
            "found no model_index.json or config.json in .*; a run",
        ),
        ({"folder": VAE / "autoencoder", "hub_model_id": "me/it"}, "got Autoencoder"),
        (
            {"folder": VAE, "hub_model_id": "me/it", "models": ("me/vae",)},
            "expected --models only with --space",
        ),
    ],
)
def test_invalid_push_arguments_are_rejected(
    arguments: dict[str, object], message: str, hub: Hub
) -> None:
    with pytest.raises(UserError, match=message):
        main(**arguments)
    assert hub.requests == []


@pytest.mark.parametrize("name", ["vae-fashion", "diffusion-fashion-conditional"])
def test_models_of_earlier_versions_give_the_same_samples(name: str) -> None:
    """The hashes were computed by the version that published these models."""
    folder = ROOT / "tests/data/published_before"
    images = genmodels.load(folder / name)(4, torch.Generator().manual_seed(0)).images
    digest = hashlib.sha256(b"".join(image.tobytes() for image in images)).hexdigest()
    assert digest == json.loads((folder / "samples.json").read_text())[name]
    assert set(published(folder / name)) >= {"model_index.json", "README.md", "training.json"}
