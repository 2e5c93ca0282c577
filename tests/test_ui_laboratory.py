"""Tab Laboratory: its figures, its components in a browser, and its API."""

import contextlib
import json
import math
import re
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import Browser, Locator, Page, expect

from genmodels import ui
from genmodels.errors import UserError
from genmodels.ui.laboratory.actions import (
    MAX_POINTS,
    arrow_lines,
    curves_figure,
    drawing_to_points,
    formulas,
    points_figure,
    preview,
    train,
)
from genmodels.ui.models import Models
from tests.conftest import wait_for
from training.studies import laboratory

TOOLS = ui.Laboratory(
    laboratory.run,
    laboratory.train_critics,
    list(laboratory.EXPERIMENTS),
    list(laboratory.DATASETS),
)


@pytest.mark.parametrize("objective", TOOLS.objectives)
def test_figures_of_every_objective_are_small(objective: str) -> None:
    run = laboratory.run("ring", objective, steps=4, frames=2)
    frames = list(run.frames)
    figure = points_figure(run.samples, frames[-1])
    assert formulas(objective).startswith("$$")
    types = [trace.type for trace in figure.data]
    assert types.count("heatmap") == (frames[-1].field.scores is not None)
    assert types.count("scatter") == 3
    assert len(figure.to_json()) < 60_000
    curves = curves_figure(run, frames, 4)
    assert len(curves.to_json()) < 5_000
    assert list(curves.data[0].y) == [frame.js for frame in frames]


def test_the_preview_shows_the_data_alone() -> None:
    (points,) = preview(TOOLS, "ring", "0").data
    assert len(points.x) == laboratory.PLOT_SAMPLES
    (points,) = preview(TOOLS, "drawing", "0").data
    assert len(points.x) == 0


def test_arrows_start_at_their_positions_and_are_separated() -> None:
    line = arrow_lines(
        torch.tensor([[0.5, 0.5], [0.0, 0.0]]), torch.tensor([[2.0, 0.0], [0.0, 0.0]])
    )
    assert line.shape == (12, 2)
    assert line[0].tolist() == [0.5, 0.5]
    assert line[1, 0] > 0.6
    assert line[1, 1] == 0.5
    assert np.isnan(line[5]).all()
    assert np.isfinite(line[6:11]).all()


def test_a_drawing_becomes_points_with_y_upwards() -> None:
    layer = np.zeros((100, 200, 4), np.uint8)
    layer[:10, 190:, 3] = 255  # the upper right corner
    points = drawing_to_points({"layers": [layer], "background": None, "composite": None})
    assert points.shape == (100, 2)
    assert (points > 0.79).all()
    assert (points < 1).all()
    full_drawing = {"layers": [np.full((300, 300, 4), 255, np.uint8)]}
    assert len(drawing_to_points(full_drawing)) == MAX_POINTS


@pytest.mark.parametrize(
    "drawing", [None, "x", {"layers": []}, {"layers": [np.zeros((9, 9, 4), np.uint8)]}]
)
def test_an_empty_drawing_raises_a_user_error(drawing: object) -> None:
    with pytest.raises(UserError, match="expected a drawing"):
        drawing_to_points(drawing)


def test_outputs_of_training_and_its_user_errors() -> None:
    *_, last = train(TOOLS, "ring", None, "gan", 20, "0")
    assert last[2] == "20 / 20"
    assert last[4].endswith(" / 8")
    assert last[5].endswith(" %")
    assert "| generator/-log D |" in last[6]

    def diverge() -> Iterator[laboratory.Frame]:
        raise UserError("training diverged: non-finite values at step 7")
        yield

    run = laboratory.run("ring", "gan", steps=1)._replace(frames=diverge())
    with pytest.raises(UserError, match="diverged"):
        list(train(TOOLS._replace(run=lambda *_, frames: run), "ring", None, "gan", 10, 0))
    with pytest.raises(UserError, match="circle"):
        list(train(TOOLS, "circle", None, "gan", 10, 0))


def test_an_app_without_a_laboratory_names_what_is_missing() -> None:
    assert "laboratory_missing" in str(ui.build(Models([])).config)


