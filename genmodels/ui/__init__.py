"""The tabs of the app: one file each, and a row here."""

from collections.abc import Callable
from pathlib import Path

import gradio as gr

from . import generate
from .models import Models
from .theme import CSS, THEME

__all__ = ["CSS", "TABS", "THEME", "build"]

TABS: dict[str, Callable[[Models], None]] = {"Generate": generate.tab}


def build(checkpoints: Path) -> gr.Blocks:
    """The app over a folder of published pipelines."""
    models = Models(checkpoints)
    with gr.Blocks(title="genmodels", analytics_enabled=False, delete_cache=(3600, 86400)) as app:
        gr.Markdown("# genmodels\nGenerative models of the classic lecture, side by side.")
        for name, tab in TABS.items():
            with gr.Tab(name):
                tab(models)
    return app
