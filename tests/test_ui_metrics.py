"""The tab of metrics: samples measured live, training runs, and what a model remembers."""

import json
import re
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import trackio
from gradio_client import Client
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import Page, expect
from trackio.sqlite_storage import SQLiteStorage

from genmodels import data, ui
from genmodels.metrics import METRICS, FeatureExtractors
from genmodels.metrics.evaluation import Share, drawn, measure, ready
from genmodels.pipelines import load
from genmodels.ui import measurement, memorisation, training_runs
from genmodels.ui.models import Models
from genmodels.ui.reference_dataset import ReferenceDatasets
from tests.conftest import FASHION, ROOT, picture_of

CHECKPOINTS = ROOT / "checkpoints"
PROJECT = "curves-of-a-test"
WHOLE = r"gan-fashion: ([\d,]+); gan-saturating-fashion: \1 of \1 samples"


def log(name: str, steps: range) -> str:
    """Write a run as a training would -> its id."""
    run = trackio.init(project=PROJECT, name=name, embed=False, resume="allow")
    for step in steps:
        trackio.log({"critic/real": 1 / (1 + step), "fid": 10.0 - step}, step=step)
    sheet = Image.fromarray(np.full((30, 30), steps[-1] * 20, np.uint8))
    trackio.log({"samples": trackio.Image(sheet)}, step=steps[-1])
    trackio.finish()
    return next(
        r["id"] for r in reversed(SQLiteStorage.get_run_records(PROJECT)) if r["name"] == run.name
    )


def test_a_visitor_measures_two_models_stops_and_resumes(page: Page) -> None:
    page.goto(f"{page.url}?tab=metrics")
    tab = page.locator("#tab-metrics")
    tab.get_by_role("spinbutton", name="Samples of each").fill("5000")
    tab.get_by_role("button", name="Measure", exact=True).click()
    expect(tab.locator(".js-plotly-plot .scatterlayer .trace").first).to_be_attached()
    tab.get_by_role("button", name="Stop", exact=True).first.click()
    time.sleep(3)  # a batch may be on its way
    told = tab.get_by_text("of 5,000 samples").inner_text()
    time.sleep(1.5)
    assert tab.get_by_text("of 5,000 samples").inner_text() == told
    assert not re.fullmatch(WHOLE, told)
    tab.get_by_role("spinbutton", name="Samples of each").fill("600")
    tab.get_by_role("button", name="Resume", exact=True).click()
    expect(tab.get_by_text(re.compile(WHOLE))).to_be_visible()
    expect(tab.get_by_text("Protocol: the classifier classifier-fashion")).to_be_visible()
    expect(tab.get_by_role("gridcell", name="±").first).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_a_run_grows_on_the_page_while_it_is_written(page: Page) -> None:
    log("growing", range(1, 4))
    page.goto(f"{page.url}?tab=metrics")
    tab = page.locator("#tab-metrics")
    tab.get_by_role("tab", name="Training runs").click()
    project = tab.get_by_role("combobox", name="Project")
    project.click()
    page.get_by_role("option", name=PROJECT).click()
    expect(tab.get_by_text("critic/real").first).to_be_visible()
    image = tab.locator(".sheets .grid-container img").first
    expect(image).to_be_visible()
    expect(tab.get_by_text("step 3").first).to_be_visible()
    log("growing", range(4, 8))
    expect(tab.get_by_text("step 7").first).to_be_visible()
    picture = picture_of(page, image.get_attribute("src"))
    assert np.asarray(picture.convert("L")).max() == 140
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    tab.get_by_role("tab", name="Samples, live").click()
    time.sleep(1)
    asked.clear()
    time.sleep(3)
    assert [address for address in asked if "queue/join" in address] == []  # no tick is left


def test_the_numbers_are_those_of_the_command(client: Client) -> None:
    *_, (plot, table, progress, note) = client.submit(
        ["vae-fashion"], ["fid", "kid"], "domain", "fashion_mnist", 200, "3", api_name="/measure"
    )
    pipeline = load(CHECKPOINTS / "vae-fashion")
    latents = pipeline.draw(200, torch.Generator().manual_seed(3))
    fake = drawn("samples", latents, None, pipeline.decode)
    real = ready("images", data.load(FASHION).pixels)
    kinds = [METRICS["fid"], METRICS["kid"]]
    numbers = measure(kinds, fake, real, FeatureExtractors("domain"), Share()).numbers
    (row,) = table["data"]
    assert row[:2] == ["vae-fashion", 200]
    assert float(row[2]) == pytest.approx(numbers["fid"], rel=1e-3)
    assert float(row[3].split(" ±")[0]) == pytest.approx(numbers["kid"], rel=1e-3)
    assert json.loads(plot["plot"])["data"]
    assert progress == "vae-fashion: 200 of 200 samples"
    assert "samples of seed 3 against the first 1,000 images of fashion_mnist" in note
    assert client.predict(300, api_name="/resume_measuring")[1]["data"][0][1] == 300


GOOD = [["vae-fashion"], ["fid"], "domain", "fashion_mnist", 100, "0"]


