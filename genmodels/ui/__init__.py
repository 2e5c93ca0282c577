"""The Gradio app. To add a tab, write its file or package and add a row to TABS and TEXTS."""

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
    """A tab: the function that builds its components, and its texts."""

    build: Callable[[AppState], None]
    texts: Texts


# By the tab's name in URLs: ?tab=...
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
        "# genmodels\nVAEs, GANs and diffusion models, side by side.",
        "# genmodels\nVAE, GAN и диффузионные модели — рядом, для сравнения.",
    ),
    "tab_generate": ("Generate", "Генерация"),
    "tab_inpaint": ("Inpaint", "Инпейнтинг"),
    "tab_interpolate": ("Interpolate", "Интерполяция"),
    "tab_metrics": ("Metrics", "Метрики"),
    "tab_distances": ("Distances", "Расстояния"),
    "tab_laboratory": ("Laboratory", "Лаборатория"),
    "tab_models": ("Models", "Модели"),
}

I18N = translations(TEXTS, COMMON, *(tab.texts for tab in TABS.values()))


def build(models: Models, laboratory: Laboratory | None = None) -> gr.Blocks:
    """Build the app.

    Args:
        laboratory: for the tabs Laboratory and Distances; without it they lack the parts that train
    """
    with gr.Blocks(title="genmodels", analytics_enabled=False, delete_cache=(3600, 86400)) as app:
        gr.Markdown(translate("app_title"))
        saved_samples, tabs = gr.State([], time_to_live=3600), gr.Tabs(elem_id="tabs")
        shared = AppState(models, laboratory, saved_samples, tabs)
        with tabs:
            for name, tab in TABS.items():
                with gr.Tab(translate(f"tab_{name}"), id=name, elem_id=f"tab-{name}"):
                    tab.build(shared)
        shared.follow_links(app)
    for component in app.blocks.values():
        if isinstance(component, gr.components.Component):
            check_component(component, f"a valid value for a {component.get_block_name()}")
    return app
