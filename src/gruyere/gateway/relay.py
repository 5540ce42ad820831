"""An upstream's chunks on one side, judged pieces on the other. Knows no wire shapes.

Every channel of every choice (content, reasoning, each tool call) has a guarded answer of its own; a
block in any of them ends that choice. When the last choice has ended the upstream is closed.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

from gruyere.gateway.chunks import CallStart, Channel, Finish, Part, Piece, Unknown, Usage, read_chunk
from gruyere.gateway.errors import UpstreamFailure
from gruyere.gateway.request import ChatRequest, count_words
from gruyere.guard import Blocked, Guard, StreamedAnswer, after_input
from gruyere.values import Verdict

T = TypeVar("T")

MOST_CHANNELS = 128
"""Most channels of one choice; an answer with more is blocked, so that memory stays bounded."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The end of one choice by the guard."""

    choice: int
    verdict: Verdict


Out = Piece | CallStart | Finish | Usage | Stopped


class Relay:
    """One guarded request.

    Args:
        guard: Judges it from beginning to end, whatever release is promoted meanwhile.
        request: What was asked for.
        idle_s: Longest silence of the upstream, in seconds.
    """

    def __init__(self, guard: Guard, request: ChatRequest, idle_s: float) -> None:
        self._guard = guard
        self._request = request
        self._idle_s = idle_s
        self._choices = {i: Choice(guard, request, i) for i in range(request.choices)}
        self._usage: Usage | None = None
        self._deltas = 0

    async def run(self, chunks: AsyncGenerator[object, None]) -> AsyncGenerator[Out, None]:
        """Yield what may be shown, in order; every choice ends with `Finish` or `Stopped`, then comes `Usage`.

        Raises:
            UpstreamFailure: If the upstream fails; what was yielded before stays valid.
        """
        try:
            async with aclosing(self._through(_unless_silent(chunks, self._idle_s))) as outs:
                async for out in outs:
                    yield out
            for out in await self._finish():
                yield out
        finally:
            for choice in self._choices.values():
                choice.abandon()

    async def _through(self, chunks: AsyncGenerator[object, None]) -> AsyncGenerator[Out, None]:
        async with aclosing(after_input(self._guard, self._request.judged, chunks)) as events:
            try:
                async for event in events:
                    if isinstance(event, Blocked):
                        for choice in self._choices.values():
                            yield choice.stop(event.verdict)
                        return
                    for out in await self._take_chunk(event):
                        yield out
                    if self._all_ended and any(choice.stopped for choice in self._choices.values()):
                        return
            except UpstreamFailure:
                # Some servers hang up without a terminator: no failure once every choice is complete.
                if not self._all_ended:
                    raise

    @property
    def _all_ended(self) -> bool:
        return all(choice.ended for choice in self._choices.values())

    async def _take_chunk(self, chunk: object) -> list[Out]:
        parts = list(read_chunk(chunk))  # whole before any of it is judged: a broken chunk shows nothing
        if any(part.choice not in self._choices for part in parts if not isinstance(part, Usage)):
            raise UpstreamFailure("the upstream sent a choice that was not asked for", code="upstream_malformed")
        outs: list[Out] = []
        for part in parts:
            if isinstance(part, Usage):
                self._usage = part
                continue
            self._deltas += isinstance(part, Piece)
            outs += await self._choices[part.choice].take(part)
        return outs

    async def _finish(self) -> list[Out]:
        outs: list[Out] = []
        for index, choice in self._choices.items():  # those the upstream did not finish by name
            outs += await choice.take(Finish(index, "stop"))
        # After a block the upstream's own count never comes: then a token is estimated as one delta.
        return [*outs, self._usage or Usage(count_words(self._request.judged), self._deltas)]


class Choice:
    """One of the answers asked for."""

    def __init__(self, guard: Guard, request: ChatRequest, index: int) -> None:
        self._guard = guard
        self._request = request
        self._index = index
        self._answers: dict[Channel, StreamedAnswer] = {}
        self._named: set[Channel] = set()
        self.ended = False
        self.stopped = False

    async def take(self, part: Part) -> list[Out]:
        """Return what may be shown after one more part; nothing once the choice has ended."""
        if self.ended:
            return []
        match part:
            case Piece(channel=channel, text=text):
                return await self._read(channel, text)
            case CallStart(channel=channel, name=name):
                return await self._start(part, channel, name)
            case Unknown(field=field):
                return [self.stop(self._unjudged(f"unknown field {field}"))]
            case Finish():
                return await self._end(part)
        return []

    def stop(self, verdict: Verdict) -> Stopped:
        """End this choice by the guard."""
        self.ended = self.stopped = True
        self.abandon()
        return Stopped(self._index, verdict)

    def abandon(self) -> None:
        """Count its answers as finished, however they ended."""
        for answer in self._answers.values():
            answer.abandon()

    async def _read(self, channel: Channel, text: str) -> list[Out]:
        answer = self._answers.get(channel)
        if answer is None:
            if len(self._answers) >= MOST_CHANNELS:
                return [self.stop(self._unjudged("too many channels"))]
            answer = self._answers[channel] = StreamedAnswer(self._guard, self._request.judged)
        step = await answer.push(text)
        outs: list[Out] = [Piece(self._index, channel, step.released)] if step.words else []
        if step.blocked and step.verdict is not None:
            outs.append(self.stop(step.verdict))
        return outs

    async def _start(self, call: CallStart, channel: Channel, name: str) -> list[Out]:
        # A name is judged whole. One that comes in pieces could be put together to anything.
        if channel in self._named:
            return [self.stop(self._unjudged("a tool call was named twice"))]
        if len(self._named) >= MOST_CHANNELS:
            return [self.stop(self._unjudged("too many channels"))]
        self._named.add(channel)
        answer = StreamedAnswer(self._guard, self._request.judged)
        first, last = await answer.push(name), await answer.close()
        if last.blocked and last.verdict is not None:
            return [self.stop(last.verdict)]
        whole = "".join(word.text for word in (*first.words, *last.words))
        return [CallStart(self._index, channel, call.id, whole)]

    async def _end(self, finish: Finish) -> list[Out]:
        outs: list[Out] = []
        for channel, answer in self._answers.items():
            step = await answer.close()
            if step.words:
                outs.append(Piece(self._index, channel, step.released))
            if step.blocked and step.verdict is not None:
                return [*outs, self.stop(step.verdict)]
        self.ended = True
        return [*outs, finish]

    def _unjudged(self, reason: str) -> Verdict:
        # Not the guard's failure to judge but text it cannot see: blocks even where failures are let through.
        return Verdict(decision="block", layer="failure", release=self._guard.release.name, reason=reason)


async def _unless_silent(events: AsyncGenerator[T, None], idle_s: float) -> AsyncGenerator[T, None]:
    async with aclosing(events):
        while True:
            try:
                async with asyncio.timeout(idle_s):
                    event = await anext(events)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise UpstreamFailure("the upstream fell silent", code="upstream_timeout", status=504) from None
            yield event
