"""How times are taken and told."""

import statistics
import time
from collections.abc import Callable


def show(what: str, value: float, goal: float) -> None:
    print(f"{what}: {value:.4g} (goal: <= {goal:g})", flush=True)


def median(function: Callable[[], object], warm: int, times: int) -> float:
    """Seconds of a call."""
    seconds = []
    for _ in range(warm + times):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[warm:])
