"""Exhibit 20: requests are served concurrently, one forward pass each, inside the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine

from course_lib.museum.exhibit import Exhibit, Finding, Range


async def wrong(serve: Callable[[list[int]], list[int]], requests: list[int]) -> list[int]:
    """Answer all requests concurrently; serve(batch) runs the model and takes about as long for 1 as for 32."""

    async def handle(request: int) -> int:
        answers = serve([request])
        return answers[0]

    return await asyncio.gather(*(handle(request) for request in requests))


async def repaired(serve: Callable[[list[int]], list[int]], requests: list[int]) -> list[int]:
    """Answer all requests concurrently; serve(batch) runs the model and takes about as long for 1 as for 32."""
    return await asyncio.to_thread(serve, requests)


def measure(program: Callable[..., Coroutine[None, None, list[int]]]) -> Finding:
    """Send 32 requests, count forward passes, and let a health check knock every 2 ms meanwhile."""
    batches: list[int] = []
    answered_checks = 0

    def serve(batch: list[int]) -> list[int]:
        batches.append(len(batch))
        time.sleep(0.02)
        return [2 * request for request in batch]

    async def scene() -> list[int]:
        nonlocal answered_checks

        async def health() -> None:
            nonlocal answered_checks
            while True:
                await asyncio.sleep(0.002)
                answered_checks += 1

        checks = asyncio.create_task(health())
        answers = await program(serve, list(range(32)))
        checks.cancel()
        return answers

    answers = _run(scene())
    still = (
        ""
        if answered_checks
        else "The event loop was blocked: no health check was answered while requests were served."
    )
    if answers != [2 * request for request in range(32)]:
        still = "The answers are not those of the requests, in their order."
    return Finding(
        len(batches),
        "forward passes",
        f"32 requests take {len(batches)} forward pass{'es' * (len(batches) > 1)}; health checks are "
        f"{'answered' if answered_checks else 'not answered'} meanwhile.",
        still,
    )


def _run(scene: Coroutine[None, None, list[int]]) -> list[int]:
    """asyncio.run in a thread of its own: a notebook's event loop is already running."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, scene).result()


EXHIBIT = Exhibit(
    number="20",
    title="Many requests at once",
    fault_name="Concurrency without batching",
    chapters=("18",),
    questions=("s000-q23", "s003-q06", "s003-q04"),
    claim="async def and gather, or a thread per request, serve many requests at once.",
    quantity="forward passes for 32 requests",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(32, 32),
    healed=Range(1, 8),
    faulty={
        "answers = serve([request])": (
            "A batch of one per request, and a blocking call in a coroutine that awaits nothing: requests and "
            "health checks queue behind it."
        ),
    },
    fine={
        "async def handle(": "A coroutine per request is how servers are written; what it does inside is the matter.",
        "return answers[0]": "The only answer of the only request.",
        "asyncio.gather(": "gather would overlap coroutines, if they awaited anything.",
    },
    why_it_passes_review=(
        "async, await and gather are all there, and answers are right. On an idle server with one user the latency "
        "is the same. With threads instead of coroutines the device still computes batches of one."
    ),
    repair=(
        "Collect requests into a batch and run it off the event loop (asyncio.to_thread here; a batching queue in "
        "an engine)."
    ),
)
