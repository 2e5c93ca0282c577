"""Search for latents whose samples are as they are wanted."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from genmodels.device import supports_bf16

if TYPE_CHECKING:
    from genmodels.pipelines.base import LatentPipeline

CANDIDATES = 64  # random latents among which an image's beginnings are chosen
RESTARTS = 4  # beginnings of the descent for each image
FIRST, SECOND = 40, 100  # steps from all beginnings, and from the best of each image
RATE = 0.05  # of Adam
PATIENCE = 10  # steps in which a loss must fall by a hundredth for its descent to go on


@torch.inference_mode(False)
def search(
    pipeline: "LatentPipeline",
    loss: Callable[..., Tensor],
    wanted: Sequence[Tensor],
    labels: Tensor | None,
    rng: torch.Generator | None,
    guess: Tensor | None = None,
    prior: float = 1.0,
    progress: Callable[[float], object] = lambda part: None,
) -> Tensor:
    """The latents (B, *Z) of least loss and least length, for each image by itself.

    loss: samples (N, C, S, S) and as many rows of each tensor of `wanted` -> (N,)
    wanted: tensors (B, ...) by which samples are judged
    guess: latents (B, *Z) from which the descent begins too
    prior: weight of half a latent's squared length, -log of its density
    progress: is told the part that is done; what it raises ends the search
    """
    wanted = [tensor.clone() for tensor in wanted]  # of inference mode, there is no way back
    count = len(wanted[0])
    rounds = wanted[0].device.type == "cpu" and supports_bf16()

    def losses(latents: Tensor) -> Tensor:
        times = len(latents) // count
        rows = [tensor.repeat_interleave(times, 0) for tensor in wanted]
        told = None if labels is None else labels.repeat_interleave(times)
        lengths = latents.square().flatten(1).sum(1)
        # In three fifths of the time, and what is found is as near.
        with torch.autocast(latents.device.type, torch.bfloat16, enabled=rounds):
            drawn = pipeline.decode(latents, told)
        return loss(drawn.to(latents.dtype), *rows) + prior / 2 * lengths

    with torch.no_grad():
        drawn = pipeline.draw(CANDIDATES * count, rng)
        start = pick(drawn, losses(drawn), count, RESTARTS)
    if guess is not None:
        start.unflatten(0, (count, RESTARTS))[:, 0] = guess
    found, least = descend(losses, start, FIRST, lambda part: progress(part / 2))
    best = pick(found, least, count, 1)
    return descend(losses, best, SECOND, lambda part: progress((1 + part) / 2))[0]


def pick(latents: Tensor, losses: Tensor, count: int, kept: int) -> Tensor:
    """Latents (count * N, *Z) and losses of each -> the best of every N, (count * kept, *Z)."""
    best = losses.view(count, -1).argsort(1)[:, :kept]
    rows = latents.unflatten(0, (count, -1))
    return rows[torch.arange(count)[:, None], best].flatten(0, 1)


def descend(
    loss: Callable[[Tensor], Tensor],
    start: Tensor,
    steps: int,
    progress: Callable[[float], object] = lambda part: None,
) -> tuple[Tensor, Tensor]:
    """Minimise a loss over latents, each row by itself -> the best latents and their losses (N,).

    loss: latents (N, *Z) -> (N,), where a row depends on its own latent alone
    start: (N, *Z)
    progress: is told the part of the steps that is done; what it raises ends the descent
    """
    latents = start.detach().clone().requires_grad_()
    optimizer = torch.optim.Adam([latents], RATE)
    best, least = start.detach().clone(), torch.full((len(start),), torch.inf, device=start.device)
    mark, since = least, torch.zeros_like(least)
    for step in range(steps):
        with torch.enable_grad():
            losses = loss(latents)
            (latents.grad,) = torch.autograd.grad(losses.sum(), latents)
        losses = losses.detach()
        better = losses < least
        best[better], least = latents.detach()[better], torch.minimum(losses, least)
        optimizer.step()
        progress((step + 1) / steps)
        fell = least < 0.99 * mark
        mark, since = torch.where(fell, least, mark), torch.where(fell, 0, since + 1)
        if (since >= PATIENCE).all():
            break
    progress(1.0)
    return best, least
