"""The tab of inpainting: in a browser, through the API, and its parts."""

import contextlib
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from genmodels.ui import inpaint
from genmodels.ui.inpaint import COUNT, HOLES, KINDS, StoppedError, at_work, known_of, offered
from genmodels.ui.models import Models
from genmodels.ui.pictures import SIDE, example_images, open_picture, to_sample
from tests.conftest import ROOT, picture_of, until
from tests.test_pipelines import fresh

FAST = ["inpaint-fashion: one pass", "vae-fashion: pseudo-Gibbs"]


def rows(page: Page) -> list[list[np.ndarray]]:
    """The pictures of each row that is shown."""
    found = []
    for row in page.locator(".completions").all():
        sources = row.locator(".grid-container img").evaluate_all("all => all.map(one => one.src)")
        found.append([np.asarray(picture_of(page, source)) for source in sources])
    return found


@pytest.fixture
def tab(browser: Browser, url: str) -> Page:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{url}/?tab=inpaint")
    expect(page.locator(".completions .grid-container img")).to_have_count(2 * (COUNT + 2))
    yield page
    page.close()


@pytest.fixture
def picture(tmp_path: Path) -> str:
    example_images()[3].save(tmp_path / "dress.png")
    return str(tmp_path / "dress.png")


def test_a_visitor_completes_another_example_in_a_hole_drawn_by_hand(tab: Page) -> None:
    first = rows(tab)
    last = tab.locator(".completions").nth(1).locator("img").first
    source = last.get_attribute("src")
    tab.locator(".examples .grid-container button").nth(3).click()
    expect(last).not_to_have_attribute("src", source)
    shown = rows(tab)
    assert len(shown) == len(FAST)
    for row, before in zip(shown, first, strict=True):
        assert np.array_equal(row[0], np.asarray(example_images()[3]))
        assert not np.array_equal(row[0], before[0])
        for completed in row[2:]:
            known = np.ones((28, 28), bool)
            known[8:20, 8:20] = False
            assert np.array_equal(completed[known], row[0][known])
            assert not np.array_equal(completed[~known], row[0][~known])
    # And by hand.
    tab.get_by_label("Hole", exact=True).click()
    tab.get_by_role("option", name="drawn by hand").click()
    canvas = tab.locator("#inpaint-canvas canvas").first
    expect(canvas).to_be_visible()
    assert len(rows(tab)) == len(FAST)  # nothing was lost on the way
    canvas.scroll_into_view_if_needed()
    # The canvas says nothing of when its picture is laid, and a stroke before that is lost.
    second = tab.locator(".completions img").nth(1)
    source = second.get_attribute("src")
    for _ in range(5):
        tab.wait_for_timeout(1500)
        box = canvas.bounding_box()
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        tab.mouse.move(*middle)
        tab.mouse.down()
        tab.mouse.move(middle[0] + 20, middle[1] + 10, steps=5)
        tab.mouse.up()
        tab.wait_for_timeout(500)
        tab.get_by_role("button", name="Complete", exact=True).click()
        with contextlib.suppress(AssertionError):
            expect(second).not_to_have_attribute("src", source, timeout=6000)
            break
    assert second.get_attribute("src") != source
    original, holed, *completions = rows(tab)[0]
    hole = (holed != original[..., None]).any(2)
    assert 4 < hole.sum() < 300
    ys, xs = np.nonzero(hole)
    assert 10 < xs.mean() < 20  # where it was drawn
    assert 10 < ys.mean() < 20
    for completed in completions:
        assert np.array_equal(completed[~hole], original[~hole])


def test_of_examples_picked_fast_the_last_one_is_completed(tab: Page) -> None:
    tab.locator(".examples .grid-container button").nth(3).click()
    tab.locator(".examples .thumbnails button").nth(5).click()
    # Its original, in each row.
    until(lambda: all(np.array_equal(row[0], np.asarray(example_images()[5])) for row in rows(tab)))
    expect(tab.get_by_text("pseudo-Gibbs in")).to_be_visible()


