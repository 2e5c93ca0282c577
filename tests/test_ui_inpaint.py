"""The inpainting tab: in a browser, through the API, and its actions."""

import contextlib
import io
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from genmodels.errors import UserError
from genmodels.ui.app_state import SavedSample
from genmodels.ui.inpaint import actions
from genmodels.ui.inpaint.actions import DEFAULT_COMPLETIONS, MASK_KINDS
from genmodels.ui.models import Models
from genmodels.ui.pictures import SIDE, example_images, open_picture, to_sample
from tests.conftest import ROOT, download_picture, wait_for

FAST = ["inpaint-fashion: one pass", "vae-fashion: pseudo-Gibbs"]


def rows(page: Page) -> list[list[np.ndarray]]:
    """Return the pictures of each visible row."""
    galleries = page.locator(".completions").all()
    sources = [
        row.locator(".grid-container img").evaluate_all("all => all.map(one => one.src)")
        for row in galleries
    ]
    return [[np.asarray(download_picture(page, source)) for source in row] for row in sources]


def find_hole(picture: np.ndarray, with_hole: np.ndarray) -> np.ndarray:
    """Return where the second picture of a row (RGB) differs from the first one (grayscale)."""
    return (with_hole != picture[..., None]).any(2)


@pytest.fixture
def tab(browser: Browser, url: str) -> Page:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{url}/?tab=inpaint")
    images = page.locator(".completions .grid-container img")
    expect(images).to_have_count(len(FAST) * (DEFAULT_COMPLETIONS + 2))
    yield page
    page.close()


@pytest.fixture
def picture(tmp_path: Path) -> str:
    example_images()[3].save(tmp_path / "dress.png")
    return str(tmp_path / "dress.png")


def test_another_example_is_completed(tab: Page) -> None:
    first = rows(tab)
    last = tab.locator(".completions").nth(1).locator("img").first
    source = last.get_attribute("src")
    tab.locator(".examples .grid-container button").nth(3).click()
    expect(last).not_to_have_attribute("src", source)
    mask = np.ones((28, 28), bool)
    mask[8:20, 8:20] = False
    for row, before in zip(rows(tab), first, strict=True):
        assert np.array_equal(row[0], np.asarray(example_images()[3]))
        assert not np.array_equal(row[0], before[0])
        for completed in row[2:]:
            assert np.array_equal(completed[mask], row[0][mask])
            assert not np.array_equal(completed[~mask], row[0][~mask])


def test_a_painted_mask_is_completed(tab: Page) -> None:
    tab.get_by_label("Mask: area to fill").click()
    tab.get_by_role("option", name="painted by hand").click()
    canvas = tab.locator("#inpaint-canvas canvas").first
    expect(canvas).to_be_visible()
    assert len(rows(tab)) == len(FAST)  # the previous results stay visible
    canvas.scroll_into_view_if_needed()
    with_hole = tab.locator(".completions img").nth(1)
    source = with_hole.get_attribute("src")

    def paint() -> bool:
        """Paint a stroke, which is lost if the editor loads its background later."""
        box = canvas.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        tab.mouse.move(x, y)
        tab.mouse.down()
        tab.mouse.move(x + 20, y + 10, steps=5)
        tab.mouse.up()
        pixels = np.asarray(Image.open(io.BytesIO(canvas.screenshot())).convert("RGB"))
        return (np.abs(pixels.astype(int) - [20, 184, 166]).sum(2) < 30).sum() > 100

    for _ in range(5):
        wait_for(paint)
        tab.get_by_role("button", name="Inpaint", exact=True).click()
        with contextlib.suppress(AssertionError):
            expect(with_hole).not_to_have_attribute("src", source, timeout=6000)
            break
    assert with_hole.get_attribute("src") != source
    original, with_hole, *completions = rows(tab)[0]
    hole = find_hole(original, with_hole)
    assert 4 < hole.sum() < 300
    ys, xs = np.nonzero(hole)
    assert 10 < xs.mean() < 20
    assert 10 < ys.mean() < 20
    for completed in completions:
        assert np.array_equal(completed[~hole], original[~hole])


def test_the_last_of_several_quickly_chosen_examples_is_completed(tab: Page) -> None:
    tab.locator(".examples .grid-container button").nth(3).click()
    tab.locator(".examples .thumbnails button").nth(5).click()
    wait_for(
        lambda: all(np.array_equal(row[0], np.asarray(example_images()[5])) for row in rows(tab))
    )
    expect(tab.get_by_text("pseudo-Gibbs in")).to_be_visible()


