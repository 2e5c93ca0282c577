"""Turns that are captured as CUDA graphs."""

from collections.abc import Callable

import pytest
import torch
from accelerate.state import AcceleratorState

from training.configs.config import Config
from training.configs.presets import PRESETS
from training.core.loop import Run

STEPS = 8  # of which the first few are played as they are


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")
@pytest.mark.parametrize("name", PRESETS)
def test_captured_turns_are_those_that_are_played(name: str, small: Callable[..., Config]) -> None:
    """As near to played ones as these are to one another, which a GPU adds up in any order."""
    ends = []
    for captures in (True, False, False):
        AcceleratorState._reset_state(reset_partial_state=True)
        # The learning rate changes at each step, as a captured turn must see.
        config = small(name, cuda_graphs=captures, lr_scheduler="linear", max_train_steps=STEPS)
        run = Run(config)
        told = [run.trainer.train_step(run.batches) for _ in range(STEPS)]
        weights = torch.cat([it.flatten() for it in run.trainer.networks.parameters()])
        losses = torch.stack([it for step in told for _, losses in step for it in losses.values()])
        ends.append((weights, losses))
    for captured, played, again in zip(*ends, strict=True):
        apart = (played - again).abs().max().item()
        torch.testing.assert_close(captured, played, rtol=0, atol=10 * apart + 1e-4)


@pytest.mark.parametrize(("step", "steady"), [(0, False), (9, False), (10, True)])
def test_a_turn_is_captured_once_its_formula_no_longer_changes(step: int, steady: bool) -> None:
    objective = PRESETS["vae-fashion"].objective
    assert objective.steady(0)
    assert type(objective)(kl_warmup_steps=10).steady(step) is steady
