"""Network updates captured as CUDA graphs."""

from collections.abc import Callable

import pytest
import torch
from accelerate.state import AcceleratorState

from training.configs.config import Config
from training.configs.presets import PRESETS
from training.core.loop import Run

STEPS = 8  # more than CudaGraphStep.WARMUP


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")
@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("max_grad_norm", [None, 0.1])
def test_graph_updates_match_eager_updates(
    max_grad_norm: float | None, name: str, small: Callable[..., Config]
) -> None:
    """The tolerance is the difference of two eager runs, because GPU sums are not deterministic."""
    fields = {"lr_scheduler": "linear", "max_train_steps": STEPS, "max_grad_norm": max_grad_norm}
    results = []
    for cuda_graphs in (True, False, False):
        AcceleratorState._reset_state(reset_partial_state=True)
        # The learning rate changes at each step, so graphs must read the current value.
        run = Run(small(name, cuda_graphs=cuda_graphs, **fields))
        steps = [run.trainer.train_step(run.batches) for _ in range(STEPS)]
        weights = torch.cat([weight.flatten() for weight in run.trainer.networks.parameters()])
        losses = torch.stack(
            [value for step in steps for _, losses in step for value in losses.values()]
        )
        results.append((weights, losses))
    for graph, eager, repeated in zip(*results, strict=True):
        difference = (eager - repeated).abs().max().item()
        torch.testing.assert_close(graph, eager, rtol=0, atol=10 * difference + 1e-4)


@pytest.mark.parametrize(("step", "safe"), [(0, False), (9, False), (10, True)])
def test_updates_are_graph_safe_after_the_kl_warmup(step: int, safe: bool) -> None:
    objective = PRESETS["vae-fashion"].objective
    assert objective.graph_safe(0)
    assert type(objective)(kl_warmup_steps=10).graph_safe(step) is safe
