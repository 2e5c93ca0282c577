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


def panes(heights: list[float], **axes: dict) -> go.Figure:
    """Panes one below the other, so many pixels high. axes: fields of the layout, by name."""
    total = sum(heights) + 40 * len(heights)
    gap = 40 / total
    figure = make_subplots(rows=len(heights), row_heights=heights, vertical_spacing=gap)
    figure.layout.template = None  # of several kilobytes, which are not used
    figure.update_layout(
        height=total,
        margin={"l": 40, "r": 12, "t": 8, "b": 36},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend={"orientation": "h", "y": 1.01, "yanchor": "bottom"},
        dragmode=False,
        **axes,
    )
    # A finger that moves over a plot scrolls the page.
    figure.update_xaxes(fixedrange=True, zeroline=False)
    figure.update_yaxes(fixedrange=True, zeroline=False)
    return figure


def floats(values: Tensor) -> np.ndarray:
    """As they travel to the page, in few bytes."""
    return values.float().numpy()