def test_stop_cancels_a_slow_method(tab: Page, client: Client, picture: str) -> None:
    methods = tab.get_by_label("Models and methods")
    methods.click()
    tab.get_by_role("option", name="diffusion-fashion: RePaint").click()
    methods.press("Escape")
    tab.get_by_role("button", name="Inpaint", exact=True).click()
    expect(tab.get_by_text("RePaint: ", exact=False).last).to_be_visible()
    tab.get_by_role("button", name="Stop").last.click()
    expect(tab.get_by_text("Stopped.")).to_be_visible()
    # The next run must wait until the stopped one has released the device.
    client.predict(*arguments(picture), api_name="/complete")
    assert len(rows(tab)) == len(FAST)


@pytest.mark.parametrize("width", [1280, 390])
def test_page_has_no_horizontal_scroll(tab: Page, width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 844})
    assert tab.evaluate("document.documentElement.scrollWidth") == width


def arguments(picture: str | None, **changes: object) -> list[object]:
    """Return the arguments of the endpoint /complete."""
    defaults = {"picture": picture and handle_file(picture), "mask": "middle", "drawing": None}
    defaults |= {"methods": FAST, "count": 2, "label": 0, "seed": "0", "seamless": False}
    assert changes.keys() <= defaults.keys()
    return list((defaults | changes).values())


@pytest.mark.parametrize("mask", [kind for kind in MASK_KINDS if kind != "brush"])
def test_api_completes(client: Client, picture: str, mask: str) -> None:
    *galleries, note = client.predict(*arguments(picture, mask=mask), api_name="/complete")
    assert [row["visible"] for row in galleries] == [True, True, False, False]
    assert [row["label"] for row in galleries[:2]] == FAST
    original, with_hole, *completions = (
        np.asarray(Image.open(cell["image"])) for cell in galleries[0]["value"]
    )
    assert np.array_equal(original, np.asarray(example_images()[3]))
    hole = find_hole(original, with_hole)
    assert hole.any()
    assert len(completions) == 2
    assert all(np.array_equal(one[~hole], original[~hole]) for one in completions)
    assert "one pass in" in note


def test_api_accepts_a_painted_mask(client: Client, picture: str, tmp_path: Path) -> None:
    layer = Image.new("RGBA", (56, 56))  # not the size of the canvas
    layer.paste((0, 0, 0, 255), (0, 0, 28, 56))
    layer.save(tmp_path / "layer.png")
    file = handle_file(str(tmp_path / "layer.png"))
    drawing = {"background": None, "layers": [file], "composite": None, "id": None}
    methods = ["vae-fashion: latent search"]
    *galleries, _ = client.predict(
        *arguments(picture, mask="brush", drawing=drawing, methods=methods), api_name="/complete"
    )
    original, with_hole, completed, _ = (
        np.asarray(Image.open(cell["image"])) for cell in galleries[0]["value"]
    )
    assert np.array_equal(completed[:, 14:], original[:, 14:])
    assert (with_hole[:, :14, 0] == 20).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mask": "none"}, "not in the list of choices"),
        ({"mask": "brush"}, "expected a painted mask"),
        ({"mask": None}, "a mask"),
        ({"methods": []}, "expected 1 to 4 models and methods, got 0"),
        ({"methods": FAST * 3}, "models and methods, got 6"),
        ({"methods": ["vae-fashion: RePaint"]}, "expected pseudo-Gibbs or latent search for vae"),
        ({"methods": ["vae-fashion: <b>"]}, "expected a method"),
        ({"methods": ["../checkpoints"]}, "'../checkpoints'"),
        ({"methods": [None]}, "None"),
        ({"count": 0}, "less than minimum"),
        ({"count": 99}, "greater than maximum"),
        ({"count": 2.5}, "expected 1 to 8 completions"),
        ({"seed": "-1"}, "seed"),
        ({"seed": None}, "seed"),
    ],
)
def test_api_reports_invalid_inputs(
    client: Client, picture: str, changes: dict, message: str
) -> None:
    with pytest.raises(AppError) as excinfo:
        client.predict(*arguments(picture, **changes), api_name="/complete")
    assert message in str(excinfo.value)


