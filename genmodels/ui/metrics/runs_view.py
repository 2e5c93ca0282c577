"""The inner tab for training runs."""

import gradio as gr

from genmodels.ui.app_state import AppState
from genmodels.ui.components import grid_gallery
from genmodels.ui.i18n import label_and_info, translate
from genmodels.ui.metrics import runs_actions
from genmodels.ui.metrics.runs_actions import MAX_RUNS, list_projects, list_runs
from genmodels.ui.validation import EACH, FOLLOW, PRIVATE, QUIET, show_user_errors

UPDATE_INTERVAL = 2  # seconds

LIST_RUNS = "List the runs of a trackio project such as genmodels: labels by run id."
TRAINING_CURVES = f"Plot losses of 1 to {MAX_RUNS} runs, given by the ids from list_runs."
TRAINING_SAMPLES = "Return the last sample grid of each run up to a step."


def tab(shared: AppState, inner_tabs: gr.Tabs) -> None:
    """Build the tab. Call before any later tab is added to `inner_tabs` or `shared.tabs`."""
    gr.Markdown(translate("metrics_runs_what"))
    empty = gr.Markdown(translate("metrics_runs_none"))
    # Without allow_custom_value, gradio checks values against the initial choices, which are empty.
    settings = {"allow_custom_value": True}
    several = {"multiselect": True, **settings}
    with gr.Row(visible=False) as content:
        with gr.Column(scale=1, min_width=280):
            project = gr.Dropdown(label=translate("metrics_runs_project"), **settings)
            label = translate("metrics_runs_runs")
            runs = gr.Dropdown(label=label, max_choices=MAX_RUNS, **several)
            label = label_and_info("metrics_runs_curves")
            curves = gr.Dropdown(**label, max_choices=runs_actions.MAX_CURVES, **several)
            follow = gr.Checkbox(True, label=translate("metrics_runs_follow"))
        with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
            plot = gr.Plot(label=translate("metrics_runs_plot"), show_label=False)
            label, most = translate("metrics_runs_step"), runs_actions.MAX_STEP
            step = gr.Slider(0, most, 0, step=1, label=label, visible=False)
            previews = grid_gallery("metrics_runs_samples")
    timer = gr.Timer(UPDATE_INTERVAL, active=False)
    connect_tabs(shared.tabs, inner_tabs, project, follow, empty, content, timer)
    connect_runs([project, runs, curves, plot, step, previews], timer)


def connect_tabs(
    tabs: gr.Tabs,
    inner_tabs: gr.Tabs,
    project: gr.Dropdown,
    follow: gr.Checkbox,
    empty: gr.Markdown,
    content: gr.Row,
    timer: gr.Timer,
) -> None:
    """Run the timer only while the tab is visible, and list the projects when it opens."""
    index, inner_index = len(tabs.children) - 1, len(inner_tabs.children) - 1
    is_open = gr.State(False)  # whether this inner tab is selected

    def select_inner(event: gr.SelectData, project: object, follow: bool) -> tuple:
        selected = event.index == inner_index
        projects = list_projects() if selected else []
        return selected, gr.Timer(active=selected and follow), *show_projects(projects, project)

    def select_outer(event: gr.SelectData, is_open: bool, follow: bool) -> gr.Timer:
        return gr.Timer(active=event.index == index and is_open and follow)

    outputs = [is_open, timer, project, empty, content]
    inner_tabs.select(select_inner, [project, follow], outputs, **EACH, **PRIVATE)
    tabs.select(select_outer, [is_open, follow], timer, **EACH, **PRIVATE)
    follow.change(lambda follow: gr.Timer(active=follow), follow, timer, **PRIVATE)


def show_projects(projects: list[str], project: object) -> tuple:
    """List the projects and keep the selected one; show a note instead if there are none."""
    value = project if project in projects else next(iter(projects), None)
    choices = gr.update(choices=projects, value=value) if projects else gr.skip()
    return choices, gr.update(visible=not projects), gr.update(visible=bool(projects))


def connect_runs(components: list[gr.components.Component], timer: gr.Timer) -> None:
    """Show the chosen runs, and new steps of them at each tick of the timer."""
    project, runs, curves, plot, step, previews = components
    gr.api(show_user_errors(list_runs), api_name="list_runs", api_description=LIST_RUNS)
    event = (show_user_errors(runs_actions.training_curves), [project, runs, curves], plot)
    curves.input(*event, **FOLLOW, api_name="training_curves", api_description=TRAINING_CURVES)
    event = (show_user_errors(runs_actions.training_samples), [project, runs, step], previews)
    step.input(*event, **FOLLOW, api_name="training_samples", api_description=TRAINING_SAMPLES)
    previous = gr.State((0, 0))  # number of runs and last step of the latest update
    project.change(show_user_errors(choose_project), project, [runs, curves], **PRIVATE)
    inputs = [project, runs, curves, step, previous]
    outputs = [plot, previews, step, runs, previous]
    runs.change(show_user_errors(show_runs), inputs, outputs, **QUIET)
    timer.tick(show_user_errors(follow_runs), inputs, outputs, **QUIET)


def choose_project(project: object) -> tuple:
    """List a project's runs and select the newest."""
    if project is None:  # the page was just opened
        return gr.skip(), gr.skip()
    labels = list_runs(project)
    newest = next(iter(labels), None)
    curves = runs_actions.curve_names(project, newest)
    value = [newest] if newest else []
    return gr.Dropdown(choices=choices(labels), value=value), gr.Dropdown(choices=curves, value=[])


def show_runs(
    project: object, runs: object, curves: object, step: int, previous: tuple[int, int]
) -> tuple:
    """Show the chosen runs."""
    if not runs:
        return None, [], gr.Slider(visible=False), gr.skip(), (0, 0)
    return outputs(runs_actions.read_update(project, runs, curves, step, previous, only_new=False))


def follow_runs(project: object, runs: object, *settings: object) -> tuple:
    """Show new steps of the chosen runs."""
    update = runs_actions.read_update(project, runs, *settings, only_new=True) if runs else None
    return (gr.skip(),) * 5 if update is None else outputs(update)


def outputs(update: runs_actions.RunsUpdate) -> tuple:
    """Return the plot, previews, step, runs and the number of runs with the last step."""
    figure, previews, step, last, labels = update
    slider = gr.Slider(maximum=max(last, 1), value=step, visible=True)
    return figure, previews, slider, gr.Dropdown(choices=choices(labels)), (len(labels), last)


def choices(labels: dict[str, str]) -> list[tuple[str, str]]:
    return [(label, run) for run, label in labels.items()]
