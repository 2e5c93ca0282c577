"""How things are told in words."""

import sys
import traceback
from collections.abc import Callable
from pathlib import Path


def reason(error: BaseException) -> str:
    """What went wrong in one line, and never an empty one."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def named(source: str | Path) -> str:
    """What a folder or an id is called: the best of a run goes by the run's name too."""
    *_, above, name = ("", *Path(source).resolve().parts)
    return f"{above}/{name}" if name == "best" else name


def exit_in_a_sentence(error: ValueError) -> None:
    """End a command with 2 where the user can mend what it names; any other is a bug and raised."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    if frame.f_globals["__name__"].split(".")[0] not in ("genmodels", "training", "__main__"):
        raise error
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)


def command(does: Callable[..., None] | dict[str, Callable[..., None]], program: str) -> None:
    """Run a function, or one of several by their names, by its command line.

    What the user can mend is told in a sentence.
    """
    import tyro  # only a command needs it, and the app is to start soon

    cli = tyro.extras.subcommand_cli_from_dict if isinstance(does, dict) else tyro.cli
    try:
        cli(does, prog=program, use_underscores=True)
    except ValueError as error:
        exit_in_a_sentence(error)
    except OSError as error:
        sys.exit(f"error: {error}")
