import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import genmodels
from genmodels.pipelines import PIPELINES
from genmodels.pipelines.base import LatentPipeline
from tests.conftest import ROOT
from training.presets import PRESETS

CHECKPOINTS = sorted(path.parent for path in (ROOT / "checkpoints").glob("*/model_index.json"))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def fresh(name: str, channels: int = 1, side: int = 28) -> LatentPipeline:
    """A preset's pipeline, untrained but for moved BatchNorm statistics, in evaluation mode."""
    preset = PRESETS[name]
    torch.manual_seed(0)
    networks = preset.architecture.networks(channels, side)
    for network in networks.values():
        for part in network.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.running_mean.normal_()
                part.running_var.uniform_(0.5, 2)
        network.eval()
    return preset.objective.pipeline(networks)


@pytest.fixture(params=PRESETS)
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[LatentPipeline, Path]:
    pipeline = fresh(request.param)
    pipeline.save_pretrained(tmp_path / "model")
    return pipeline, tmp_path / "model"


def weights_of(folder: Path) -> Path:
    (file,) = folder.rglob("*.safetensors")
    return file


def test_same_seed_same_images_after_save_and_load(saved: tuple[LatentPipeline, Path]) -> None:
    pipeline, folder = saved
    loaded = genmodels.load(folder)
    before = pipeline(batch_size=5, generator=seeded(), output_type="pt").images
    after = loaded(batch_size=5, generator=seeded(), output_type="pt").images
    assert torch.equal(before, after)
    assert before.shape == (5, 1, 28, 28)
    assert before.abs().max() <= 1
    assert not torch.equal(before, loaded(5, seeded(1), output_type="pt").images)
    pictures = loaded(batch_size=2, generator=seeded()).images
    assert [picture.size for picture in pictures] == [(28, 28)] * 2
    assert {picture.mode for picture in pictures} == {"L"}


@pytest.mark.parametrize("name", PRESETS)
def test_colour_pipelines_give_colour_images(name: str) -> None:
    (picture,) = fresh(name, channels=3, side=32)().images
    assert (picture.mode, picture.size) == ("RGB", (32, 32))


@pytest.mark.parametrize("name", PRESETS)
def test_more_images_of_a_seed_begin_with_the_same(name: str) -> None:
    pipeline = fresh(name)
    assert torch.equal(pipeline.draw(3, seeded()), pipeline.draw(40, seeded())[:3])


def test_only_safetensors_and_json_are_written(saved: tuple[LatentPipeline, Path]) -> None:
    files = {path.suffix for path in saved[1].rglob("*") if path.is_file()}
    assert files == {".json", ".safetensors"}


def test_encode_gives_latents_that_decode(tmp_path: Path) -> None:
    pipeline = fresh("vae-fashion")
    samples = torch.rand(3, 1, 28, 28) * 2 - 1
    latents = pipeline.encode(samples)
    assert latents.shape == pipeline.draw(3).shape
    assert pipeline.decode(latents).shape == samples.shape


def test_decode_is_differentiable(saved: tuple[LatentPipeline, Path]) -> None:
    latents = saved[0].draw(2, seeded()).requires_grad_()
    saved[0].decode(latents).sum().backward()
    assert latents.grad.abs().sum() > 0


@pytest.mark.parametrize("count", [0, -1, 2.5, "3"])
def test_a_count_below_one_is_refused(count: object) -> None:
    with pytest.raises(ValueError, match="expected a count of at least 1, but got"):
        fresh("vae-fashion")(batch_size=count)


def test_module_paths_are_part_of_the_file_format() -> None:
    parts = {
        kind: {name: part for name, part in index.items() if not name.startswith("_")}
        for preset in PRESETS
        for index in [dict(fresh(preset).config)]
        for kind in [type(fresh(preset)).__name__]
    }
    assert parts == {
        "AutoencodingPipeline": {"autoencoder": ("genmodels.networks.autoencoder", "Autoencoder")},
        "AdversarialPipeline": {"generator": ("genmodels.networks.dcgan", "Generator")},
    }
    assert set(parts) == set(PIPELINES)


def truncate(folder: Path) -> None:
    weights_of(folder).write_bytes(weights_of(folder).read_bytes()[:-100])


def scramble(folder: Path) -> None:
    weights_of(folder).write_bytes(b"not safetensors")


def remove(folder: Path) -> None:
    weights_of(folder).unlink()


def lose_a_weight(folder: Path) -> None:
    tensors = load_file(weights_of(folder))
    tensors.pop(sorted(tensors)[0])
    save_file(tensors, weights_of(folder), {"format": "pt"})


