"""SIGTERM and Ctrl-C, as a wish that the loop grants after a step."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

import torch
from accelerate import Accelerator

BETWEEN = 10  # steps after which several processes agree whether to stop


class Interrupted(Exception):  # noqa: N818 (no error, but what was asked for)
    """A run was asked to stop, and has written a checkpoint."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.signal = number


class Interruption:
    """Which signal has come, 0 while there was none.

    `accelerate launch` does not pass a SIGTERM on: that it has ended counts as one.
    """

    def __init__(self) -> None:
        self.signal = 0
        self.first = 0.0  # when it came, in seconds
        self.launcher = os.getppid() if started_by_accelerate() else None

    def tell(self, number: int, frame: FrameType | None) -> None:
        """Note a signal. A second Ctrl-C, once the first had time, ends at once."""
        now = time.monotonic()
        if not self.signal:
            self.signal, self.first = number, now
        elif number == signal.SIGINT and now > self.first + 1:  # a launcher repeats it immediately
            raise KeyboardInterrupt

    def wait(self, seconds: float) -> None:
        """Sleep, but not beyond a signal."""
        deadline = time.monotonic() + seconds
        while not self.signal and time.monotonic() < deadline:
            time.sleep(0.1)

    def agreed(self, accelerator: Accelerator, step: int) -> int:
        """The signal that came to any of the processes, the same on all of them."""
        if self.launcher not in (None, os.getppid()):
            self.signal = self.signal or signal.SIGTERM
        if accelerator.num_processes == 1:
            return self.signal
        if step % BETWEEN:
            return 0
        signals = torch.tensor([self.signal], device=accelerator.device)
        return int(accelerator.gather(signals).max())


def started_by_accelerate() -> bool:
    """Whether `accelerate launch` has started this process."""
    return "ACCELERATE_DYNAMO_MODE" in os.environ  # which nobody else would set


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Within it SIGTERM and SIGINT are noted. In a thread, which gets none, nothing changes."""
    interruption = Interruption()
    caught = [signal.SIGTERM, signal.SIGINT] if current_thread() is main_thread() else []
    before = {number: signal.signal(number, interruption.tell) for number in caught}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