def test_a_stop_is_heard(tab: Page, client: Client, picture: str) -> None:
    ways = tab.get_by_label("Models and methods")
    ways.click()
    tab.get_by_role("option", name="diffusion-fashion: RePaint").click()
    ways.press("Escape")
    tab.get_by_role("button", name="Complete", exact=True).click()
    expect(tab.get_by_text("RePaint: ", exact=False).last).to_be_visible()
    tab.get_by_role("button", name="Stop").last.click()
    expect(tab.get_by_text("Stopped.")).to_be_visible()
    start = time.perf_counter()  # the device is free: all of RePaint would take longer
    client.predict(*given(picture), api_name="/complete")
    assert time.perf_counter() - start < 3


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_scrolls_sideways(tab: Page, width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 844})
    assert tab.evaluate("document.documentElement.scrollWidth") == width


def given(picture: str | None, **changes: object) -> list[object]:
    """The arguments of the endpoint."""
    asked = {"picture": picture and handle_file(picture), "hole": "middle", "drawn": None}
    asked |= {"ways": FAST, "count": 2, "label": 0, "seed": "0", "seamless": False} | changes
    return list(asked.values())


@pytest.mark.parametrize("hole", [kind for kind in KINDS if kind != "drawn"])
def test_the_api_completes(client: Client, picture: str, hole: str) -> None:
    *found, note = client.predict(*given(picture, hole=hole), api_name="/complete")
    assert [row["visible"] for row in found] == [True, True, False, False]
    assert [row["label"] for row in found[:2]] == FAST
    original, holed, *completions = (
        np.asarray(Image.open(cell["image"])) for cell in found[0]["value"]
    )
    assert np.array_equal(original, np.asarray(example_images()[3]))
    hole = (holed != original[..., None]).any(2)
    assert len(completions) == 2
    assert all(np.array_equal(one[~hole], original[~hole]) for one in completions)
    assert "one pass in" in note


def test_the_api_takes_a_hole_that_was_drawn(client: Client, picture: str, tmp_path: Path) -> None:
    layer = Image.new("RGBA", (56, 56))  # of another size
    layer.paste((0, 0, 0, 255), (0, 0, 28, 56))
    layer.save(tmp_path / "layer.png")
    file = handle_file(str(tmp_path / "layer.png"))
    drawn = {"background": None, "layers": [file], "composite": None, "id": None}
    asked = given(picture, hole="drawn", drawn=drawn, ways=["vae-fashion: latent search"])
    *found, _ = client.predict(*asked, api_name="/complete")
    original, holed, completed, _ = (
        np.asarray(Image.open(cell["image"])) for cell in found[0]["value"]
    )
    assert np.array_equal(completed[:, 14:], original[:, 14:])
    assert (holed[:, :14, 0] == 20).all()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"hole": "none"}, "not in the list of choices"),
        ({"hole": "drawn"}, "expected a hole: draw one"),
        ({"hole": None}, "a hole"),
        ({"ways": []}, "expected 1 to 4 of the models and methods"),
        ({"ways": FAST * 3}, "of the models and methods"),
        ({"ways": ["vae-fashion: RePaint"]}, "expected pseudo-Gibbs or latent search for vae"),
        ({"ways": ["vae-fashion: <b>"]}, "expected a method"),
        ({"ways": ["../checkpoints"]}, "could not get '../checkpoints'"),
        ({"ways": [None]}, "could not get"),
        ({"count": 0}, "less than minimum"),
        ({"count": 99}, "greater than maximum"),
        ({"count": 2.5}, "expected 1 to 8 completions"),
        ({"seed": "-1"}, "as the seed"),
        ({"seed": None}, "as the seed"),
    ],
)
def test_the_api_says_what_was_expected(
    client: Client, picture: str, changes: dict, sentence: str
) -> None:
    with pytest.raises(AppError) as caught:
        client.predict(*given(picture, **changes), api_name="/complete")
    assert sentence in str(caught.value)


