"""The app as its visitors use it: in a browser, and through its API."""

import io
import os
import re
import resource
import shutil
import subprocess
import sys
import time
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
from genmodels.ui import models_tab
from genmodels.ui.generate import FIRST
from genmodels.ui.models import Models
from genmodels.ui.pictures import write_download
from tests.conftest import ROOT, picture_of, until

SHOTS = ROOT / "runs" / "screenshots"  # of each tab at both widths, to be looked at

MODELS = Models([ROOT / "checkpoints"])
NAMES = MODELS.generators


def pictures(page: Page) -> list[np.ndarray]:
    """What the gallery shows, as its browser received it."""
    sources = page.locator(".samples .grid-container img").evaluate_all(
        "images => images.map(image => image.src)"
    )
    return [np.asarray(picture_of(page, source)) for source in sources]


def shown(page: Page, count: int) -> list[np.ndarray]:
    expect(page.locator(".samples .grid-container img")).to_have_count(count, timeout=20_000)
    images = pictures(page)
    assert all(image.shape[:2] == (28, 28) for image in images)
    assert all(image.std() > 20 for image in images)  # none is blank
    return images


def expect_pictures(page: Page, client: Client, *asked: object) -> list[np.ndarray]:
    """Wait until the gallery shows what the API gives, to the very pixels -> the pictures."""
    samples, *_ = client.predict(*asked, api_name="/generate")
    images = [np.asarray(Image.open(sample["image"])) for sample in samples]
    until(lambda: np.array_equal(pictures(page), images))
    return images


def test_first_sight_shows_pictures(page: Page) -> None:
    shown(page, FIRST)
    expect(page.get_by_text(f"{FIRST} images in")).to_be_visible()


