"""State shared by the tabs, so that no tab imports another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import gradio as gr
from torch import Tensor

from genmodels.ui.models import Models
from genmodels.ui.validation import PRIVATE


class Laboratory(NamedTuple):
    """Parts of the training package that two tabs need; app.py passes them in."""

    run: Callable[..., object]  # training.studies.laboratory.run
    critics: Callable[..., object]  # training.studies.laboratory.train_critics
    objectives: list[str]  # names
    data: list[str]  # names of the 2-D datasets


class SavedSample(NamedTuple):
    """A sample that the user clicked, for use in other tabs."""

    model: str
    latent: Tensor  # (*Z)
    label: int | None
    image: Tensor  # (C, S, S) in [-1, 1]


@dataclass(frozen=True)
class AppState:
    """The models, and the components that several tabs use. Values are per user session."""

    models: Models
    laboratory: Laboratory | None
    saved_samples: gr.State  # list[SavedSample], the newest last
    tabs: gr.Tabs
    extractors: Sequence[Path | str] = ()  # folders of classifiers
    links: dict[str, list[gr.components.Component]] = field(default_factory=dict)
    linked_events: list[dict[str, object]] = field(default_factory=list)

    def link(self, **components: gr.components.Component) -> None:
        """Set components from parameters of the page's URL: ?model=...&seed=..."""
        for name, component in components.items():
            self.links.setdefault(name, []).append(component)

    def run_after_links(self, event: dict[str, object]) -> None:
        """Run an event, given as arguments of `then`, after the linked components are set."""
        self.linked_events.append(event)

    def follow_links(self, app: gr.Blocks) -> None:
        """Set the selected tab and the linked components when the page is opened."""
        names = [name for name, linked in self.links.items() for _ in linked]
        components = [component for linked in self.links.values() for component in linked]

        def restore(request: gr.Request) -> list[object]:
            parameters = dict(request.query_params)
            tabs = gr.Tabs(selected=parameters["tab"]) if "tab" in parameters else gr.skip()
            return [tabs, *(parameters.get(name, gr.skip()) for name in names)]

        loaded = app.load(restore, None, [self.tabs, *components], **PRIVATE)
        for event in self.linked_events:
            loaded.then(**event, **PRIVATE)
