"""Data order and randomness of training batches."""

import shutil
import threading
import traceback
from collections.abc import Callable

import pytest
import torch
from accelerate.state import AcceleratorState

from genmodels.media.image import to_pixels
from training.configs.config import Config
from training.core.batches import Batches, PrefetchedBatches, mix_seed
from training.core.loop import Run, train

PIXELS = torch.arange(50, dtype=torch.uint8)[:, None, None, None]
CPU = torch.device("cpu")


def values(batches: Batches, index: int) -> list[int]:
    return to_pixels(batches[index].samples).flatten().tolist()


def test_each_epoch_visits_every_sample_once_in_a_new_order() -> None:
    batches = Batches(PIXELS, size=8, seed=0, device=CPU)
    sequence = [value for index in range(25) for value in values(batches, index)]  # 200 = 4 epochs
    epochs = [sequence[start : start + 50] for start in range(0, 200, 50)]
    assert all(sorted(epoch) == list(range(50)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_batches_depend_on_their_index_alone() -> None:
    forward = Batches(PIXELS, size=8, seed=3, device=CPU)
    expected = [
        (values(forward, index), torch.rand(2, generator=forward[index].rng)) for index in range(20)
    ]
    fresh = Batches(PIXELS, size=8, seed=3, device=CPU)
    for index in (19, 2, 7):
        assert values(fresh, index) == expected[index][0]
        assert torch.equal(torch.rand(2, generator=fresh[index].rng), expected[index][1])


def test_ranks_split_an_epoch_and_draw_different_noise() -> None:
    ranks = [Batches(PIXELS, size=5, seed=0, device=CPU, rank=rank, ranks=2) for rank in (0, 1)]
    sequence = [value for index in range(5) for rank in ranks for value in values(rank, index)]
    assert sorted(sequence) == list(range(50))
    noise = [torch.rand(4, generator=rank[0].rng) for rank in ranks]
    assert not torch.equal(*noise)


@pytest.mark.parametrize("size", [50, 120])
def test_batches_may_span_epochs(size: int) -> None:
    sequence = values(Batches(PIXELS, size=size, seed=0, device=CPU), 1)
    assert len(sequence) == size
    assert set(sequence) == set(range(50))


def test_the_seed_changes_the_order() -> None:
    one, two = (values(Batches(PIXELS, size=50, seed=seed, device=CPU), 0) for seed in (0, 1))
    assert one != two


def test_labels_stay_with_their_samples() -> None:
    labels = torch.arange(50) % 10
    batches = Batches(PIXELS, size=8, seed=0, device=CPU, labels=labels)
    for index in (0, 5, 30):
        batch = batches[index]
        pixels = to_pixels(batch.samples).flatten().long()
        assert torch.equal(batch.labels, pixels % 10)


def test_half_of_the_samples_are_flipped_reproducibly() -> None:
    pixels = torch.tensor([[0, 255]], dtype=torch.uint8).expand(200, 1, 1, 2)
    batches = Batches(pixels, size=200, seed=0, device=CPU, random_flip=True)
    flipped = batches[0].samples[:, 0, 0, 0] > 0
    assert 60 < flipped.sum() < 140
    assert torch.equal(flipped, batches[0].samples[:, 0, 0, 0] > 0)
    assert not torch.equal(flipped, batches[1].samples[:, 0, 0, 0] > 0)


def test_batches_have_their_own_generators() -> None:
    batches = Batches(PIXELS, size=8, seed=0, device=CPU)
    expected = torch.rand(3, generator=batches[0].rng)
    first, _ = batches[0], batches[1]
    assert torch.equal(torch.rand(3, generator=first.rng), expected)


def test_an_update_has_the_same_samples_on_any_number_of_processes() -> None:
    one = Batches(PIXELS, size=12, seed=0, device=CPU)
    two = [Batches(PIXELS, size=6, seed=0, device=CPU, rank=rank, ranks=2) for rank in (0, 1)]
    accumulated = Batches(PIXELS, size=4, seed=0, device=CPU)
    for update in range(9):
        expected = values(one, update)
        assert [it for rank in two for it in values(rank, update)] == expected
        assert [it for n in range(3) for it in values(accumulated, 3 * update + n)] == expected


def test_seeds_differ_by_purpose_and_by_every_number() -> None:
    inputs = [("order", 3), ("order", 3, 0), ("order", 0, 3), ("order", 30), ("batch", 3)]
    inputs += [("order", 2**32 + 3), ("order", 3, 1)]
    seeds = {mix_seed(*numbers) for numbers in inputs}
    assert len(seeds) == len(inputs)
    assert all(0 <= seed < 2**64 for seed in seeds)


class RecordedPixels:
    """Pixels that record their batches, and can fail from a batch on."""

    nbytes, shape = 50, (50, 1, 1, 1)

    def __init__(self, failing: int = 10**9) -> None:
        self.failing, self.count, self.second = failing, 0, threading.Event()

    def __len__(self) -> int:
        return 50

    def __getitem__(self, indices: torch.Tensor) -> torch.Tensor:
        self.count += 1
        if self.count >= self.failing:
            raise OSError("the disk failed")
        if self.count == 2:
            self.second.set()
        return PIXELS[indices]


def prefetch_threads() -> list[str]:
    return [it.name for it in threading.enumerate() if it.name.startswith("prefetch")]


def test_the_next_batch_is_read_while_the_current_one_is_in_use() -> None:
    pixels = RecordedPixels()
    batches = PrefetchedBatches(Batches(pixels, size=8, seed=0, device=CPU))
    current = batches[0]
    assert pixels.second.wait(30)
    expected = Batches(PIXELS, size=8, seed=0, device=CPU)
    assert torch.equal(current.samples, expected[0].samples)
    for index in (1, 2, 9, 10, 3):  # a resumed run starts anywhere
        batch, other = batches[index], expected[index]
        assert torch.equal(batch.samples, other.samples)
        assert torch.equal(*(torch.rand(2, generator=it.rng) for it in (batch, other)))
    assert len(prefetch_threads()) == 1
    batches.close()
    assert prefetch_threads() == []


def test_errors_of_the_thread_keep_their_traceback() -> None:
    pixels = RecordedPixels(failing=2)
    batches = PrefetchedBatches(Batches(pixels, size=8, seed=0, device=CPU))
    batches[0]
    with pytest.raises(OSError, match="the disk failed") as caught:
        batches[1]
    assert 'raise OSError("the disk failed")' in "".join(traceback.format_tb(caught.tb))
    batches.close()


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_the_thread_ends_with_a_failed_run(
    error: type[BaseException], small: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Batches.read

    def fail(self: Batches, index: int) -> tuple:
        if index == 2:
            raise error("the disk failed")
        return read(self, index)

    monkeypatch.setattr(Batches, "read", fail)
    with pytest.raises(error, match="the disk failed"):
        train(small("vae-fashion"))
    assert prefetch_threads() == []


def test_dropout_depends_on_the_batch_alone(small: Callable[..., Config]) -> None:
    """A resumed run, and one with other processes, has another state of the global generator."""
    losses = []
    config = small("diffusion-cifar10")
    assert config.architecture.dropout > 0
    for seed in (0, 1):
        run = Run(config)
        torch.manual_seed(seed)
        losses.append(run.trainer.update("unet", run.batches)["denoising"])
        run.batches.close()
        AcceleratorState._reset_state(reset_partial_state=True)
        shutil.rmtree(config.output_dir)
    assert torch.equal(*losses)
