"""How fast it is, as ratios measured in one run: `make bench`, or of some presets by their names.

Each is a median, printed beside its goal. Timings are noisy: run it while nothing else runs.
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
from tests.benchmarks import crowd, measuring
from tests.benchmarks.reference import Loop
from tests.benchmarks.timing import median, show
from tests.serving import ROOT, serve_app
from training.configs.config import Config
from training.configs.presets import PRESETS
from training.core import loop
from training.core.batches import Batches
from training.objectives import OBJECTIVES

STEPS = 20  # of the loop, and as many bare and plain ones, in each round
ROUNDS = 3
# Presets of which there is a plain loop.
FASHION = [f"{name}-fashion" for name in OBJECTIVES if name not in ("inpaint-gan", "classifier")]


def main() -> None:
    os.chdir(ROOT)
    cut = data.load("tests/data/fashion_mnist")
    real = cut._replace(pixels=cut.pixels.repeat(60, 1, 1, 1), labels=cut.labels.repeat(60))
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
                median(Loop(preset).step, warm=2, times=count),
            )
            for _ in range(ROUNDS)
        ]
        step, bare, plain = (statistics.median(times) for times in zip(*rounds, strict=True))
        turns = len(preset.objective.update_order(0))
        images = preset.train_batch_size * turns
        share = bare_flops(preset, real) / step / peaks[preset.mixed_precision or "no"]
        print(
            f"{name}: {images / step:.0f} images/s, bare passes {images / bare:.0f}, "
            f"plain loop {images / plain:.0f}; {step * 1e3:.0f} ms a step, "
            f"{share:.0%} of the products' peak",
            flush=True,
        )
        ratio = statistics.median(step / bare for step, bare, _ in rounds)
        show(f"{name}: step over bare passes", ratio, 1.10)
        speedup = statistics.median(plain / step for step, _, plain in rounds)
        print(f"{name}: times as fast as a plain loop: {speedup:.3g} (goal: >= 2)", flush=True)
        data_share = turns * data_seconds(preset, real) / step
        show(f"{name}: share of the data in a step", data_share, 0.02)
    for folder in sorted(ROOT.glob("checkpoints/*/model_index.json")):
        pipeline = genmodels.load(folder.parent)
        seconds = median(lambda pipeline=pipeline: pipeline(batch_size=16), warm=3, times=20)
        show(f"{folder.parent.name}: milliseconds for 16 images", seconds * 1e3, 100)
    measuring.main()
    with serve_app() as address:
        crowd.main(address)
    starts = [app_seconds() for _ in range(4)]  # the first warms the disk's cache
    show("app: seconds from start to serving", statistics.median(starts[1:]), 12)


def peak(dtype: torch.dtype) -> float:
    """Operations a second in the largest of products of matrices."""
    one, other = torch.randn(2, 2048, 2048).to(dtype)
    return 2 * 2048**3 / median(lambda: one @ other, warm=2, times=8)


def step_seconds(preset: Config, real: Images, count: int) -> float:
    """Of a step of the loop as it is, from one move of its progress bar to the next."""
    moves = []

    class Bar(tqdm):
        def update(self) -> None:
            moves.append(time.perf_counter())

    loop.tqdm, loop.load = Bar, lambda config: real
    AcceleratorState._reset_state(reset_partial_state=True)
    with tempfile.TemporaryDirectory() as folder:
        fields = {"report_to": "none", "max_train_steps": count, "preview_steps": count}
        loop.train(replace(preset, output_dir=folder, **fields))
    return statistics.median(after - before for before, after in itertools.pairwise(moves))


def bare_step(preset: Config, real: Images) -> Callable[[], None]:
    """The forward and backward passes of a step's turns, on a batch that lies ready."""
    num_classes = len(real.classes) if preset.conditional else None
    networks = preset.architecture.networks(real.channels, real.side, num_classes)
    for network in networks.values():
        network.train()
        if preset.channels_last:
            network.to(memory_format=torch.channels_last)
    batch = ready(preset, real)[0]
    rounds = preset.mixed_precision == "bf16"

    def step() -> None:
        for player in preset.objective.update_order(0):
            for name, network in networks.items():
                network.requires_grad_(name == player).zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=rounds):
                terms = preset.objective.terms(player, networks[player], networks, batch, 0)
            sum(terms.values()).backward()

    return step


def bare_seconds(preset: Config, real: Images, count: int) -> float:
    return median(bare_step(preset, real), warm=3, times=count)


def bare_flops(preset: Config, real: Images) -> float:
    """Operations of a step in products of matrices and convolutions."""
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = Nowhere()
    with counter:
        bare_step(preset, real)()
    return counter.get_total_flops()


class Nowhere(nullcontext):
    """In place of the counter's notes of which module it is in, which a penalty's slopes break."""

    parents = frozenset({"Global"})


def ready(preset: Config, real: Images) -> Batches:
    labels = real.labels if preset.conditional else None
    device = torch.device("cpu")
    return Batches(real.pixels, preset.train_batch_size, 0, device, labels=labels)


def data_seconds(preset: Config, real: Images) -> float:
    """Of the making of one batch."""
    batches = ready(preset, real)
    numbers = iter(range(200))
    return median(lambda: batches[next(numbers)], warm=10, times=150)


def app_seconds() -> float:
    """From the start of the app's process until its page is served."""
    start = time.perf_counter()
    with serve_app():
        return time.perf_counter() - start


if __name__ == "__main__":
    main()
