"""A tab."""

from .sharing import Shared
from .words import Words

WORDS: Words = {}


def tab(shared: Shared) -> None:
    """Build the tab."""
