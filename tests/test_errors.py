"""User errors are one sentence with exit code 2; every other exception keeps its traceback."""

import sys

import gradio as gr
import pytest

from genmodels.errors import UserError, run_command
from genmodels.ui.validation import show_user_errors
from training import __main__ as training_main


def fail_with(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "code"),
    [(UserError("expected a, got b"), 2), (OSError("no space left"), "error: no space left")],
)
def test_commands_report_user_errors_and_io_errors(
    error: Exception, code: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(sys, "argv", ["command"])
    with pytest.raises(SystemExit) as excinfo:
        run_command(lambda: fail_with(error), "command")
    assert excinfo.value.code == code
    if code == 2:
        assert capsys.readouterr().err == "error: expected a, got b\n"


def test_commands_raise_bugs(monkeypatch: pytest.MonkeyPatch) -> None:
    bug = ValueError("zip() argument 2 is shorter than argument 1")
    monkeypatch.setattr(sys, "argv", ["command"])
    with pytest.raises(ValueError, match=r"zip\(\)"):
        run_command(lambda: fail_with(bug), "command")
    monkeypatch.setattr(sys, "argv", ["training", "vae-fashion"])
    monkeypatch.setattr(training_main, "train", lambda config: fail_with(bug))
    with pytest.raises(ValueError, match=r"zip\(\)"):
        training_main.main()


def test_the_app_shows_user_errors_only() -> None:
    with pytest.raises(gr.Error, match="expected a, got b"):
        show_user_errors(lambda: fail_with(UserError("expected a, got b")))()
    with pytest.raises(ValueError, match="a bug") as excinfo:
        show_user_errors(lambda: fail_with(ValueError("a bug")))()
    assert not isinstance(excinfo.value, UserError)