@pytest.fixture(scope="module")
def opened(browser: Browser, url: str) -> Iterator[Page]:
    """A page on which one model is picked after another."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(url)
    shown(page, FIRST)
    yield page
    page.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_visitor_picks_a_model_and_generates(opened: Page, client: Client, name: str) -> None:
    page = opened
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name=name, exact=True).click()
    page.get_by_role("spinbutton", name="Images").fill("5")
    page.get_by_role("textbox", name="Seed").fill("7")
    page.get_by_role("button", name="Generate", exact=True).click()
    expect_pictures(page, client, name, 5, "7")
    expect(page.get_by_text("5 images in")).to_be_visible()
    shown(page, 5)


@pytest.mark.parametrize(("name", "clicks"), [(NAMES[0], 1), ("diffusion-fashion", 2)])
def test_new_seed_draws_the_pictures_of_that_seed(
    name: str, clicks: int, page: Page, client: Client
) -> None:
    before = shown(page, FIRST)
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name=name, exact=True).click()
    page.get_by_role("spinbutton", name="Images").fill("5")
    field = page.get_by_role("textbox", name="Seed")
    for _ in range(clicks):  # the second one while the pictures of the first are at work
        seed = field.input_value()
        page.get_by_role("button", name="New seed").click()
        expect(field).not_to_have_value(seed)
    images = expect_pictures(page, client, name, 5, field.input_value())
    assert not np.array_equal(before[0], images[0])


def test_download_holds_the_pictures(page: Page, tmp_path: Path) -> None:
    images = shown(page, FIRST)
    with page.expect_download() as download:
        page.get_by_text("ZIP", exact=True).click()
    assert download.value.suggested_filename.endswith("-seed-0.zip")
    download.value.save_as(tmp_path / "images.zip")
    archive = zipfile.ZipFile(tmp_path / "images.zip")
    assert len(archive.namelist()) == FIRST
    for name, image in zip(archive.namelist(), images, strict=True):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(archive.read(name)))), image)


def test_a_seed_that_is_none_is_said_so_and_the_pictures_stay(page: Page) -> None:
    before = shown(page, FIRST)
    page.get_by_role("textbox", name="Seed").fill("abc")
    page.get_by_role("button", name="Generate", exact=True).click()
    sentence = "expected 0 to 4294967295 as the seed, but got 'abc'"
    expect(page.get_by_text(sentence)).to_be_visible()
    for image, kept in zip(shown(page, FIRST), before, strict=True):
        assert np.array_equal(image, kept)
    page.locator(".samples .grid-container button").first.click()  # nothing lies over it
    expect(page.locator(".samples .preview img").first).to_be_visible()


def test_a_visitors_words_are_no_html(page: Page) -> None:
    shown(page, FIRST)
    page.get_by_role("textbox", name="Seed").fill("<b id=evil>1</b>")
    page.get_by_role("button", name="Generate", exact=True).click()
    expect(page.get_by_text("<b id=evil>1</b>'")).to_be_visible()
    assert page.locator("#evil").count() == 0


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_scrolls_sideways(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    shown(page, FIRST)
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_page_asks_no_other_host(browser: Browser, url: str) -> None:
    page, asked = browser.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(url)
    shown(page, FIRST)
    page.close()
    assert [address for address in asked if not address.startswith((url, "data:", "blob:"))] == []


def test_the_api_repeats_a_seed(client: Client) -> None:
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
    ("model", "count", "seed", "sentence"),
    [
        ("vae-fashion", 0, "1", "0 is less than minimum value 1"),
        ("vae-fashion", 10_000, "1", "10000 is greater than maximum value 64"),
        ("vae-fashion", 2.5, "1", "expected 1 to 64 images, but got '2.5'"),
        ("vae-fashion", 3, "abc", "expected 0 to 4294967295 as the seed, but got 'abc'"),
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
def test_the_api_says_what_was_expected(
    client: Client, model: str | None, count: float, seed: str, sentence: str
) -> None:
    with pytest.raises(AppError) as caught:
        client.predict(model, count, seed, api_name="/generate")
    assert sentence in str(caught.value)


def test_an_integral_float_is_a_count(client: Client) -> None:
    assert len(client.predict("vae-fashion", 3.0, 5, api_name="/generate")[0]) == 3


def test_a_broken_checkpoint_leaves_the_others_served(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "checkpoints", tmp_path / "checkpoints")
    (weights,) = (tmp_path / "checkpoints" / NAMES[0]).rglob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "is broken" in str(ui.build(Models([tmp_path / "checkpoints"])).config)
    assert ui.build(Models([]))


@pytest.mark.parametrize("usual", [True, False])
def test_of_several_fids_the_one_most_cards_have_is_shown(tmp_path: Path, usual: bool) -> None:
    measured = [(5.0, None), (1.0, 10_000 if usual else 20_000), (9.0, 2500)]  # of how many samples
    measured += [(0.9, 50_000)] if usual else []
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
            for value, count in measured
        ],
        genmodels={"parameters": 7},
    )
    (tmp_path / "README.md").write_text(f"---\n{data.to_yaml()}\n---\n")
    told = ("gan", "some/images", "1.0", f"fid, by {measured[1][1]}", 7)
    assert models_tab.told(tmp_path / "README.md") == told
    assert models_tab.told(tmp_path) == ("", "", "", "", 0)


@pytest.mark.parametrize("port", ["99999", "in use"])
def test_a_port_that_cannot_be_had_is_said_in_a_sentence(url: str, port: str) -> None:
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


def test_one_clicks_a_sample_and_finds_it_in_another_tab(page: Page) -> None:
    images = shown(page, FIRST)
    page.locator(".samples .grid-container button").nth(1).click()
    kept = page.locator(".kept .grid-container img")
    expect(kept).to_have_count(1)
    assert np.array_equal(np.asarray(picture_of(page, kept.get_attribute("src"))), images[1])
    page.get_by_role("button", name="Complete the last one").click()
    expect(page.get_by_role("tab", name="Inpaint")).to_have_attribute("aria-selected", "true")


def test_a_class_is_asked_for_only_where_it_is_seen(page: Page, url: str) -> None:
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


def test_a_stop_comes_before_its_words() -> None:
    """Which what is stopped would write over: a page runs the events of a click in turn."""
    of_targets: dict[tuple, list[dict]] = {}
    for event in ui.build(Models([ROOT / "checkpoints"])).config["dependencies"]:
        for target in event["targets"]:
            of_targets.setdefault(tuple(target), []).append(event)
    stops = [events for events in of_targets.values() if any(one["cancels"] for one in events)]
    assert len(stops) > 5
    for events in stops:
        first = next(one for one in events if one["cancels"] or one["backend_fn"])
        assert first["cancels"]
        assert not first["backend_fn"]


def test_models_of_one_name_are_all_offered(tmp_path: Path) -> None:
    for place in ("runs/vae-fashion", "runs/vae-fashion/best", "old/runs/vae-fashion"):
        shutil.copytree(ROOT / "checkpoints" / "vae-fashion", tmp_path / place)
    best = tmp_path / "runs" / "vae-fashion" / "best"
    sources = [ROOT / "checkpoints" / "vae-fashion", tmp_path / "runs", best, tmp_path / "runs"]
    models = Models([*sources, tmp_path / "old" / "runs"])
    names = ["vae-fashion", "runs/vae-fashion", "vae-fashion/best", "old/runs/vae-fashion"]
    assert sorted(models.names) == sorted(names)
    assert models.get("vae-fashion/best").sample_shape == (1, 28, 28)


def test_all_models_stand_side_by_side(page: Page, client: Client) -> None:
    grids = page.locator(".compared .grid-container img")
    expect(grids).to_have_count(len(NAMES))
    before = grids.first.get_attribute("src")
    page.get_by_role("textbox", name="Seed").fill("5")
    page.get_by_role("button", name="All models, side by side").click()
    expect(grids.first).not_to_have_attribute("src", before)
    told = client.predict(4, "5", api_name="/compare")
    assert [one["caption"].split(",")[0] for one in told] == NAMES


def test_no_browser_finds_a_picture_half_written() -> None:
    """Though another visitor is shown the same: the file that is being read stays as it is."""
    picture = Image.new("L", (28, 28))
    of_kinds = {gr.Image: picture, gr.ImageEditor: picture, gr.Gallery: [(picture, "a caption")]}
    for kind, value in of_kinds.items():
        component = kind(format="png")
        once, again = (
            re.findall(r"path='([^']+)'", str(component.postprocess(value))) for _ in range(2)
        )
        assert once == again
        assert once
        with open(once[0], "rb") as reading:
            component.postprocess(value)
            assert not os.path.samestat(os.fstat(reading.fileno()), os.stat(once[0]))
            assert Image.open(io.BytesIO(reading.read())).size == picture.size


def test_a_full_disk_keeps_no_part_of_a_picture(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            write_download(bytes(200), "sheet.png")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not [it for it in tmp_path.rglob("*") if it.is_file()]
    assert Path(write_download(bytes(200), "sheet.png")).read_bytes() == bytes(200)


def test_diffusion_is_seen_as_it_forms(client: Client) -> None:
    settings = ("diffusion-fashion", 2, "1", -1, 4, "DDIM", 12)
    job = client.submit(*settings, api_name="/generate")
    last = job.result()
    states = [[np.asarray(Image.open(one["image"])) for one in it[0]] for it in job.outputs()]
    assert len(states) >= 3
    assert np.array_equal(states[-1][0], np.asarray(Image.open(last[0][0]["image"])))
    away = [np.abs(state[0].astype(int) - states[-1][0]).mean() for state in states]
    assert away[0] > away[1] > 0
    plain = client.predict(*settings[:5], "DPM-Solver++", 12, api_name="/generate")[0]
    assert not np.array_equal(np.asarray(Image.open(plain[0]["image"])), states[-1][0])


def test_guidance_pushes_samples_towards_their_class(client: Client) -> None:
    settings = ("diffusion-fashion-conditional", 2, "1", 8, 4, "DPM-Solver++", 3)
    pipeline = MODELS.get(settings[0])
    for guidance in (1, 3):
        rng = torch.Generator().manual_seed(1)
        sampling = {"num_inference_steps": settings[-1], "guidance_scale": guidance}
        known = pipeline(2, rng, labels=8, **sampling).images
        drawn = client.predict(*settings, guidance, api_name="/generate")[0]
        for image, one in zip(known, drawn, strict=True):
            assert np.array_equal(np.asarray(image), np.asarray(Image.open(one["image"])))


def test_guidance_is_seen_where_it_is_of_use(page: Page, url: str) -> None:
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


def test_truncation_makes_samples_alike(client: Client) -> None:
    spreads = []
    for bound in (0.2, 4):
        samples = client.predict("wgan-gp-fashion", 16, "1", -1, bound, api_name="/generate")[0]
        spreads.append(np.stack([np.asarray(Image.open(one["image"])) for one in samples]).std(0))
    assert spreads[0].mean() < 0.5 * spreads[1].mean()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ((3, 4, "DDIM", 5), "not conditional"),
        ((-1, 0, "DDIM", 5), "0 is less than minimum value 0.1"),
        ((-1, None, "DDIM", 5), "expected a value that a slider takes"),
        ((-1, 4, "Euler", 5), "Euler"),
        ((-1, 4, "DDIM", 10**6), "greater than maximum value"),
        ((-1, 4, "DDIM", 5, 99), "greater than maximum value 5"),
        ((-1, 4, "DDIM", 5, -1), "less than minimum value 0"),
        ((-1, 4, "DDIM", 5, "strong"), "expected a value that a slider takes"),
        (("<b>", 4, "DDIM", 5), "expected a value that a number takes"),
    ],
)
def test_a_setting_that_a_model_has_not_is_said(
    client: Client, settings: tuple, sentence: str
) -> None:
    with pytest.raises(AppError, match=sentence):
        client.predict("vae-fashion", 2, "1", *settings, api_name="/generate")


def test_the_card_of_a_model_is_read(page: Page, client: Client, url: str) -> None:
    page.goto(f"{url}/?tab=models")
    expect(page.get_by_text("3,159,521")).to_be_visible()  # parameters of the VAE
    page.get_by_role("button", name="Load and read its card").click()
    expect(page.get_by_text(f"accelerate launch -m training {NAMES[0]}")).to_be_visible()
    assert "12.6 MB" in client.predict("vae-fashion", api_name="/describe")
    for wrong in ("no/such", "../checkpoints", "", None, 7, "/etc"):
        with pytest.raises(AppError, match=r"could not get|expected a model"):
            client.predict(wrong, api_name="/describe")


def test_the_models_are_compared_by_one_protocol() -> None:
    protocols = [row[-1].split(";")[0] for row in models_tab.rows(MODELS)]
    assert protocols.count("") == 1  # of the one that only completes
    assert len(set(protocols)) == 2


def test_a_link_restores_a_view(browser: Browser, client: Client, url: str) -> None:
    page = browser.new_page()
    page.goto(f"{url}/?tab=generate&model=vae-fashion&seed=77")
    expect(page.get_by_role("textbox", name="Seed")).to_have_value("77")
    expect(page.get_by_role("combobox", name="Model").first).to_have_value("vae-fashion")
    expect(page.get_by_text(f"{FIRST} images in")).to_be_visible()
    samples = client.predict("vae-fashion", FIRST, "77", api_name="/generate")[0]
    expected, deadline = np.asarray(Image.open(samples[0]["image"])), time.monotonic() + 30
    while not np.array_equal(pictures(page)[0], expected):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    page.close()


@pytest.mark.parametrize("tab", ui.TABS)
@pytest.mark.parametrize("width", [1280, 390])
def test_each_tab_fits_speaks_both_languages_and_is_open_to_all(
    browser: Browser, url: str, tab: str, width: int
) -> None:
    """In English and light on a desk, in Russian and dark in a hand."""
    locale, theme = ("en-US", "light") if width == 1280 else ("ru-RU", "dark")
    page = browser.new_page(viewport={"width": width, "height": 844}, locale=locale)
    page.goto(f"{url}/?tab={tab}&__theme={theme}")
    sentence = next(iter(ui.TABS[tab].words.values()))[locale == "ru-RU"]
    start = re.split(r"[$*`\[]", sentence)[0].strip()[:40]
    expect(page.get_by_text(start).first).to_be_visible()
    page.wait_for_timeout(1000)  # plots are drawn after the page
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{tab}-{width}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    found = Axe().run(page).response["violations"]
    page.close()
    serious = [it for it in found if it["impact"] in ("serious", "critical")]
    assert [(it["id"], it["nodes"][0]["html"][:200]) for it in serious] == []
