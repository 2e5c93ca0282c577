"""The tab of interpolation: in a browser, through the API, and its parts."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from genmodels.latents.interpolation import slerp
from genmodels.ui import interpolate, latent_map, latents
from genmodels.ui.generate.actions import DEFAULT_COUNT, Settings, generate
from genmodels.ui.interpolate import FRAMES, STRIP
from genmodels.ui.models import Models
from genmodels.ui.pictures import example_images
from tests.conftest import ROOT, picture_of, until
from tests.test_pipelines import fresh

MODELS = Models([ROOT / "checkpoints"])
CONDITIONAL = "sngan-fashion-conditional"


def pixels(page: Page, where: str) -> np.ndarray:
    source = page.locator(where).first.get_attribute("src")
    return np.asarray(picture_of(page, source))


def alike(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and np.abs(one.astype(int) - other).mean() < 3


@pytest.fixture
def tab(browser: Browser, url: str) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{url}/?tab=interpolate")
    expect(page.locator(".strip .grid-container img")).to_have_count(STRIP)
    yield page
    page.close()


def test_a_visitor_walks_from_one_sample_to_another_and_takes_the_film(
    tab: Page, tmp_path: Path
) -> None:
    frame = ".frame img"
    first = pixels(tab, frame)
    assert first.shape == (28, 28)
    source = tab.locator(frame).first.get_attribute("src")
    slider = tab.get_by_role("slider", name="From start to end").or_(
        tab.get_by_label("range slider for From start to end")
    )
    slider.first.focus()
    slider.first.press("End")
    expect(tab.locator(frame).first).not_to_have_attribute("src", source)
    last = pixels(tab, frame)
    strip = tab.locator(".strip .grid-container img").last.get_attribute("src")
    assert np.array_equal(last, np.asarray(picture_of(tab, strip)))
    assert np.abs(last.astype(int) - first).mean() > 10
    with tab.expect_download() as download:
        tab.get_by_text("GIF", exact=True).click()
    download.value.save_as(tmp_path / "path.gif")
    film = Image.open(tmp_path / "path.gif")
    assert (film.n_frames, film.size) == (FRAMES, (168, 168))


def test_a_visitor_clicks_on_the_map(tab: Page) -> None:
    tab.get_by_text("Map of the latent space").first.click()
    tab.get_by_role("button", name="Draw the map").click()
    expect(tab.get_by_text("Ankle boot")).to_be_visible(timeout=60_000)
    chart = tab.locator(".map img")
    colours = pixels(tab, ".map img")
    assert colours.shape[2] == 3
    found = []
    for part in (0.1, 0.9):
        box = chart.bounding_box()
        source = tab.locator(".point img")
        before = source.get_attribute("src") if source.count() else ""
        chart.click(position={"x": part * box["width"], "y": part * box["height"]})
        expect(source).not_to_have_attribute("src", before)
        across = float(tab.get_by_label("number input for Across").input_value())
        assert across == pytest.approx(6 * part - 3, abs=0.05)
        found.append(pixels(tab, ".point img"))
    assert np.abs(found[0].astype(int) - found[1]).mean() > 10


def test_a_stop_is_heard(tab: Page) -> None:
    tab.get_by_role("combobox", name="Model").last.click()
    tab.get_by_role("option", name="diffusion-fashion").last.click()
    tab.get_by_role("button", name="Walk", exact=True).click()
    expect(tab.get_by_text("8 of 17 frames")).to_be_visible()
    tab.get_by_role("button", name="Stop").locator("visible=true").first.click()
    expect(tab.get_by_text("Stopped.")).to_be_visible()
    tab.wait_for_timeout(1500)
    expect(tab.get_by_text("Stopped.")).to_be_visible()  # nothing came after


# Of a conditional model two of a class that is not the first.
@pytest.mark.parametrize(
    ("address", "model", "places"),
    [("", "gan-fashion", (1, 4)), (f"/?model={CONDITIONAL}", CONDITIONAL, (8, 18))],
)
def test_samples_that_were_kept_are_taken_to_both_tabs(
    address: str, model: str, places: tuple[int, int], browser: Browser, url: str
) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(url + address)
    shown = keep(page, model, places)
    page.get_by_role("tab", name="Interpolate").click()
    expect(page.get_by_label("the last two kept")).to_be_checked()
    page.get_by_role("button", name="Walk", exact=True).click()
    expect(page.get_by_text("frames by slerp")).to_be_hidden()
    expect(page.get_by_text("frames by slerp")).to_be_visible(timeout=60_000)
    for place, image in zip((0, STRIP - 1), shown, strict=True):
        assert alike(pixels(page, f".strip .grid-container img >> nth={place}"), image)
    page.get_by_role("tab", name="Inpaint").click()
    page.get_by_role("button", name="Take the sample kept last").click()
    until(lambda: alike(pixels(page, ".completions img"), shown[1]))
    page.close()


def test_there_is_no_path_between_kept_samples_of_two_classes(browser: Browser, url: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{url}/?model={CONDITIONAL}")
    keep(page, CONDITIONAL, (8, 19))
    page.get_by_role("tab", name="Interpolate").click()
    expect(page.get_by_label("the last two kept")).to_be_checked()
    page.get_by_role("button", name="Walk", exact=True).click()
    expect(page.get_by_text("expected two kept samples of one class")).to_be_visible()
    page.close()


def keep(page: Page, model: str, places: tuple[int, int]) -> list[np.ndarray]:
    """Click samples of a model, one after another, once they are there -> their pictures."""
    *_, (images, *_) = generate(MODELS, Settings(model, DEFAULT_COUNT, 0))
    shown = [np.asarray(images[place]) for place in places]
    for kept, (place, image) in enumerate(zip(places, shown, strict=True), 1):
        seen = f".samples .grid-container img >> nth={place}"
        until(lambda seen=seen, image=image: alike(pixels(page, seen), image))
        page.locator(".samples .grid-container button").nth(place).click()
        page.locator(".samples").get_by_label("Close").or_(page.get_by_label("Clear")).first.click()
        expect(page.locator(".saved .grid-container img")).to_have_count(kept)
    return shown


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_scrolls_sideways(tab: Page, width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 844})
    for part in ("Between four corners", "One number of the latent", "Map of the latent space"):
        tab.get_by_text(part).first.click()
    tab.get_by_role("button", name="Draw the grid").click()
    expect(tab.get_by_text("49 of 49")).to_be_visible()
    assert tab.evaluate("document.documentElement.scrollWidth") == width


def path(**changes: object) -> list[object]:
    """The arguments of the endpoint."""
    asked = {"model": "vae-fashion", "label": 0, "ends": "seeds", "seeds": "1, 2"}
    asked |= {"one": None, "other": None, "way": "slerp", "count": 3} | changes
    return list(asked.values())


@pytest.mark.parametrize("way", ["lerp", "slerp", "spline"])
@pytest.mark.parametrize("model", ["vae-fashion", "sngan-fashion", "inpaint-fashion"])
def test_the_api_walks(client: Client, model: str, way: str) -> None:
    frame, strip, note, gif, mp4, _ = client.predict(
        *path(model=model, way=way, seeds="1,2,3"), api_name="/interpolate"
    )
    assert len(strip) == 3
    assert np.array_equal(np.asarray(Image.open(frame)), np.asarray(Image.open(strip[0]["image"])))
    assert note == f"3 frames by {way}"
    assert Image.open(gif).n_frames == 3
    assert Path(mp4).stat().st_size > 500
    middle = np.asarray(Image.open(client.predict(0.5, api_name="/frame")))
    assert np.array_equal(middle, np.asarray(Image.open(strip[1]["image"])))


@pytest.mark.parametrize("model", ["vae-fashion", "wgan-gp-fashion"])
def test_the_api_goes_between_pictures(client: Client, model: str, tmp_path: Path) -> None:
    files = []
    for place in (1, 9):
        example_images()[place].save(tmp_path / f"{place}.png")
        files.append(handle_file(str(tmp_path / f"{place}.png")))
    asked = path(model=model, ends="pictures", one=files[0], other=files[1])
    _, strip, *_ = client.predict(*asked, api_name="/interpolate")
    for cell, place in ((strip[0], 1), (strip[-1], 9)):
        drawn = np.asarray(Image.open(cell["image"])).astype(float)
        right, wrong = (
            np.abs(drawn - np.asarray(example_images()[it])).mean() for it in (place, 3)
        )
        assert right < wrong


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model": "no/such"}, "could not get 'no/such'"),
        ({"model": "../checkpoints"}, "could not get '../checkpoints'"),
        ({"model": None}, "expected a model"),
        ({"seeds": "1"}, "expected 2 to 6 seeds with commas between them, but got 1"),
        ({"seeds": "1, <b>"}, "as a seed"),
        ({"seeds": "1," * 50}, "expected 2 to 6 seeds"),
        ({"seeds": None}, "expected 2 to 6 seeds"),
        ({"ends": "neither"}, "not in the list of choices"),
        ({"ends": "pictures"}, "expected a picture"),
        ({"ends": "kept"}, "expected two kept samples of vae-fashion"),
        ({"way": "<b>"}, "not in the list of choices"),
        ({"count": 1}, "less than minimum"),
        ({"count": 1e9}, "greater than maximum"),
        ({"count": 2.5}, "expected 2 to 64 frames"),
    ],
)
def test_the_api_says_what_was_expected(client: Client, changes: dict, sentence: str) -> None:
    with pytest.raises(AppError) as caught:
        client.predict(*path(**changes), api_name="/interpolate")
    assert sentence in str(caught.value)


def test_the_api_draws_grids_and_points(client: Client) -> None:
    grid, note = client.predict("vae-fashion", 0, "0,1,2,3", 4, api_name="/corners")
    assert Image.open(grid).size == (4 * 30 + 2,) * 2
    assert note == "16 of 16"
    rows, note = client.predict("sngan-fashion", 0, "0", 2, api_name="/traverse")
    assert Image.open(rows).size == (9 * 30 + 2, 2 * 30 + 2)
    assert "of 128" in note
    one, same, other = (
        np.asarray(Image.open(client.predict("vae-fashion", 0, *at, api_name="/decode_point")))
        for at in ((1, -1), (1, -1), (-2, 2))
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("endpoint", "arguments", "sentence"),
    [
        ("/corners", ["vae-fashion", 0, "0, 1", 4], "expected 4 seeds"),
        ("/corners", ["vae-fashion", 0, "0, 1, 2, x", 4], "as a seed"),
        ("/corners", ["vae-fashion", 0, "0, 1, 2, 3", 99], "greater than maximum"),
        ("/traverse", ["vae-fashion", 0, "-1", 4], "as the seed"),
        ("/traverse", ["diffusion-fashion", 0, "0", 4], "expected a VAE or a GAN"),
        ("/map", ["diffusion-fashion", 0], "expected a VAE or a GAN"),
        ("/map", ["", 0], "expected a model"),
        ("/decode_point", ["vae-fashion", 0, 99, 0], "greater than maximum"),
        ("/decode_point", ["diffusion-fashion", 0, 0, 0], "expected a VAE or a GAN"),
        ("/frame", [9], "greater than maximum"),
    ],
)
def test_the_other_endpoints_say_what_was_expected(
    client: Client, endpoint: str, arguments: list, sentence: str
) -> None:
    with pytest.raises(AppError) as caught:
        client.predict(*arguments, api_name=endpoint)
    assert sentence in str(caught.value)


def test_a_path_comes_part_by_part_and_leaves_gradients_as_they_were() -> None:
    pipeline = fresh("vae-fashion")
    keys = latents.drawn(pipeline, [0, 1])
    ways = slerp(keys, torch.linspace(0, 1, 20))
    counts = []
    for samples in latents.decoded(pipeline, ways, None):
        counts.append(len(samples))
        assert torch.is_grad_enabled()
    assert counts == [8, 16, 20]
    assert torch.allclose(samples[0], pipeline.decode(keys[:1])[0], atol=1e-5)


@pytest.mark.parametrize("name", ["vae-fashion-conditional", "sngan-fashion-conditional"])
def test_a_conditional_model_is_told_its_class(name: str) -> None:
    pipeline = fresh(name)
    keys = latents.drawn(pipeline, [0, 1])
    one, other = (
        list(interpolate.walk(name, pipeline, keys, "slerp", 3, label))[-1].samples
        for label in (0, 1)
    )
    assert not torch.equal(one, other)
    assert latents.parse_label(pipeline, "3") == 3
    with pytest.raises(ValueError, match="as the class"):
        latents.parse_label(pipeline, 10)
    assert latents.parse_label(fresh("vae-fashion"), "anything") is None
    assert interpolate.traversals(pipeline, 0, 2, 1)[0].size == (9 * 30 + 2, 2 * 30 + 2)


def test_spreads_find_the_numbers_that_matter() -> None:
    weights = torch.tensor([0.0, 2.0, 1.0])
    found = latent_map.spreads(lambda z: (z * weights)[:, :, None, None], torch.zeros(3))
    assert found.argsort(descending=True).tolist() == [1, 2, 0]


def test_a_plane_holds_the_means_of_classes() -> None:
    rng = torch.Generator().manual_seed(0)
    codes = torch.randn(4000, 6, generator=rng)
    axis = torch.zeros(6)
    axis[3], axis[5] = 0.6, 0.8

    def classify(samples: torch.Tensor) -> torch.Tensor:
        side = 9 * (samples.flatten(1) @ axis)
        return torch.stack([side, -side, 9 * samples.flatten(1)[:, 0]], 1)

    directions = latent_map.plane(lambda z: z[:, :, None, None], codes, classify)
    assert torch.allclose(directions @ directions.T, torch.eye(2), atol=1e-5)
    for within in (axis, torch.eye(6)[0]):
        assert (directions @ within).norm() > 0.95
    assert torch.equal(latent_map.plane(lambda z: z, codes[:, :2], None), torch.eye(2))
    places = latent_map.points(torch.eye(2), 4)
    assert places[0].tolist() == [-2.25, -2.25]
    assert places[1].tolist() == [-0.75, -2.25]


def test_a_click_is_a_point_of_the_plane() -> None:
    assert latent_map.whereabouts([0, 482], 482) == [-3, 3]
    assert latent_map.whereabouts([241, 241], 482) == [0, 0]
    for wrong in (None, 3, [1], [1, "a"], [9999, 0]):
        with pytest.raises(ValueError, match="of the map"):
            latent_map.whereabouts(wrong, 482)


def test_a_classifier_beside_the_models_names_its_classes() -> None:
    lens = latent_map.find_lens(MODELS, (1, 28, 28))
    assert lens is not None
    assert lens.names[7:] == ["Sneaker", "Bag", "Ankle boot"]
    assert latent_map.find_lens(MODELS, (3, 32, 32)) is None
    assert latent_map.find_lens(Models([]), (1, 28, 28)) is None
    assert "&lt;b&gt;" in latent_map.legend([0], ["<b>"])
    coloured = latent_map.tinted(torch.zeros(2, 1, 4, 4), torch.tensor([0, 3]))
    assert coloured.shape == (2, 3, 4, 4)
    assert not torch.equal(coloured[0], coloured[1])


def test_it_begins_with_a_model_that_encodes() -> None:
    assert interpolate.first_model(MODELS) == "vae-fashion"
    assert interpolate.first_model(Models(["user/name"])) == "user/name"
    assert interpolate.first_model(Models([])) is None
    assert interpolate.begin(Models([]), None).strip is None
