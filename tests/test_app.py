"""The app as its visitors use it: in a browser, and through its API."""

import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from genmodels import ui
from genmodels.ui.generate import FIRST
from genmodels.ui.models import Models
from tests.conftest import ROOT

NAMES = sorted(path.parent.name for path in (ROOT / "checkpoints").glob("*/model_index.json"))


def pictures(page: Page) -> list[np.ndarray]:
    """What the gallery shows, as its browser received it."""
    sources = page.locator(".pixels .grid-container img").evaluate_all(
        "images => images.map(image => image.src)"
    )
    bodies = [page.request.get(source).body() for source in sources]
    return [np.asarray(Image.open(io.BytesIO(body))) for body in bodies]


def shown(page: Page, count: int) -> list[np.ndarray]:
    expect(page.locator(".pixels .grid-container img")).to_have_count(count, timeout=20_000)
    images = pictures(page)
    assert all(image.shape[:2] == (28, 28) for image in images)
    assert all(image.std() > 20 for image in images)  # none is blank
    return images


def test_first_sight_shows_pictures(page: Page) -> None:
    shown(page, FIRST)
    expect(page.get_by_text(f"{FIRST} images in")).to_be_visible()


@pytest.mark.parametrize("name", NAMES)
def test_a_visitor_picks_a_model_and_generates(page: Page, client: Client, name: str) -> None:
    shown(page, FIRST)
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name=name).click()
    page.get_by_role("spinbutton", name="Images").fill("5")
    page.get_by_role("textbox", name="Seed").fill("7")
    page.get_by_role("button", name="Generate", exact=True).click()
    images = shown(page, 5)
    samples, _, _ = client.predict(name, 5, "7", api_name="/generate")
    for image, sample in zip(images, samples, strict=True):  # PNG: the very pixels
        assert np.array_equal(image, np.asarray(Image.open(sample["image"])))


def test_new_seed_draws_the_pictures_of_that_seed(page: Page, client: Client) -> None:
    before = shown(page, FIRST)
    first = page.locator(".pixels .grid-container img").first
    source = first.get_attribute("src")
    page.get_by_role("button", name="New seed").click()
    expect(first).not_to_have_attribute("src", source)
    seed = page.get_by_role("textbox", name="Seed").input_value()
    assert seed != "0"
    # By chance one of them may be dark, so that they are held against the same ones from the API.
    images = pictures(page)
    assert not np.array_equal(before[0], images[0])
    samples, _, _ = client.predict(NAMES[0], FIRST, seed, api_name="/generate")
    for image, sample in zip(images, samples, strict=True):
        assert np.array_equal(image, np.asarray(Image.open(sample["image"])))


def test_download_holds_the_pictures(page: Page, tmp_path: Path) -> None:
    images = shown(page, FIRST)
    with page.expect_download() as download:
        page.get_by_text("Download as ZIP").click()
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
    page.locator(".pixels .grid-container button").first.click()  # nothing lies over it
    expect(page.locator(".pixels .preview img").first).to_be_visible()


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
