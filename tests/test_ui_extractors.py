"""The feature extractors that the Metrics tab offers for models of any shape."""

import json
import re
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import Browser, expect
from safetensors.torch import save_file

import app
from genmodels import ui
from genmodels.errors import UserError
from genmodels.media.image import to_pil
from genmodels.metrics import METRICS
from genmodels.metrics.extractors import INCEPTION, cache_name
from genmodels.networks.classifier import Classifier
from genmodels.ui.metrics import live_actions, memorisation_actions
from genmodels.ui.metrics.extractor_choices import ExtractorChoices
from genmodels.ui.models import Models
from genmodels.ui.reference_dataset import ReferenceDatasets
from tests.conftest import ROOT, shrink

GREY, COLOUR = (1, 28, 28), (3, 16, 16)
CHECKPOINTS = ROOT / "checkpoints"
VAE = CHECKPOINTS / "vae-fashion"


def save_classifier(folder: Path, channels: int, side: int) -> None:
    """Save a small untrained classifier, with the path of its dataset as training does."""
    torch.manual_seed(0)
    Classifier(10, 4, side, channels).save_pretrained(folder)
    record = {"dataset": {"source": str(folder.parent / "photos")}}
    (folder / "training.json").write_text(json.dumps(record))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A colour model with a classifier beside it, another classifier, and colour images."""
    folder = tmp_path_factory.mktemp("colour")
    preset = shrink("gan-fashion")
    networks = preset.architecture.networks(3, 16, None)
    pipeline = preset.objective.pipeline(networks)
    pipeline.save_pretrained(folder / "models" / "colour-gan")
    save_classifier(folder / "models" / "classifier-beside", 3, 16)
    save_classifier(folder / "own" / "classifier-own", 3, 16)
    broken = folder / "models" / "classifier-broken"
    broken.mkdir()
    (broken / "config.json").write_text('{"_class_name": "Classifier"}')
    (folder / "images").mkdir()
    samples = torch.rand(60, *COLOUR, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for index, image in enumerate(to_pil(samples)):
        image.save(folder / "images" / f"{index}.png")
    return folder


@pytest.fixture(autouse=True)
def weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path) -> Path:
    """An empty folder of weights. The reference dataset has colour images."""
    monkeypatch.setenv("GENMODELS_REFERENCE", str(folder / "images"))
    monkeypatch.setenv("GENMODELS_WEIGHTS", str(tmp_path))
    return tmp_path


@pytest.fixture
def models(folder: Path) -> Models:
    return Models([folder / "models", VAE])


def names(extractors: ExtractorChoices, *shapes: tuple) -> list[str]:
    return [choice.name for choice in extractors.fitting(shapes)]


def save_weights(folder: Path, *, head: bool) -> None:
    """Save files of the names and keys that the choices read."""
    keys = ["Conv2d_1a_3x3.conv.weight", *["fc.weight"] * head]
    tensors = {key: torch.zeros(1) for key in keys}
    save_file(tensors, folder / "inception-2015-12-05.safetensors")
    save_file({"weight": torch.zeros(1)}, folder / "lpips-alex.safetensors")


def test_classifiers_are_offered_by_shape(models: Models, folder: Path) -> None:
    extractors = ExtractorChoices([folder / "own" / "classifier-own"], models)
    assert names(extractors) == ["classifier-own", "classifier-beside", "domain"]
    assert names(extractors, COLOUR) == ["classifier-own", "classifier-beside"]
    assert names(extractors, (1, 16, 16)) == ["classifier-own", "classifier-beside"]
    assert names(extractors, GREY) == ["domain"]
    assert names(extractors, GREY, COLOUR) == []
    labels = [choice.label for choice in extractors.choices.values()]
    assert labels == [
        "classifier-own (photos, 16x16 pixels, 3 channels)",
        "classifier-beside (photos, 16x16 pixels, 3 channels)",
        "classifier-fashion (fashion_mnist, 28x28 pixels, 1 channel)",
    ]
    assert extractors.distances(COLOUR) == [
        ("pixels", "pixels"),
        ("LPIPS, classifier-own", "classifier-own"),
        ("LPIPS, classifier-beside", "classifier-beside"),
    ]


def test_classifiers_with_the_same_name_get_longer_names(models: Models, tmp_path: Path) -> None:
    for parent in ("inception", "old/inception", "domain"):
        save_classifier(tmp_path / parent, 3, 16)
    save_classifier(tmp_path / "classifier-beside", 3, 16)
    paths = ["inception", "old/inception", "domain", "classifier-beside", "classifier-beside"]
    extractors = ExtractorChoices([tmp_path / path for path in paths], models)
    own, *others = names(extractors)
    assert own == f"{tmp_path.name}/inception"
    assert others == [
        "old/inception",
        f"{tmp_path.name}/domain",
        "classifier-beside",
        "models/classifier-beside",
        "domain",
    ]


def test_a_folder_without_a_classifier_is_an_error(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as excinfo:
        app.main(models=(), extractor=(str(VAE),), port=0)
    assert excinfo.value.code == 2
    assert re.match("error: expected a classifier in .*vae-fashion", capsys.readouterr().err)


@pytest.mark.parametrize("head", [True, False])
def test_networks_are_offered_if_their_weights_are_there(
    models: Models, weights: Path, head: bool
) -> None:
    save_weights(weights, head=head)
    extractors = ExtractorChoices([], models)
    assert names(extractors, (3, 64, 64)) == ["inception", "inception-bf16"]
    missing = set() if head else {"is", "classes"}
    for name in ("inception", "inception-bf16"):
        assert set(extractors.choices[name].metrics) == METRICS.keys() - missing
    kept = live_actions.choose_metrics(extractors, "inception", ["is", "fid"])
    assert kept == (["is", "fid"] if head else ["fid"])
    assert extractors.distances((3, 64, 64))[1:] == [("LPIPS, AlexNet", "inception")]
    if not head:
        with pytest.raises(UserError, match=r"expected metrics that inception allows: fid, .*'is'"):
            extractors.check("inception", ["fid", "is"], [COLOUR])
    with pytest.raises(UserError, match=r"could not load the weights of .*'inception'$"):
        extractors.load("inception", ["fid"], [COLOUR])  # an error without the path


def test_alexnet_alone_allows_lpips_only(models: Models, weights: Path) -> None:
    save_weights(weights, head=True)
    (weights / "inception-2015-12-05.safetensors").unlink()
    extractors = ExtractorChoices([], models)
    (choice,) = extractors.fitting([(3, 64, 64)])
    assert (choice.name, choice.label, choice.metrics) == ("inception", "AlexNet", ("lpips",))
    assert live_actions.choose_metrics(extractors, "inception", ["is", "fid"]) == ["lpips"]


def test_downloaded_weights_are_offered(
    models: Models, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GENMODELS_WEIGHTS")
    monkeypatch.setattr(torch.hub, "_hub_dir", str(weights))
    assert "inception" not in ExtractorChoices([], models).choices
    (weights / "checkpoints").mkdir()
    (weights / "checkpoints" / cache_name(*INCEPTION)).touch()
    metrics = ExtractorChoices([], models).choices["inception"].metrics
    assert set(metrics) == METRICS.keys() - {"lpips"}


def test_the_choice_follows_the_models(models: Models, folder: Path) -> None:
    extractors = ExtractorChoices([], models)
    choose = partial(live_actions.choose_network, models, extractors)
    choices, selected = choose(["colour-gan"], "domain")
    assert [name for _, name in choices] == [selected] == ["classifier-beside"]
    assert choose(["vae-fashion"], "classifier-beside")[1] == "domain"
    assert choose(["colour-gan", "vae-fashion"], "domain") == ([], None)
    assert len(choose([], "domain")[0]) == len(choose(None, None)[0]) == 2
    assert live_actions.initial_models(models, 2) == ["colour-gan"]
    distance = partial(memorisation_actions.choose_distance, models, extractors)
    assert distance("colour-gan", "classifier-beside")[1] == "classifier-beside"
    assert distance("vae-fashion", "classifier-beside")[1] == "pixels"
    assert len(distance("vae-fashion", "pixels")[0]) == 2


def test_models_of_one_shape_are_preselected(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "models" / "colour-gan", tmp_path / "in-between")
    paths = [CHECKPOINTS / "gan-fashion", tmp_path / "in-between", CHECKPOINTS / "r3gan-fashion"]
    models = Models(paths)
    assert models.names == ["gan-fashion", "in-between", "r3gan-fashion"]
    assert live_actions.initial_models(models, 2) == ["gan-fashion", "r3gan-fashion"]
    assert live_actions.initial_models(Models([]), 2) == []


def test_a_colour_model_is_measured(models: Models, folder: Path) -> None:
    references = ReferenceDatasets()
    own = folder / "own" / "classifier-own"
    live = live_actions.LiveMetrics(models, references, ExtractorChoices([own], models))
    inputs = (references.name, 100, "0")
    metrics = ["is", "fid", "lpips"]
    *_, (_, _, measurement) = live.measure(["colour-gan"], metrics, "classifier-own", *inputs)
    assert "the classifier classifier-own" in measurement.report()
    assert all(measurement.table()["data"][0])
    for network in ("domain", str(own), None):
        with pytest.raises(UserError) as excinfo:
            list(live.measure(["colour-gan"], metrics, network, *inputs))
        expected = "expected a feature extractor for samples of shape 3x16x16: classifier-own, "
        assert str(excinfo.value).startswith(expected)
    # Grey samples are compared with colour images, which the classifier of grey images refuses.
    with pytest.raises(UserError, match=r"no feature extractor fits .*1x28x28 and 3x28x28"):
        list(live.measure(["vae-fashion"], metrics, "domain", *inputs))


@pytest.mark.parametrize(
    ("distance", "caption"), [("pixels", "pixels"), ("LPIPS", "LPIPS"), ("classifier-own", "LPIPS")]
)
def test_nearest_images_of_a_colour_model(
    models: Models, folder: Path, distance: str, caption: str
) -> None:
    references = ReferenceDatasets()
    extractors = ExtractorChoices([folder / "own" / "classifier-own"], models)
    search = partial(memorisation_actions.find_nearest, models, references, extractors)
    *_, (pairs, note) = search("colour-gan", 2, "0", distance, references.name)
    assert [text.split()[0] for _, text in pairs] == [caption] * 2
    assert ("classifier-own" in note) == (distance != "pixels")


def test_an_error_names_the_remedy_if_no_extractor_fits(folder: Path) -> None:
    models = Models([folder / "models"])
    extractors = ExtractorChoices([], Models([]))  # without the classifier beside the model
    remedy = r"app\.py --extractor FOLDER.*GENMODELS_WEIGHTS"
    with pytest.raises(UserError, match=f"no feature extractor fits .*3x16x16: .*{remedy}"):
        extractors.check(None, ["fid"], [COLOUR])
    for distance in ("LPIPS", "domain"):
        with pytest.raises(UserError, match=f"no network for LPIPS fits .*{remedy}"):
            extractors.load_distance(distance, COLOUR)
    assert extractors.distances(COLOUR) == [("pixels", "pixels")]
    assert live_actions.choose_network(models, extractors, ["colour-gan"], None) == ([], None)


@pytest.fixture
def url(folder: Path, weights: Path) -> Iterator[str]:
    """The app with a grey and a colour model."""
    models = Models([VAE, folder / "models"])
    page = ui.build(models, extractors=[folder / "own" / "classifier-own"])
    _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, i18n=ui.I18N, ssr_mode=False)
    yield url
    page.close()


def test_the_page_offers_what_fits_the_chosen_models(browser: Browser, url: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{url}?tab=metrics&model=vae-fashion")
    tab = page.locator("#tab-metrics")
    tab.get_by_role("button", name="Protocol").click()
    own = tab.get_by_role("radio", name="classifier-own (photos, 16x16 pixels, 3 channels)")
    grey = tab.get_by_role("radio", name="classifier-fashion (fashion_mnist")
    expect(own).to_be_checked()  # the first model is a GAN with colour samples
    expect(grey).to_have_count(0)
    field = tab.get_by_role("combobox", name="Models")
    field.click()
    page.get_by_role("option", name="vae-fashion", exact=True).click()
    remedy = tab.get_by_text("No feature extractor fits these models")
    expect(remedy).to_be_visible()  # the models have different shapes
    tab.locator(".token", has_text="colour-gan").get_by_role("button").click()
    expect(grey).to_be_checked()
    expect(own).to_have_count(0)
    expect(remedy).to_be_hidden()
    page.close()
    # The API accepts an extractor that the page does not offer for the first models.
    client = Client(url, verbose=False)
    inputs = ("images", 100, "0")
    update = client.predict(
        ["colour-gan"], ["is"], "classifier-beside", *inputs, api_name="/measure"
    )
    assert "classifier-beside" in update[-1]
    with pytest.raises(AppError, match=r"expected a feature extractor .*: classifier-own, .*; got"):
        client.predict(["colour-gan"], ["is"], "/etc", *inputs, api_name="/measure")