@pytest.mark.parametrize("kind", ["text", "truncated", "large", "bomb", "none"])
def test_api_reports_invalid_pictures(client: Client, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "file.png"
    if kind == "text":
        file.write_text("no picture")
    elif kind == "large":
        Image.new("L", (SIDE + 1, 10)).save(file)
    elif kind == "bomb":
        Image.new("1", (9000, 9000)).save(file)
    elif kind == "truncated":
        Image.effect_noise((200, 200), 90).save(file)
        file.write_bytes(file.read_bytes()[:500])
    picture = None if kind == "none" else str(file)
    with pytest.raises(AppError) as excinfo:
        client.predict(*arguments(picture), api_name="/complete")
    assert "expected a picture (PNG" in str(excinfo.value)
    assert "/tmp" not in str(excinfo.value)
    if kind in ("text", "bomb"):
        drawing = {"background": handle_file(str(file)), "layers": []}
        drawing |= {"composite": None, "id": None}
        with pytest.raises(AppError, match="expected a picture"):
            client.predict(*arguments(None, drawing=drawing), api_name="/complete")


def test_pictures_are_cropped_and_resized_for_the_model(tmp_path: Path) -> None:
    wide = Image.new("RGB", (60, 30), "white")
    wide.paste("black", (0, 0, 15, 30))
    wide.save(tmp_path / "wide.jpg", quality=100)
    square = open_picture(str(tmp_path / "wide.jpg"))
    assert square.size == (30, 30)
    assert to_sample(square, (1, 28, 28)).min() > 0.98  # the black part is cropped
    assert to_sample(square, (3, 32, 32)).shape == (3, 32, 32)
    Image.new("RGBA", (5, 5), (255, 255, 255, 0)).save(tmp_path / "clear.png")
    assert to_sample(open_picture(str(tmp_path / "clear.png")), (1, 28, 28)).min() == 1
    large = example_images()[0].resize((280, 280), Image.Resampling.NEAREST)
    assert torch.equal(to_sample(large, (1, 28, 28)), to_sample(example_images()[0], (1, 28, 28)))


@pytest.mark.parametrize("drawing", [None, {}, {"layers": None}, {"layers": [None]}])
def test_a_drawing_without_paint_raises_a_user_error(drawing: object) -> None:
    with pytest.raises(UserError, match="expected a painted mask"):
        actions.build_mask("brush", drawing, 28, torch.Generator())


@pytest.mark.parametrize("kind", [kind for kind in MASK_KINDS if kind != "brush"])
@pytest.mark.parametrize("side", [28, 32])
def test_masks_contain_zeros_and_ones(kind: str, side: int) -> None:
    mask = actions.build_mask(kind, None, side, torch.Generator().manual_seed(0))
    assert mask.shape == (1, side, side)
    assert set(mask.unique().tolist()) == {0, 1}


def test_all_methods_are_listed_without_loading_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    models = Models([ROOT / "checkpoints", "user/name"])
    monkeypatch.setattr(models, "get", None)
    names = actions.inpainter_names(models)
    assert names[0] == FAST[0]
    assert "diffusion-fashion: RePaint" in names
    assert names[-1] == "user/name"


def test_completions_depend_on_the_label(picture: str) -> None:
    models, names = Models([ROOT / "checkpoints"]), ["vae-fashion-conditional"]
    assert actions.needs_label(models, names)
    assert not actions.needs_label(models, ["no such model", "vae-fashion"])

    def run(label: int) -> actions.Row:
        settings = (picture, "middle", None, names, 1, label, 0, False)
        *_, (_, row, _) = actions.inpaint(models, *settings)
        return row

    assert run(0)[2] != run(1)[2]
    with pytest.raises(UserError, match="class"):
        run(10)


def test_a_broken_model_is_reported_in_the_initial_note() -> None:
    models, example = Models([ROOT / "checkpoints"]), example_images()[0]
    rows, note = actions.initial_rows(models, example, [FAST[0], "no such model"])
    assert rows == []
    assert "no such model" in note
    rows, note = actions.initial_rows(models, example, [])
    assert note == "No fast method for this model: choose one and press Inpaint"


def test_the_last_saved_sample_is_used() -> None:
    with pytest.raises(UserError, match="expected a saved sample"):
        actions.last_saved([])
    saved = [SavedSample("vae", torch.zeros(8), None, torch.full((1, 4, 4), x)) for x in (-1.0, 1)]
    assert np.asarray(actions.last_saved(saved)).min() == 255


def test_closing_the_iterator_cancels_the_work() -> None:
    cancelled = []

    def work(progress: object) -> None:
        try:
            while True:
                time.sleep(0.01)
                progress(0.5)
        except actions.CancelledError:
            cancelled.append(True)
            raise

    updates = actions.poll(work)
    assert next(updates) == (0.5, None)
    updates.close()
    assert cancelled == [True]
