"""The app in a browser and through its API: shell, Generate and Models."""

import io
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from gradio_client import Client
from gradio_client.exceptions import AppError
from huggingface_hub import EvalResult, ModelCardData
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from genmodels import ui
from genmodels.errors import UserError
from genmodels.ui import models_tab
from genmodels.ui.generate.actions import DEFAULT_COUNT, Settings, generate, parse_settings
from genmodels.ui.i18n import LOCALES
from genmodels.ui.models import Models
from genmodels.ui.pictures import write_download
from tests.conftest import ROOT, download_picture, wait_for

SCREENS = ROOT / "runs" / "screenshots"  # screenshots of each tab at both widths, for review

MODELS = Models([ROOT / "checkpoints"])
NAMES = MODELS.generators


def gallery_images(page: Page) -> list[np.ndarray]:
    """Return the images of the gallery as the browser received them."""
    sources = page.locator(".samples .grid-container img").evaluate_all(
        "images => images.map(image => image.src)"
    )
    return [np.asarray(download_picture(page, source)) for source in sources]


def wait_for_images(page: Page, count: int) -> list[np.ndarray]:
    """Wait until the gallery has `count` images that are not blank, and return them."""
    expect(page.locator(".samples .grid-container img")).to_have_count(count, timeout=20_000)
    images = gallery_images(page)
    assert all(image.shape[:2] == (28, 28) for image in images)
    assert all(image.std() > 20 for image in images)
    return images


def wait_for_api_images(page: Page, client: Client, *inputs: object) -> list[np.ndarray]:
    """Wait until the gallery has exactly the images that the API returns, and return them."""
    samples, *_ = client.predict(*inputs, api_name="/generate")
    images = [np.asarray(Image.open(sample["image"])) for sample in samples]
    wait_for(lambda: np.array_equal(gallery_images(page), images))
    return images


def test_app_opens_with_images(page: Page) -> None:
    wait_for_images(page, DEFAULT_COUNT)
    expect(page.get_by_text(f"{DEFAULT_COUNT} images in")).to_be_visible()


