"""Data order and randomness of training batches."""

import pytest
import torch

from genmodels.media.image import to_pixels
from training.core.batches import Batches

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
