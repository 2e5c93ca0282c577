"""Tab Distances: its figures, its components in a browser, and its API."""

import json
import math
import re

import numpy as np
import plotly.graph_objects as go
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import Browser, Page, expect

from genmodels.distances.divergences import DISTANCES
from genmodels.distances.experiments import transport_example
from genmodels.distances.optimal_transport import monotone_transport
from genmodels.errors import UserError
from genmodels.ui.distances.actions import (
    FRAMES,
    play_fit,
    plot_critics,
    plot_fit,
    plot_noise,
    plot_supports,
    plot_transport,
)
from tests.conftest import wait_for
from training.studies.laboratory import train_critics


def legend(figure: go.Figure) -> dict[str, str]:
    """Return the values in the legend of a figure, by the name of the curve."""
    names = [trace.name.split(" = ") for trace in figure.data if " = " in str(trace.name)]
    return dict(names)


def test_only_w1_depends_on_the_distance_of_disjoint_supports() -> None:
    near, far = (legend(plot_supports(shift)) for shift in (1.5, 3))
    assert list(near) == list(DISTANCES)
    assert near["JS"] == far["JS"] == "0.693"
    assert near["TV"] == far["TV"] == "1.000"
    assert near["KL(p‖q)"] == "∞"
    assert (near["W1"], far["W1"]) == ("1.500", "3.000")
    assert legend(plot_supports(0))["KL(p‖q)"] == "0.000"


@pytest.mark.parametrize("name", DISTANCES)
def test_a_fit_reduces_its_distance(name: str) -> None:
    first, last = (float(legend(plot_fit(name, 1, frame))[name]) for frame in (0, FRAMES))
    assert last < first


@pytest.mark.parametrize(
    ("name", "start", "peak"), [("KL(q‖p)", 1, 2), ("KL(q‖p)", -1, -2), ("KL(p‖q)", 1, 0)]
)
def test_reverse_kl_fits_the_nearest_mode_and_forward_kl_covers_both(
    name: str, start: float, peak: float
) -> None:
    (q,) = (trace for trace in plot_fit(name, start, FRAMES).data if trace.name == "q")
    assert q.x[np.argmax(q.y)] == pytest.approx(peak, abs=0.15)


def test_play_fit_yields_frames_from_first_to_last() -> None:
    frames = [frame for _, frame in play_fit("JS", 1)]
    assert frames == sorted(frames)
    assert (frames[0], frames[-1]) == (0, FRAMES)


@pytest.mark.parametrize("center", [-2, -0.8, 0.3, 2])
def test_the_transport_plot_states_the_cost_of_the_plan(center: float) -> None:
    figure, potential, table = plot_transport(center)
    cost = monotone_transport(*transport_example(center)).cost.item()
    assert [float(value) for value in legend(figure).values()] == pytest.approx([cost], abs=1e-3)
    assert len(potential.data) == 1
    assert f"| f | {cost:.3f} | 100 % | 1.00 |" in table


def test_the_table_of_critics_gives_lower_bounds_of_w1() -> None:
    figure, table = plot_critics(1, train_critics)
    assert len(figure.data) == 4
    percentages = [float(value) for value in re.findall(r"(\d+) %", table)]
    assert len(percentages) == 4
    assert percentages[0] == max(percentages) == 100


def test_noise_gives_js_a_gradient() -> None:
    low_noise, high_noise = (legend(plot_noise(std)) for std in (0.05, 1))
    assert float(low_noise["JS"]) == pytest.approx(math.log(2), abs=1e-3)
    assert float(low_noise["dJS/dd"]) == pytest.approx(0, abs=1e-3)
    assert float(high_noise["dJS/dd"]) > 0.1


def test_actions_check_their_inputs() -> None:
    for action, arguments in (
        (plot_supports, (99,)),
        (plot_noise, (0,)),
        (plot_fit, ("W3", 0, 10)),
        (plot_fit, ("W1", 0, 1.5)),
        (plot_transport, ("x",)),
    ):
        with pytest.raises(UserError, match="expected"):
            action(*arguments)


