"""Speed benchmarks: `make bench`, or `python -m tests.benchmarks PRESET ...` for some presets.

Prints medians and ratios measured in one run, next to their goals. Run it on an idle machine.
"""

import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import torch
from accelerate.state import AcceleratorState
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

import genmodels
from genmodels import data
from genmodels.data import Images
from tests.benchmarks import big_data, concurrent_users, metrics
from tests.benchmarks.timing import median, show
from tests.benchmarks.tutorial_loop import TutorialLoop
from tests.serving import ROOT, serve_app
from training.configs.config import Config
from training.configs.presets import PRESETS
from training.core import loop
from training.core.batches import Batches
from training.objectives import OBJECTIVES

STEPS = 20  # per round, for each kind of loop
ROUNDS = 3
# Presets that have a tutorial loop
FASHION = [f"{name}-fashion" for name in OBJECTIVES if name not in ("inpaint-gan", "classifier")]


def main() -> None:
    os.chdir(ROOT)
    subset = data.load("tests/data/fashion_mnist")
    real = subset._replace(
        pixels=data.Pixels.from_tensor(subset.pixels[:].repeat(60, 1, 1, 1)),
        labels=subset.labels.repeat(60),
    )
    peaks = {"no": peak(torch.float32), "bf16": peak(torch.bfloat16)}
    for precision, flops in peaks.items():
        print(f"matrix products, {precision}: {flops / 1e9:.0f} GFLOP/s", flush=True)
    for name in sys.argv[1:] or FASHION:
        preset = PRESETS[name]
        count = 6 if name == "diffusion-fashion" else STEPS
        rounds = [
            (
                step_seconds(preset, real, count),
                bare_seconds(preset, real, count),
                median(TutorialLoop(preset).step, warmup=2, repeats=count),
            )
            for _ in range(ROUNDS)
        ]
        step, bare, plain = (statistics.median(times) for times in zip(*rounds, strict=True))
        updates = len(preset.objective.update_order(0))
        images = preset.train_batch_size * updates
        share = bare_flops(preset, real) / step / peaks[preset.mixed_precision or "no"]
        print(
            f"{name}: {images / step:.0f} images/s, forward and backward passes alone "
            f"{images / bare:.0f}, tutorial loop {images / plain:.0f}; {step * 1e3:.0f} ms a step, "
            f"{share:.0%} of the peak of matrix products",
            flush=True,
        )
        ratio = statistics.median(step / bare for step, bare, _ in rounds)
        show(f"{name}: step over forward and backward passes", ratio, 1.10)
        speedup = statistics.median(plain / step for step, _, plain in rounds)
        print(f"{name}: speed-up over the tutorial loop: {speedup:.3g} (goal: >= 2)", flush=True)
        data_share = updates * data_seconds(preset, real) / step
        show(f"{name}: share of data loading in a step", data_share, 0.02)
    for folder in sorted(ROOT.glob("checkpoints/*/model_index.json")):
        pipeline = genmodels.load(folder.parent)
        seconds = median(lambda pipeline=pipeline: pipeline(batch_size=16), warmup=3, repeats=20)
        show(f"{folder.parent.name}: milliseconds for 16 images", seconds * 1e3, 100)
    metrics.main()
    big_data.main()
    with serve_app() as address:
        concurrent_users.main(address)
    starts = [app_seconds() for _ in range(4)]  # the first start warms the disk cache
    show("app: seconds from start to serving", statistics.median(starts[1:]), 12)


def peak(dtype: torch.dtype) -> float:
    """Return the floating-point operations per second of large matrix products."""
    one, other = torch.randn(2, 2048, 2048).to(dtype)
    return 2 * 2048**3 / median(lambda: one @ other, warmup=2, repeats=8)


def step_seconds(preset: Config, real: Images, count: int) -> float:
    """Return the time of a training step, between two updates of the progress bar."""
    updates = []

    class Bar(tqdm):
        def update(self) -> None:
            updates.append(time.perf_counter())

    loop.tqdm, loop.load = Bar, lambda config: real
    AcceleratorState._reset_state(reset_partial_state=True)
    with tempfile.TemporaryDirectory() as folder:
        fields = {"report_to": "none", "max_train_steps": count, "preview_steps": count}
        loop.train(replace(preset, output_dir=folder, **fields))
    return statistics.median(after - before for before, after in itertools.pairwise(updates))


def bare_step(preset: Config, real: Images) -> Callable[[], None]:
    """Return a function that runs the forward and backward passes of a step on a fixed batch."""
    num_classes = len(real.classes) if preset.conditional else None
    networks = preset.architecture.networks(real.channels, real.side, num_classes)
    for network in networks.values():
        network.train()
        if preset.channels_last:
            network.to(memory_format=torch.channels_last)
    batch = make_batches(preset, real)[0]
    bf16 = preset.mixed_precision == "bf16"

    def step() -> None:
        for updated in preset.objective.update_order(0):
            for name, network in networks.items():
                network.requires_grad_(name == updated).zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                losses = preset.objective.losses(updated, networks[updated], networks, batch, 0)
            sum(losses.values()).backward()

    return step


def bare_seconds(preset: Config, real: Images, count: int) -> float:
    return median(bare_step(preset, real), warmup=3, repeats=count)


def bare_flops(preset: Config, real: Images) -> float:
    """Return the floating-point operations of matrix products and convolutions in a step."""
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = NoModuleTracker()
    with counter:
        bare_step(preset, real)()
    return counter.get_total_flops()


class NoModuleTracker(nullcontext):
    """Disables module tracking, which gradient penalties break."""

    parents = frozenset({"Global"})


def make_batches(preset: Config, real: Images) -> Batches:
    labels = real.labels if preset.conditional else None
    device = torch.device("cpu")
    return Batches(real.pixels, preset.train_batch_size, 0, device, labels=labels)


def data_seconds(preset: Config, real: Images) -> float:
    """Return the time to load one batch."""
    batches = make_batches(preset, real)
    numbers = iter(range(200))
    return median(lambda: batches[next(numbers)], warmup=10, repeats=150)


def app_seconds() -> float:
    """Return the time from the start of the app until it serves its page."""
    start = time.perf_counter()
    with serve_app():
        return time.perf_counter() - start


if __name__ == "__main__":
    main()
