"""The same guard in front of a real local model: what it blocks and what it costs."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from statistics import median

from openai import AsyncOpenAI

from gruyere.guard import Blocked, Guard, guard_stream
from gruyere.language.local import LocalServer
from gruyere.values import Example, Message, Value

TOKENS = 48
"""Tokens generated per request: enough for times per token, short enough for a demonstration."""


class LiveFigures(Value):
    """Figures over the requests put to the local model."""

    model: str
    restricted: int
    restricted_blocked: int
    harmless: int
    harmless_blocked: int
    tokens: int
    ttft_ms: float
    """Median time to first token of the bare model, in milliseconds."""
    added_ttft_ms: float
    """Median over requests of guarded minus bare time to first token, in milliseconds; may be below zero by noise."""
    added_us_per_token: float
    """Time spent in the guard per generated token, in microseconds."""
    us_per_token: float
    """Median time per token of the bare model, in microseconds."""
    unjudged_words: int


async def _chunks(client: AsyncOpenAI, model: str, messages: Sequence[Message]) -> AsyncIterator[str]:
    stream = await client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": m.content} for m in messages],
        max_tokens=TOKENS,
        temperature=0,
        stream=True,
        # Else llama.cpp answers the second of two equal prompts from its cache, and the guard seems to save time.
        extra_body={"cache_prompt": False},
    )
    async for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            yield chunk.choices[0].delta.content


async def _bare(client: AsyncOpenAI, model: str, messages: Sequence[Message]) -> tuple[float, float, int]:
    """Return time to first token and total time, in seconds, and the number of chunks."""
    started = time.perf_counter()
    first, count = 0.0, 0
    async for _ in _chunks(client, model, messages):
        first = first or time.perf_counter() - started
        count += 1
    return first, time.perf_counter() - started, count


async def _guarded(
    guard: Guard, client: AsyncOpenAI, model: str, messages: Sequence[Message]
) -> tuple[float | None, bool, int]:
    """Return time to the first released text (None if there was none), whether it was blocked, and chunks read."""
    started = time.perf_counter()
    first: float | None = None
    blocked, count = False, 0

    async def counted() -> AsyncIterator[str]:
        nonlocal count
        async for text in _chunks(client, model, messages):
            count += 1
            yield text

    async for event in guard_stream(guard, messages, counted()):
        if isinstance(event, Blocked):
            blocked = True
        elif first is None:
            first = time.perf_counter() - started
    return first, blocked, count


async def _measure(
    guard: Guard, url: str, model: str, rows: Sequence[Example], progress: Callable[[str, int, int], None]
) -> LiveFigures:
    client = AsyncOpenAI(base_url=url, api_key="none", max_retries=0)
    blocked = {"harmful": 0, "harmless": 0}
    added: list[float] = []
    bare_first: list[float] = []
    bare_token: list[float] = []
    tokens = 0
    await _bare(client, model, rows[0].exchange.transcript)  # the first request pays for warming up
    before = guard.counters.guard_seconds
    for number, example in enumerate(rows):
        progress("guarding the local model", number, len(rows))
        messages = example.exchange.transcript
        first, total, count = await _bare(client, model, messages)
        guarded_first, stopped, read = await _guarded(guard, client, model, messages)
        tokens += read
        blocked[example.label("input")] += stopped
        bare_first.append(first)
        if count > 1:
            bare_token.append((total - first) / (count - 1))
        if guarded_first is not None and not stopped:
            added.append(guarded_first - first)
    counters = guard.counters
    harmful = sum(row.label("input") == "harmful" for row in rows)
    await client.close()
    return LiveFigures(
        model=model,
        restricted=harmful,
        restricted_blocked=blocked["harmful"],
        harmless=len(rows) - harmful,
        harmless_blocked=blocked["harmless"],
        tokens=tokens,
        ttft_ms=1e3 * median(bare_first),
        added_ttft_ms=1e3 * median(added) if added else 0.0,
        added_us_per_token=1e6 * (counters.guard_seconds - before) / max(1, tokens),
        us_per_token=1e6 * median(bare_token) if bare_token else 0.0,
        unjudged_words=counters.words_released_unjudged,
    )


def measure_live(guard: Guard, rows: Sequence[Example], progress: Callable[[str, int, int], None]) -> LiveFigures:
    """Run the packaged local model bare and guarded on the same requests.

    Raises:
        UsageError, ArtifactError: If the model's packages are missing or altered.
    """
    with LocalServer() as server:
        return asyncio.run(_measure(guard, server.url, server.model, rows, progress))
