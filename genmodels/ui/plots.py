"""Style of plots: transparent background, few colours, and LaTeX formulas."""

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
DASHES = ("solid", "dash", "dot", "dashdot")  # so that lines differ without colours
HEIGHT = 190  # pixels per panel


def panes(heights: list[float], **axes: dict) -> go.Figure:
    """Create subplots of heights in pixels. axes: layout, such as xaxis={"range": [0, 1]}"""
    total = sum(heights) + 40 * len(heights)
    gap = 40 / total
    figure = make_subplots(rows=len(heights), row_heights=heights, vertical_spacing=gap)
    set_style(figure, total, {"l": 40, "r": 12, "t": 8, "b": 36}, 1.01)
    # On touch screens a swipe over a plot has to scroll the page.
    figure.update_layout(dragmode=False, **axes)
    figure.update_xaxes(fixedrange=True)
    figure.update_yaxes(fixedrange=True)
    return figure


def panels(titles: list[str]) -> go.Figure:
    """Create subplots with titles, one below the other, for lines in COLOURS and DASHES."""
    count = max(len(titles), 1)
    figure = make_subplots(count, 1, subplot_titles=titles, vertical_spacing=0.25 / count)
    margin = {"l": 50, "r": 10, "t": 60, "b": 40}
    set_style(figure, 90 + HEIGHT * count, margin, 1 + 30 / (HEIGHT * count))
    figure.update_annotations(font_size=13)
    figure.update_xaxes(gridcolor="#888", automargin=True)
    figure.update_yaxes(gridcolor="#888", automargin=True)
    return figure


def set_style(figure: go.Figure, height: float, margin: dict[str, int], legend_y: float) -> None:
    """Set size and legend; the page's CSS sets the colours of text and grid."""
    figure.layout.template = None  # several unused kilobytes
    figure.update_layout(
        height=height,
        margin=margin,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend={"orientation": "h", "yanchor": "bottom", "y": legend_y},
    )
    figure.update_xaxes(zeroline=False)
    figure.update_yaxes(zeroline=False)


def to_numpy(values: Tensor) -> np.ndarray:
    """Convert to float32, which plotly sends in half the bytes of float64."""
    return values.float().numpy()
