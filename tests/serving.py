"""The app in a process of its own, for the tests and the benchmarks."""

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
    """Start the app on a free port -> its address, once its page is served."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"GENMODELS_REFERENCE": "tests/data/fashion_mnist"}
    app = subprocess.Popen(
        [sys.executable, "app.py", "--port", str(port)], cwd=ROOT, env=environment
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(address, app, seconds)
        yield address
    finally:
        app.terminate()
        app.wait()


def wait_for(address: str, app: subprocess.Popen, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert app.poll() is None, "the app has ended"
        try:
            httpx.get(address)
            return
        except httpx.TransportError:
            time.sleep(0.05)
    raise TimeoutError(f"no app on {address} in {seconds} s")
