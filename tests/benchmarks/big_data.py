"""Memory and start time with many images: python -m tests.benchmarks.big_data [COUNT] [FOLDER]

Writes COUNT generated JPEG images of 64x64 pixels as parquet files and loads them in new processes:
first with an empty cache, then with a full one. Memory is PSS, which counts shared pages once,
above the same process after its imports. The peak contains pages of the table that `datasets` maps
while it opens it, which the system may reclaim.
"""

import io
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import torch
from datasets import Features, Image
from PIL import Image as Pictures

from genmodels import data
from tests.benchmarks.timing import median, show
from tests.serving import ROOT

COUNT = 1_300_000  # as in ImageNet
BYTES = 2 * (3 * 64 * 64 + 2 * 2500)  # disk space per image, with a reserve of one half
SHARD = 100_000
CHILD = """
import sys, time
import genmodels.data, training.core.loop
print("imported", flush=True)
input()
start = time.perf_counter()
images = genmodels.data.load(sys.argv[1])
print(time.perf_counter() - start, flush=True)
images.pixels[slice(None, None, len(images.pixels) // 128)]
input()
"""


def main(count: int | None = None, folder: str | None = None) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        if count is None:
            count = min(COUNT, shutil.disk_usage(scratch).free // BYTES)
        write_images(Path(scratch, "set"), count)
        os.environ |= {"HF_HOME": f"{scratch}/hf", "GENMODELS_CACHE": f"{scratch}/cache"}
        print(f"{count:,} images of 64x64 pixels, {count * 3 * 64 * 64 / 2**30:.1f} GiB decoded")
        for title, processes in (("first start", 1), ("second start", 1), ("second start", 2)):
            seconds, peak, memory = start(f"{scratch}/set", processes)
            name = f"{title}, {processes} process" + "es" * (processes > 1)
            print(f"{name}: {seconds:.1f} s, {peak / 2**20:.0f} MiB at its peak", flush=True)
            if title == "second start":
                show(f"{name}: seconds", seconds, 2)
                show(f"{name}: MiB above the imports, all together", memory / 2**20, 300)
        compare_batches(f"{scratch}/set")


def write_images(folder: Path, count: int) -> None:
    """Write parquet files of a Hub layout; the images repeat after 2,000."""
    (folder / "data").mkdir(parents=True)
    rng = np.random.default_rng(0)
    files = []
    for _ in range(2000):
        small = Pictures.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
        content = io.BytesIO()
        small.resize((64, 64), Pictures.Resampling.BICUBIC).save(content, "JPEG", quality=90)
        files.append({"bytes": content.getvalue(), "path": None})
    schema = Features({"image": Image()}).arrow_schema
    rows = itertools.cycle(files)
    starts = range(0, count, SHARD)
    for number, first in enumerate(starts):
        part = list(itertools.islice(rows, min(SHARD, count - first)))
        file = folder / f"data/train-{number:05d}-of-{len(starts):05d}.parquet"
        parquet.write_table(pyarrow.table({"image": part}, schema), file, row_group_size=1000)


def start(source: str, processes: int) -> tuple[float, float, float]:
    """Load in new processes at the same time, and read a batch.

    Returns the seconds until the last one is ready, and the bytes above their imports at the peak
    and in the end.
    """
    command = [sys.executable, "-c", CHILD, source]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    children = [subprocess.Popen(command, text=True, cwd=ROOT, **pipes) for _ in range(processes)]
    for child in children:
        child.stdout.readline()
    before = sum(pss(child.pid) for child in children)
    peak, done = before, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.2):
            peak = max(peak, sum(pss(child.pid) for child in children))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for child in children:
        child.stdin.write("\n")
        child.stdin.flush()
    seconds = max(float(child.stdout.readline()) for child in children)
    time.sleep(0.5)  # let the watcher see the batch too
    done.set()
    watcher.join()
    after = sum(pss(child.pid) for child in children)
    for child in children:
        child.communicate("\n")
    return seconds, peak - before, after - before


def pss(pid: int) -> int:
    """Return the proportional set size of a process and its children, in bytes."""
    total = 0
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        total = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (OSError, StopIteration):  # the process has ended
        return total
    return total + sum(pss(int(child)) for child in children)


def compare_batches(source: str) -> None:
    """Compare a batch of 128 images from the cache with one from a tensor in memory."""
    pixels = data.load(source).pixels
    count = min(len(pixels), 100_000)
    tensor = pixels[:count]
    orders = itertools.cycle([torch.randperm(count)[:128] for _ in range(50)])
    ratios = []
    for _ in range(3):
        cached = median(lambda: pixels[next(orders)], warmup=100, repeats=300)
        ratios.append(cached / median(lambda: tensor[next(orders)], warmup=100, repeats=300))
    show("a batch of 128 from the cache over one from a tensor", sorted(ratios)[1], 1.2)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *sys.argv[2:])
