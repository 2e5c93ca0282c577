import pytest
import torch

from genmodels.media.image import to_pixels
from training.core.batches import Batches

PIXELS = torch.arange(50, dtype=torch.uint8)[:, None, None, None]
CPU = torch.device("cpu")


def values(batches: Batches, number: int) -> list[int]:
    return to_pixels(batches[number].samples).flatten().tolist()


def test_each_epoch_visits_every_sample_once_in_an_order_of_its_own() -> None:
    batches = Batches(PIXELS, size=8, seed=0, device=CPU)
    drawn = [value for number in range(25) for value in values(batches, number)]  # 200 = 4 epochs
    epochs = [drawn[start : start + 50] for start in range(0, 200, 50)]
    assert all(sorted(epoch) == list(range(50)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_a_batch_is_a_function_of_its_number() -> None:
    forward = Batches(PIXELS, size=8, seed=3, device=CPU)
    before = [
        (values(forward, number), torch.rand(2, generator=forward[number].rng))
        for number in range(20)
    ]
    fresh = Batches(PIXELS, size=8, seed=3, device=CPU)
    for number in (19, 2, 7):
        assert values(fresh, number) == before[number][0]
        assert torch.equal(torch.rand(2, generator=fresh[number].rng), before[number][1])


def test_ranks_share_an_epoch_and_have_noise_of_their_own() -> None:
    ranks = [Batches(PIXELS, size=5, seed=0, device=CPU, rank=rank, ranks=2) for rank in (0, 1)]
    drawn = [value for number in range(5) for rank in ranks for value in values(rank, number)]
    assert sorted(drawn) == list(range(50))
    noise = [torch.rand(4, generator=rank[0].rng) for rank in ranks]
    assert not torch.equal(*noise)


@pytest.mark.parametrize("size", [50, 120])
def test_a_batch_may_span_epochs(size: int) -> None:
    drawn = values(Batches(PIXELS, size=size, seed=0, device=CPU), 1)
    assert len(drawn) == size
    assert set(drawn) == set(range(50))


def test_another_seed_is_another_order() -> None:
    one, two = (values(Batches(PIXELS, size=50, seed=seed, device=CPU), 0) for seed in (0, 1))
    assert one != two


def test_labels_stay_with_their_samples() -> None:
    labels = torch.arange(50) % 10
    batches = Batches(PIXELS, size=8, seed=0, device=CPU, labels=labels)
    for number in (0, 5, 30):
        batch = batches[number]
        shown = to_pixels(batch.samples).flatten().long()
        assert torch.equal(batch.labels, shown % 10)


def test_every_other_sample_is_mirrored_the_same_way_each_time() -> None:
    pixels = torch.tensor([[0, 255]], dtype=torch.uint8).expand(200, 1, 1, 2)
    batches = Batches(pixels, size=200, seed=0, device=CPU, random_flip=True)
    flipped = batches[0].samples[:, 0, 0, 0] > 0
    assert 60 < flipped.sum() < 140
    assert torch.equal(flipped, batches[0].samples[:, 0, 0, 0] > 0)
    assert not torch.equal(flipped, batches[1].samples[:, 0, 0, 0] > 0)
