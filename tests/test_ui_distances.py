"""The tab of distances: the lecture's claims, as a visitor sees them and as its API answers."""

import json
import math
import re

import numpy as np
import ot
import plotly.graph_objects as go
import pytest
import torch
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import Browser, Page, expect

from genmodels.distances.divergences import DIVERGENCES, earth_moving
from genmodels.distances.experiments import heaps
from genmodels.ui.distances import (
    FRAMES,
    fitting_figure,
    moving_figure,
    parting_figure,
    play,
    potential_figure,
    smoothing_figure,
)
from training.studies.laboratory import critics


def legend(figure: go.Figure) -> dict[str, str]:
    """Names of a figure's curves, and the numbers that they give."""
    names = [trace.name.split(" = ") for trace in figure.data if " = " in str(trace.name)]
    return dict(names)


def test_parted_bumps_leave_only_w1_to_tell() -> None:
    near, far = (legend(parting_figure(apart)) for apart in (1.5, 3))
    assert list(near) == list(DIVERGENCES)
    assert near["JS"] == far["JS"] == "0.693"
    assert near["TV"] == far["TV"] == "1.000"
    assert near["KL(p‖q)"] == "∞"
    assert (near["W1"], far["W1"]) == ("1.500", "3.000")
    assert legend(parting_figure(0))["KL(p‖q)"] == "0.000"


@pytest.mark.parametrize("name", DIVERGENCES)
def test_a_fit_falls_from_the_first_moment_to_the_last(name: str) -> None:
    first, last = (float(legend(fitting_figure(name, 1, at))[name]) for at in (0, FRAMES))
    assert last < first


def test_kl_seeks_the_bump_near_which_it_starts_and_the_other_way_round_covers_both() -> None:
    for name, start, peak in (("KL(q‖p)", 1, 2), ("KL(q‖p)", -1, -2), ("KL(p‖q)", 1, 0)):
        (drawn,) = (t for t in fitting_figure(name, start, FRAMES).data if t.name == "q")
        assert drawn.x[np.argmax(drawn.y)] == pytest.approx(peak, abs=0.15)


def test_the_descent_plays_from_its_beginning_to_its_end() -> None:
    moments = [frame for _, frame in play("JS", 1)]
    assert moments[0] == 0
    assert moments[-1] == FRAMES
    assert moments == sorted(moments)


@pytest.mark.parametrize("place", [-2, -0.8, 0.3, 2])
def test_the_plan_in_order_is_a_plan_and_as_cheap_as_any(place: float) -> None:
    p, q = heaps(place)
    cost, plan = earth_moving(p, q)
    assert torch.allclose(plan.sum(1), p.masses, atol=1e-9)
    assert torch.allclose(plan.sum(0), q.masses, atol=1e-9)
    costs = (p.points[:, None] - q.points).abs()
    cheapest = ot.emd2(p.masses, q.masses, costs).item()
    assert cost.item() == pytest.approx(cheapest, abs=1e-6)
    said = next(iter(legend(moving_figure(place)).values()))
    assert float(said) == pytest.approx(cost.item(), abs=1e-3)


def test_each_critic_falls_short_of_w1_by_what_the_table_says() -> None:
    figure, table = potential_figure(1, critics)
    assert len(figure.data) == 4
    parts = [float(part) for part in re.findall(r"(\d+) %", table)]
    assert parts[0] == 100
    assert all(part <= 100 for part in parts[1:])
    assert len(parts) == 4


def test_noise_gives_js_a_slope() -> None:
    quiet, noisy = (legend(smoothing_figure(deviation)) for deviation in (0.05, 1))
    assert float(quiet["JS"]) == pytest.approx(math.log(2), abs=1e-3)
    assert float(quiet["dJS/dd"]) == pytest.approx(0, abs=1e-3)
    assert float(noisy["dJS/dd"]) > 0.1


def test_a_visitor_moves_the_bumps_apart_and_trains_critics(browser: Browser, url: str) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{url}/?tab=distances")
    plot = page.locator("#tab-distances .js-plotly-plot:visible")
    expect(plot.get_by_text("KL(p‖q) = ∞")).to_be_visible()  # before any click
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("spinbutton", name="Distance of the bumps").fill("2")
    expect(plot.get_by_text("W1 = 2.000")).to_be_visible()
    expect(plot.get_by_text("JS = 0.693")).to_be_visible()
    page.get_by_role("tab", name="Earth").click()
    page.get_by_role("button", name="Train three critics").click()
    expect(page.get_by_role("cell", name="spectral norm")).to_be_visible()
    expect(plot.get_by_text("penalty")).to_be_visible()
    page.close()


def test_a_visitor_plays_the_fit_and_stops_it(page: Page, url: str) -> None:
    page.goto(f"{url}/?tab=distances")
    page.get_by_role("tab", name="Fit").click()
    page.get_by_role("radio", name="KL(p‖q)").check()
    plot = page.locator("#tab-distances .js-plotly-plot:visible")
    expect(plot.get_by_text("KL(p‖q) = ")).to_be_visible()
    moment = page.get_by_role("spinbutton", name="Moment of the descent")
    page.get_by_role("button", name="Play").click()
    expect(moment).not_to_have_value(str(FRAMES))
    page.get_by_role("button", name="Stop").click()
    page.wait_for_timeout(700)
    stopped = moment.input_value()
    page.wait_for_timeout(700)
    assert moment.input_value() == stopped != str(FRAMES)


@pytest.mark.parametrize(
    ("endpoint", "given", "plots"),
    [
        ("/parting", (1.5,), 1),
        ("/fitting", ("W1", 0, 10), 1),
        ("/model", (0.5,), 2),
        ("/critics", (0.5,), 1),
        ("/smoothing", (0.5,), 1),
    ],
)
def test_the_api_gives_plots(client: Client, endpoint: str, given: tuple, plots: int) -> None:
    answer = client.predict(*given, api_name=endpoint)
    answers = answer if isinstance(answer, (list, tuple)) else [answer]
    assert [it["type"] for it in answers if isinstance(it, dict)] == ["plotly"] * plots
    assert json.loads(answers[0]["plot"])["data"]


@pytest.mark.parametrize(
    ("endpoint", "given", "sentence"),
    [
        ("/parting", (99,), "greater than maximum"),
        ("/parting", (None,), ""),
        ("/parting", ("<b>",), ""),
        ("/parting", (math.nan,), ""),
        ("/fitting", ("W3", 0, 10), "W3"),
        ("/fitting", (["W1"], 0, 10), ""),
        ("/fitting", (None, 0, 10), "expected a divergence"),
        ("/fitting", ("W1", 0, 1.5), "as the moment"),
        ("/fitting", ("W1", 0, -1), "less than minimum"),
        ("/model", ("../etc/passwd",), ""),
        ("/critics", (None,), ""),
        ("/smoothing", (0,), "less than minimum"),
    ],
)
def test_the_api_says_what_was_expected(
    client: Client, endpoint: str, given: tuple, sentence: str
) -> None:
    with pytest.raises((AppError, ValueError)) as caught:
        client.predict(*given, api_name=endpoint)
    assert sentence in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert "/work" not in str(caught.value)
