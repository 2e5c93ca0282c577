"""Shared fixtures: a subset of Fashion-MNIST, small training configs, a browser and the app."""

import dataclasses
import io
import os
import shutil
import tempfile
import time

# Set before importing our modules: tests must neither wait for the Hub nor write to the user's
# folders.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRACKIO_DIR"] = tempfile.mkdtemp()
os.environ["GENMODELS_CACHE"] = tempfile.mkdtemp()

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from gradio_client import Client
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.serving import ROOT, serve_app
from training.configs.config import Config
from training.configs.presets import PRESETS
from training.objectives import OBJECTIVES

expect.set_options(timeout=30_000)  # milliseconds; CI machines are slow
torch.set_num_threads(1)  # test networks are too small to gain from more

FASHION = "tests/data/fashion_mnist"  # 1,000 training images and 200 test images, in Hub layout


# The name of the first preset of each objective
FIRST_PRESETS = {
    objective: next(name for name, preset in PRESETS.items() if type(preset.objective) is kind)
    for objective, kind in OBJECTIVES.items()
}


@pytest.fixture(autouse=True)
def isolated_state(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run each test in the project's root, with a fresh accelerate state."""
    monkeypatch.chdir(ROOT)
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def shrink(name: str, **fields: object) -> Config:
    """Return a preset that trains a tiny network for 4 steps, with other fields replaced."""
    preset = PRESETS[name]
    sizes = {"latent_dim": 8, "width": 8, "critic_width": 8, "blocks": 0}
    network_fields = {field.name for field in dataclasses.fields(preset.architecture)}
    sizes = {name: size for name, size in sizes.items() if name in network_fields}
    defaults = {
        "architecture": dataclasses.replace(preset.architecture, **sizes),
        "dataset_name": FASHION,
        "train_batch_size": 8,
        "max_train_steps": 4,
        "logging_steps": 2,
        "lr_scheduler": "constant",
        "lr_warmup_steps": 0,
        "mixed_precision": "no",
        "save_precision": "fp32",
        "report_to": "none",
    }
    return dataclasses.replace(preset, **defaults | fields)


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., Config]:
    """Return `shrink` with its output folder in the test's temporary folder."""
    return lambda name, **fields: shrink(name, **{"output_dir": str(tmp_path / name)} | fields)


# Without these, the browser contacts its vendor's servers and waits.
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """URL of the app, which runs in its own process."""
    with serve_app() as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET) as browser,
    ):
        yield browser


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(url)
    yield page
    page.close()


@pytest.fixture(scope="session")
def client(url: str) -> Client:
    return Client(url, verbose=False)


def download_picture(page: Page, source: str) -> Image.Image:
    """Download an image with the page's cookies."""
    picture = Image.open(io.BytesIO(page.request.get(source).body()))
    picture.load()
    return picture


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for a condition that no Playwright locator can express.

    Raises:
        TimeoutError: the condition does not hold within the given seconds.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the condition does not hold after {seconds} s")
        time.sleep(0.1)
