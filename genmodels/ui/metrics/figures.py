"""Curves of models and training runs."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from genmodels.ui.plots import COLOURS, DASHES, panels

Points = list[tuple[int, float]]  # samples or step, and value
Curves = dict[str, Points]  # by metric or loss


def plot_curves(
    lines: Mapping[str, Curves], titles: Mapping[str, str], mode: str = "lines"
) -> go.Figure:
    """Plot a panel per curve with a line per model or run; NAME_std is a band around NAME."""
    figure = panels(list(titles.values()))
    in_legend: set[str] = set()
    for row, key in enumerate(titles, 1):
        for (name, curves), colour, dash in zip(lines.items(), COLOURS, DASHES, strict=False):
            if key not in curves:
                continue
            x, y = zip(*curves[key], strict=True)
            if f"{key}_std" in curves:
                figure.add_trace(band(curves[key], curves[f"{key}_std"], colour), row, 1)
            style = {"color": colour, "dash": dash, "width": 1.5}
            line = go.Scatter(x=x, y=y, name=name, legendgroup=name, mode=mode, line=style)
            line.showlegend = name not in in_legend
            in_legend.add(name)
            figure.add_trace(line, row, 1)
    figure.update_layout(showlegend=True)
    return figure


def band(curve: Points, deviations: Points, colour: str) -> go.Scatter:
    """Return the area within one deviation of a curve, where it has a deviation."""
    values = dict(curve)
    x, deviations = zip(*deviations, strict=True)
    y = [values[position] for position in x]
    upper, lower = np.add(y, deviations), np.subtract(y, deviations)
    style = {"mode": "lines", "line_width": 0, "hoverinfo": "skip", "showlegend": False}
    area = {"fill": "toself", "fillcolor": colour, "opacity": 0.2}
    return go.Scatter(x=[*x, *x[::-1]], y=[*upper, *lower[::-1]], **area, **style)
