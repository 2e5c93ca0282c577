"""Training runs that trackio recorded on this machine: losses by name, and sample grids by step."""

import math
from collections.abc import Mapping
from typing import Any

import gradio as gr
import plotly.graph_objects as go
from PIL import Image
from trackio.sqlite_storage import SQLiteStorage  # trackio.Api lists no projects and reads no logs
from trackio.utils import MEDIA_DIR

from genmodels.ui.app_state import AppState
from genmodels.ui.i18n import Texts, translate
from genmodels.ui.plots import COLOURS, DASHES, panels
from genmodels.ui.validation import (
    EACH,
    LATEST,
    parse_choice,
    parse_choices,
    parse_int,
    show_user_errors,
)

TEXTS: Texts = {
    "metrics_runs_what": (
        "What `accelerate launch -m training` writes on this machine, while it writes: each loss "
        "of a run by its name, the FID where the run measures it, and its samples of always the "
        "same latents.",
        "То, что пишет на этой машине `accelerate launch -m training`, пока оно пишет: каждое "
        "слагаемое потерь по имени, FID, если обучение его измеряет, и картинки всегда тех же "
        "латентов.",
    ),
    "metrics_runs_none": (
        "There are no runs on this machine yet. One begins with "
        "`accelerate launch -m training vae-fashion`.",
        "На этой машине ещё ничего не обучали. Начать можно так: "
        "`accelerate launch -m training vae-fashion`.",
    ),
    "metrics_runs_project": ("Project", "Проект"),
    "metrics_runs_runs": ("Runs", "Обучения"),
    "metrics_runs_terms": ("Curves", "Кривые"),
    "metrics_runs_terms_info": ("None chosen: all", "Если не выбраны: все"),
    "metrics_runs_follow": ("Follow while they train", "Следить за обучением"),
    "metrics_runs_step": ("Samples at step", "Картинки на шаге"),
    "metrics_runs_plot": ("Losses by step", "Потери по шагам"),
    "metrics_runs_sheets": ("Samples of the runs", "Картинки обучений"),
}

SECONDS = 2  # between two looks at runs that are followed
MOST = 4  # runs at once
PANELS = 12  # curves at once
POINTS = 500  # of a line
LAST = 10**9  # a step after all

History = list[dict[str, Any]]  # rows of a run: its step, and numbers and images by their names


def records(project: str) -> dict[str, str]:
    """Runs of a project by their ids, the newest first -> their names and when they began."""
    return {
        str(
            run["id"] or run["name"]
        ): f"{run['name']} · {str(run['created_at'])[:16].replace('T', ' ')}"
        for run in reversed(SQLiteStorage.get_run_records(project))
    }


def read(project: object, runs: object) -> dict[str, History]:
    """Chosen runs by their names. Raises UserError for what is no run on this machine."""
    project = parse_choice(project, SQLiteStorage.get_projects(), "a project")
    known = records(project)
    ids = parse_choices(runs, list(known), MOST, "runs")
    return {known[run]: SQLiteStorage.get_logs(project, run_id=run) for run in ids}


def lines(history: History) -> dict[str, list[tuple[int, float]]]:
    """Numbers of a run by their names, after their steps; of many an even part."""
    found: dict[str, list[tuple[int, float]]] = {}
    for row in history:
        for name, value in row.items():
            if name != "step" and type(value) in (int, float) and math.isfinite(value):
                found.setdefault(name, []).append((row["step"], value))
    return {
        name: points[:: math.ceil(len(points) / POINTS)] + points[-1:]
        for name, points in found.items()
    }


def sheet(history: History, step: int) -> tuple[Image.Image, int] | None:
    """The last image that a run logged by a step, or else its first -> it and its step."""
    shown = [
        (row["step"], value["file_path"])
        for row in history
        for value in row.values()
        if isinstance(value, dict) and value.get("_type") == "trackio.image"
    ]
    for at, file in sorted(shown, key=lambda it: (it[0] > step, abs(it[0] - step))):
        path = (MEDIA_DIR / str(file)).resolve()
        if path.is_relative_to(MEDIA_DIR.resolve()) and path.is_file():
            with Image.open(path) as image:
                return image.convert("RGB"), at
    return None


