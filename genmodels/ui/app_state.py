"""What the tabs share, none of which imports another."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import gradio as gr
from torch import Tensor

from genmodels.ui.models import Models


class Laboratory(NamedTuple):
    """What two tabs need of training, handed over by whoever imports both."""

    run: Callable[..., object]  # training.studies.laboratory.run
    critics: Callable[..., object]  # training.studies.laboratory.critics
    objectives: list[str]  # names
    data: list[str]  # names of the 2-D datasets


class SavedSample(NamedTuple):
    """A sample that the visitor clicked, to be taken to another tab."""

    model: str
    latent: Tensor  # (*Z)
    label: int | None
    image: Tensor  # (C, S, S) in [-1, 1]


@dataclass
class AppState:
    """One for the app: its components belong to each visitor's own page all the same."""

    models: Models
    laboratory: Laboratory | None
    kept: gr.State  # list[SavedSample], the newest last
    links: dict[str, list[gr.components.Component]]  # by the parameter of an address they follow
    tabs: gr.Tabs
    reopen: dict[str, object] | None = None  # an event, to follow when the links have been

    def link(self, **components: gr.components.Component) -> None:
        """Let components follow parameters of the page's address: ?model=...&seed=..."""
        for name, component in components.items():
            self.links.setdefault(name, []).append(component)

    def follow_links(self, app: gr.Blocks) -> None:
        """Restore from the address what was linked, when the page is opened."""
        components = [component for several in self.links.values() for component in several]

        def restore(request: gr.Request) -> list[object]:
            asked = dict(request.query_params)
            tabs = gr.Tabs(selected=asked["tab"]) if "tab" in asked else gr.skip()
            values = [
                asked.get(name, gr.skip()) for name, several in self.links.items() for _ in several
            ]
            return [tabs, *values]

        event = app.load(restore, None, [self.tabs, *components], api_visibility="private")
        if self.reopen:
            event.then(**self.reopen, api_visibility="private")
