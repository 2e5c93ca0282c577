"""Errors that the user can fix, and how a command reports them."""

import sys
from collections.abc import Callable
from pathlib import Path


class UserError(ValueError):
    """Something the user can fix: one sentence with the problem, the value and the remedy.

    Commands print it and exit with code 2; the app shows it as a gr.Error. Every other exception,
    including a plain ValueError, is a bug and keeps its traceback.
    """


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its class name if the message is empty."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def display_name(source: str | Path) -> str:
    """Return the last part of a path or Hub id; a run's folder `best` keeps the run's name."""
    *_, parent, name = ("", *Path(source).resolve().parts)
    return f"{parent}/{name}" if name == "best" else name


def exit_with(error: UserError) -> None:
    """Print a user error and exit with code 2."""
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)


def run_command(function: Callable[..., None] | dict[str, Callable[..., None]], prog: str) -> None:
    """Run a function, or subcommands by name; print a UserError (exit code 2) or an OSError (1)."""
    import tyro  # slow to import, and the app must start quickly

    cli = tyro.extras.subcommand_cli_from_dict if isinstance(function, dict) else tyro.cli
    try:
        cli(function, prog=prog, use_underscores=True)
    except UserError as error:
        exit_with(error)
    except OSError as error:
        sys.exit(f"error: {error}")
