"""What a visitor gives: taken for nothing but what it is, and answered in a sentence."""

import functools
import html
import inspect
import math
import re
from collections.abc import Callable

import gradio as gr

from genmodels.errors import UserError
from genmodels.ui.i18n import translate


def show_user_errors(function: Callable) -> Callable:
    """The same, of which a UserError is shown to the visitor as the sentence that it is."""

    def sentence(error: UserError) -> gr.Error:
        # The page takes the message for HTML, and a visitor's words may stand in it.
        return gr.Error(html.escape(str(error), quote=False), print_exception=False)

    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def streaming(*arguments: object) -> object:
            try:
                yield from function(*arguments)
            except UserError as error:
                raise sentence(error) from error

        return streaming

    @functools.wraps(function)
    def calling(*arguments: object) -> object:
        try:
            return function(*arguments)
        except UserError as error:
            raise sentence(error) from error

    return calling


def check_component(component: gr.components.Component, wanted: str) -> None:
    """Let it answer in a sentence where gradio cannot take what it was given.

    wanted: in words
    """
    plain = component.preprocess

    def preprocess(payload: object) -> object:
        try:
            return plain(payload)
        except gr.Error:
            raise
        except Exception as error:  # anything may have been given
            raise gr.Error(f"expected {wanted}", print_exception=False) from error

    component.preprocess = preprocess


# Of an event that comes while the one before it is at work, which gradio would drop: the page would
# show something else than what was asked for last.
LATEST = {"trigger_mode": "always_last"}  # the last one follows, by what its inputs are then
EACH = {"trigger_mode": "multiple"}  # all follow, each by its own gr.SelectData


def connect_stop(stop: gr.Button, events: list[gr.events.Dependency], note: gr.Markdown) -> None:
    """Let a button stop events and say so in their note."""
    # One after the other: of one click that does both the page hears the words first, and what the
    # event gave meanwhile is written over them.
    stop.click(None, cancels=events, api_visibility="private")
    stop.click(lambda: translate("stopped"), None, note, api_visibility="private")


SEEDS = 2**32  # a seed is below it


def parse_seed(value: object) -> int:
    """What a visitor gave for a seed -> the whole number that it is."""
    return parse_int(value, 0, SEEDS - 1, "as the seed")


def parse_int(value: object, least: int, most: int, what: str) -> int:
    """What a visitor gave for a number, as a number or in digits -> the whole number that it is."""
    text = str(value).strip()
    if not re.fullmatch(r"[0-9]{1,15}(\.0)?", text) or not least <= int(float(text)) <= most:
        raise UserError(f"expected {least} to {most} {what}, but got {text[:40]!r}")
    return int(float(text))


def parse_choice(value: object, choices: list[str], what: str) -> str:
    """What a visitor gave for a row of a list -> that row."""
    if not isinstance(value, str) or value not in choices:
        raise UserError(f"expected {what}: {', '.join(choices)}; but got {str(value)[:40]!r}")
    return value


def parse_float(value: object, least: float, most: float, what: str) -> float:
    """What a visitor gave for a number -> the number that it is."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not least <= found <= most:
        raise UserError(f"expected {least:g} to {most:g} {what}, but got {str(value)[:40]!r}")
    return found


def parse_choices(values: object, choices: list[str], most: int, what: str) -> list[str]:
    """What a visitor gave for some rows of a list -> those rows, each once."""
    if not isinstance(values, list) or not 1 <= len(values) <= most:
        raise UserError(f"expected 1 to {most} {what}")
    return list(dict.fromkeys(parse_choice(value, choices, f"{what} of these") for value in values))
