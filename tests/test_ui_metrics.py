"""The tab Metrics: live metrics, training runs and memorisation."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import trackio
from gradio_client import Client
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import Page, expect
from trackio.sqlite_storage import SQLiteStorage

from genmodels import data, ui
from genmodels.errors import UserError
from genmodels.metrics import METRICS, FeatureExtractors
from genmodels.metrics.evaluation import ImageSource, compute_metrics, sample_source
from genmodels.pipelines import load
from genmodels.ui.metrics import live_actions, runs_actions, runs_view
from genmodels.ui.metrics.figures import plot_curves
from genmodels.ui.models import Models
from genmodels.ui.reference_dataset import ReferenceDatasets
from tests.conftest import FASHION, ROOT, download_picture

CHECKPOINTS = ROOT / "checkpoints"
PROJECT = "curves-of-a-test"
PROGRESS = r"gan-fashion: ([\d,]+); gan-saturating-fashion: ([\d,]+) of ([\d,]+) samples"
FINISHED = r"gan-fashion: ([\d,]+); gan-saturating-fashion: \1 of \1 samples"


def log(name: str, steps: range) -> str:
    """Log a run to trackio in the format of training, and return its id."""
    run = trackio.init(project=PROJECT, name=name, embed=False, resume="allow")
    for step in steps:
        trackio.log({"critic/real": 1 / (1 + step), "fid": 10.0 - step}, step=step)
    preview = Image.fromarray(np.full((30, 30), steps[-1] * 20, np.uint8))
    trackio.log({"samples": trackio.Image(preview)}, step=steps[-1])
    trackio.finish()
    return next(
        record["id"]
        for record in reversed(SQLiteStorage.get_run_records(PROJECT))
        if record["name"] == run.name
    )


def wait_until_stable(page: Page, expression: str, seconds: float) -> None:
    """Wait until the value of a JavaScript expression has not changed for some seconds."""
    page.evaluate("() => { window.lastChange = undefined }")
    page.wait_for_function(
        f"""() => {{
            const value = {expression}, now = performance.now()
            if (window.lastChange?.value !== value) window.lastChange = {{value, since: now}}
            return now - window.lastChange.since > {1000 * seconds}
        }}"""
    )


def test_a_measurement_of_two_models_stops_and_resumes(page: Page) -> None:
    page.goto(f"{page.url}?tab=metrics")
    tab = page.locator("#tab-metrics")
    count = tab.get_by_role("spinbutton", name="Samples of each")
    count.fill("5000")
    tab.get_by_role("button", name="Measure", exact=True).click()
    expect(tab.locator(".js-plotly-plot .scatterlayer .trace").first).to_be_attached()
    tab.get_by_role("button", name="Stop", exact=True).first.click()
    progress = "document.querySelector('#tab-metrics .note').innerText"
    wait_until_stable(page, progress, 3 * live_actions.UPDATE_INTERVAL)
    stopped = re.fullmatch(PROGRESS, page.evaluate(progress))
    assert stopped[3] == "5,000"
    assert stopped[1] != "5,000"
    count.fill("600")
    tab.get_by_role("button", name="Resume", exact=True).click()
    expect(tab.get_by_text(re.compile(FINISHED))).to_be_visible()
    resumed = re.fullmatch(FINISHED, page.evaluate(progress))
    assert to_int(resumed[1]) >= max(600, to_int(stopped[1]), to_int(stopped[2]))
    expect(tab.get_by_text("Protocol: the classifier classifier-fashion")).to_be_visible()
    expect(tab.get_by_role("gridcell", name="±").first).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def to_int(text: str) -> int:
    return int(text.replace(",", ""))


def test_without_training_runs_only_a_note_is_visible() -> None:
    config = str(ui.build(Models([])).config)
    assert "metrics_runs_none" in config
    for projects, visible in (([], False), (["one"], True)):
        *_, note, content = runs_view.show_projects(projects, None)
        assert (note["visible"], content["visible"]) == (not visible, visible)


def test_a_training_run_is_updated_only_while_its_tab_is_open(page: Page) -> None:
    log("growing", range(1, 4))
    page.goto(f"{page.url}?tab=metrics")
    tab = page.locator("#tab-metrics")
    tab.get_by_role("tab", name="Training runs").click()
    project = tab.get_by_role("combobox", name="Project")
    project.click()
    page.get_by_role("option", name=PROJECT).click()
    expect(tab.get_by_text("critic/real").first).to_be_visible()
    image = tab.locator(".grids .grid-container img").first
    expect(image).to_be_visible()
    expect(tab.get_by_text("step 3").first).to_be_visible()
    log("growing", range(4, 8))
    expect(tab.get_by_text("step 7").first).to_be_visible()
    picture = download_picture(page, image.get_attribute("src"))
    assert np.asarray(picture.convert("L")).max() == 140
    page.evaluate("performance.setResourceTimingBufferSize(10_000)")
    tab.get_by_role("tab", name="Live metrics").click()
    requests = "performance.getEntriesByType('resource').filter(it => it.name.endsWith('join'))"
    wait_until_stable(page, f"{requests}.length", 3 * runs_view.UPDATE_INTERVAL)


def test_live_metrics_equal_those_of_compute_metrics(client: Client) -> None:
    *_, (plot, table, progress, report) = client.submit(
        ["vae-fashion"], ["fid", "kid"], "domain", "fashion_mnist", 200, "3", api_name="/measure"
    )
    pipeline = load(CHECKPOINTS / "vae-fashion")
    fake = sample_source(pipeline, 200, seed=3)
    real = ImageSource.from_tensor("images", data.load(FASHION).pixels)
    metrics = [METRICS["fid"], METRICS["kid"]]
    numbers = compute_metrics(metrics, fake, real, FeatureExtractors("domain")).numbers
    (row,) = table["data"]
    assert row[:2] == ["vae-fashion", 200]
    assert float(row[2]) == pytest.approx(numbers["fid"], rel=1e-3)
    assert float(row[3].split(" ±")[0]) == pytest.approx(numbers["kid"], rel=1e-3)
    assert json.loads(plot["plot"])["data"]
    assert progress == "vae-fashion: 200 of 200 samples"
    assert "samples of seed 3 against 1,000 images of fashion_mnist" in report
    assert client.predict(300, api_name="/resume_measuring")[1]["data"][0][1] == 300


VALID = [["vae-fashion"], ["fid"], "domain", "fashion_mnist", 100, "0"]


@pytest.mark.parametrize(
    ("position", "value", "message"),
    [
        (0, [], "expected 1 to 4 models"),
        (0, None, "expected a list of models"),
        (0, ["vae-fashion", "a/b", "a/c", "a/d", "a/e"], "expected 1 to 4 models"),
        (0, ["inpaint-fashion"], "got inpaint-fashion, which only inpaints"),
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
def test_invalid_inputs_of_a_measurement_are_reported(
    client: Client, position: int, value: object, message: str
) -> None:
    inputs = [*VALID[:position], value, *VALID[position + 1 :]]
    with pytest.raises(AppError) as excinfo:
        client.predict(*inputs, api_name="/measure")
    assert message in str(excinfo.value).replace("&lt;", "<").replace("&gt;", ">")
    assert position == 3 or str(ROOT) not in str(excinfo.value)


@pytest.mark.parametrize("distance", ["pixels", "LPIPS"])
def test_nearest_images_are_reference_images(client: Client, distance: str) -> None:
    inputs = ("vae-fashion", 3, "1", distance, "fashion_mnist")
    pictures, note = client.predict(*inputs, api_name="/nearest")
    pixels = data.load(FASHION).pixels[:][:, 0].numpy()
    assert len(pictures) == 3
    for picture in pictures:
        pair = np.asarray(Image.open(picture["image"]).convert("L"))
        assert any((window == pixels).all((1, 2)).any() for window in windows(pair))
        assert picture["caption"].startswith(distance)
    assert "of 100 held-out images" in note


def windows(pair: np.ndarray) -> list[np.ndarray]:
    """Return all crops of a picture with the size of one image."""
    height, width = pair.shape
    return [
        pair[top : top + 28, left : left + 28]
        for top in range(height - 27)
        for left in range(width - 27)
    ]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (("vae-fashion", 9, "1", "pixels", "fashion_mnist"), "maximum value 8"),
        (("vae-fashion", 3, "x", "pixels", "fashion_mnist"), "as the seed"),
        (("vae-fashion", 3, "1", "taste", "fashion_mnist"), "taste"),
        (("vae-fashion", 3, "1", "pixels", "/etc"), "not in the list of choices"),
        (("inpaint-fashion", 3, "1", "pixels", "fashion_mnist"), "which only inpaints"),
        ((None, 3, "1", "pixels", "fashion_mnist"), "expected a model"),
    ],
)
def test_invalid_inputs_of_memorisation_are_reported(
    client: Client, inputs: tuple, message: str
) -> None:
    with pytest.raises(AppError, match=message):
        client.predict(*inputs, api_name="/nearest")


def test_training_runs_are_available_through_the_api(client: Client) -> None:
    run = log("one", range(1, 5))
    assert client.predict(PROJECT, api_name="/list_runs")[run].startswith("one · ")
    plot = client.predict(PROJECT, [run], ["fid"], api_name="/training_curves")
    assert json.loads(plot["plot"])["data"][0]["name"].startswith("one · ")
    (preview,) = client.predict(PROJECT, [run], 2, api_name="/training_samples")
    assert preview["caption"].endswith("step 4")  # the first preview
    for project, ids, curves in [
        ("../" + PROJECT, [run], []),
        (None, [run], []),
        (PROJECT, ["no such run"], []),
        (PROJECT, [], []),
        (PROJECT, None, []),
        (PROJECT, [run], ["<b>"]),
    ]:
        with pytest.raises(AppError, match="expected"):
            client.predict(project, ids, curves, api_name="/training_curves")


def test_images_outside_the_media_folder_are_not_read(tmp_path: Path) -> None:
    Image.new("L", (3, 3)).save(tmp_path / "secret.png")
    for file in (tmp_path / "secret.png", "../../../etc/passwd"):
        image = {"_type": "trackio.image", "file_path": str(file)}
        assert runs_actions.find_preview([{"step": 1, "samples": image}], 1) is None


def test_long_curves_are_thinned_and_keep_the_last_point() -> None:
    history = [{"step": step, "loss": 1.0} for step in range(100_001)]
    points = runs_actions.extract_curves(history)["loss"]
    assert len(points) <= runs_actions.MAX_POINTS + 1
    assert points[-1][0] == 100_000


def test_runs_are_read_again_only_after_new_steps() -> None:
    run = log("again", range(1, 4))
    update = runs_actions.read_update(PROJECT, [run], [], 0, (0, 0), only_new=True)
    assert (update.step, update.last_step) == (3, 3)  # the slider follows the last step
    assert [caption.split("step ")[1] for _, caption in update.previews] == ["3"]
    previous = (len(update.runs), 3)
    assert runs_actions.read_update(PROJECT, [run], [], 3, previous, only_new=True) is None
    log("again", range(4, 6))
    update = runs_actions.read_update(PROJECT, [run], ["fid"], 2, previous, only_new=True)
    assert (update.step, update.last_step) == (2, 5)  # the slider stays where the user put it
    assert len(update.figure.data) == 1


def test_curves_with_deviations_have_a_band() -> None:
    curves = {
        "is": [(100, 2.0), (200, 3)],
        "is_std": [(100, 0.5), (200, 1)],
        "fid": [(100, 3.0), (200, 2)],
    }
    figure = plot_curves({"a model": curves}, {"is": "IS", "fid": "FID"})
    band, *lines = figure.data
    assert band.y == (2.5, 4, 2, 1.5)
    assert [line.y for line in lines] == [(2, 3), (3, 2)]
    curves["is_std"].pop()  # the last point has no deviation
    figure = plot_curves({"a model": curves}, {"is": "IS", "fid": "FID"})
    assert figure.data[0].y == (2.5, 1.5)
    line = live_actions.LiveModel([], FeatureExtractors("domain"), 0, None)
    line.curves = {"is": curves["is"], "is_std": [(100, 0.5)]}
    assert line.cell("is") == "3"
    line.curves["is_std"].append((200, 1.0))
    assert line.cell("is") == "3 ± 1"


def test_each_metric_has_a_title() -> None:
    assert live_actions.TITLES.keys() == METRICS.keys()


def test_errors_do_not_contain_the_path_of_the_reference_dataset(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GENMODELS_REFERENCE", str(tmp_path))
    references = ReferenceDatasets()
    assert references.name == tmp_path.name
    with pytest.raises(UserError, match="could not load the reference dataset") as excinfo:
        references.get(references.name, 28)
    assert str(tmp_path) not in str(excinfo.value)


def test_the_app_builds_without_models() -> None:
    assert ui.build(Models([]))
