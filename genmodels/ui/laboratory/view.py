"""Components of the Laboratory tab, and their events."""

from functools import partial

import gradio as gr
import numpy as np
import plotly.graph_objects as go

from genmodels.ui.app_state import AppState, Laboratory
from genmodels.ui.components import run_and_stop
from genmodels.ui.i18n import label_and_info, translate
from genmodels.ui.laboratory import actions
from genmodels.ui.laboratory.actions import CANVAS, DRAWING, MAX_STEPS, STEPS
from genmodels.ui.plots import FORMULAS, ORANGE
from genmodels.ui.validation import LATEST, PRIVATE, QUIET, SEEDS, on_device, show_user_errors


def add_inputs(tools: Laboratory) -> list[gr.components.Component]:
    """Add the data, the drawing, the objective, the number of steps and the seed."""
    names = [*tools.data, DRAWING]
    choices = [(translate(f"laboratory_data_{name.replace(' ', '_')}"), name) for name in names]
    data = gr.Radio(choices, value=names[0], **label_and_info("laboratory_data"))
    # Without a background image, a Sketchpad asks for a tool before the first stroke.
    drawing = gr.Sketchpad(
        np.full((CANVAS, CANVAS, 3), 255, np.uint8),
        label=translate("laboratory_drawing"),
        brush=gr.Brush(default_size=8, colors=[ORANGE], color_mode="fixed"),
        canvas_size=(CANVAS, CANVAS),
        layers=False,
        transforms=(),
        buttons=[],
        format="png",
        visible=False,
    )
    objective = gr.Dropdown(tools.objectives, value="gan", label=translate("laboratory_objective"))
    steps = gr.Slider(1, MAX_STEPS, STEPS, step=1, label=translate("laboratory_steps"))
    seed = gr.Textbox("0", **label_and_info("seed"), max_lines=1)
    return [data, drawing, objective, steps, seed]


def tab(shared: AppState) -> None:
    """Build the tab. It opens with a plot of the data."""
    if shared.laboratory is None:
        gr.Markdown(translate("laboratory_missing"))
        return
    tools = shared.laboratory
    first = actions.prepare_run(tools, tools.data[0], None, "gan", STEPS, 0)
    gr.Markdown(translate("laboratory_intro"), latex_delimiters=FORMULAS)
    formulas = gr.Markdown(actions.formulas("gan"), latex_delimiters=FORMULAS)
    with gr.Row():
        with gr.Column(scale=2, min_width=260):
            inputs = add_inputs(tools)
        with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
            points = gr.Plot(actions.points_figure(first.samples), show_label=False)
            button, stop = run_and_stop("laboratory_run")
        with gr.Column(scale=3, min_width=300):
            curves = gr.Plot(actions.curves_figure(first, [], STEPS), show_label=False)
            gr.Markdown(translate("laboratory_curves"))
            numbers = []
            for names in (("step", "seconds"), ("covered_modes", "fraction_near_modes")):
                with gr.Row():
                    labels = [translate(f"laboratory_{name}") for name in names]
                    numbers += [
                        gr.Textbox(label=it, interactive=False, min_width=90) for it in labels
                    ]
            losses = gr.Markdown(elem_classes="note", latex_delimiters=FORMULAS)
    data, drawing, objective, _, seed = inputs
    objective.change(actions.formulas, objective, formulas, **QUIET)
    shared.link(data=data, objective=objective, seed=seed)

    def preview(data: str, seed: str) -> tuple[dict, go.Figure]:
        return gr.update(visible=data == DRAWING), actions.preview(tools, data, seed)

    description = (
        f"Train a generative model on 2-D points: data ({', '.join(tools.data)}, or {DRAWING} with "
        f"a drawing), an objective, 1 to {MAX_STEPS} steps, and a seed from 0 to {SEEDS - 1}. "
        "Yields plots of the points and of JS and W1, the step, the seconds, the number of covered "
        "modes, the fraction of samples near a mode, and the losses."
    )
    outputs = [points, curves, *numbers, losses]
    event = (show_user_errors(partial(actions.train, tools)), inputs, outputs)
    training = button.click(
        *event, **on_device(losses), api_name="laboratory", api_description=description
    )
    stop.click(None, cancels=training, **PRIVATE)
    event = (show_user_errors(preview), [data, seed], [drawing, points])
    gr.on([data.change, seed.submit], *event, **LATEST, **QUIET)
