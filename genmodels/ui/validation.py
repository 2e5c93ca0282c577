"""Validation of user input, and how the page reports errors."""

import functools
import html
import inspect
import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from genmodels.errors import UserError
from genmodels.ui.i18n import translate

SEEDS = 2**32  # seeds are below this

# Options for events that may arrive while the previous one runs; gradio drops those by default.
LATEST = {"trigger_mode": "always_last"}  # run once more, with the inputs at that time
EACH = {"trigger_mode": "multiple"}  # run all, each with its own gr.SelectData

PRIVATE = {"api_visibility": "private"}
QUIET = {"show_progress": "hidden", **PRIVATE}
FOLLOW = {"show_progress": "hidden", **LATEST}  # options of an output that follows an input


def on_device(note: gr.components.Component) -> dict[str, object]:
    """Return the options of an event that computes with a model, with its progress in a note."""
    return {"concurrency_id": "device", "show_progress": "minimal", "show_progress_on": note}


def map_results(convert: Callable[[Any], object], action: Callable[..., Iterator]) -> Callable:
    """Convert each result of an action into values of components."""

    @functools.wraps(action)  # the API names its parameters by the signature of the action
    def wrapped(*arguments: object) -> Iterator[object]:
        yield from map(convert, action(*arguments))

    return wrapped


@contextmanager
def as_gradio_error() -> Iterator[None]:
    """Turn a UserError into a gr.Error, which the page shows."""
    try:
        yield
    except UserError as error:
        # The page renders the message as HTML, and it may quote user input.
        message = html.escape(str(error), quote=False)
        raise gr.Error(message, print_exception=False) from error


def show_user_errors(function: Callable) -> Callable:
    """Wrap an event's function or generator so that the page shows its UserErrors."""
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def wrapped(*arguments: object) -> object:
            with as_gradio_error():
                yield from function(*arguments)
    else:

        @functools.wraps(function)
        def wrapped(*arguments: object) -> object:
            with as_gradio_error():
                return function(*arguments)

    return wrapped


def check_component(component: gr.components.Component, expected: str) -> None:
    """Report `expected <expected>` if gradio cannot convert a component's value."""
    convert = component.preprocess

    def preprocess(payload: object) -> object:
        try:
            return convert(payload)
        except gr.Error:
            raise
        except Exception as error:  # gradio raises many kinds for invalid payloads
            raise gr.Error(f"expected {expected}", print_exception=False) from error

    component.preprocess = preprocess


def connect_stop(stop: gr.Button, events: list[gr.events.Dependency], note: gr.Markdown) -> None:
    """Let a button cancel events and report it in their note."""
    # Two events, cancel first: a single one would report first, and a last output of the cancelled
    # event would overwrite the note.
    stop.click(None, cancels=events, **PRIVATE)
    stop.click(lambda: translate("stopped"), None, note, **PRIVATE)


def parse_seed(value: object) -> int:
    """Parse a seed from 0 to SEEDS - 1."""
    return parse_int(value, 0, SEEDS - 1, "as the seed")


def parse_int(value: object, least: int, most: int, what: str) -> int:
    """Parse a number or digits; UserError "expected <least> to <most> <what>, got ..."."""
    text = str(value).strip()
    if not re.fullmatch(r"[0-9]{1,15}(\.0)?", text) or not least <= int(float(text)) <= most:
        raise UserError(f"expected {least} to {most} {what}, got {text[:40]!r}")
    return int(float(text))


def parse_float(value: object, least: float, most: float, what: str) -> float:
    """Parse a number; UserError "expected <least> to <most> <what>, got ..."."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not least <= number <= most:
        raise UserError(f"expected {least:g} to {most:g} {what}, got {str(value)[:40]!r}")
    return number


def parse_choice(value: object, choices: list[str], what: str) -> str:
    """Check that a value is a choice; UserError "expected <what>: <choices>; got ..."."""
    if not isinstance(value, str) or value not in choices:
        raise UserError(f"expected {what}: {', '.join(choices)}; got {str(value)[:40]!r}")
    return value


def parse_choices(values: object, choices: list[str], most: int, what: str) -> list[str]:
    """Check that each of 1 to `most` values is one of the choices, and drop duplicates."""
    if not isinstance(values, list) or not 1 <= len(values) <= most:
        got = len(values) if isinstance(values, list) else repr(str(values)[:40])
        raise UserError(f"expected 1 to {most} {what}, got {got}")
    return list(dict.fromkeys(parse_choice(value, choices, what) for value in values))