def curves(runs: Mapping[str, dict[str, list[tuple[int, float]]]], terms: list[str]) -> go.Figure:
    """A panel for each term, in it a line for each run."""
    figure = panels(terms)
    told: set[str] = set()
    for row, term in enumerate(terms, 1):
        for (name, of), colour, dash in zip(runs.items(), COLOURS, DASHES, strict=False):
            if term not in of:
                continue
            steps, values = zip(*of[term], strict=True)
            line = go.Scatter(
                x=steps,
                y=values,
                name=name,
                legendgroup=name,
                showlegend=name not in told,
                mode="lines",
                line={"color": colour, "dash": dash, "width": 1.5},
            )
            told.add(name)
            figure.add_trace(line, row, 1)
    figure.update_layout(showlegend=True)
    figure.update_xaxes(title_text="step", title_standoff=4, row=max(len(terms), 1))
    return figure


def show(project: object, runs: object, terms: object) -> go.Figure:
    """Curves of runs by the names of terms, or all. Raises UserError as `read`."""
    return drawn(read(project, runs), terms)


def drawn(histories: Mapping[str, History], terms: object) -> go.Figure:
    """The same of runs that have been read."""
    found = {name: lines(history) for name, history in histories.items()}
    known = list(dict.fromkeys(term for of in found.values() for term in of))
    return curves(found, parse_choices(terms, known, PANELS, "curves") if terms else known[:PANELS])


def sheets_at(project: object, runs: object, step: object) -> list[tuple[Image.Image, str]]:
    """What each run drew by a step, with its name and step. Raises UserError as `read`."""
    return sheets(read(project, runs), step)


def sheets(histories: Mapping[str, History], step: object) -> list[tuple[Image.Image, str]]:
    """The same of runs that have been read."""
    step = parse_int(step, 0, LAST, "as the step")
    found = {name: sheet(history, step) for name, history in histories.items()}
    return [(it[0], f"{name}, step {it[1]}") for name, it in found.items() if it is not None]


def list_runs(project: str) -> dict[str, str]:
    """Ids of a project's runs, the newest first, with their names. UserError for another's."""
    return records(parse_choice(project, SQLiteStorage.get_projects(), "a project"))


def choose(project: object) -> tuple[dict, dict]:
    """Runs of a project to choose from, the newest of them chosen, and the names of its curves."""
    if project is None:  # the page has only been opened
        return gr.skip(), gr.skip()
    known = list_runs(project)
    newest = next(iter(known), None)
    terms = [] if newest is None else list(lines(SQLiteStorage.get_logs(project, run_id=newest)))
    choices = [(label, run) for run, label in known.items()]
    return (
        gr.Dropdown(choices=choices, value=[newest] if newest else []),
        gr.Dropdown(choices=terms, value=[]),
    )