@pytest.mark.parametrize("kind", ["text", "cut", "large", "bomb", "none"])
def test_what_is_no_picture_is_said(client: Client, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "file.png"
    if kind == "text":
        file.write_text("no picture")
    elif kind == "large":
        Image.new("L", (SIDE + 1, 10)).save(file)
    elif kind == "bomb":
        Image.new("1", (9000, 9000)).save(file)
    else:
        Image.effect_noise((200, 200), 90).save(file)
        file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(AppError) as caught:
        client.predict(*given(None if kind == "none" else str(file)), api_name="/complete")
    assert "expected a picture (PNG" in str(caught.value)
    assert "/tmp" not in str(caught.value)
    drawn = {"background": handle_file(str(file)) if file.exists() else None, "layers": []}
    if kind in ("text", "bomb"):
        with pytest.raises(AppError, match="expected a picture"):
            client.predict(
                *given(None, drawn=drawn | {"composite": None, "id": None}), api_name="/complete"
            )


def test_pictures_become_what_a_model_knows(tmp_path: Path) -> None:
    wide = Image.new("RGB", (60, 30), "white")
    wide.paste("black", (0, 0, 15, 30))
    wide.save(tmp_path / "wide.jpg", quality=100)
    square = open_picture(str(tmp_path / "wide.jpg"))
    assert square.size == (30, 30)
    assert to_sample(square, (1, 28, 28)).min() > 0.98  # what is left of the middle is cut off
    assert to_sample(square, (3, 32, 32)).shape == (3, 32, 32)
    Image.new("RGBA", (5, 5), (255, 255, 255, 0)).save(tmp_path / "clear.png")
    assert to_sample(open_picture(str(tmp_path / "clear.png")), (1, 28, 28)).max() == -1
    large = example_images()[0].resize((280, 280), Image.Resampling.NEAREST)
    assert torch.equal(to_sample(large, (1, 28, 28)), to_sample(example_images()[0], (1, 28, 28)))


@pytest.mark.parametrize("drawn", [None, {}, {"layers": None}, {"layers": [None]}, {"layers": []}])
def test_an_editor_without_paint_has_no_hole(drawn: object) -> None:
    with pytest.raises(ValueError, match="expected a hole"):
        known_of("drawn", drawn, 28, torch.Generator())


@pytest.mark.parametrize("hole", [*inpaint.FIXED, *HOLES])
@pytest.mark.parametrize("side", [28, 32])
def test_holes_are_of_zeros_and_ones(hole: str, side: int) -> None:
    known = known_of(hole, None, side, torch.Generator().manual_seed(0))
    assert known.shape == (1, side, side)
    assert set(known.unique().tolist()) == {0, 1}


def test_every_model_is_offered_with_its_methods_and_none_is_loaded() -> None:
    models = Models([ROOT / "checkpoints", "user/name"])
    ways = offered(models)
    assert ways[0] == FAST[0]
    assert "diffusion-fashion: RePaint" in ways
    assert ways[-1] == "user/name"
    assert not models.cache


def test_a_conditional_model_is_told_its_class(picture: str) -> None:
    models = Models([])
    models.cache["conditional"] = fresh("vae-fashion-conditional")
    assert inpaint.conditional(models, ["conditional: pseudo-Gibbs"])
    asked = [models, picture, "middle", None, ["conditional"], 1]
    rows = [list(inpaint.finish(inpaint.ask(*asked, label, 0, False)))[-1][1] for label in (0, 1)]
    assert np.asarray(rows[0][2][0]).tolist() != np.asarray(rows[1][2][0]).tolist()
    with pytest.raises(ValueError, match="as the class"):
        list(inpaint.finish(inpaint.ask(*asked, 10, 0, False)))


def test_work_ends_when_nobody_waits() -> None:
    ended = []

    def work(progress: object) -> None:
        try:
            while True:
                time.sleep(0.01)
                progress(0.5)
        except StoppedError:
            ended.append(True)
            raise

    parts = at_work(work)
    assert next(parts) == 0.5
    parts.close()
    assert ended == [True]
