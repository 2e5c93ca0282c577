"""Work that the processes of a run share; they may be on machines without a shared disk.

An error that concerns all processes is raised on all of them. If only one raised it, the others
would wait for it.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from accelerate import Accelerator
from accelerate.utils import DistributedType, broadcast_object_list, gather_object

from genmodels.errors import UserError

CHUNK = 2**26  # bytes of a file per message

T = TypeVar("T")


def call_on_main(accelerator: Accelerator, function: Callable[[], T]) -> T:
    """Call a function on the main process and return its result on every process.

    Every process raises its UserError or OSError.
    """
    result, error = try_call(function) if accelerator.is_main_process else (None, None)
    result, shared = broadcast_object_list([result, portable(error)])
    if shared is not None:
        raise error or shared
    return result


def call_on_all(accelerator: Accelerator, function: Callable[[], T]) -> T:
    """Call a function on every process and return its result.

    If it raises UserError or OSError on any process, all processes raise it. Caches must have
    locks, so that one process of each machine fills them.
    """
    result, error = try_call(function)
    for shared in gather_object([portable(error)]):
        if shared is not None:
            raise error or shared
    return result


def try_call(function: Callable[[], T]) -> tuple[T | None, UserError | OSError | None]:
    """Call a function -> its result, and the error that ends the run with one sentence."""
    try:
        return function(), None
    except (UserError, OSError) as error:
        return None, error


def portable(error: UserError | OSError | None) -> UserError | OSError | None:
    """Copy an error without the attributes of subclasses, some of which cannot be sent."""
    if error is None:
        return None
    return (UserError if isinstance(error, UserError) else OSError)(str(error))


def check_equal(accelerator: Accelerator, settings: dict[str, str]) -> None:
    """Raise UserError on every process unless the settings of all processes are equal."""
    first, *others = gather_object([settings])
    for rank, other in enumerate(others, 1):
        for name, value in first.items():
            if other.get(name) != value:
                raise UserError(
                    f"expected the same {name} on every machine, got {value} in process 0 and "
                    f"{other.get(name)} in process {rank}"
                )


def saves_shards(accelerator: Accelerator) -> bool:
    """Return whether every process saves its own part of the networks."""
    return accelerator.distributed_type in (
        DistributedType.FSDP,
        DistributedType.DEEPSPEED,
        DistributedType.MEGATRON_LM,
    )


@contextmanager
def shared_folder(accelerator: Accelerator, folder: Path) -> Iterator[Path]:
    """Give every process the files of a folder of the main process. Call on every process.

    The folder itself is used where it is visible; other machines receive a temporary copy.
    """
    (files,) = broadcast_object_list([list_files(folder)])
    is_visible = list_files(folder) == files
    if all(gather_object([is_visible])):
        yield folder
        return
    with TemporaryDirectory() as copy:
        for name, size, _ in files:
            target = Path(copy) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            for start in range(0, max(size, 1), CHUNK):
                part = read_part(folder / name, start) if accelerator.is_main_process else b""
                (part,) = broadcast_object_list([part])
                if not is_visible:
                    with target.open("ab") as file:
                        file.write(part)
        yield folder if is_visible else Path(copy)


def list_files(folder: Path) -> list[tuple[str, int, int]]:
    """List the path, size and time of modification of each file: equal only on the same disk."""
    stats = [(path, path.stat()) for path in sorted(folder.rglob("*")) if path.is_file()]
    return [(os.fspath(path.relative_to(folder)), it.st_size, it.st_mtime_ns) for path, it in stats]


def read_part(file: Path, start: int) -> bytes:
    """Read at most CHUNK bytes from a position of a file."""
    with file.open("rb") as stream:
        stream.seek(start)
        return stream.read(CHUNK)
