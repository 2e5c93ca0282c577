"""The Gradio app. To add a tab, write its package, a row of TABS, and its texts in locales/."""

from collections.abc import Callable, Sequence
from pathlib import Path

import gradio as gr

from genmodels.ui import distances, generate, inpaint, interpolate, laboratory, metrics, models_tab
from genmodels.ui.app_state import AppState, Laboratory
from genmodels.ui.i18n import I18N, translate
from genmodels.ui.models import Models
from genmodels.ui.theme import CSS, HEAD, THEME
from genmodels.ui.validation import check_component

__all__ = ["CSS", "HEAD", "I18N", "TABS", "THEME", "Laboratory", "build"]

# The functions that build the tabs, by their names in URLs: ?tab=...
TABS: dict[str, Callable[[AppState], None]] = {
    "generate": generate.tab,
    "inpaint": inpaint.tab,
    "interpolate": interpolate.tab,
    "metrics": metrics.tab,
    "distances": distances.tab,
    "laboratory": laboratory.tab,
    "models": models_tab.tab,
}


def build(
    models: Models,
    laboratory: Laboratory | None = None,
    extractors: Sequence[Path | str] = (),
) -> gr.Blocks:
    """Build the app; without `laboratory`, the tabs that train lack their training.

    Args:
        extractors: folders of classifiers that metrics may use as feature extractors

    Raises:
        UserError: one of `extractors` contains no classifier.
    """
    with gr.Blocks(title="genmodels", analytics_enabled=False, delete_cache=(3600, 86400)) as app:
        gr.Markdown(translate("app_title"))
        saved_samples, tabs = gr.State([], time_to_live=3600), gr.Tabs(elem_id="tabs")
        shared = AppState(models, laboratory, saved_samples, tabs, extractors)
        with tabs:
            for name, tab in TABS.items():
                with gr.Tab(translate(f"tab_{name}"), id=name, elem_id=f"tab-{name}"):
                    tab(shared)
        shared.follow_links(app)
    for component in app.blocks.values():
        if isinstance(component, gr.components.Component):
            check_component(component, f"a valid value for a {component.get_block_name()}")
    return app