def add_a_weight(folder: Path) -> None:
    tensors = load_file(weights_of(folder)) | {"extra": torch.zeros(1)}
    save_file(tensors, weights_of(folder), {"format": "pt"})


def reshape_a_weight(folder: Path) -> None:
    tensors = load_file(weights_of(folder))
    tensors[sorted(tensors)[0]] = torch.zeros(7)
    save_file(tensors, weights_of(folder), {"format": "pt"})


def edit(**fields: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        index = json.loads((folder / "model_index.json").read_text())
        (folder / "model_index.json").write_text(json.dumps(index | fields))

    return change


def write_index(text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "model_index.json").write_text(text)

    return change


def configure(**fields: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (file,) = folder.glob("*/config.json")
        file.write_text(json.dumps(json.loads(file.read_text()) | fields))

    return change


def remove_index(folder: Path) -> None:
    (folder / "model_index.json").unlink()


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (truncate, "is broken"),
        (scramble, "is broken"),
        (remove, "is broken"),
        (lose_a_weight, "do not fit"),
        (add_a_weight, "do not fit"),
        (reshape_a_weight, "is broken|do not fit"),
        (write_index("{"), "model_index.json in .* is broken"),
        (remove_index, "has no model_index.json"),
        (edit(_class_name="DDPMPipeline"), "but it is a DDPMPipeline"),
        (edit(_class_name=[]), r"but it is a \[\]"),
        (edit(generator=["os", "system"]), r"expected genmodels\.networks\.dcgan\.Generator as"),
        (edit(generator=["genmodels.networks.dcgan", "Critic"]), "but got .*Critic"),
        (edit(generator="dcgan"), "but got dcgan"),
        (edit(generator=[["a"], {}]), "expected genmodels"),
        (write_index("[]"), r"but it is a \[\]"),
        (write_index("null"), "but it is a None"),
        (write_index("[" * 100_000), "model_index.json in .* is broken"),
        (configure(latent_dim="a"), "is broken"),
        (configure(width=None), "is broken"),
        (configure(quantization_config={"quant_method": "gguf"}), "is broken"),
        (edit(critic=["genmodels.networks.dcgan", "Critic"]), "but got generator, critic"),
    ],
)
def test_what_is_broken_is_named(
    damage: Callable[[Path], None], sentence: str, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    fresh("wgan-gp-fashion").save_pretrained(folder)
    damage(folder)
    with pytest.raises(ValueError, match=sentence) as caught:
        genmodels.load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("source", ["no/such", "../nowhere", "a b", "/nowhere/at/all", "x" * 5000])
def test_a_source_that_is_not_there_is_named(source: str) -> None:
    with pytest.raises(ValueError, match="expected a folder or the id of a model on the Hub"):
        genmodels.load(source)


@pytest.mark.parametrize("folder", CHECKPOINTS, ids=lambda folder: folder.name)
def test_published_checkpoints_draw_pictures(folder: Path) -> None:
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) <= 10e6
    pipeline = genmodels.load(folder)
    samples = pipeline(batch_size=64, generator=seeded(), output_type="pt").images
    # A garment on black: mostly dark, never flat, each one different.
    assert samples.mean() < 0
    assert (samples.flatten(1).std(1) > 0.2).all()
    assert torch.cdist(samples.flatten(1), samples.flatten(1)).fill_diagonal_(9).min() > 1
    card = (folder / "README.md").read_text()
    assert f"accelerate launch -m training {folder.name}" in card
    assert (folder / "samples.png").exists()


def test_there_is_a_checkpoint_for_every_preset() -> None:
    assert [folder.name for folder in CHECKPOINTS] == sorted(PRESETS)


def test_the_hub_is_asked_for_weights_only_once_they_are_of_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh("wgan-gp-fashion").save_pretrained(tmp_path)
    asked = []

    def snapshot(source: str, revision: str | None, allow_patterns: list[str]) -> str:
        asked.extend(allow_patterns)
        return str(tmp_path)

    index = str(tmp_path / "model_index.json")
    monkeypatch.setattr("genmodels.pipelines.hf_hub_download", lambda *_, **__: index)
    monkeypatch.setattr("genmodels.pipelines.snapshot_download", snapshot)
    assert genmodels.load("user/name").latent_shape == (128,)
    assert asked == ["model_index.json", "generator/config.json", "generator/*.safetensors"]
    asked.clear()
    edit(_class_name="StableDiffusionPipeline")(tmp_path)
    with pytest.raises(ValueError, match="but it is a StableDiffusionPipeline"):
        genmodels.load("user/name")
    assert asked == []
