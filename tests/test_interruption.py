"""Interrupted, killed and failing runs: graceful stop, and bit-equal resumption."""

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from accelerate import Accelerator
from accelerate.tracking import GeneralTracker
from safetensors import SafetensorError

import genmodels
from tests.conftest import ROOT, shrink, wait_for
from tests.test_training import assert_equal, finish, launch, script, tiny
from training.configs.config import Config
from training.core import loop
from training.core.checkpoints import step_of
from training.core.interruption import interruptible
from training.core.loop import train

Small = Callable[..., Config]


def last_step(folder: Path) -> int:
    return max(map(step_of, folder.glob("checkpoint-*")), default=0)


@pytest.mark.parametrize(
    ("number", "code", "processes"),
    [(signal.SIGTERM, 143, 1), (signal.SIGINT, 130, 1), (signal.SIGTERM, 143, 2)],
)
def test_signal_saves_a_checkpoint_that_resumes_bit_equal(
    number: signal.Signals, code: int, processes: int, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    fields = {"max_train_steps": 100_000, "preview_steps": 10, "checkpointing_steps": 100_000}
    run = launch("vae-fashion", *tiny(folder, **fields), processes=processes)
    wait_for(lambda: len(list((folder / "samples").glob("*.png"))) > 1, seconds=120)
    target = run.pid if processes == 1 else children(run.pid)[0]
    os.kill(target, number)
    output, _ = run.communicate(timeout=120)
    stop_step = last_step(folder)
    message = f"stopped after step {stop_step} of 100000; resume with --resume_from_checkpoint"
    assert output.count(message) == 1
    assert "Traceback" not in output.split("stopped after")[0]
    if processes == 1:
        assert run.returncode == code
    else:
        assert f"exitcode  : {code}" in output  # in the report of torchrun
    final_step = stop_step + 3
    resume = {"max_train_steps": final_step, "resume_from_checkpoint": "latest"}
    finish(launch("vae-fashion", *tiny(folder, **resume), processes=processes))
    finish(
        launch(
            "vae-fashion",
            *tiny(tmp_path / "uninterrupted", max_train_steps=final_step),
            processes=processes,
        )
    )
    assert_equal(folder, tmp_path / "uninterrupted")


def test_run_stops_when_accelerate_launch_is_terminated(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    fields = tiny(folder, max_train_steps=100_000, preview_steps=10)
    program = ("-m", "accelerate.commands.launch", "-m", "training")
    run = launch("vae-fashion", *fields, program=program)
    wait_for(lambda: (folder / "samples").exists(), seconds=120)
    run.terminate()
    output, _ = run.communicate(timeout=120)  # returns when all processes of the run have exited
    assert f"stopped after step {last_step(folder)} of 100000; resume with" in output
    assert run.returncode == -signal.SIGTERM


def children(pid: int) -> list[int]:
    """Return the ids of the child processes."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_second_ctrl_c_aborts_unless_a_launcher_repeats_the_first() -> None:
    before = signal.getsignal(signal.SIGINT)  # ignored if tests run in the background
    with interruptible() as interruption:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.signal == signal.SIGINT
        interruption.received_at -= 2  # as if two seconds had passed
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_failed_publishing_keeps_the_checkpoint(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise SafetensorError("I/O error: No space left on device")

    publish = loop.publish
    monkeypatch.setattr(loop, "publish", fail)
    config = small("vae-fashion")
    with pytest.raises(OSError, match=r"could not publish .* No space .*checkpoint-4, resume"):
        train(config)
    monkeypatch.setattr(loop, "publish", publish)
    train(small("vae-fashion", resume_from_checkpoint="latest"))
    assert genmodels.load(config.output_dir)


def test_ctrl_c_before_the_first_step_prints_no_traceback(tmp_path: Path) -> None:
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


def test_sigkill_leaves_a_complete_checkpoint(tmp_path: Path) -> None:
    run = launch(
        "vae-fashion", *tiny(tmp_path / "run", max_train_steps=100_000, checkpointing_steps=1)
    )
    wait_for(lambda: len(list((tmp_path / "run").glob("checkpoint-*"))) > 1, seconds=120)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    final_step = last_step(tmp_path / "run") + 2
    fields = {"max_train_steps": final_step, "resume_from_checkpoint": "latest"}
    finish(launch("vae-fashion", *tiny(tmp_path / "run", **fields)))
    assert genmodels.load(tmp_path / "run")


KILL_DURING_SAVE = """
import os, signal, sys
from pathlib import Path
from accelerate import Accelerator
from tests.conftest import shrink
from training.core.loop import train

save = Accelerator.save_state

def save_and_kill(self, folder):
    save(self, folder)
    if folder.endswith("-4"):
        largest = max(Path(folder).iterdir(), key=lambda path: path.stat().st_size)
        largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])
        os.kill(os.getpid(), signal.SIGKILL)

