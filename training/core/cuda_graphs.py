"""Turns as CUDA graphs: of small networks a GPU waits for the launches of their kernels."""

from collections.abc import Callable

import torch
from torch import Tensor

from training.core.batches import Batch

Turn = Callable[[Batch], dict[str, Tensor]]


class CudaGraphStep:
    """A turn that, once it was played a few times, is launched at once and not kernel by kernel.

    It must do the same at each call but for the batch, and wait for nothing of the device. What it
    draws is drawn anew each time, by the seed that the batch's source of randomness has then.
    """

    WARMUP = 3  # calls in which libraries choose and set up what they then reuse

    def __init__(self, turn: Turn) -> None:
        self.turn, self.calls = turn, 0

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """The turn's losses, as the turn gives them."""
        self.calls += 1
        if self.calls <= self.WARMUP:
            return self.rehearse(batch)
        if self.calls == self.WARMUP + 1:
            self.capture(batch)
        for kept, given in zip(self.batch[:2], batch[:2], strict=True):
            if kept is not None:
                kept.copy_(given)
        self.graph.replay()
        # The next replay writes over them.
        return dict(zip(self.names, self.values.clone(), strict=True))

    def rehearse(self, batch: Batch) -> dict[str, Tensor]:
        """Play it on a stream of its own, as capturing does."""
        stream, others = torch.cuda.Stream(), torch.cuda.current_stream()
        stream.wait_stream(others)
        with torch.cuda.stream(stream):
            losses = self.turn(batch)
        others.wait_stream(stream)
        return losses

    def capture(self, batch: Batch) -> None:
        """Record what it launches, for batches that are put where this one is. Nothing is run."""
        samples, labels, rng = batch
        self.batch = Batch(samples.clone(), None if labels is None else labels.clone(), rng)
        self.graph = torch.cuda.CUDAGraph()
        self.graph.register_generator_state(rng)
        with torch.cuda.graph(self.graph):
            losses = self.turn(self.batch)
            self.values = torch.stack([value.float() for value in losses.values()])
        self.names = list(losses)