@pytest.mark.parametrize(
    ("position", "value", "sentence"),
    [
        (0, [], "expected 1 to 4 models"),
        (0, None, "expected a list of models"),
        (0, ["vae-fashion", "a/b", "a/c", "a/d", "a/e"], "expected 1 to 4 models"),
        (0, ["inpaint-fashion"], "inpaint-fashion completes images"),
        (0, ["../checkpoints"], "could not get '../checkpoints'"),
        (0, [["vae-fashion"]], "expected a list of models"),
        (1, [], "expected 1 to 9 metrics"),
        (1, ["<b>"], "<b>"),
        (2, "/etc", "/etc"),
        (3, str(ROOT / FASHION), "not in the list of choices"),
        (3, "genmodels/ui", "not in the list of choices"),
        (3, "no/such", "not in the list of choices"),
        (3, None, "expected the reference"),
        (4, 10**9, "greater than maximum value"),
        (4, 150.5, "expected 100 to 5000 samples"),
        (5, "-1", "as the seed"),
    ],
)
def test_a_measurement_says_what_was_expected(
    client: Client, position: int, value: object, sentence: str
) -> None:
    asked = [value if at == position else it for at, it in enumerate(GOOD)]
    with pytest.raises(AppError) as caught:
        client.predict(*asked, api_name="/measure")
    assert sentence in str(caught.value).replace("&lt;", "<").replace("&gt;", ">")
    assert position == 3 or str(ROOT) not in str(caught.value)


@pytest.mark.parametrize("by", memorisation.KINDS)
def test_the_nearest_are_those_of_the_reference(client: Client, by: str) -> None:
    pictures, note = client.predict("vae-fashion", 3, "1", by, "fashion_mnist", api_name="/nearest")
    pixels = data.load(FASHION).pixels[:, 0].numpy()
    assert len(pictures) == 3
    for picture in pictures:
        pair = np.asarray(Image.open(picture["image"]).convert("L"))
        assert any((window == pixels).all((1, 2)).any() for window in windows(pair))
        assert picture["caption"].startswith(by)
    assert "of 100 real images that no training saw" in note


def windows(pair: np.ndarray) -> list[np.ndarray]:
    """All parts of a picture that have the size of an image."""
    height, width = pair.shape
    return [
        pair[top : top + 28, left : left + 28]
        for top in range(height - 27)
        for left in range(width - 27)
    ]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (("vae-fashion", 9, "1", "pixels", "fashion_mnist"), "maximum value 8"),
        (("vae-fashion", 3, "x", "pixels", "fashion_mnist"), "as the seed"),
        (("vae-fashion", 3, "1", "taste", "fashion_mnist"), "taste"),
        (("vae-fashion", 3, "1", "pixels", "/etc"), "not in the list of choices"),
        (("inpaint-fashion", 3, "1", "pixels", "fashion_mnist"), "completes images"),
        ((None, 3, "1", "pixels", "fashion_mnist"), "expected a model"),
    ],
)
def test_memorisation_says_what_was_expected(client: Client, asked: tuple, sentence: str) -> None:
    with pytest.raises(AppError, match=sentence):
        client.predict(*asked, api_name="/nearest")


def test_the_api_reads_runs(client: Client) -> None:
    one = log("one", range(1, 5))
    assert client.predict(PROJECT, api_name="/list_runs")[one].startswith("one · ")
    plot = client.predict(PROJECT, [one], ["fid"], api_name="/training_curves")
    assert json.loads(plot["plot"])["data"][0]["name"].startswith("one · ")
    (sheet,) = client.predict(PROJECT, [one], 2, api_name="/training_samples")
    assert sheet["caption"].endswith("step 4")  # there is none before
    for project, ids, terms in [
        ("../" + PROJECT, [one], []),
        (None, [one], []),
        (PROJECT, ["no such run"], []),
        (PROJECT, [], []),
        (PROJECT, None, []),
        (PROJECT, [one], ["<b>"]),
    ]:
        with pytest.raises(AppError, match="expected"):
            client.predict(project, ids, terms, api_name="/training_curves")


def test_an_image_outside_of_trackios_folder_is_not_read(tmp_path: Path) -> None:
    Image.new("L", (3, 3)).save(tmp_path / "secret.png")
    for file in (tmp_path / "secret.png", "../../../etc/passwd"):
        image = {"_type": "trackio.image", "file_path": str(file)}
        assert training_runs.sheet([{"step": 1, "samples": image}], 1) is None


def test_a_line_has_few_points_and_the_last() -> None:
    (points,) = training_runs.lines(
        [{"step": step, "loss": 1.0} for step in range(100_001)]
    ).values()
    assert len(points) <= training_runs.POINTS + 1
    assert points[-1][0] == 100_000


def test_a_band_is_drawn_where_there_are_deviations() -> None:
    points = [
        (100, {"is": 2.0, "is_std": 0.5, "fid": 3.0}),
        (200, {"is": 3, "is_std": 1, "fid": 2}),
    ]
    figure = measurement.curves({"a model": points}, ["is", "fid"])
    band, *lines = figure.data
    assert band.y == (2.5, 4, 2, 1.5)
    assert [line.y for line in lines] == [(2, 3), (3, 2)]


def test_each_metric_has_a_title() -> None:
    assert measurement.TITLES.keys() == METRICS.keys()


def test_the_path_of_the_reference_is_told_to_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GENMODELS_REFERENCE", str(tmp_path))
    references = ReferenceDatasets()
    assert references.name == tmp_path.name
    with pytest.raises(ValueError, match="could not get the reference dataset") as caught:
        references.get(references.name, 28)
    assert str(tmp_path) not in str(caught.value)


def test_the_tab_is_built_without_models() -> None:
    assert ui.build(Models([]))
