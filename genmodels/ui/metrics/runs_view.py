"""The inner tab Training runs."""

from typing import NamedTuple

import gradio as gr

from genmodels.ui.app_state import AppState
from genmodels.ui.i18n import translate
from genmodels.ui.metrics.runs_actions import (
    MAX_CURVES,
    MAX_RUNS,
    MAX_STEP,
    RunsUpdate,
    curve_names,
    list_projects,
    list_runs,
    read_update,
    training_curves,
    training_samples,
)
from genmodels.ui.validation import EACH, LATEST, show_user_errors

UPDATE_INTERVAL = 2  # seconds


class Components(NamedTuple):
    """The components of the tab."""

    empty: gr.Markdown
    project: gr.Dropdown
    runs: gr.Dropdown
    curves: gr.Dropdown
    follow: gr.Checkbox
    plot: gr.Plot
    step: gr.Slider
    previews: gr.Gallery


def tab(shared: AppState, inner_tabs: gr.Tabs) -> None:
    """Build the tab.

    Args:
        shared: the state of the app; its last tab so far is Metrics
        inner_tabs: the tabs inside Metrics; the last one so far is this tab
    """
    gr.Markdown(translate("metrics_runs_what"))
    components = build()
    timer = gr.Timer(UPDATE_INTERVAL, active=False)
    connect_tabs(components, timer, shared.tabs, inner_tabs)
    connect_runs(components, timer)


def build() -> Components:
    empty = gr.Markdown(translate("metrics_runs_none"))
    # With allow_custom_value gradio does not check values against the choices at start: none.
    settings = {"allow_custom_value": True}
    several = {"multiselect": True, **settings}
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            project = gr.Dropdown(label=translate("metrics_runs_project"), **settings)
            runs = gr.Dropdown(
                label=translate("metrics_runs_runs"), max_choices=MAX_RUNS, **several
            )
            curves = gr.Dropdown(
                label=translate("metrics_runs_terms"),
                info=translate("metrics_runs_terms_info"),
                max_choices=MAX_CURVES,
                **several,
            )
            follow = gr.Checkbox(True, label=translate("metrics_runs_follow"))
        with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
            plot = gr.Plot(label=translate("metrics_runs_plot"), show_label=False)
            step = gr.Slider(
                0, MAX_STEP, value=0, step=1, label=translate("metrics_runs_step"), visible=False
            )
            previews = gr.Gallery(
                label=translate("metrics_runs_sheets"),
                show_label=False,
                format="png",
                columns=2,
                height="auto",
                object_fit="contain",
                elem_classes="sheets",
                interactive=False,
            )
    return Components(empty, project, runs, curves, follow, plot, step, previews)


def connect_tabs(
    components: Components, timer: gr.Timer, tabs: gr.Tabs, inner_tabs: gr.Tabs
) -> None:
    """Run the timer only while the tab is visible, and list the projects when it opens."""
    index, inner_index = len(tabs.children) - 1, len(inner_tabs.children) - 1
    is_open = gr.State(False)  # whether this inner tab is selected

    def select_inner(event: gr.SelectData, project: object, follow: bool) -> tuple:
        selected = event.index == inner_index
        projects = list_projects() if selected else []
        value = project if project in projects else next(iter(projects), None)
        return (
            selected,
            gr.Timer(active=selected and follow),
            gr.Dropdown(choices=projects, value=value) if projects else gr.skip(),
            gr.Markdown(visible=not projects),
        )

    def select_outer(event: gr.SelectData, is_open: bool, follow: bool) -> gr.Timer:
        return gr.Timer(active=event.index == index and is_open and follow)

    def select_follow(follow: bool) -> gr.Timer:
        return gr.Timer(active=follow)

    follow, project = components.follow, components.project
    private = {"api_visibility": "private"}
    inner_tabs.select(
        select_inner,
        [project, follow],
        [is_open, timer, project, components.empty],
        **EACH,
        **private,
    )
    tabs.select(select_outer, [is_open, follow], timer, **EACH, **private)
    follow.change(select_follow, follow, timer, **private)


def connect_runs(components: Components, timer: gr.Timer) -> None:
    """Show the chosen runs, and new steps of them at each tick of the timer."""
    _, project, runs, curves, _, plot, step, previews = components
    gr.api(
        show_user_errors(list_runs),
        api_name="list_runs",
        api_description="List the runs of a trackio project such as genmodels: labels by run id.",
    )
    quiet = {"show_progress": "hidden", **LATEST}
    curves.input(
        show_user_errors(training_curves),
        [project, runs, curves],
        plot,
        **quiet,
        api_name="training_curves",
        api_description=f"Plot losses of 1 to {MAX_RUNS} runs, given by the ids from list_runs.",
    )
    step.input(
        show_user_errors(training_samples),
        [project, runs, step],
        previews,
        **quiet,
        api_name="training_samples",
        api_description="Return the last sample grid of each run up to a step.",
    )
    previous = gr.State((0, 0))  # number of runs and last step of the latest update
    private = {"api_visibility": "private"}
    project.change(show_user_errors(choose_project), project, [runs, curves], **private)
    update = {
        "inputs": [project, runs, curves, step, previous],
        "outputs": [plot, previews, step, runs, previous],
        "show_progress": "hidden",
        **private,
    }
    runs.change(show_user_errors(show_runs), **update)
    timer.tick(show_user_errors(follow_runs), **update)


def choose_project(project: object) -> tuple:
    """List a project's runs and select the newest."""
    if project is None:  # the page was just opened
        return gr.skip(), gr.skip()
    labels = list_runs(project)
    newest = next(iter(labels), None)
    return (
        gr.Dropdown(choices=choices(labels), value=[newest] if newest else []),
        gr.Dropdown(choices=curve_names(project, newest), value=[]),
    )


def show_runs(
    project: object, runs: object, curves: object, step: int, previous: tuple[int, int]
) -> tuple:
    """Show the chosen runs."""
    if not runs:
        return None, [], gr.Slider(visible=False), gr.skip(), (0, 0)
    return outputs(read_update(project, runs, curves, step, previous, only_new=False))


def follow_runs(
    project: object, runs: object, curves: object, step: int, previous: tuple[int, int]
) -> tuple:
    """Show new steps of the chosen runs."""
    update = read_update(project, runs, curves, step, previous, only_new=True) if runs else None
    return (gr.skip(),) * 5 if update is None else outputs(update)


def outputs(update: RunsUpdate) -> tuple:
    """Return the plot, previews, step, runs and the number of runs with the last step."""
    figure, previews, step, last, labels = update
    return (
        figure,
        previews,
        gr.Slider(maximum=max(last, 1), value=step, visible=True),
        gr.Dropdown(choices=choices(labels)),
        (len(labels), last),
    )


def choices(labels: dict[str, str]) -> list[tuple[str, str]]:
    return [(label, run) for run, label in labels.items()]
