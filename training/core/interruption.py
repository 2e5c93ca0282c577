"""Graceful stop on SIGTERM and Ctrl-C: the loop saves a checkpoint after the current step."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

import torch
from accelerate import Accelerator

SYNC_EVERY = 10  # steps between two exchanges of the signal among several processes


class Interrupted(Exception):  # noqa: N818 (not an error: the user stopped the run)
    """The run was stopped by a signal, and its checkpoint is saved."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.signal = number


class Interruption:
    """The first stop signal that this process received, 0 for none.

    `accelerate launch` does not forward SIGTERM, so the death of the launcher counts as SIGTERM.
    """

    def __init__(self) -> None:
        self.signal = 0
        self.received_at = 0.0  # seconds, monotonic
        self.launcher = os.getppid() if started_by_accelerate() else None

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Record a signal. A second Ctrl-C, at least one second later, aborts immediately."""
        now = time.monotonic()
        if not self.signal:
            self.signal, self.received_at = number, now
        elif number == signal.SIGINT and now > self.received_at + 1:  # launchers repeat it at once
            raise KeyboardInterrupt

    def wait(self, seconds: float) -> None:
        """Sleep until the time is over or a signal arrives."""
        deadline = time.monotonic() + seconds
        while not self.signal and time.monotonic() < deadline:
            time.sleep(0.1)

    def agreed(self, accelerator: Accelerator, step: int) -> int:
        """Return a signal that any process received; the same number on all processes."""
        if self.launcher not in (None, os.getppid()):
            self.signal = self.signal or signal.SIGTERM
        if accelerator.num_processes == 1:
            return self.signal
        if step % SYNC_EVERY:
            return 0
        signals = torch.tensor([self.signal], device=accelerator.device)
        return int(accelerator.gather(signals).max())


def started_by_accelerate() -> bool:
    """Return whether `accelerate launch` started this process."""
    return "ACCELERATE_DYNAMO_MODE" in os.environ  # only the launcher sets it


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Record SIGTERM and SIGINT inside the block. Threads get no signals: nothing changes there."""
    interruption = Interruption()
    signals = [signal.SIGTERM, signal.SIGINT] if current_thread() is main_thread() else []
    handlers = {number: signal.signal(number, interruption.handle) for number in signals}
    try:
        yield interruption
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
