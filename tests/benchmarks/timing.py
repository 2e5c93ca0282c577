"""Measure and print times."""

import statistics
import time
from collections.abc import Callable


def show(name: str, value: float, goal: float) -> None:
    print(f"{name}: {value:.4g} (goal: <= {goal:g})", flush=True)


def median(function: Callable[[], object], warmup: int, repeats: int) -> float:
    """Return the median seconds of a call, after warm-up calls."""
    seconds = []
    for _ in range(warmup + repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[warmup:])
