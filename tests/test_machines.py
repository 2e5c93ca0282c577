"""Training on several machines that share no disk, simulated by processes in different folders."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils.launch import prepare_simple_launcher_cmd_env

import genmodels
from genmodels.errors import UserError
from tests.conftest import FASHION, ROOT, shrink
from tests.test_training import assert_equal, load_tensors, script
from training.core import setup
from training.core.loop import train

MACHINE = """
import json, os, sys
from pathlib import Path
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from genmodels.errors import UserError
from tests.conftest import shrink
from training.core import loop

dataset, rank = sys.argv[1], int(os.environ["RANK"])
Accelerator.end_training = lambda self: None  # keep the group
loop.RETRY_AFTER, loop.ATTEMPTS = 0.01, 3
errors = {}

def run(purpose, folder, steps, **fields):
    AcceleratorState._reset_state()
    options = {"dataset_name": dataset, "train_batch_size": 4} | fields
    try:
        loop.train(shrink("vae-fashion", output_dir=folder, max_train_steps=steps, **options))
    except (UserError, OSError) as error:
        errors[purpose] = f"{type(error).__name__}: {error}"

run("uninterrupted", "uninterrupted", 4)
run("stopped", "resumed", 2)
run("folder of rank 0 has files", "resumed", 4)
run("resumed", "resumed", 4, resume_from_checkpoint="latest")
run("rank 1 has no data", "no data", 4, dataset_name=dataset if rank == 0 else "nowhere")
run("ranks have other data", "other data", 4, resolution=28 + 4 * rank)
attempts, save = [], Accelerator.save_state

def save_state(self, folder):
    attempts.append(folder)
    save(self, folder)
    raise OSError(28, "No space left on device")

Accelerator.save_state = save_state
run("full disk", "full", 2)
Path(f"../result{rank}.json").write_text(json.dumps({"errors": errors, "attempts": attempts}))
Accelerator().wait_for_everyone()
os._exit(0)  # the exit of the interpreter may hang in gloo's threads
"""


def launch_machine(rank: int, folder: Path, port: int, *command: str) -> subprocess.Popen:
    """Start the only process of one of two machines, in its own folder."""
    folder.mkdir()
    variables = {"RANK": rank, "WORLD_SIZE": 2, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 1}
    variables |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": 1}
    variables |= {"ACCELERATE_USE_CPU": "true", "PYTHONPATH": ROOT}
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | {name: str(value) for name, value in variables.items()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of two machines, 0 and 1, after several runs."""
    folder, port = tmp_path_factory.mktemp("machines"), free_port()
    command = *script(folder / "machine.py", MACHINE), str(ROOT / FASHION)
    runs = [launch_machine(rank, folder / str(rank), port, *command) for rank in (0, 1)]
    outputs = [run.communicate(timeout=120)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], "\n".join(outputs)
    return folder


def test_machines_without_a_shared_disk_resume_bit_equal(machines: Path) -> None:
    assert_equal(machines / "0" / "uninterrupted", machines / "0" / "resumed")
    assert genmodels.load(machines / "0" / "resumed")
    assert list((machines / "1").iterdir()) == []  # only the main process writes


def test_all_machines_raise_the_same_error(machines: Path) -> None:
    results = [json.loads((machines / f"result{rank}.json").read_text()) for rank in (0, 1)]
    assert results[0]["errors"] == results[1]["errors"]
    expected = {
        "folder of rank 0 has files": "UserError: expected a new or empty --output_dir, got",
        "rank 1 has no data": "UserError: ",
        "ranks have other data": "UserError: expected the same data on every machine, got (",
        "full disk": "OSError: could not write a checkpoint at step 2: [Errno 28] No space left on "
        "device; there is no checkpoint yet",
    }
    assert results[0]["errors"].keys() == expected.keys()
    for purpose, error in results[0]["errors"].items():
        assert error.startswith(expected[purpose])
    # Each of three attempts is repeated once, after old checkpoints are deleted.
    assert results[0]["attempts"] == ["full/.checkpoint-2"] * 6
    assert results[1]["attempts"] == []


def test_a_run_resumes_with_another_number_of_processes(machines: Path) -> None:
    folder = machines / "0" / "resumed"
    fields = {"output_dir": str(folder), "resume_from_checkpoint": "latest", "max_train_steps": 6}
    with pytest.raises(UserError, match=r"accumulation_steps x processes 8, .* got 4"):
        train(shrink("vae-fashion", train_batch_size=4, **fields))
    train(shrink("vae-fashion", train_batch_size=8, **fields))
    assert any(name.startswith("checkpoint-6/") for name in load_tensors(folder))


@pytest.mark.parametrize(("processes", "warns"), [(1, False), (2, True)])
def test_processes_that_accelerate_does_not_start_are_reported(
    processes: int,
    warns: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    tmp_path: Path,
) -> None:
    """The environment is the one of accelerate's launcher itself."""
    words = ["--cpu", "--num_processes", str(processes), "train.py"]
    arguments, *_ = _validate_launch_command(launch_command_parser().parse_args(words))
    _, environment = prepare_simple_launcher_cmd_env(arguments)
    for name, value in environment.items():
        if name.startswith(("ACCELERATE_", "MASTER_")):  # others would change later tests
            monkeypatch.setenv(name, value)
    setup.start(shrink("vae-fashion", output_dir=str(tmp_path)))
    assert ("torchrun --nproc-per-node 2" in capsys.readouterr().err) == warns
