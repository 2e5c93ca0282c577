"""Snippets, commands and tables in the README and in the model cards."""

import json
import re
import shlex
from pathlib import Path

import pytest
import torch
from diffusers import DDPMPipeline, DDPMScheduler
from huggingface_hub import ModelCard, RepoCard
from PIL import Image

import genmodels
from genmodels.distances.divergences import wasserstein
from tests.conftest import ROOT
from tests.test_diffusers_compat import small_unet
from training.__main__ import parse
from training.objectives import OBJECTIVES
from training.release.records import read_record

CARDS = sorted(ROOT.glob("checkpoints/*/README.md"))


def code_blocks(file: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", file.read_text(), re.DOTALL)


GUIDES = [Path("README.md"), *(it.relative_to(ROOT) for it in ROOT.glob("genmodels/**/README.md"))]


@pytest.mark.parametrize("guide", sorted(GUIDES), ids=lambda guide: str(guide.parent))
def test_snippets_run(guide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("checkpoints", "tests"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    if guide.parent.name == "genmodels":
        DDPMPipeline(small_unet(num_class_embeds=5), DDPMScheduler()).save_pretrained("my_model")
    for snippet in code_blocks(ROOT / guide, "python"):
        if "gradio_client" not in snippet:
            exec(snippet, names)
    match guide.parent.name:
        case "":
            assert names["latents"].shape == (16, 32)
            assert len(names["images"]) == 4
        case "genmodels":
            assert len(names["images"]) == 4
            assert genmodels.load("my_guided_model").num_classes == 4
        case "inpainting":
            keep = names["mask"].bool()
            assert torch.equal(names["completed"][keep], names["images"][keep])
            assert not torch.equal(names["completed"], names["images"])
        case "latents":
            assert Image.open("row.png").width == 9 * 30 + 2
            assert Image.open("grid.png").size == (5 * 30 + 2, 5 * 30 + 2)
            assert Image.open("loop.gif").n_frames == 100
        case "distances":
            p, q, f = (names[name] for name in "pqf")
            assert ((p.masses - q.masses) * f).sum() == wasserstein(p, q) == 3


def test_commands_parse() -> None:
    files = (ROOT / "README.md", ROOT / "training" / "README.md")
    commands = "".join(text for file in files for text in code_blocks(file, "bash"))
    commands = commands.replace("\\\n", "")
    arguments = re.findall(r"accelerate launch -m training (.+)", commands)
    assert len(arguments) >= 4
    for line in arguments:
        if "--help" not in line:
            parse(shlex.split(line, comments=True))


def test_the_table_has_every_objective_with_its_paper() -> None:
    text = (ROOT / "training" / "README.md").read_text()
    rows = re.findall(r"^\| `([a-z0-9-]+)` \|.+\((https://.+)\) \|$", text, re.MULTILINE)
    assert [name for name, _ in rows] == list(OBJECTIVES)
    for name, paper in rows:
        assert paper in OBJECTIVES[name].__doc__


def test_the_space_uses_the_pinned_gradio_version() -> None:
    space = RepoCard.load(ROOT / "README.md", repo_type="space").data.to_dict()
    assert f"gradio=={space['sdk_version']}\n" in (ROOT / "requirements.txt").read_text()
    assert (ROOT / space["app_file"]).exists()
    assert len(space["short_description"]) <= 60  # the limit of the Hub


@pytest.mark.parametrize("file", CARDS, ids=lambda file: file.parent.name)
def test_cards_are_complete(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Metadata, commands that parse, settings that match them, and a snippet that runs."""
    card, record = ModelCard.load(file), read_record(file.parent)
    is_classifier = (file.parent / "config.json").exists()
    assert (card.data.pipeline_tag == "image-classification") == is_classifier
    assert card.data.library_name == "genmodels"
    assert card.data.license == "mit"
    assert card.data.datasets == ["zalando-datasets/fashion_mnist"]
    commands = [*(run["command"] for run in record["earlier_runs"]), record["command"]]
    assert re.findall(r"`(accelerate launch -m training .+?)`", card.text) == commands[::-1]
    *earlier, config = (
        parse(shlex.split(command.removeprefix("accelerate launch -m training ")))
        for command in commands
    )
    assert record["command"].split()[4] == file.parent.name
    base = config.pretrained_model_name_or_path  # the output folder of an earlier run
    assert [run.output_dir for run in earlier] == ([base] if base else [])
    assert card.data.genmodels["steps"] == record["steps"] <= config.max_train_steps
    fields = json.loads(json.dumps(config.result_fields()))
    common = record.keys() & fields.keys()  # older versions had fewer fields
    assert len(common) > 20
    assert {key: record[key] for key in common} == {key: fields[key] for key in common}
    monkeypatch.chdir(file.parent)
    names: dict = {}
    (snippet,) = code_blocks(file, "python")
    exec(snippet, names)
    assert len(names["logits" if is_classifier else "images"]) == 16
