"""Many visitors at once: how long the slowest of them wait."""

import asyncio
import statistics
import time

import httpx

from tests.benchmarks.timing import show

VISITORS = 50  # who ask at the same moment, each for four images of a GAN
ROUNDS = 3


def main(address: str) -> None:
    """Ask an app that is served at an address."""
    waits = asyncio.run(crowd(address))
    slowest = [statistics.quantiles(times, n=20)[-1] for times in waits]
    name = f"app: seconds within which 95 % of {VISITORS} visitors have four images of a GAN"
    show(name, statistics.median(slowest), 3)


async def crowd(address: str) -> list[list[float]]:
    """Seconds that each visitor waits, in each round."""
    limits = httpx.Limits(max_connections=2 * VISITORS)
    async with httpx.AsyncClient(base_url=address, timeout=120, limits=limits) as client:
        await visit(client, 0)  # loads the model
        return [
            await asyncio.gather(*(visit(client, seed) for seed in range(VISITORS)))
            for _ in range(ROUNDS)
        ]


async def visit(client: httpx.AsyncClient, seed: int) -> float:
    start = time.perf_counter()
    data = ["sngan-fashion", 4, str(seed), -1, 4, "DPM-Solver++", 20]
    asked = await client.post("/gradio_api/call/generate", json={"data": data})
    told = await client.get(f"/gradio_api/call/generate/{asked.json()['event_id']}")
    assert "event: complete" in told.text, told.text
    return time.perf_counter() - start
