"""Losses and samples of the training runs that trackio recorded on this machine."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import plotly.graph_objects as go
from PIL import Image
from trackio.sqlite_storage import SQLiteStorage  # trackio.Api lists no projects and reads no logs
from trackio.utils import MEDIA_DIR

from genmodels.ui.metrics.figures import Curves, plot_curves
from genmodels.ui.validation import parse_choice, parse_choices, parse_int

MAX_RUNS = 4
MAX_CURVES = 12
MAX_POINTS = 500  # per curve
MAX_STEP = 10**9

History = list[dict[str, Any]]  # rows of a run: a step, and values and images by name
Previews = list[tuple[Image.Image, str]]  # sample grids with captions


class RunsUpdate(NamedTuple):
    """The content of the tab."""

    figure: go.Figure
    previews: Previews
    step: int  # of the previews
    last_step: int
    runs: dict[str, str]  # labels of all runs of the project by id


def list_projects() -> list[str]:
    return SQLiteStorage.get_projects()


def list_runs(project: object) -> dict[str, str]:
    """Return the labels of a project's runs by id, the newest first."""
    project = parse_choice(project, list_projects(), "a project")
    labels = {}
    for run in reversed(SQLiteStorage.get_run_records(project)):
        time = str(run["created_at"])[:16].replace("T", " ")
        labels[str(run["id"] or run["name"])] = f"{run['name']} · {time}"
    return labels


def curve_names(project: str, run: str | None) -> list[str]:
    """Return the names of a run's curves."""
    return [] if run is None else list(extract_curves(SQLiteStorage.get_logs(project, run_id=run)))


def read_histories(project: object, runs: object) -> dict[str, History]:
    """Return the chosen runs by label. Raises UserError for unknown runs."""
    labels = list_runs(project)
    ids = parse_choices(runs, list(labels), MAX_RUNS, "runs")
    return {labels[run]: SQLiteStorage.get_logs(project, run_id=run) for run in ids}


def extract_curves(history: History) -> Curves:
    """Return the numbers of a run by name, thinned to about MAX_POINTS each."""
    curves: Curves = {}
    for row in history:
        for name, value in row.items():
            if name != "step" and type(value) in (int, float) and math.isfinite(value):
                curves.setdefault(name, []).append((row["step"], value))
    return {
        name: points[:: math.ceil(len(points) / MAX_POINTS)] + points[-1:]
        for name, points in curves.items()
    }


def find_preview(history: History, step: int) -> tuple[Image.Image, int] | None:
    """Return the last sample grid up to a step, or else the first one, and its step."""
    images = [
        (row["step"], value["file_path"])
        for row in history
        for value in row.values()
        if isinstance(value, dict) and value.get("_type") == "trackio.image"
    ]
    for image_step, file in sorted(images, key=lambda it: (it[0] > step, abs(it[0] - step))):
        path = (MEDIA_DIR / str(file)).resolve()
        if path.is_relative_to(MEDIA_DIR.resolve()) and path.is_file():
            with Image.open(path) as image:
                return image.convert("RGB"), image_step
    return None


def plot_histories(histories: Mapping[str, History], names: object) -> go.Figure:
    """Plot the curves with the given names, or all, of several runs."""
    curves = {label: extract_curves(history) for label, history in histories.items()}
    known = list(dict.fromkeys(name for several in curves.values() for name in several))
    chosen = parse_choices(names, known, MAX_CURVES, "curves") if names else known[:MAX_CURVES]
    figure = plot_curves(curves, {name: name for name in chosen})
    return figure.update_xaxes(title_text="step", title_standoff=4, row=max(len(chosen), 1))


def find_previews(histories: Mapping[str, History], step: object) -> Previews:
    """Return a sample grid of each run."""
    step = parse_int(step, 0, MAX_STEP, "as the step")
    previews = {label: find_preview(history, step) for label, history in histories.items()}
    return [(it[0], f"{label}, step {it[1]}") for label, it in previews.items() if it is not None]


def training_curves(project: object, runs: object, curves: object) -> go.Figure:
    """Plot losses of runs. Raises UserError for unknown runs or curves."""
    return plot_histories(read_histories(project, runs), curves)


def training_samples(project: object, runs: object, step: object) -> Previews:
    """Return sample grids of runs at a step. Raises UserError for unknown runs."""
    return find_previews(read_histories(project, runs), step)


def read_update(
    project: object,
    runs: object,
    curves: object,
    step: int,
    previous: tuple[int, int],
    only_new: bool,
) -> RunsUpdate | None:
    """Return the content of the tab for the chosen runs.

    Args:
        step: of the previews; they stay at the last step if they were there
        previous: number of runs and last step of the previous update
        only_new: return None if these are unchanged
    """
    histories, labels = read_histories(project, runs), list_runs(project)
    last = max((row["step"] for rows in histories.values() for row in rows), default=0)
    if only_new and previous == (len(labels), last):
        return None
    step = last if step == previous[1] or step > last else step
    figure = plot_histories(histories, curves)
    return RunsUpdate(figure, find_previews(histories, step), step, last, labels)
