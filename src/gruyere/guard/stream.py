"""The guard around an asynchronous stream of text.

The input is judged in a worker thread while the model is already starting; the first text is
held until that verdict. A block closes the stream it came from, so that nothing more is paid for.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import TypeVar

from gruyere.guard.answer import JudgedWord, Step
from gruyere.guard.guard import REFUSAL, Guard
from gruyere.values import Message, Verdict

T = TypeVar("T")

QUICK_S = 0.001
"""A judgement this quick, in seconds, is made in the event loop: handing it to a thread would cost more."""

QUICK_CHARS = 512
"""Longest text judged in the event loop, in characters."""


@dataclass(frozen=True, slots=True)
class Released:
    """Judged words that may be shown."""

    words: tuple[JudgedWord, ...]

    @property
    def text(self) -> str:
        """The words as text."""
        return "".join(word.text for word in self.words)


@dataclass(frozen=True, slots=True)
class Blocked:
    """The end of a blocked answer. Callers may be shown `refusal`, never the verdict."""

    verdict: Verdict
    refusal: str = REFUSAL


async def judge_input(guard: Guard, messages: Sequence[Message]) -> Verdict:
    """Judge the input in a worker thread; a time-out is a failure."""
    try:
        async with asyncio.timeout(guard.timeout_s):
            return await asyncio.to_thread(guard.judge_input, messages)
    except TimeoutError:
        return guard.failure(f"no input verdict within {guard.timeout_s:g} s")


class StreamedAnswer:
    """A guarded answer whose judgements have a time limit and do not hold up other streams.

    Slow judgements run in a worker thread. One that exceeds the limit there is abandoned: the
    thread may finish, nobody reads its result.
    """

    __slots__ = ("_answer", "_guard", "_quick")

    def __init__(self, guard: Guard, messages: Sequence[Message]) -> None:
        self._guard = guard
        self._answer = guard.open(messages)
        self._quick = False

    async def push(self, text: str) -> Step:
        """Read more text; return what may be released."""
        return await self._timed(lambda: self._answer.push(text), len(text))

    async def close(self) -> Step:
        """Judge the end of the answer; return its last word."""
        return await self._timed(self._answer.close, 0)

    def abandon(self) -> None:
        """Count the answer as finished, however it ended."""
        self._answer.abandon()

    async def _timed(self, work: Callable[[], Step], chars: int) -> Step:
        try:
            if self._quick and chars <= QUICK_CHARS:
                step, elapsed = _measured(work)
            else:
                async with asyncio.timeout(self._guard.timeout_s):
                    step, elapsed = await asyncio.to_thread(_measured, work)
        except TimeoutError:
            return self._late()
        self._quick = elapsed < QUICK_S
        return step if elapsed <= self._guard.timeout_s or step.blocked else self._late()

    def _late(self) -> Step:
        return self._answer.fail(f"no verdict on the answer within {self._guard.timeout_s:g} s")


def _measured(work: Callable[[], Step]) -> tuple[Step, float]:
    started = time.perf_counter()
    step = work()
    return step, time.perf_counter() - started


async def after_input(
    guard: Guard, messages: Sequence[Message], events: AsyncGenerator[T, None]
) -> AsyncGenerator[T | Blocked, None]:
    """Yield the events of a model that is already starting, once the input is allowed.

    The first event is asked for at once and held. A blocked input closes the model's stream and
    yields one `Blocked`. An error of the model is raised only after the input verdict.
    """
    async with aclosing(events):
        first = asyncio.ensure_future(anext(events))
        try:
            verdict = await judge_input(guard, messages)
            if verdict.decision == "block":
                yield Blocked(verdict)
                return
            try:
                yield await first
            except StopAsyncIteration:
                return
            async for event in events:
                yield event
        finally:
            if not first.done():
                first.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration, Exception):
                await first


async def guard_stream(
    guard: Guard, messages: Sequence[Message], chunks: AsyncIterator[str]
) -> AsyncGenerator[Released | Blocked, None]:
    """Guard a model's answer: yield judged text as it comes, and `Blocked` last if it is stopped.

    An error raised by `chunks` ends the stream with that error; what was judged before stays released.
    """
    answer: StreamedAnswer | None = None
    try:
        async with aclosing(after_input(guard, messages, _generator(chunks))) as events:
            async for event in events:
                if isinstance(event, Blocked):
                    yield event
                    return
                answer = answer or StreamedAnswer(guard, messages)
                step = await answer.push(event)
                if step.words:
                    yield Released(step.words)
                if step.blocked and step.verdict is not None:
                    yield Blocked(step.verdict)
                    return
        if answer is not None:
            step = await answer.close()
            if step.words:
                yield Released(step.words)
            if step.blocked and step.verdict is not None:
                yield Blocked(step.verdict)
    finally:
        if answer is not None:
            answer.abandon()


async def _generator(chunks: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """Give any iterator an `aclose` that reaches the iterator's own, where it has one."""
    try:
        async for chunk in chunks:
            yield chunk
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()
