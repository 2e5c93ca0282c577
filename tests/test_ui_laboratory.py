"""The tab of the laboratory: a game that is seen while it is played, stopped, and repeated."""

import json
import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import Browser, Page, expect

from genmodels import ui
from genmodels.ui.laboratory import MARKS, arrows, curves_figure, marks, plane_figure, play
from genmodels.ui.models import Models
from training.studies import laboratory

TOOLS = ui.Laboratory(
    laboratory.run, laboratory.critics, list(laboratory.GAMES), list(laboratory.DATA)
)


@pytest.mark.parametrize("objective", TOOLS.objectives)
def test_a_frame_is_drawn_for_every_game_in_few_bytes(objective: str) -> None:
    course = laboratory.run("ring", objective, steps=4, frames=2)
    frames = list(course.frames)
    figure = plane_figure(course.shown, frames[-1])
    kinds = [trace.type for trace in figure.data]
    assert kinds.count("heatmap") == (frames[-1].field.scores is not None)
    assert kinds.count("scatter") == 3
    assert len(figure.to_json()) < 60_000
    curves = curves_figure(course, frames, 4)
    assert len(curves.to_json()) < 5_000
    assert list(curves.data[0].y) == [frame.js for frame in frames]


def test_the_data_alone_is_drawn_without_a_game() -> None:
    figure = plane_figure(torch.zeros(3, 2), None)
    assert len(figure.data) == 1


def test_an_arrow_leads_from_its_place_along_its_move() -> None:
    line = arrows(torch.tensor([[0.5, 0.5], [0.0, 0.0]]), torch.tensor([[2.0, 0.0], [0.0, 0.0]]))
    assert line.shape == (12, 2)
    assert line[0].tolist() == [0.5, 0.5]
    assert line[1, 0] > 0.6
    assert line[1, 1] == 0.5
    assert np.isnan(line[5]).all()
    assert np.isfinite(line[6:11]).all()


def test_a_drawing_becomes_points_with_y_upwards() -> None:
    layer = np.zeros((100, 200, 4), np.uint8)
    layer[:10, 190:, 3] = 255  # the right upper corner
    points = marks({"layers": [layer], "background": None, "composite": None})
    assert points.shape == (100, 2)
    assert (points > 0.79).all()
    assert (points < 1).all()
    assert len(marks({"layers": [np.full((300, 300, 4), 255, np.uint8)]})) == MARKS


@pytest.mark.parametrize(
    "drawing", [None, "x", {"layers": []}, {"layers": [np.zeros((9, 9, 4), np.uint8)]}]
)
def test_an_empty_drawing_is_said_to_be_so(drawing: object) -> None:
    with pytest.raises(ValueError, match="expected a drawing"):
        marks(drawing)


def test_a_game_that_runs_out_of_numbers_is_said_in_a_sentence() -> None:
    course = laboratory.run("ring", "gan", steps=1)
    broken = SimpleNamespace(run=lambda *_, frames: course._replace(frames=fail()), data=["ring"])
    broken.objectives = ["gan"]
    with pytest.raises(ValueError, match="run out of numbers: at step 7"):
        list(play(broken, "ring", None, "gan", 10, 0))


def fail() -> object:
    raise FloatingPointError("at step 7 a weight is not finite")
    yield


def test_an_app_without_a_laboratory_says_so() -> None:
    assert "laboratory_missing" in str(ui.build(Models([])).config)


def shown(page: Page, label: str) -> str:
    return page.get_by_label(label, exact=True).input_value()


def test_a_visitor_runs_a_game_sees_it_learn_and_stops_another(browser: Browser, url: str) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{url}/?tab=laboratory")
    points = page.locator("#tab-laboratory .js-plotly-plot .points path")
    expect(points).to_have_count(512)  # the data, before any run
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("spinbutton", name="Steps").fill("200")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_label("Step", exact=True)).to_have_value("200 / 200")
    expect(points).to_have_count(1024)
    assert shown(page, "Places covered").endswith("/ 8")
    expect(page.get_by_role("cell", name="generator/-log D")).to_be_visible()
    page.get_by_role("spinbutton", name="Steps").fill("5000")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_label("Step", exact=True)).to_have_value(re.compile(r"^[1-9]\d* / 5000"))
    page.get_by_role("button", name="Stop").click()
    page.wait_for_timeout(1000)
    stopped = shown(page, "Step")
    page.wait_for_timeout(2000)
    assert shown(page, "Step") == stopped
    page.close()


def test_a_visitor_draws_the_data(page: Page, url: str) -> None:
    page.goto(f"{url}/?tab=laboratory")
    page.get_by_role("radio", name="drawn").check()
    canvas = page.locator("#tab-laboratory canvas").last
    expect(canvas).to_be_visible()
    page.wait_for_timeout(1000)
    box = canvas.bounding_box()
    across, height = ([box["x"] + box["width"] * part for part in (0.4, 0.7)], box["height"] / 2)
    page.mouse.move(across[0], box["y"] + height)
    page.mouse.down()
    page.mouse.move(across[1], box["y"] + height, steps=10)
    page.mouse.up()
    page.wait_for_timeout(1000)
    page.get_by_role("spinbutton", name="Steps").fill("100")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_label("Step", exact=True)).to_have_value("100 / 100")
    assert shown(page, "Places covered").endswith("/ 24")


def test_the_same_seed_ends_the_same(client: Client) -> None:
    one, again, other = (
        client.predict("ring", None, "gan", 20, seed, api_name="/laboratory")
        for seed in ("1", "1", "2")
    )
    assert one[0] == again[0] != other[0]
    assert one[1] == again[1]
    assert one[2] == "20 / 20"
    assert json.loads(one[0]["plot"])["data"][0]["type"] == "heatmap"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("circle", None, "gan", 100, "0"), "circle"),
        ((None, None, "gan", 100, "0"), "expected data"),
        ((["ring"], None, "gan", 100, "0"), ""),
        (("drawn", None, "gan", 100, "0"), "expected a drawing"),
        (("drawn", "/etc/passwd", "gan", 100, "0"), ""),
        (("ring", None, "<b>pix2pix</b>", 100, "0"), "pix2pix"),
        (("ring", None, None, 100, "0"), "expected an objective"),
        (("ring", None, "gan", 10**9, "0"), "greater than maximum"),
        (("ring", None, "gan", 100.5, "0"), "steps"),
        (("ring", None, "gan", None, "0"), ""),
        (("ring", None, "gan", math.nan, "0"), ""),
        (("ring", None, "gan", 100, "-1"), "as the seed"),
        (("ring", None, "gan", 100, "1" * 5000), "as the seed"),
        (("ring", None, "gan", 100, None), "as the seed"),
    ],
)
def test_the_api_says_what_was_expected(client: Client, given: tuple, sentence: str) -> None:
    with pytest.raises((AppError, ValueError)) as caught:
        client.predict(*given, api_name="/laboratory")
    assert sentence in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert "/work" not in str(caught.value)