@pytest.fixture(scope="module")
def shared_page(browser: Browser, url: str) -> Iterator[Page]:
    """One page for all tests that only select a model and generate."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(url)
    wait_for_images(page, DEFAULT_COUNT)
    yield page
    page.close()


@pytest.mark.parametrize("name", NAMES)
def test_generate_with_each_model(shared_page: Page, client: Client, name: str) -> None:
    page = shared_page
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name=name, exact=True).click()
    page.get_by_role("spinbutton", name="Images").fill("5")
    page.get_by_role("textbox", name="Seed").fill("7")
    page.get_by_role("button", name="Generate", exact=True).click()
    wait_for_api_images(page, client, name, 5, "7")
    expect(page.get_by_text("5 images in")).to_be_visible()
    wait_for_images(page, 5)


@pytest.mark.parametrize(("name", "num_clicks"), [(NAMES[0], 1), ("diffusion-fashion", 2)])
def test_new_seed_generates_its_images(
    name: str, num_clicks: int, page: Page, client: Client
) -> None:
    before = wait_for_images(page, DEFAULT_COUNT)
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name=name, exact=True).click()
    page.get_by_role("spinbutton", name="Images").fill("5")
    field = page.get_by_role("textbox", name="Seed")
    for _ in range(num_clicks):  # the second click comes while the first generation is running
        seed = field.input_value()
        page.get_by_role("button", name="New seed").click()
        expect(field).not_to_have_value(seed)
    images = wait_for_api_images(page, client, name, 5, field.input_value())
    assert not np.array_equal(before[0], images[0])


def test_zip_download_contains_the_images(page: Page, tmp_path: Path) -> None:
    images = wait_for_images(page, DEFAULT_COUNT)
    with page.expect_download() as download:
        page.get_by_text("ZIP", exact=True).click()
    assert download.value.suggested_filename.endswith("-seed-0.zip")
    download.value.save_as(tmp_path / "images.zip")
    archive = zipfile.ZipFile(tmp_path / "images.zip")
    assert len(archive.namelist()) == DEFAULT_COUNT
    for name, image in zip(archive.namelist(), images, strict=True):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(archive.read(name)))), image)


def test_invalid_seed_reports_an_error_and_keeps_the_images(page: Page) -> None:
    before = wait_for_images(page, DEFAULT_COUNT)
    page.get_by_role("textbox", name="Seed").fill("abc")
    page.get_by_role("button", name="Generate", exact=True).click()
    message = "expected 0 to 4294967295 as the seed, got 'abc'"
    expect(page.get_by_text(message)).to_be_visible()
    assert np.array_equal(wait_for_images(page, DEFAULT_COUNT), before)
    page.locator(".samples .grid-container button").first.click()  # no overlay covers the images
    expect(page.locator(".samples .preview img").first).to_be_visible()


def test_error_messages_escape_html(page: Page) -> None:
    wait_for_images(page, DEFAULT_COUNT)
    page.get_by_role("textbox", name="Seed").fill("<b id=injected>1</b>")
    page.get_by_role("button", name="Generate", exact=True).click()
    expect(page.get_by_text("<b id=injected>1</b>'")).to_be_visible()
    assert page.locator("#injected").count() == 0


@pytest.mark.parametrize("width", [1280, 390])
def test_page_has_no_horizontal_scroll(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    wait_for_images(page, DEFAULT_COUNT)
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_page_sends_requests_only_to_the_app(browser: Browser, url: str) -> None:
    page, urls = browser.new_page(), []
    page.on("request", lambda request: urls.append(request.url))
    page.goto(url)
    wait_for_images(page, DEFAULT_COUNT)
    page.close()
    assert [one for one in urls if not one.startswith((url, "data:", "blob:"))] == []


def test_equal_seeds_give_equal_images_through_the_api(client: Client) -> None:
    one, again, other = (
        client.predict("vae-fashion", 3, seed, api_name="/generate")[0] for seed in ("1", "1", "2")
    )
    assert len(one) == 3
    pixels = [
        [np.asarray(Image.open(s["image"])) for s in samples] for samples in (one, again, other)
    ]
    assert np.array_equal(pixels[0], pixels[1])
    assert not np.array_equal(pixels[0], pixels[2])
    assert all(sample["image"].endswith(".png") for sample in one)


@pytest.mark.parametrize(
    ("model", "count", "seed", "message"),
    [
        ("vae-fashion", 0, "1", "0 is less than minimum value 1"),
        ("vae-fashion", 10_000, "1", "10000 is greater than maximum value 64"),
        ("vae-fashion", 2.5, "1", "expected 1 to 64 images, got '2.5'"),
        ("vae-fashion", 3, "abc", "expected 0 to 4294967295 as the seed, got 'abc'"),
        ("vae-fashion", 3, "-1", "as the seed"),
        ("vae-fashion", 3, "4294967296", "as the seed"),
        ("vae-fashion", 3, "1" * 5000, "as the seed"),
        ("vae-fashion", 3, None, "as the seed"),
        (["vae-fashion"], 3, "1", "expected a model"),
        ("no/such", 3, "1", "could not get 'no/such'"),
        ("../checkpoints", 3, "1", "could not get '../checkpoints'"),
        (str(ROOT / "checkpoints/vae-fashion"), 3, "1", "could not get"),
        ("", 3, "1", "expected a model"),
        (None, 3, "1", "expected a model"),
    ],
)
def test_api_reports_invalid_inputs(
    client: Client, model: str | None, count: float, seed: str, message: str
) -> None:
    with pytest.raises(AppError) as excinfo:
        client.predict(model, count, seed, api_name="/generate")
    assert message in str(excinfo.value)


def test_settings_are_validated_without_a_browser() -> None:
    values = ("vae-fashion", "3", 5.0, " -1 ", "2", "DDIM", 7, 0)
    expected = Settings("vae-fashion", 3, 5, None, 2.0, "DDIM", 7, 0.0)
    assert parse_settings(*values) == expected
    assert parse_settings(*values[:3], "-1.0", *values[4:]).label is None
    with pytest.raises(UserError, match="expected 0 to 1000000 as the class, got '-2'"):
        parse_settings(*values[:3], -2, *values[4:])
    with pytest.raises(
        UserError, match=r"expected a scheduler: DPM-Solver.., .*, DDIM; got 'Euler'"
    ):
        parse_settings(*values[:5], "Euler", *values[6:])
    *_, result = generate(MODELS, expected)
    assert len(result.images) == 3
    assert Path(result.archive_file).name == "vae-fashion-seed-5.zip"


def test_integral_floats_are_valid_counts(client: Client) -> None:
    assert len(client.predict("vae-fashion", 3.0, 5, api_name="/generate")[0]) == 3


def test_broken_checkpoint_does_not_stop_the_app(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "checkpoints", tmp_path / "checkpoints")
    (weights,) = (tmp_path / "checkpoints" / NAMES[0]).rglob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "is broken" in str(ui.build(Models([tmp_path / "checkpoints"])).config)
    assert ui.build(Models([]))


@pytest.mark.parametrize("common", [True, False])
def test_models_table_shows_the_most_common_fid(tmp_path: Path, common: bool) -> None:
    # (FID, number of samples)
    fids = [(5.0, None), (1.0, 10_000 if common else 20_000), (9.0, 2500)]
    fids += [(0.9, 50_000)] if common else []
    data = ModelCardData(
        model_name="model",
        tags=["gan"],
        datasets=["some/images"],
        eval_results=[
            EvalResult(
                task_type="unconditional-image-generation",
                dataset_type="some/images",
                dataset_name="some/images",
                metric_type="fid",
                metric_value=value,
                metric_name=f"fid, by {count}",
                metric_args=count and {"count": count},
            )
            for value, count in fids
        ],
        genmodels={"parameters": 7},
    )
    (tmp_path / "README.md").write_text(f"---\n{data.to_yaml()}\n---\n")
    expected = ("gan", "some/images", "1.0", f"fid, by {fids[1][1]}", 7)
    assert models_tab.read_card_metadata(tmp_path / "README.md") == expected
    assert models_tab.read_card_metadata(tmp_path) == ("", "", "", "", 0)


@pytest.mark.parametrize("port", ["99999", "in use"])
def test_unavailable_port_reports_one_sentence(url: str, port: str) -> None:
    port = url.rsplit(":", 1)[1] if port == "in use" else port
    app = subprocess.run(
        [sys.executable, "app.py", "--port", port],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert app.returncode == 2
    assert port in app.stderr
    assert "Traceback" not in app.stderr


def test_clicked_sample_is_saved_for_other_tabs(page: Page) -> None:
    images = wait_for_images(page, DEFAULT_COUNT)
    page.locator(".samples .grid-container button").nth(1).click()
    saved = page.locator(".saved .grid-container img")
    expect(saved).to_have_count(1)
    assert np.array_equal(np.asarray(download_picture(page, saved.get_attribute("src"))), images[1])
    page.get_by_role("button", name="Inpaint the last one").click()
    expect(page.get_by_role("tab", name="Inpaint")).to_have_attribute("aria-selected", "true")


def test_hidden_class_is_not_sent_to_unconditional_models(page: Page, url: str) -> None:
    page.goto(f"{url}/?model=sngan-fashion-conditional")
    classes = page.get_by_label("Class").locator("visible=true")
    classes.fill("3")
    page.get_by_role("button", name="Generate", exact=True).click()
    page.get_by_role("combobox", name="Model").first.click()
    page.get_by_role("option", name="vae-fashion", exact=True).first.click()
    expect(classes).to_have_count(0)
    before = page.locator(".samples img").first.get_attribute("src")
    page.get_by_role("button", name="New seed").click()
    expect(page.locator(".samples img").first).not_to_have_attribute("src", before)


def test_stop_buttons_cancel_before_they_report() -> None:
    """In the other order, the last output of the cancelled event could overwrite the report."""
    events_by_target: dict[tuple, list[dict]] = {}
    for event in ui.build(Models([ROOT / "checkpoints"])).config["dependencies"]:
        for target in event["targets"]:
            events_by_target.setdefault(tuple(target), []).append(event)
    stop_events = [
        events for events in events_by_target.values() if any(one["cancels"] for one in events)
    ]
    assert len(stop_events) > 5
    for events in stop_events:
        first = next(event for event in events if event["cancels"] or event["backend_fn"])
        assert first["cancels"]
        assert not first["backend_fn"]


def test_models_with_the_same_name_get_longer_names(tmp_path: Path) -> None:
    for folder in ("runs/vae-fashion", "runs/vae-fashion/best", "old/runs/vae-fashion"):
        shutil.copytree(ROOT / "checkpoints" / "vae-fashion", tmp_path / folder)
    best = tmp_path / "runs" / "vae-fashion" / "best"
    sources = [ROOT / "checkpoints" / "vae-fashion", tmp_path / "runs", best, tmp_path / "runs"]
    models = Models([*sources, tmp_path / "old" / "runs"])
    names = ["vae-fashion", "runs/vae-fashion", "vae-fashion/best", "old/runs/vae-fashion"]
    assert sorted(models.names) == sorted(names)
    assert models.get("vae-fashion/best").sample_shape == (1, 28, 28)


def test_compare_all_models(page: Page, client: Client) -> None:
    grids = page.locator(".compared .grid-container img")
    expect(grids).to_have_count(len(NAMES))
    before = grids.first.get_attribute("src")
    page.get_by_role("textbox", name="Seed").fill("5")
    page.get_by_role("button", name="Compare all models").click()
    expect(grids.first).not_to_have_attribute("src", before)
    results = client.predict(4, "5", api_name="/compare")
    assert [grid["caption"].split(",")[0] for grid in results] == NAMES


def test_showing_an_image_again_does_not_rewrite_its_open_file() -> None:
    """A browser that reads the file during a rewrite would get an incomplete image."""
    picture = Image.new("L", (28, 28))
    values = {gr.Image: picture, gr.ImageEditor: picture, gr.Gallery: [(picture, "a caption")]}
    for kind, value in values.items():
        component = kind(format="png")
        first, second = (
            re.findall(r"path='([^']+)'", str(component.postprocess(value))) for _ in range(2)
        )
        assert first == second
        assert first
        with open(first[0], "rb") as file:
            component.postprocess(value)
            assert not os.path.samestat(os.fstat(file.fileno()), os.stat(first[0]))
            assert Image.open(io.BytesIO(file.read())).size == picture.size


def test_full_disk_leaves_no_partial_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            write_download(bytes(200), "grid.png")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert Path(write_download(bytes(200), "grid.png")).read_bytes() == bytes(200)


def test_diffusion_shows_intermediate_samples(client: Client) -> None:
    settings = ("diffusion-fashion", 2, "1", -1, 4, "DDIM", 12)
    job = client.submit(*settings, api_name="/generate")
    last = job.result()
    outputs = [np.asarray(Image.open(output[0][0]["image"])) for output in job.outputs()]
    assert len(outputs) >= 3
    assert np.array_equal(outputs[-1], np.asarray(Image.open(last[0][0]["image"])))
    errors = [np.abs(output.astype(int) - outputs[-1]).mean() for output in outputs]
    assert errors[0] > errors[1] > 0
    other = client.predict(*settings[:5], "DPM-Solver++", 12, api_name="/generate")[0]
    assert not np.array_equal(np.asarray(Image.open(other[0]["image"])), outputs[-1])


def test_guidance_and_class_reach_the_pipeline(client: Client) -> None:
    settings = ("diffusion-fashion-conditional", 2, "1", 8, 4, "DPM-Solver++", 3)
    pipeline = MODELS.get(settings[0])
    for guidance_scale in (0, 1, 3):
        expected = pipeline(
            batch_size=2,
            generator=torch.Generator().manual_seed(1),
            labels=8,
            num_inference_steps=settings[-1],
            guidance_scale=guidance_scale,
        ).images
        samples = client.predict(*settings, guidance_scale, api_name="/generate")[0]
        for image, sample in zip(expected, samples, strict=True):
            assert np.array_equal(np.asarray(image), np.asarray(Image.open(sample["image"])))


def test_only_settings_that_apply_are_visible(page: Page, url: str) -> None:
    slider = page.get_by_label("number input for Guidance")
    for model, classes, guided in (
        ("diffusion-fashion-conditional", True, True),
        ("diffusion-fashion", False, False),
        ("sngan-fashion-conditional", True, False),
    ):
        page.goto(f"{url}/?tab=generate&model={model}&seed=1")
        labels = page.get_by_label("Class").locator("visible=true")
        expect(labels).to_have_count(int(classes))
        expect(slider).to_be_visible(visible=guided)


def test_truncation_reduces_diversity(client: Client) -> None:
    deviations = []
    for truncation in (0.2, 4):
        inputs = ("wgan-gp-fashion", 16, "1", -1, truncation)
        samples = client.predict(*inputs, api_name="/generate")[0]
        images = np.stack([np.asarray(Image.open(sample["image"])) for sample in samples])
        deviations.append(images.std(0))
    assert deviations[0].mean() < 0.5 * deviations[1].mean()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((3, 4, "DDIM", 5), "expected no labels: this model is unconditional"),
        ((-1, 0, "DDIM", 5), "0 is less than minimum value 0.1"),
        ((-1, None, "DDIM", 5), "expected a valid value for a slider"),
        ((-1, 4, "Euler", 5), "Euler"),
        ((-1, 4, "DDIM", 10**6), "greater than maximum value"),
        ((-1, 4, "DDIM", 5, 99), "greater than maximum value 5"),
        ((-1, 4, "DDIM", 5, -1), "less than minimum value 0"),
        ((-1, 4, "DDIM", 5, "strong"), "expected a valid value for a slider"),
        (("<b>", 4, "DDIM", 5), "expected a valid value for a number"),
    ],
)
def test_api_reports_invalid_settings(client: Client, settings: tuple, message: str) -> None:
    with pytest.raises(AppError, match=message):
        client.predict("vae-fashion", 2, "1", *settings, api_name="/generate")


def test_models_tab_shows_a_model_card(page: Page, client: Client, url: str) -> None:
    page.goto(f"{url}/?tab=models")
    expect(page.get_by_text("3,159,521")).to_be_visible()  # parameters of the VAE
    page.get_by_role("button", name="Load and show the model card").click()
    expect(page.get_by_text(f"accelerate launch -m training {NAMES[0]}")).to_be_visible()
    assert "12.6 MB" in client.predict("vae-fashion", api_name="/describe")
    for invalid in ("no/such", "../checkpoints", "", None, 7, "/etc"):
        with pytest.raises(AppError, match=r"could not get|expected a model"):
            client.predict(invalid, api_name="/describe")


def test_models_table_uses_one_fid_protocol() -> None:
    protocols = [row[-1].split(";")[0] for row in models_tab.rows(MODELS)]
    assert protocols.count("") == 1  # the inpainting model has no FID
    assert len(set(protocols)) == 2


def test_links_set_model_and_seed(browser: Browser, client: Client, url: str) -> None:
    page = browser.new_page()
    page.goto(f"{url}/?tab=generate&model=vae-fashion&seed=77")
    expect(page.get_by_role("textbox", name="Seed")).to_have_value("77")
    expect(page.get_by_role("combobox", name="Model").first).to_have_value("vae-fashion")
    expect(page.get_by_text(f"{DEFAULT_COUNT} images in")).to_be_visible()
    samples = client.predict("vae-fashion", DEFAULT_COUNT, "77", api_name="/generate")[0]
    expected = np.asarray(Image.open(samples[0]["image"]))
    wait_for(lambda: np.array_equal(gallery_images(page)[0], expected))
    page.close()


@pytest.mark.parametrize("tab", ui.TABS)
@pytest.mark.parametrize("width", [1280, 390])
def test_layout_language_and_accessibility_of_each_tab(
    browser: Browser, url: str, tab: str, width: int
) -> None:
    """Desktop: English, light theme. Phone: Russian, dark theme."""
    locale, theme = ("en-US", "light") if width == 1280 else ("ru-RU", "dark")
    page = browser.new_page(viewport={"width": width, "height": 844}, locale=locale)
    page.goto(f"{url}/?tab={tab}&__theme={theme}")
    texts = json.loads((LOCALES / f"{locale[:2]}.json").read_text("utf-8"))
    text = next(text for key, text in texts.items() if key.startswith(f"{tab}_"))
    start = re.split(r"[$*`\[]", text)[0].strip()[:40]
    expect(page.get_by_text(start).first).to_be_visible()
    if tab in ("distances", "laboratory"):  # plots appear after the page has loaded
        expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    page.wait_for_function(  # lazy images load when they are scrolled into view
        "[...document.images].every(image => image.complete || image.loading === 'lazy')"
    )
    SCREENS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENS / f"{tab}-{width}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    violations = Axe().run(page).response["violations"]
    page.close()
    serious = [one for one in violations if one["impact"] in ("serious", "critical")]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in serious] == []
