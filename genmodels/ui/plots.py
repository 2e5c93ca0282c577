"""How plots look: on the page's own ground, in few colours, and with formulas beside them."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from torch import Tensor

FORMULAS = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "$", "right": "$", "display": False},
]
SLATE, TEAL, ORANGE, VIOLET = "#64748b", "#0d9488", "#ea580c", "#8b5cf6"
COLOURS = ("#14b8a6", "#b45309", "#818cf8", "#db2777")  # the first has the accent's hue
DASHES = ("solid", "dash", "dot", "dashdot")  # for whoever sees no colours
HEIGHT = 190  # pixels of a panel


def panes(heights: list[float], **axes: dict) -> go.Figure:
    """Panes one below the other, so many pixels high. axes: fields of the layout, by name."""
    total = sum(heights) + 40 * len(heights)
    gap = 40 / total
    figure = make_subplots(rows=len(heights), row_heights=heights, vertical_spacing=gap)
    dress(figure, total, {"l": 40, "r": 12, "t": 8, "b": 36}, 1.01)
    # A finger that moves over a plot scrolls the page.
    figure.update_layout(dragmode=False, **axes)
    figure.update_xaxes(fixedrange=True)
    figure.update_yaxes(fixedrange=True)
    return figure


def panels(titles: list[str]) -> go.Figure:
    """A panel for each title, one below the other; with lines in COLOURS and DASHES."""
    count = max(len(titles), 1)
    figure = make_subplots(count, 1, subplot_titles=titles, vertical_spacing=0.25 / count)
    margin = {"l": 50, "r": 10, "t": 60, "b": 40}
    dress(figure, 90 + HEIGHT * count, margin, 1 + 30 / (HEIGHT * count))
    figure.update_annotations(font_size=13)
    figure.update_xaxes(gridcolor="#888", automargin=True)
    figure.update_yaxes(gridcolor="#888", automargin=True)
    return figure


def dress(figure: go.Figure, height: float, margin: dict[str, int], legend: float) -> None:
    """The page shows through, and gives the colours. legend: its foot, in heights of the plot"""
    figure.layout.template = None  # of several kilobytes, which are not used
    figure.update_layout(
        height=height,
        margin=margin,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend={"orientation": "h", "yanchor": "bottom", "y": legend},
    )
    figure.update_xaxes(zeroline=False)
    figure.update_yaxes(zeroline=False)


def to_numpy(values: Tensor) -> np.ndarray:
    """As they travel to the page, in few bytes."""
    return values.float().numpy()
