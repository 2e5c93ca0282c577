"""The tabs of the app: one file each, and a row here."""

from collections.abc import Callable
from typing import NamedTuple

import gradio as gr

from . import distances, generate, inpaint, interpolate, laboratory, metrics, overview
from .asking import careful
from .models import Models
from .sharing import Laboratory, Shared
from .theme import CSS, HEAD, THEME
from .words import COMMON, Words, say, translations

__all__ = ["CSS", "HEAD", "I18N", "TABS", "THEME", "Laboratory", "build"]


class Tab(NamedTuple):
    """What a tab shows, and its words; its key in addresses is its file's name."""

    build: Callable[[Shared], None]
    words: Words


TABS: dict[str, Tab] = {
    "generate": Tab(generate.tab, generate.WORDS),
    "inpaint": Tab(inpaint.tab, inpaint.WORDS),
    "interpolate": Tab(interpolate.tab, interpolate.WORDS),
    "metrics": Tab(metrics.tab, metrics.WORDS),
    "distances": Tab(distances.tab, distances.WORDS),
    "laboratory": Tab(laboratory.tab, laboratory.WORDS),
    "models": Tab(overview.tab, overview.WORDS),
}

WORDS: Words = {
    "app_title": (
        "# genmodels\nGenerative models of the classic lecture, side by side.",
        "# genmodels\nПорождающие модели классической лекции, рядом друг с другом.",
    ),
    "tab_generate": ("Generate", "Порождение"),
    "tab_inpaint": ("Inpaint", "Дорисовка"),
    "tab_interpolate": ("Interpolate", "Интерполяция"),
    "tab_metrics": ("Metrics", "Метрики"),
    "tab_distances": ("Distances", "Расстояния"),
    "tab_laboratory": ("Laboratory", "Лаборатория"),
    "tab_models": ("Models", "Модели"),
}

I18N = translations(WORDS, COMMON, *(tab.words for tab in TABS.values()))


def build(models: Models, laboratory: Laboratory | None = None) -> gr.Blocks:
    """The app over some models.

    laboratory: what its tab and that of distances need of training; without it they lack a part
    """
    with gr.Blocks(title="genmodels", analytics_enabled=False, delete_cache=(3600, 86400)) as app:
        gr.Markdown(say("app_title"))
        shared = Shared(
            models, laboratory, gr.State([], time_to_live=3600), {}, gr.Tabs(elem_id="tabs")
        )
        with shared.tabs:
            for name, tab in TABS.items():
                with gr.Tab(say(f"tab_{name}"), id=name, elem_id=f"tab-{name}"):
                    tab.build(shared)
        shared.follow_links(app)
    for component in app.blocks.values():
        if isinstance(component, gr.components.Component):
            careful(component, f"a value that a {component.get_block_name()} takes")
    return app
