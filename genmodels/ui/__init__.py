"""The tabs of the app: one file each, and a row here."""

from collections.abc import Callable
from typing import NamedTuple

import gradio as gr

from genmodels.ui import distances, generate, inpaint, interpolate, laboratory, metrics, models_tab
from genmodels.ui.app_state import AppState, Laboratory
from genmodels.ui.i18n import COMMON, Texts, translate, translations
from genmodels.ui.models import Models
from genmodels.ui.theme import CSS, HEAD, THEME
from genmodels.ui.validation import check_component

__all__ = ["CSS", "HEAD", "I18N", "TABS", "THEME", "Laboratory", "build"]


class Tab(NamedTuple):
    """What a tab shows, and its words; its key in addresses is its file's name."""

    build: Callable[[AppState], None]
    words: Texts


TABS: dict[str, Tab] = {
    "generate": Tab(generate.tab, generate.TEXTS),
    "inpaint": Tab(inpaint.tab, inpaint.TEXTS),
    "interpolate": Tab(interpolate.tab, interpolate.TEXTS),
    "metrics": Tab(metrics.tab, metrics.TEXTS),
    "distances": Tab(distances.tab, distances.TEXTS),
    "laboratory": Tab(laboratory.tab, laboratory.TEXTS),
    "models": Tab(models_tab.tab, models_tab.TEXTS),
}

TEXTS: Texts = {
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

I18N = translations(TEXTS, COMMON, *(tab.words for tab in TABS.values()))


def build(models: Models, laboratory: Laboratory | None = None) -> gr.Blocks:
    """The app over some models.

    laboratory: what its tab and that of distances need of training; without it they lack a part
    """
    with gr.Blocks(title="genmodels", analytics_enabled=False, delete_cache=(3600, 86400)) as app:
        gr.Markdown(translate("app_title"))
        shared = AppState(
            models, laboratory, gr.State([], time_to_live=3600), {}, gr.Tabs(elem_id="tabs")
        )
        with shared.tabs:
            for name, tab in TABS.items():
                with gr.Tab(translate(f"tab_{name}"), id=name, elem_id=f"tab-{name}"):
                    tab.build(shared)
        shared.follow_links(app)
    for component in app.blocks.values():
        if isinstance(component, gr.components.Component):
            check_component(component, f"a value that a {component.get_block_name()} takes")
    return app
