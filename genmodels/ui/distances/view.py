"""Components of the Distances tab, and their events."""

from collections.abc import Callable

import gradio as gr
import plotly.graph_objects as go

from genmodels.distances.divergences import DISTANCES
from genmodels.ui.app_state import AppState
from genmodels.ui.components import run_and_stop
from genmodels.ui.distances import actions
from genmodels.ui.distances.actions import FRAMES, MAX_SHIFT, MAX_STD, MIN_STD
from genmodels.ui.i18n import translate
from genmodels.ui.plots import FORMULAS
from genmodels.ui.validation import FOLLOW, PRIVATE, QUIET, on_device, show_user_errors

FITTING = f"""\
A normal distribution fitted to a mixture of two by gradient descent on a distance \
({", ".join(DISTANCES)}), from an initial mean of -3 to 3, at a frame from 0 to {FRAMES}. Returns \
a plot."""
CRITICS = """\
Three WGAN critics trained on the example of optimal transport with a center of q, -2 to 2, \
compared with the exact potential. Returns a plot and a table."""
TRANSPORT = """\
Optimal transport from two peaks to one peak with a center of -2 to 2. Returns plots of the plan \
and of the Kantorovich potential, and a table."""


def tab(shared: AppState) -> None:
    """Build the tab. Every experiment opens with a plot."""
    gr.Markdown(translate("distances_intro"), latex_delimiters=FORMULAS)
    for name, build in EXPERIMENTS.items():
        with gr.Tab(translate(f"distances_{name}")):
            gr.Markdown(translate(f"distances_{name}_intro"), latex_delimiters=FORMULAS)
            build(shared)


def plot_of_slider(
    slider: gr.Slider, action: Callable[[object], go.Figure], api_name: str, description: str
) -> None:
    """Add a plot that follows a slider."""
    plot = gr.Plot(action(slider.value), show_label=False)
    action = show_user_errors(action)
    description += f", {slider.minimum:g} to {slider.maximum:g}. Returns a plot."
    slider.input(action, slider, plot, **FOLLOW, api_name=api_name, api_description=description)


def build_supports(shared: AppState) -> None:
    slider = gr.Slider(0, MAX_SHIFT, 0.6, step=0.05, label=translate("distances_shift"))
    description = "Divergences and W1 of two uniform distributions of width 1 at a distance"
    plot_of_slider(slider, actions.plot_supports, "disjoint_supports", description)


def build_noise(shared: AppState) -> None:
    slider = gr.Slider(MIN_STD, MAX_STD, 1, step=0.05, label=translate("distances_std"))
    description = "JS of two points under normal noise with a standard deviation"
    plot_of_slider(slider, actions.plot_noise, "smoothing", description)


def build_fit(shared: AppState) -> None:
    with gr.Row():
        distance = gr.Radio(list(DISTANCES), value="KL(q‖p)", label=translate("distances_distance"))
        start = gr.Slider(-3, 3, 1, step=0.5, label=translate("distances_start"))
    plot = gr.Plot(actions.plot_fit("KL(q‖p)", 1, FRAMES), show_label=False)
    frame = gr.Slider(0, FRAMES, FRAMES, step=1, label=translate("distances_frame"))
    button, stop = run_and_stop("distances_play")
    event = (show_user_errors(actions.play_fit), [distance, start], [plot, frame])
    playing = button.click(*event, concurrency_limit=20, **QUIET)  # it mostly sleeps
    stop.click(None, cancels=playing, **PRIVATE)
    triggers, inputs = [distance.input, start.input, frame.input], [distance, start, frame]
    event = (triggers, show_user_errors(actions.plot_fit), inputs, plot)
    gr.on(*event, **FOLLOW, api_name="fitting", api_description=FITTING)


def build_transport(shared: AppState) -> None:
    def critics(center: float) -> tuple[go.Figure, str]:
        return actions.plot_critics(center, shared.laboratory.critics)

    figures = actions.plot_transport(-0.8)
    center = gr.Slider(-2, 2, -0.8, step=0.1, label=translate("distances_center"))
    with gr.Row():
        plan = gr.Plot(figures[0], show_label=False)
        with gr.Column():
            potential = gr.Plot(figures[1], show_label=False)
            table = gr.Markdown(figures[2], latex_delimiters=FORMULAS)
            if shared.laboratory is None:
                gr.Markdown(translate("distances_no_critics"))
            else:
                event = (show_user_errors(critics), center, [potential, table])
                button = gr.Button(translate("distances_critics"), variant="primary")
                button.click(
                    *event, **on_device(table), api_name="critics", api_description=CRITICS
                )
    event = (show_user_errors(actions.plot_transport), center, [plan, potential, table])
    center.input(*event, **FOLLOW, api_name="transport", api_description=TRANSPORT)


EXPERIMENTS: dict[str, Callable[[AppState], None]] = {
    "supports": build_supports,
    "fit": build_fit,
    "transport": build_transport,
    "noise": build_noise,
}
