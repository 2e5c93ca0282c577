"""What the tests share: a cut of Fashion-MNIST, and small runs on it."""

import dataclasses
import io
import os
import shutil
import tempfile
import time

# Before any import of ours: nothing here may wait for the Hub, or write where the user's runs are.
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

expect.set_options(timeout=30_000)  # a machine may have much else to do
torch.set_num_threads(1)  # the networks of the tests are too small for more

FASHION = "tests/data/fashion_mnist"  # 1,000 training images and 200 test images, in Hub layout


# The first preset of each objective.
FIRST = {
    objective: next(name for name, preset in PRESETS.items() if type(preset.objective) is kind)
    for objective, kind in OBJECTIVES.items()
}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test in the project's root, with a state of accelerate of its own."""
    monkeypatch.chdir(ROOT)
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def shrink(name: str, **fields: object) -> Config:
    """A preset as a run of seconds, and fields that differ."""
    preset = PRESETS[name]
    sizes = {"latent_dim": 8, "width": 8, "critic_width": 8, "blocks": 0}
    known = {field.name for field in dataclasses.fields(preset.architecture)}
    sizes = {size: value for size, value in sizes.items() if size in known}
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
    """As `shrink`, with a folder of the test's for each preset's run."""
    return lambda name, **fields: shrink(name, **{"output_dir": str(tmp_path / name)} | fields)


# Without these a browser asks its maker's servers for news, and waits.
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """The address of an app in a process of its own."""
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


def picture_of(page: Page, source: str) -> Image.Image:
    """What a page shows from an address."""
    picture = Image.open(io.BytesIO(page.request.get(source).body()))
    picture.load()
    return picture


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for what no locator tells.

    Raises TimeoutError.
    """
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so in {seconds} s")
        time.sleep(0.1)
