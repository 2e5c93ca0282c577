"""How fast it is, as ratios measured in one run: `make bench`.

Each is a median, printed beside its goal. Timings are noisy: run it while nothing else runs.
"""

import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace

import torch

import genmodels
from genmodels import data
from genmodels.data import Images
from tests.serving import ROOT, serve_app
from training import loop
from training.batches import Batch, Batches
from training.config import Config
from training.presets import PRESETS

STEPS = 30  # of the loop, and as many bare ones, in each round
ROUNDS = 5


def main() -> None:
    os.chdir(ROOT)
    cut = data.load("tests/data/fashion_mnist")
    real = Images(cut.pixels.repeat(60, 1, 1, 1), cut.source)  # as many as in Fashion-MNIST
    for name, preset in PRESETS.items():
        rounds = [(step_seconds(preset, real), bare_seconds(preset, real)) for _ in range(ROUNDS)]
        step, bare = (statistics.median(times) for times in zip(*rounds, strict=True))
        ratio = statistics.median(step / bare for step, bare in rounds)
        turns = len(preset.objective.turns(0))
        share = turns * data_seconds(preset, real) / step
        show(
            f"{name}: step, {step * 1e3:.1f} ms, over bare passes, {bare * 1e3:.1f} ms", ratio, 1.10
        )
        show(f"{name}: share of the data in a step", share, 0.02)
    for folder in sorted(ROOT.glob("checkpoints/*/model_index.json")):
        pipeline = genmodels.load(folder.parent)
        seconds = median(lambda pipeline=pipeline: pipeline(batch_size=16), warm=3, times=20)
        show(f"{folder.parent.name}: milliseconds for 16 images", seconds * 1e3, 100)
    starts = [app_seconds() for _ in range(4)]  # the first warms the disk's cache
    show("app: seconds from start to serving", statistics.median(starts[1:]), 12)


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


def step_seconds(preset: Config, real: Images) -> float:
    """Of a step of the loop as it is, from one move of its progress bar to the next."""
    moves = []

    class Bar:
        def __init__(self, **settings: object) -> None: ...
        def update(self) -> None:
            moves.append(time.perf_counter())

        def set_postfix(self, losses: dict[str, str]) -> None: ...
        def close(self) -> None: ...

    loop.tqdm, loop.load = Bar, lambda config: real
    with tempfile.TemporaryDirectory() as folder:
        fields = {"report_to": "none", "max_train_steps": STEPS, "logging_steps": 10}
        loop.train(replace(preset, output_dir=folder, **fields))
    return statistics.median(after - before for before, after in itertools.pairwise(moves))


def bare_seconds(preset: Config, real: Images) -> float:
    """Of the forward and backward passes of a step's turns, on a batch that lies ready."""
    networks = preset.architecture.networks(real.channels, real.side)
    for network in networks.values():
        network.train().to(memory_format=torch.channels_last)
    samples = Batches(real.pixels, preset.train_batch_size, 0, torch.device("cpu"))[0].samples
    batch = Batch(samples, torch.Generator())

    def step() -> None:
        for player in preset.objective.turns(0):
            for name, network in networks.items():
                network.requires_grad_(name == player).zero_grad()
            terms = preset.objective.terms(player, networks[player], networks, batch)
            sum(terms.values()).backward()

    return median(step, warm=3, times=STEPS)


def data_seconds(preset: Config, real: Images) -> float:
    """Of the making of one batch."""
    batches = Batches(real.pixels, preset.train_batch_size, 0, torch.device("cpu"))
    numbers = iter(range(200))
    return median(lambda: batches[next(numbers)], warm=10, times=150)


def app_seconds() -> float:
    """From the start of the app's process until its page is served."""
    start = time.perf_counter()
    with serve_app():
        return time.perf_counter() - start


if __name__ == "__main__":
    main()