def test_sliders_update_plots_and_critics_are_trained(browser: Browser, url: str) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{url}/?tab=distances")
    plot = page.locator("#tab-distances .js-plotly-plot:visible")
    expect(plot.get_by_text("KL(p‖q) = ∞")).to_be_visible()  # before any click
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("spinbutton", name="Distance between p and q").fill("2")
    expect(plot.get_by_text("W1 = 2.000")).to_be_visible()
    expect(plot.get_by_text("JS = 0.693")).to_be_visible()
    page.get_by_role("tab", name="Transport").click()
    page.get_by_role("button", name="Train three critics").click()
    expect(page.get_by_role("cell", name="spectral norm")).to_be_visible()
    expect(plot.get_by_text("gradient penalty")).to_be_visible()
    page.close()


def test_a_fit_is_played_stopped_and_played_again(page: Page, url: str) -> None:
    page.goto(f"{url}/?tab=distances")
    page.get_by_role("tab", name="Fit").click()
    page.get_by_role("radio", name="KL(p‖q)").check()
    plot = page.locator("#tab-distances .js-plotly-plot:visible")
    expect(plot.get_by_text("KL(p‖q) = ")).to_be_visible()
    frame = page.get_by_role("spinbutton", name="Frame")
    page.get_by_role("button", name="Play").click()
    expect(frame).to_have_value(re.compile(r"^[1-4]\d$"))
    page.get_by_role("button", name="Stop").click()
    # Play has no effect while an animation runs, so frames restart only if Stop has ended it.
    page.evaluate(
        "input => { window.frame_history = [];"
        " setInterval(() => window.frame_history.push(+input.value), 20) }",
        frame.element_handle(),
    )

    def frames_restarted() -> bool:
        page.get_by_role("button", name="Play").click()  # ignored until the animation has stopped
        return page.evaluate("window.frame_history.some(frame => frame < 10)")

    wait_for(frames_restarted)


@pytest.mark.parametrize(
    ("endpoint", "inputs", "plots"),
    [
        ("/disjoint_supports", (1.5,), 1),
        ("/fitting", ("W1", 0, 10), 1),
        ("/transport", (0.5,), 2),
        ("/critics", (0.5,), 1),
        ("/smoothing", (0.5,), 1),
    ],
)
def test_the_api_returns_plots(client: Client, endpoint: str, inputs: tuple, plots: int) -> None:
    result = client.predict(*inputs, api_name=endpoint)
    results = result if isinstance(result, (list, tuple)) else [result]
    assert [it["type"] for it in results if isinstance(it, dict)] == ["plotly"] * plots
    assert json.loads(results[0]["plot"])["data"]


@pytest.mark.parametrize(
    ("endpoint", "inputs", "message"),
    [
        ("/disjoint_supports", (99,), "greater than maximum"),
        ("/disjoint_supports", (None,), ""),
        ("/disjoint_supports", ("<b>",), ""),
        ("/disjoint_supports", (math.nan,), ""),
        ("/fitting", ("W3", 0, 10), "W3"),
        ("/fitting", (["W1"], 0, 10), ""),
        ("/fitting", (None, 0, 10), "expected a distance"),
        ("/fitting", ("W1", 0, 1.5), "as the frame"),
        ("/fitting", ("W1", 0, -1), "less than minimum"),
        ("/transport", ("../etc/passwd",), ""),
        ("/critics", (None,), ""),
        ("/smoothing", (0,), "less than minimum"),
    ],
)
def test_the_api_rejects_invalid_inputs(
    client: Client, endpoint: str, inputs: tuple, message: str
) -> None:
    with pytest.raises((AppError, ValueError)) as excinfo:
        client.predict(*inputs, api_name=endpoint)
    assert message in str(excinfo.value)
    assert "Traceback" not in str(excinfo.value)
    assert "/work" not in str(excinfo.value)
