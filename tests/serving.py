"""Run the app in its own process, for tests and benchmarks."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[1]


@contextmanager
def serve_app(seconds: float = 120) -> Iterator[str]:
    """Start the app on a free port, wait for its page and yield its URL.

    Raises:
        TimeoutError: no page within the given seconds.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"GENMODELS_REFERENCE": "tests/data/fashion_mnist"}
    app = subprocess.Popen(
        [sys.executable, "app.py", "--port", str(port)], cwd=ROOT, env=environment
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for_page(url, app, seconds)
        yield url
    finally:
        app.terminate()
        app.wait()


def wait_for_page(url: str, app: subprocess.Popen, seconds: float) -> None:
    """Poll until the app responds; fail at once if its process exits."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert app.poll() is None, f"the app exited with {app.returncode}"
        try:
            httpx.get(url)
            return
        except httpx.TransportError:
            time.sleep(0.05)
    raise TimeoutError(f"no response from {url} within {seconds} s")