Accelerator.save_state = save_and_kill
train(shrink(sys.argv[1], output_dir=sys.argv[2], max_train_steps=6, checkpointing_steps=2))
"""


def test_sigkill_during_a_checkpoint_keeps_the_previous_one(tmp_path: Path) -> None:
    name = "gan-fashion"
    run = launch(
        name, str(tmp_path / name), program=script(tmp_path / "killed.py", KILL_DURING_SAVE)
    )
    output, _ = run.communicate(timeout=120)
    assert run.returncode == -signal.SIGKILL, output
    assert [path.name for path in (tmp_path / name).glob("checkpoint-*")] == ["checkpoint-2"]
    assert (tmp_path / name / ".checkpoint-4").exists()
    fields = {"max_train_steps": 6, "checkpointing_steps": 2}
    config = shrink(
        name, output_dir=str(tmp_path / name), resume_from_checkpoint="latest", **fields
    )
    train(config)
    train(shrink(name, output_dir=str(tmp_path / "uninterrupted"), **fields))
    assert_equal(tmp_path / name, tmp_path / "uninterrupted")
    assert not list((tmp_path / name).glob(".[!.]*"))


def fill_disk(monkeypatch: pytest.MonkeyPatch, steps: dict[int, int]) -> list[int]:
    """Let saves fail as on a full disk.

    Args:
        steps: number of saves that fail, by step

    Returns:
        The step of each attempt to save; it grows during training.
    """
    save, attempts = Accelerator.save_state, []

    def save_state(self: Accelerator, folder: str) -> None:
        save(self, folder)
        step = int(folder.rsplit("-", 1)[1])
        attempts.append(step)
        if attempts.count(step) <= steps.get(step, 0):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Accelerator, "save_state", save_state)
    return attempts


def test_training_continues_on_a_full_disk(
    small: Small, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    attempts = fill_disk(monkeypatch, {3: 2, 4: 1})
    folder = tmp_path / "vae-fashion"
    train(small("vae-fashion", max_train_steps=5, checkpointing_steps=1))
    output = capsys.readouterr().err
    assert "could not write a checkpoint at step 3" in output
    assert "No space left on device; training continues" in output
    assert attempts == [1, 2, 3, 3, 4, 4, 5]  # the retry follows the deletion of old checkpoints
    assert {path.name for path in folder.glob("checkpoint-*")} == {"checkpoint-4", "checkpoint-5"}
    assert not list(folder.glob(".[!.]*"))


def test_checkpoint_is_synced_before_it_is_renamed(
    small: Small, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without fsync, a power failure may leave an empty checkpoint."""
    synced_paths: list[str] = []
    sync, rename = os.fsync, Path.rename

    def fsync(handle: int) -> None:
        synced_paths.append(os.readlink(f"/proc/self/fd/{handle}"))
        sync(handle)

    def checked_rename(path: Path, complete: Path) -> Path:
        unsynced = {str(file) for file in [path, *path.rglob("*")]} - set(synced_paths)
        assert not unsynced
        synced_paths.append("renamed")
        return rename(path, complete)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", checked_rename)
    train(small("vae-fashion", checkpointing_steps=100))
    assert str(tmp_path / "vae-fashion") in synced_paths[synced_paths.index("renamed") :]


def test_last_checkpoint_is_retried(
    small: Small, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    attempts = fill_disk(monkeypatch, {4: 5})
    monkeypatch.setattr(loop, "RETRY_AFTER", 0.01)
    train(small("vae-fashion"))
    assert attempts == [4] * 6
    assert genmodels.load(tmp_path / "vae-fashion")


def test_file_size_limit_stops_the_run_and_keeps_checkpoints(tmp_path: Path) -> None:
    """A file size limit makes torch and safetensors fail in the middle of a write."""
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
    assert "training continues" in output
    assert run.returncode == 1
    assert "error: could not write a checkpoint at step 8" in output
    after = {path.name: path.stat().st_size for path in (folder / "checkpoint-4").iterdir()}
    assert after == before
    finish(launch("vae-fashion", *fields))


@pytest.mark.parametrize("method", ["init_trackers", "log", "end_training"])
def test_failing_tracker_does_not_stop_training(
    method: str, small: Small, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("no route to the tracker")

    monkeypatch.setattr(Accelerator, method, fail)
    config = small("vae-fashion", report_to="tensorboard", max_train_steps=6, logging_steps=1)
    train(config)
    assert capsys.readouterr().err.count("no route to the tracker") == 1
    assert genmodels.load(config.output_dir)


def test_resumed_run_logs_each_step_once(
    small: Small, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    records: list[tuple[int, dict]] = []

    class Tracker(GeneralTracker):
        name, requires_logging_directory, main_process_only = "tensorboard", False, True
        tracker = None

        def __init__(self) -> None:
            super().__init__(_blank=True)

        def store_init_configuration(self, values: dict) -> None: ...

        def log(self, values: dict, step: int) -> None:
            records.append((step, values))

        def log_images(self, values: dict, step: int, **options: object) -> None:
            records.append((step, {"samples": 0.0}))

    def init_trackers(self: Accelerator, *_: object) -> None:
        self.trackers = [Tracker()]

    monkeypatch.setattr(Accelerator, "init_trackers", init_trackers)
    fields = {"logging_steps": 1, "preview_steps": 2, "checkpointing_steps": 3}
    train(
        small(
            "gan-fashion", output_dir=str(tmp_path / "uninterrupted"), max_train_steps=9, **fields
        )
    )
    uninterrupted, records[:] = records.copy(), []
    settings = {"output_dir": str(tmp_path / "killed"), "max_train_steps": 9}
    log_preview = loop.Run.log_preview

    def kill(self: loop.Run) -> None:
        log_preview(self)
        if self.progress.step == 8:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop.Run, "log_preview", kill)
    with pytest.raises(KeyboardInterrupt):
        train(small("gan-fashion", **settings, **fields))
    monkeypatch.setattr(loop.Run, "log_preview", log_preview)
    train(small("gan-fashion", resume_from_checkpoint="latest", **settings, **fields))
    assert records == uninterrupted