def test_training_is_shown_and_stopped(browser: Browser, url: str) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{url}/?tab=laboratory")
    points = page.locator("#tab-laboratory .js-plotly-plot").first.locator(".points path")
    step = page.get_by_label("Step", exact=True)
    expect(points).to_have_count(512)  # only the data, before the first run
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    formula = page.locator("#tab-laboratory .katex-display").last
    expect(formula).to_contain_text("\\ln D(G(z))")
    page.get_by_role("combobox", name="Objective").click()
    page.get_by_role("option", name="r3gan").click()
    expect(formula).to_contain_text("e^{D(x) - D(G(z))}")
    page.get_by_role("combobox", name="Objective").click()
    page.get_by_role("option", name="gan", exact=True).click()
    page.get_by_role("spinbutton", name="Steps").fill("100")
    page.get_by_role("button", name="Run").click()
    expect(step).to_have_value("100 / 100")
    expect(points).to_have_count(1024)
    mode_coverage = page.get_by_label("Modes covered", exact=True)
    expect(mode_coverage).to_have_value(re.compile(r"/ 8$"))
    expect(page.get_by_role("cell", name="generator/-log D")).to_be_visible()
    page.get_by_role("spinbutton", name="Steps").fill("5000")
    page.get_by_role("button", name="Run").click()
    expect(step).to_have_value(re.compile(r"^[1-9]\d* / 5000"))
    page.evaluate(
        "input => { window.step_history = [];"
        " setInterval(() => window.step_history.push(input.value), 20) }",
        step.element_handle(),
    )
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("spinbutton", name="Steps").fill("20")

    def new_run_ended() -> bool:
        page.get_by_role("button", name="Run").click()  # ignored until the old run has stopped
        return step.input_value() == "20 / 20"

    wait_for(new_run_ended)
    assert "5000 / 5000" not in page.evaluate("window.step_history")
    page.close()


def test_a_model_learns_a_drawing(page: Page, url: str) -> None:
    page.goto(f"{url}/?tab=laboratory")
    page.get_by_role("radio", name="drawing").check()
    canvas = page.locator("#tab-laboratory canvas").last
    expect(canvas).to_be_visible()
    # The canvas ignores strokes until it is ready, so repeat the stroke until it is visible.
    wait_for(lambda: draw_line(page, canvas))
    page.get_by_role("spinbutton", name="Steps").fill("100")
    step = page.get_by_label("Step", exact=True)

    def train_on_drawing() -> bool:
        page.get_by_role("button", name="Run").click()
        with contextlib.suppress(AssertionError):
            expect(step).to_have_value("100 / 100", timeout=10_000)
        return step.input_value() == "100 / 100"

    wait_for(train_on_drawing)
    expect(page.get_by_label("Modes covered", exact=True)).to_have_value(re.compile(r"/ 24$"))


def draw_line(page: Page, canvas: Locator) -> bool:
    """Draw a horizontal line, and return whether it is visible."""
    before = canvas.screenshot()
    box = canvas.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.4 * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], y, steps=10)
    page.mouse.up()
    return canvas.screenshot() != before


def test_equal_seeds_give_equal_results(client: Client) -> None:
    first, again, other = (
        client.predict("ring", None, "gan", 20, seed, api_name="/laboratory")
        for seed in ("1", "1", "2")
    )
    assert first[0] == again[0] != other[0]
    assert first[1] == again[1]
    assert first[2] == "20 / 20"
    assert json.loads(first[0]["plot"])["data"][0]["type"] == "heatmap"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (("circle", None, "gan", 100, "0"), "circle"),
        ((None, None, "gan", 100, "0"), "expected data"),
        ((["ring"], None, "gan", 100, "0"), ""),
        (("drawing", None, "gan", 100, "0"), "expected a drawing"),
        (("drawing", "/etc/passwd", "gan", 100, "0"), ""),
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
def test_the_api_rejects_invalid_inputs(client: Client, inputs: tuple, message: str) -> None:
    with pytest.raises((AppError, ValueError)) as excinfo:
        client.predict(*inputs, api_name="/laboratory")
    assert message in str(excinfo.value)
    assert "Traceback" not in str(excinfo.value)
    assert "/work" not in str(excinfo.value)
