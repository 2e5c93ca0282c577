"""The Interpolate tab: in a browser, through the API, and its actions."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from genmodels.errors import UserError
from genmodels.latents import slerp
from genmodels.ui import latents
from genmodels.ui.app_state import SavedSample
from genmodels.ui.interpolate import actions, map_actions
from genmodels.ui.interpolate.actions import FRAMES, STRIP
from genmodels.ui.models import Models
from genmodels.ui.pictures import example_images
from tests.conftest import ROOT, download_picture, wait_for
from tests.test_pipelines import untrained_pipeline

MODELS = Models([ROOT / "checkpoints"])
CONDITIONAL = "sngan-fashion-conditional"


def pixels(page: Page, selector: str) -> np.ndarray:
    source = page.locator(selector).first.get_attribute("src")
    return np.asarray(download_picture(page, source))


def are_similar(first: np.ndarray, second: np.ndarray) -> bool:
    return first.shape == second.shape and np.abs(first.astype(int) - second).mean() < 3


@pytest.fixture
def tab(browser: Browser, url: str) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{url}/?tab=interpolate")
    expect(page.locator(".strip .grid-container img")).to_have_count(STRIP)
    yield page
    page.close()


def choose_model(tab: Page, name: str) -> None:
    tab.get_by_role("combobox", name="Model").last.click()
    tab.get_by_role("option", name=name, exact=True).last.click()


def test_the_slider_moves_along_the_path_and_the_gif_downloads(tab: Page, tmp_path: Path) -> None:
    frame = ".frame img"
    first = pixels(tab, frame)
    assert first.shape == (28, 28)
    source = tab.locator(frame).first.get_attribute("src")
    slider = tab.get_by_role("slider", name="Position on the path").or_(
        tab.get_by_label("range slider for Position on the path")
    )
    slider.first.focus()
    slider.first.press("End")
    expect(tab.locator(frame).first).not_to_have_attribute("src", source)
    last = pixels(tab, frame)
    strip = tab.locator(".strip .grid-container img").last.get_attribute("src")
    assert np.array_equal(last, np.asarray(download_picture(tab, strip)))
    assert np.abs(last.astype(int) - first).mean() > 10
    with tab.expect_download() as download:
        tab.get_by_text("GIF", exact=True).click()
    download.value.save_as(tmp_path / "path.gif")
    animation = Image.open(tmp_path / "path.gif")
    assert (animation.n_frames, animation.size) == (FRAMES, (168, 168))


def test_a_click_on_the_map_decodes_a_point(tab: Page) -> None:
    tab.get_by_text("Map of the latent space").first.click()
    tab.get_by_role("button", name="Draw the map").click()
    expect(tab.get_by_text("Ankle boot")).to_be_visible(timeout=60_000)
    chart = tab.locator(".map img")
    assert pixels(tab, ".map img").shape[2] == 3
    points = []
    for fraction in (0.1, 0.9):
        box = chart.bounding_box()
        point = tab.locator(".point img")
        before = point.get_attribute("src") if point.count() else ""
        chart.click(position={"x": fraction * box["width"], "y": fraction * box["height"]})
        expect(point).not_to_have_attribute("src", before)
        horizontal = tab.get_by_label("number input for Horizontal").input_value()
        assert float(horizontal) == pytest.approx(6 * fraction - 3, abs=0.05)
        points.append(pixels(tab, ".point img"))
    assert np.abs(points[0].astype(int) - points[1]).mean() > 10


def test_stop_cancels_the_path(tab: Page) -> None:
    choose_model(tab, "diffusion-fashion")
    tab.get_by_role("button", name="Interpolate", exact=True).click()
    expect(tab.get_by_text("8 of 17 frames")).to_be_visible()
    tab.get_by_role("button", name="Stop").locator("visible=true").first.click()
    expect(tab.get_by_text("Stopped.")).to_be_visible()
    # The next event on the device starts after the cancelled one has ended.
    choose_model(tab, "vae-fashion")
    tab.get_by_text("Grid between four seeds").first.click()
    tab.get_by_role("button", name="Draw the grid").click()
    expect(tab.get_by_text("49 of 49")).to_be_visible()
    expect(tab.get_by_text("Stopped.")).to_be_visible()


def save_samples(page: Page, model: str, indices: tuple[int, int]) -> list[np.ndarray]:
    """Save samples of seed 0 in the Generate tab by clicking on them, and return their images."""
    gallery = page.locator(".samples .grid-container img")
    wait_for(lambda: gallery.count() > max(indices))
    generator = torch.Generator().manual_seed(0)
    generated = MODELS.get(model)(gallery.count(), generator).images
    images = [np.asarray(generated[index]) for index in indices]
    for count, (index, image) in enumerate(zip(indices, images, strict=True), 1):
        selector = f".samples .grid-container img >> nth={index}"
        wait_for(lambda selector=selector, image=image: are_similar(pixels(page, selector), image))
        page.locator(".samples .grid-container button").nth(index).click()
        page.locator(".samples").get_by_label("Close").or_(page.get_by_label("Clear")).first.click()
        expect(page.locator(".saved .grid-container img")).to_have_count(count)
    return images


# Both samples of the conditional model have the same class, which is not 0.
@pytest.mark.parametrize(
    ("query", "model", "indices"),
    [("", "gan-fashion", (1, 4)), (f"/?model={CONDITIONAL}", CONDITIONAL, (8, 18))],
)
def test_saved_samples_are_used_in_other_tabs(
    query: str, model: str, indices: tuple[int, int], browser: Browser, url: str
) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(url + query)
    images = save_samples(page, model, indices)
    page.get_by_role("tab", name="Interpolate").click()
    expect(page.get_by_label("the last two saved samples")).to_be_checked()
    page.get_by_role("button", name="Interpolate", exact=True).click()
    expect(page.get_by_text("frames by slerp")).to_be_hidden()
    expect(page.get_by_text("frames by slerp")).to_be_visible(timeout=60_000)
    for index, image in zip((0, STRIP - 1), images, strict=True):
        assert are_similar(pixels(page, f".strip .grid-container img >> nth={index}"), image)
    page.get_by_role("tab", name="Inpaint").click()
    page.get_by_role("button", name="Use the last saved sample").click()
    wait_for(lambda: are_similar(pixels(page, ".completions img"), images[1]))
    page.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_page_has_no_horizontal_scroll(tab: Page, width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 844})
    for title in ("Grid between four seeds", "Latent traversal", "Map of the latent space"):
        tab.get_by_text(title).first.click()
    tab.get_by_role("button", name="Draw the grid").click()
    expect(tab.get_by_text("49 of 49")).to_be_visible()
    assert tab.evaluate("document.documentElement.scrollWidth") == width


def arguments(**changes: object) -> list[object]:
    """Return the arguments of the endpoint /interpolate: the defaults, updated by `changes`."""
    defaults = {"model": "vae-fashion", "label": 0, "ends": "seeds", "seeds": "1, 2"}
    defaults |= {"start": None, "end": None, "interpolation": "slerp", "frames": 3}
    return list((defaults | changes).values())


def test_the_api_documents_its_parameters(client: Client) -> None:
    endpoints = client.view_api(print_info=False, return_format="dict")["named_endpoints"]
    expected = {
        "/interpolate": "model label ends seeds start end interpolation frames",
        "/frame": "position",
        "/corners": "model label seeds side",
        "/traverse": "model label seed rows",
        "/map": "model label",
        "/decode_point": "model label horizontal vertical",
    }
    for name, parameters in expected.items():
        documented = [it["parameter_name"] for it in endpoints[name]["parameters"]]
        assert documented == parameters.split()


@pytest.mark.parametrize("interpolation", ["lerp", "slerp", "spline"])
@pytest.mark.parametrize("model", ["vae-fashion", "sngan-fashion", "inpaint-fashion"])
def test_the_api_interpolates_seeds(client: Client, model: str, interpolation: str) -> None:
    frame, strip, note, gif, mp4, _ = client.predict(
        *arguments(model=model, interpolation=interpolation, seeds="1,2,3"),
        api_name="/interpolate",
    )
    assert len(strip) == 3
    assert np.array_equal(np.asarray(Image.open(frame)), np.asarray(Image.open(strip[0]["image"])))
    assert note == f"3 frames by {interpolation}"
    assert Image.open(gif).n_frames == 3
    assert Path(mp4).stat().st_size > 500
    middle = np.asarray(Image.open(client.predict(0.5, api_name="/frame")))
    assert np.array_equal(middle, np.asarray(Image.open(strip[1]["image"])))


@pytest.mark.parametrize("model", ["vae-fashion", "wgan-gp-fashion"])
def test_the_api_interpolates_pictures(client: Client, model: str, tmp_path: Path) -> None:
    files = []
    for index in (1, 9):
        example_images()[index].save(tmp_path / f"{index}.png")
        files.append(handle_file(str(tmp_path / f"{index}.png")))
    inputs = arguments(model=model, ends="pictures", start=files[0], end=files[1])
    _, strip, *_ = client.predict(*inputs, api_name="/interpolate")
    for cell, index in ((strip[0], 1), (strip[-1], 9)):
        image = np.asarray(Image.open(cell["image"])).astype(float)
        same, different = (
            np.abs(image - np.asarray(example_images()[other])).mean() for other in (index, 3)
        )
        assert same < different


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "no/such"}, "could not get 'no/such'"),
        ({"model": "../checkpoints"}, "could not get '../checkpoints'"),
        ({"model": None}, "expected a model"),
        ({"seeds": "1"}, "expected 2 to 6 seeds separated by commas, got 1"),
        ({"seeds": "1, <b>"}, "seed"),
        ({"seeds": "1," * 50}, "expected 2 to 6 seeds"),
        ({"seeds": None}, "expected 2 to 6 seeds"),
        ({"ends": "neither"}, "not in the list of choices"),
        ({"ends": "pictures"}, "expected a picture"),
        ({"ends": "samples"}, "expected two saved samples of vae-fashion, got 0"),
        ({"interpolation": "<b>"}, "not in the list of choices"),
        ({"frames": 1}, "less than minimum"),
        ({"frames": 1e9}, "greater than maximum"),
        ({"frames": 2.5}, "expected 2 to 64 frames"),
    ],
)
def test_the_api_reports_invalid_arguments(client: Client, changes: dict, message: str) -> None:
    with pytest.raises(AppError, match=re.escape(message)):
        client.predict(*arguments(**changes), api_name="/interpolate")


def test_the_api_draws_grids_traversals_and_points(client: Client) -> None:
    grid, note = client.predict("vae-fashion", 0, "0,1,2,3", 4, api_name="/corners")
    assert Image.open(grid).size == (4 * 30 + 2,) * 2
    assert note == "16 of 16"
    rows, note = client.predict("sngan-fashion", 0, "0", 2, api_name="/traverse")
    assert Image.open(rows).size == (9 * 30 + 2, 2 * 30 + 2)
    assert "of 128" in note
    first, same, other = (
        np.asarray(Image.open(client.predict("vae-fashion", 0, *point, api_name="/decode_point")))
        for point in ((1, -1), (1, -1), (-2, 2))
    )
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("endpoint", "inputs", "message"),
    [
        ("/corners", ["vae-fashion", 0, "0, 1", 4], "expected 4 seeds"),
        ("/corners", ["vae-fashion", 0, "0, 1, 2, x", 4], "seed"),
        ("/corners", ["vae-fashion", 0, "0, 1, 2, 3", 99], "greater than maximum"),
        ("/traverse", ["vae-fashion", 0, "-1", 4], "seed"),
        ("/traverse", ["diffusion-fashion", 0, "0", 4], "expected a VAE or a GAN"),
        ("/map", ["diffusion-fashion", 0], "expected a VAE or a GAN"),
        ("/map", ["", 0], "expected a model"),
        ("/decode_point", ["vae-fashion", 0, 99, 0], "greater than maximum"),
        ("/decode_point", ["diffusion-fashion", 0, 0, 0], "expected a VAE or a GAN"),
        ("/frame", [9], "greater than maximum"),
    ],
)
def test_other_endpoints_report_invalid_arguments(
    client: Client, endpoint: str, inputs: list, message: str
) -> None:
    with pytest.raises(AppError, match=message):
        client.predict(*inputs, api_name=endpoint)


def test_decoding_yields_batches_and_restores_gradients() -> None:
    pipeline = untrained_pipeline("vae-fashion")
    keys = latents.seed_latents(pipeline, [0, 1])
    counts = []
    for samples in latents.decode_batches(pipeline, slerp(keys, torch.linspace(0, 1, 20)), None):
        counts.append(len(samples))
        assert torch.is_grad_enabled()
    assert counts == [8, 16, 20]
    assert not samples[0].requires_grad
    assert torch.allclose(samples[0], pipeline.decode(keys[:1])[0], atol=1e-5)


def test_a_path_shows_its_frames_before_its_video_files() -> None:
    pipeline = untrained_pipeline("vae-fashion")
    keys = latents.seed_latents(pipeline, [0, 1])
    results = list(actions.decode_path("user/name", pipeline, keys, "lerp", 10, None))
    assert [len(result.samples) for result in results] == [8, 10, 10]
    assert [result.note for result in results][:2] == ["8 of 10 frames", "10 of 10 frames"]
    assert [result.gif is None for result in results] == [True, True, False]
    assert Path(results[-1].mp4).name == "name-lerp.mp4"
    assert actions.frame_at(results[0].samples, 0) == results[0].frame
    with pytest.raises(UserError, match="expected a decoded path"):
        actions.frame_at(None, 0)


@pytest.mark.parametrize("name", ["vae-fashion-conditional", CONDITIONAL])
def test_conditional_models_decode_the_class(name: str) -> None:
    pipeline = untrained_pipeline(name)
    keys = latents.seed_latents(pipeline, [0, 1])
    first, second = (
        list(actions.decode_path(name, pipeline, keys, "slerp", 3, label))[-1].samples
        for label in (0, 1)
    )
    assert not torch.equal(first, second)
    assert latents.parse_label(pipeline, "3") == 3
    with pytest.raises(UserError, match="class"):
        latents.parse_label(pipeline, 10)
    assert latents.parse_label(untrained_pipeline("vae-fashion"), "anything") is None
    image, _ = actions.draw_traversals(MODELS, name, 1, "0", 2)
    assert image.size == (9 * 30 + 2, 2 * 30 + 2)


def test_saved_samples_must_be_of_one_model_and_one_class() -> None:
    def make_sample(model: str, label: int) -> SavedSample:
        return SavedSample(model, torch.full((4,), float(label)), label, torch.zeros(1, 28, 28))

    samples = [make_sample(*pair) for pair in (("a", 1), ("a", 2), ("b", 3), ("a", 2))]
    keys, label = actions.saved_latents(samples, "a")
    assert label == 2
    assert keys.tolist() == [[2.0] * 4] * 2
    with pytest.raises(UserError, match="expected two saved samples of b, got 1"):
        actions.saved_latents(samples, "b")
    with pytest.raises(UserError, match="of one class, got classes 1 and 2"):
        actions.saved_latents(samples[:2], "a")


def test_pictures_need_a_model_that_encodes() -> None:
    with pytest.raises(UserError, match="expected a model that can encode images"):
        latents.encode_pictures(untrained_pipeline("inpaint-fashion"), example_images()[:1], None)


def test_a_pixel_of_the_map_has_coordinates() -> None:
    side = 3 * (16 * 30 + 2)
    assert map_actions.coordinates_at(MODELS, "vae-fashion", [0, side]) == [-3, 3]
    assert map_actions.coordinates_at(MODELS, "vae-fashion", [side / 2, side / 2]) == [0, 0]
    for invalid in (None, 3, [1], [1, "a"], [9999, 0]):
        with pytest.raises(UserError, match="of the map"):
            map_actions.coordinates_at(MODELS, "vae-fashion", invalid)


def test_the_map_finds_a_classifier_and_its_class_names(tmp_path: Path) -> None:
    _, names = map_actions.find_classifier(MODELS, (1, 28, 28))
    assert names[7:] == ["Sneaker", "Bag", "Ankle boot"]
    shutil.copytree(ROOT / "checkpoints" / "classifier-fashion", tmp_path / "classifier")
    (tmp_path / "classifier/training.json").unlink()
    models = Models([])
    models.folders["model"] = tmp_path / "model"
    assert map_actions.find_classifier(models, (1, 28, 28))[1] == [str(it) for it in range(10)]
    assert map_actions.find_classifier(MODELS, (3, 32, 32)) is None
    assert map_actions.find_classifier(Models([]), (1, 28, 28)) is None


def test_a_broken_classifier_is_skipped(tmp_path: Path) -> None:
    for file, text in (
        ("model/model_index.json", "{}"),
        ("broken/config.json", "{"),
        ("empty/config.json", '{"_class_name": "Classifier"}'),
        ("list/config.json", "[]"),
        ("other/config.json", "{}"),
    ):
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).write_text(text)
    assert map_actions.find_classifier(Models([tmp_path]), (1, 28, 28)) is None


def test_the_map_is_tinted_by_class_and_has_a_legend() -> None:
    assert "&lt;b&gt;" in map_actions.legend([0], ["<b>"])
    tiles = map_actions.tint(torch.zeros(2, 1, 4, 4), torch.tensor([0, 3]))
    assert tiles.shape == (2, 3, 4, 4)
    assert not torch.equal(tiles[0], tiles[1])


def test_the_tab_opens_with_a_model_that_encodes() -> None:
    assert actions.first_model(MODELS) == "vae-fashion"
    assert actions.first_model(Models(["user/name"])) == "user/name"
    assert actions.first_model(Models([])) is None
    assert actions.initial_path(Models([]), None, [0, 1]).strip is None
    assert "press Interpolate" in actions.initial_path(MODELS, "diffusion-fashion", [0, 1]).note
