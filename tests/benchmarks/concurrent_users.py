"""Response time of the app with many concurrent users."""

import asyncio
import statistics
import time

import httpx

from tests.benchmarks.timing import show

USERS = 50  # simultaneous requests, each for four images of a GAN
ROUNDS = 3


def main(address: str) -> None:
    """Measure the app at an address."""
    rounds = asyncio.run(response_times(address))
    percentiles = [statistics.quantiles(times, n=20)[-1] for times in rounds]
    name = f"app: 95th percentile of seconds for four images of a GAN, {USERS} users"
    show(name, statistics.median(percentiles), 3)


async def response_times(address: str) -> list[list[float]]:
    """Return the seconds of each request, for each round."""
    limits = httpx.Limits(max_connections=2 * USERS)
    async with httpx.AsyncClient(base_url=address, timeout=120, limits=limits) as client:
        await request_images(client, 0)  # loads the model
        return [
            await asyncio.gather(*(request_images(client, seed) for seed in range(USERS)))
            for _ in range(ROUNDS)
        ]


async def request_images(client: httpx.AsyncClient, seed: int) -> float:
    start = time.perf_counter()
    data = ["sngan-fashion", 4, str(seed), -1, 4, "DPM-Solver++", 20]
    response = await client.post("/gradio_api/call/generate", json={"data": data})
    events = await client.get(f"/gradio_api/call/generate/{response.json()['event_id']}")
    assert "event: complete" in events.text, events.text
    return time.perf_counter() - start
