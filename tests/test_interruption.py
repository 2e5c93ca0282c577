"""A run that is stopped, killed or out of luck in any other way loses nothing."""

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from accelerate import Accelerator
from accelerate.tracking import GeneralTracker
from safetensors import SafetensorError

import genmodels
from tests.conftest import ROOT, shrink
from tests.test_training import assert_equal, finish, launch, script, tiny
from training.configs.config import Config
from training.core import loop
from training.core.checkpoints import step_of
from training.core.interruption import interruptible
from training.core.loop import train

Small = Callable[..., Config]


def wait_for(found: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not found() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert found()


def last_step(folder: Path) -> int:
    return max(map(step_of, folder.glob("checkpoint-*")), default=0)


@pytest.mark.parametrize(
    ("number", "code", "processes"),
    [(signal.SIGTERM, 143, 1), (signal.SIGINT, 130, 1), (signal.SIGTERM, 143, 2)],
)
def test_a_run_that_is_told_to_stop_writes_a_checkpoint_and_says_how_to_go_on(
    number: signal.Signals, code: int, processes: int, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    fields = {"max_train_steps": 100_000, "preview_steps": 10, "checkpointing_steps": 100_000}
    run = launch("vae-fashion", *tiny(folder, **fields), processes=processes)
    wait_for(lambda: len(list((folder / "samples").glob("*.png"))) > 1)
    told = run.pid if processes == 1 else children(run.pid)[0]
    os.kill(told, number)
    output, _ = run.communicate(timeout=120)
    stopped = last_step(folder)
    told = f"stopped after step {stopped} of 100000: go on with --resume_from_checkpoint latest"
    assert output.count(told) == 1
    assert "Traceback" not in output.split("stopped after")[0]
    if processes == 1:
        assert run.returncode == code
    else:
        assert f"exitcode  : {code}" in output  # as torchrun reports its processes
    goal = stopped + 3
    more = {"max_train_steps": goal, "resume_from_checkpoint": "latest"}
    finish(launch("vae-fashion", *tiny(folder, **more), processes=processes))
    finish(
        launch("vae-fashion", *tiny(tmp_path / "whole", max_train_steps=goal), processes=processes)
    )
    assert_equal(folder, tmp_path / "whole")


def test_a_run_stops_when_its_launcher_is_told_to(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    fields = tiny(folder, max_train_steps=100_000, preview_steps=10)
    program = ("-m", "accelerate.commands.launch", "-m", "training")
    run = launch("vae-fashion", *fields, program=program)
    wait_for(lambda: (folder / "samples").exists())
    run.terminate()
    output, _ = run.communicate(timeout=120)  # until the run, too, has closed its output
    assert f"stopped after step {last_step(folder)} of 100000: go on with" in output
    assert run.returncode == -signal.SIGTERM


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_second_ctrl_c_ends_at_once_unless_a_launcher_repeats_the_first() -> None:
    before = signal.getsignal(signal.SIGINT)  # ignored, where the tests run in the background
    with interruptible() as interruption:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.signal == signal.SIGINT
        interruption.first -= 2  # seconds ago
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_pipeline_that_cannot_be_published_is_still_in_its_checkpoint(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise SafetensorError("I/O error: No space left on device")

    publish = loop.publish
    monkeypatch.setattr(loop, "publish", fail)
    config = small("vae-fashion")
    with pytest.raises(OSError, match=r"could not publish .* No space .*checkpoint-4, from which"):
        train(config)
    monkeypatch.setattr(loop, "publish", publish)
    train(small("vae-fashion", resume_from_checkpoint="latest"))
    assert genmodels.load(config.output_dir)


def test_before_the_first_step_ctrl_c_ends_without_a_traceback(tmp_path: Path) -> None:
    program = script(
        tmp_path / "early.py",
        "import training.core.loop, training.__main__ as command\n"
        "def interrupt(config): raise KeyboardInterrupt\n"
        "command.train = interrupt\n"
        "command.main()\n",
    )
    run = launch("vae-fashion", program=program)
    output, _ = run.communicate(timeout=120)
    assert (run.returncode, output) == (130, "")


def test_a_run_killed_at_any_moment_leaves_its_last_checkpoint_whole(tmp_path: Path) -> None:
    run = launch(
        "vae-fashion", *tiny(tmp_path / "run", max_train_steps=100_000, checkpointing_steps=1)
    )
    wait_for(lambda: len(list((tmp_path / "run").glob("checkpoint-*"))) > 1)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    goal = last_step(tmp_path / "run") + 2
    fields = {"max_train_steps": goal, "resume_from_checkpoint": "latest"}
    finish(launch("vae-fashion", *tiny(tmp_path / "run", **fields)))
    assert genmodels.load(tmp_path / "run")


KILLED = """
import os, signal, sys
from pathlib import Path
from accelerate import Accelerator
from tests.conftest import shrink
from training.core.loop import train

save = Accelerator.save_state

def die(self, folder):
    save(self, folder)
    if folder.endswith("-4"):
        largest = max(Path(folder).iterdir(), key=lambda path: path.stat().st_size)
        largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])
        os.kill(os.getpid(), signal.SIGKILL)

Accelerator.save_state = die
train(shrink(sys.argv[1], output_dir=sys.argv[2], max_train_steps=6, checkpointing_steps=2))
"""


def test_killed_while_it_writes_a_checkpoint_a_run_has_the_one_before(tmp_path: Path) -> None:
    name = "gan-fashion"
    run = launch(name, str(tmp_path / name), program=script(tmp_path / "killed.py", KILLED))
    output, _ = run.communicate(timeout=120)
    assert run.returncode == -signal.SIGKILL, output
    assert [path.name for path in (tmp_path / name).glob("checkpoint-*")] == ["checkpoint-2"]
    assert (tmp_path / name / ".checkpoint-4").exists()
    fields = {"max_train_steps": 6, "checkpointing_steps": 2}
    config = shrink(
        name, output_dir=str(tmp_path / name), resume_from_checkpoint="latest", **fields
    )
    train(config)
    train(shrink(name, output_dir=str(tmp_path / "whole"), **fields))
    assert_equal(tmp_path / name, tmp_path / "whole")
    assert not list((tmp_path / name).glob(".[!.]*"))


def full(monkeypatch: pytest.MonkeyPatch, steps: dict[int, int]) -> list[int]:
    """Make the disk full at some steps, for a number of attempts -> the steps of all attempts."""
    save, attempts = Accelerator.save_state, []

    def save_state(self: Accelerator, folder: str) -> None:
        save(self, folder)
        step = int(folder.rsplit("-", 1)[1])
        attempts.append(step)
        if attempts.count(step) <= steps.get(step, 0):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Accelerator, "save_state", save_state)
    return attempts


def test_a_disk_that_is_full_for_a_while_costs_a_checkpoint_and_no_more(
    small: Small, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    attempts = full(monkeypatch, {3: 2, 4: 1})
    folder = tmp_path / "vae-fashion"
    train(small("vae-fashion", max_train_steps=5, checkpointing_steps=1))
    shown = capsys.readouterr().err
    assert "could not write a checkpoint at step 3" in shown
    assert "No space left on device; training goes on" in shown
    assert attempts == [1, 2, 3, 3, 4, 4, 5]  # the second attempt is once old ones gave room
    assert {path.name for path in folder.glob("checkpoint-*")} == {"checkpoint-4", "checkpoint-5"}
    assert not list(folder.glob(".[!.]*"))


def test_a_checkpoint_is_on_the_disk_before_it_has_its_name(
    small: Small, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Or a loss of power might leave the name, and nothing in it."""
    done: list[str] = []
    sync, rename = os.fsync, Path.rename

    def fsync(handle: int) -> None:
        done.append(os.readlink(f"/proc/self/fd/{handle}"))
        sync(handle)

    def renamed(path: Path, whole: Path) -> Path:
        left = {str(file) for file in [path, *path.rglob("*")]} - set(done)
        assert not left
        done.append("renamed")
        return rename(path, whole)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", renamed)
    train(small("vae-fashion", checkpointing_steps=100))
    assert str(tmp_path / "vae-fashion") in done[done.index("renamed") :]


def test_the_last_checkpoint_is_waited_for(
    small: Small, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    attempts = full(monkeypatch, {4: 5})
    monkeypatch.setattr(loop, "PATIENCE", 0.01)
    train(small("vae-fashion"))
    assert attempts == [4] * 6
    assert genmodels.load(tmp_path / "vae-fashion")


def test_what_really_cannot_be_written_is_told_and_what_was_stays(tmp_path: Path) -> None:
    """No file may grow beyond some bytes: writes fail in the middle, by torch and safetensors."""
    folder = tmp_path / "run"
    finish(launch("vae-fashion", *tiny(folder)))
    before = {path.name: path.stat().st_size for path in (folder / "checkpoint-4").iterdir()}
    fields = tiny(folder, max_train_steps=8, resume_from_checkpoint="latest", checkpointing_steps=6)
    run = subprocess.Popen(
        [sys.executable, "-m", "training", "vae-fashion", *fields],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000)),
    )
    lines = []
    for line in run.stdout:
        lines.append(line)
        if "next attempt in" in line:
            run.send_signal(signal.SIGTERM)
            break
    rest, _ = run.communicate(timeout=120)
    output = "".join(lines) + rest
    assert "could not write a checkpoint at step 6" in output
    assert "training goes on" in output
    assert run.returncode == 1
    assert "error: could not write a checkpoint at step 8" in output
    after = {path.name: path.stat().st_size for path in (folder / "checkpoint-4").iterdir()}
    assert after == before
    finish(launch("vae-fashion", *fields))


@pytest.mark.parametrize("moment", ["init_trackers", "log", "end_training"])
def test_a_tracker_that_fails_ends_no_run(
    moment: str, small: Small, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("no route to the tracker")

    monkeypatch.setattr(Accelerator, moment, fail)
    config = small("vae-fashion", report_to="tensorboard", max_train_steps=6, logging_steps=1)
    train(config)
    assert capsys.readouterr().err.count("no route to the tracker") == 1
    assert genmodels.load(config.output_dir)


def test_the_curves_of_a_run_that_was_killed_have_no_doubled_steps(
    small: Small, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    logged: list[tuple[int, dict]] = []

    class Tracker(GeneralTracker):
        name, requires_logging_directory, main_process_only = "tensorboard", False, True
        tracker = None

        def __init__(self) -> None:
            super().__init__(_blank=True)

        def store_init_configuration(self, values: dict) -> None: ...

        def log(self, values: dict, step: int) -> None:
            logged.append((step, values))

        def log_images(self, values: dict, step: int, **settings: object) -> None:
            logged.append((step, {"samples": 0.0}))

    def init_trackers(self: Accelerator, *_: object) -> None:
        self.trackers = [Tracker()]

    monkeypatch.setattr(Accelerator, "init_trackers", init_trackers)
    fields = {"logging_steps": 1, "preview_steps": 2, "checkpointing_steps": 3}
    train(small("gan-fashion", output_dir=str(tmp_path / "whole"), max_train_steps=9, **fields))
    whole, logged[:] = logged.copy(), []
    killed = {"output_dir": str(tmp_path / "killed"), "max_train_steps": 9}
    show = loop.Run.show

    def kill(self: loop.Run) -> None:
        show(self)
        if self.progress.step == 8:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop.Run, "show", kill)
    with pytest.raises(KeyboardInterrupt):
        train(small("gan-fashion", **killed, **fields))
    monkeypatch.setattr(loop.Run, "show", show)
    train(small("gan-fashion", resume_from_checkpoint="latest", **killed, **fields))
    assert logged == whole