class Board:
    """The parts of the tab, and what moves them."""

    def __init__(self) -> None:
        self.none = gr.Markdown(translate("metrics_runs_none"))
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                self.project = gr.Dropdown(label=translate("metrics_runs_project"))
                self.runs = gr.Dropdown(
                    label=translate("metrics_runs_runs"), multiselect=True, max_choices=MOST
                )
                self.terms = gr.Dropdown(
                    label=translate("metrics_runs_terms"),
                    info=translate("metrics_runs_terms_info"),
                    multiselect=True,
                    max_choices=PANELS,
                )
                self.follow = gr.Checkbox(True, label=translate("metrics_runs_follow"))
            with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
                self.plot = gr.Plot(label=translate("metrics_runs_plot"), show_label=False)
                self.step = gr.Slider(
                    0, LAST, value=0, step=1, label=translate("metrics_runs_step"), visible=False
                )
                self.sheets = gr.Gallery(
                    label=translate("metrics_runs_sheets"),
                    show_label=False,
                    format="png",
                    columns=2,
                    height="auto",
                    object_fit="contain",
                    elem_classes="sheets",
                    interactive=False,
                )
        for dropdown in (self.project, self.runs, self.terms):
            dropdown.allow_custom_value = True  # or gradio holds what is chosen against no choices
        self.timer = gr.Timer(SECONDS, active=False)
        self.inside = gr.State(False)  # whether the tab is the one of three that is open
        self.seen = gr.State((0, 0))  # how many runs there were, and the last step of the chosen

    def connect(self, shared: AppState, within: gr.Tabs) -> None:
        """within: the tabs of which it is one, themselves in the tab that was opened last"""
        mine, own = len(shared.tabs.children) - 1, len(within.children) - 1
        chosen = [self.project, self.runs, self.terms]

        def enter(event: gr.SelectData, project: object, follow: bool) -> tuple:
            known = SQLiteStorage.get_projects() if event.index == own else []
            found = project if project in known else next(iter(known), None)
            return (
                event.index == own,
                gr.Timer(active=event.index == own and follow),
                gr.Dropdown(choices=known, value=found) if known else gr.skip(),
                gr.Markdown(visible=not known),
            )

        def leave(event: gr.SelectData, inside: bool, follow: bool) -> gr.Timer:
            return gr.Timer(active=event.index == mine and inside and follow)

        within.select(
            enter,
            [self.project, self.follow],
            [self.inside, self.timer, self.project, self.none],
            **EACH,
            api_visibility="private",
        )
        shared.tabs.select(
            leave, [self.inside, self.follow], self.timer, **EACH, api_visibility="private"
        )
        self.follow.change(
            lambda follow: gr.Timer(active=follow),
            self.follow,
            self.timer,
            api_visibility="private",
        )
        self.project.change(
            show_user_errors(choose),
            self.project,
            [self.runs, self.terms],
            api_visibility="private",
        )
        gr.api(
            show_user_errors(list_runs),
            api_name="list_runs",
            api_description="Names of a trackio project's runs, such as genmodels, by their ids.",
        )
        quiet = {"show_progress": "hidden", **LATEST}
        self.terms.input(
            show_user_errors(show),
            chosen,
            self.plot,
            **quiet,
            api_name="training_curves",
            api_description="Losses of 1 to 4 runs by the ids that list_runs gives, as a plot.",
        )
        self.step.input(
            show_user_errors(sheets_at),
            [self.project, self.runs, self.step],
            self.sheets,
            **quiet,
            api_name="training_samples",
            api_description="The last sample grid of each run at or before a step.",
        )
        moved = {
            "inputs": [*chosen, self.step, self.seen],
            "outputs": [self.plot, self.sheets, self.step, self.runs, self.seen],
            "api_visibility": "private",
            "show_progress": "hidden",
        }
        self.runs.change(show_user_errors(renew), **moved)
        self.timer.tick(show_user_errors(follow), **moved)


def renew(
    project: object, runs: object, terms: object, step: object, seen: tuple[int, int] | None
) -> tuple:
    """Everything of other runs, or of those that wrote since."""
    if not runs:
        return None, [], gr.Slider(visible=False), gr.skip(), (0, 0)
    return everything(read(project, runs), records(project), terms, step, seen)


def last_step(histories: Mapping[str, History]) -> int:
    return max((row["step"] for rows in histories.values() for row in rows), default=0)


def everything(
    histories: Mapping[str, History],
    known: dict[str, str],
    terms: object,
    step: object,
    seen: tuple[int, int],
) -> tuple:
    """The outputs of `renew`, of runs that have been read and all that are known."""
    last = last_step(histories)
    at = last if step == seen[1] or step > last else step
    return (
        drawn(histories, terms),
        sheets(histories, at),
        gr.Slider(maximum=max(last, 1), value=at, visible=True),
        gr.Dropdown(choices=[(label, run) for run, label in known.items()]),
        (len(known), last),
    )


def follow(
    project: object, runs: object, terms: object, step: object, seen: tuple[int, int]
) -> tuple:
    """The same where a run wrote since, and nothing where none did."""
    if not runs:
        return (gr.skip(),) * 5
    histories, known = read(project, runs), records(project)
    if seen == (len(known), last_step(histories)):
        return (gr.skip(),) * 5
    return everything(histories, known, terms, step, seen)


def tab(shared: AppState, within: gr.Tabs) -> None:
    """Build the tab. within: the tabs of which it is one"""
    gr.Markdown(translate("metrics_runs_what"))
    Board().connect(shared, within)
