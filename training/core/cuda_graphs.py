"""Network updates as CUDA graphs, which remove the kernel launch overhead of small networks.

https://pytorch.org/blog/accelerating-pytorch-with-cuda-graphs
"""

from collections.abc import Callable

import torch
from torch import Tensor

from training.core.batches import Batch

Update = Callable[[Batch], dict[str, Tensor]]


class CudaGraphStep:
    """An update that is captured as a CUDA graph after a few warm-up calls, then replayed.

    The update must run the same operations in every call and never wait for a value from the GPU.
    A graph keeps the generator of its capture, so each call gives it the state of its batch's one.
    """

    WARMUP = 3  # calls before the capture, in which libraries choose algorithms and allocate

    def __init__(self, update: Update) -> None:
        self.update, self.calls = update, 0

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """Run the update and return its losses."""
        self.calls += 1
        if self.calls <= self.WARMUP:
            return self.warm_up(batch)
        if self.calls == self.WARMUP + 1:
            self.capture(batch)
        for static, current in zip(self.batch[:2], batch[:2], strict=True):
            if static is not None:
                static.copy_(current)
        self.batch.rng.set_state(batch.rng.get_state())
        self.graph.replay()
        # A copy, because the next replay overwrites the values.
        return dict(zip(self.names, self.values.clone(), strict=True))

    def warm_up(self, batch: Batch) -> dict[str, Tensor]:
        """Run the update on a side stream, as the capture does."""
        stream, current = torch.cuda.Stream(), torch.cuda.current_stream()
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            losses = self.update(batch)
        current.wait_stream(stream)
        return losses

    def capture(self, batch: Batch) -> None:
        """Record the update's kernels, without running them, on static copies of the batch."""
        samples, labels, _ = batch
        rng = torch.Generator(samples.device)
        self.batch = Batch(samples.clone(), None if labels is None else labels.clone(), rng)
        self.graph = torch.cuda.CUDAGraph()
        self.graph.register_generator_state(rng)
        # Another thread may pin memory meanwhile.
        with torch.cuda.graph(self.graph, capture_error_mode="thread_local"):
            losses = self.update(self.batch)
            self.values = torch.stack([value.float() for value in losses.values()])
        self.names = list(losses)
