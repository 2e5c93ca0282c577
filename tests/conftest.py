"""What the tests share: a cut of Fashion-MNIST, and small runs on it."""

import os
import tempfile

# Before any import of ours: nothing here may wait for the Hub, or write where the user's runs are.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRACKIO_DIR"] = tempfile.mkdtemp()

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState

from tests.serving import ROOT
from training.config import Config
from training.presets import PRESETS

torch.set_num_threads(1)  # the networks of the tests are too small for more

FASHION = "tests/data/fashion_mnist"  # 1,000 training images and 200 test images, in Hub layout


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test in the project's root, with a state of accelerate of its own."""
    monkeypatch.chdir(ROOT)
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., Config]:
    """A preset's name and fields that differ -> the preset as a run of seconds."""

    def config(name: str, **fields: object) -> Config:
        preset = PRESETS[name]
        return replace(
            preset,
            **{
                "architecture": replace(preset.architecture, latent_dim=8, width=8),
                "dataset_name": FASHION,
                "train_batch_size": 8,
                "max_train_steps": 4,
                "logging_steps": 2,
                "output_dir": str(tmp_path / name),
                "report_to": "none",
            }
            | fields,
        )

    return config
