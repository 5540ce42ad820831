"""The relay alone: any chunks, any cuts, and what may come out."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress

import pytest
from gateway_parts import ask
from hypothesis import given
from hypothesis import strategies as st
from keyword_release import keyword_release

from gruyere.gateway import UpstreamFailure
from gruyere.gateway.chunks import Channel, Finish, Piece, Usage, read_chunk
from gruyere.gateway.relay import MOST_CHANNELS, Out, Relay, Stopped
from gruyere.gateway.request import read_request
from gruyere.guard import Guard
from gruyere.values import cut_words

WORDS = st.sampled_from(["tea", " ", "cake", "\n", " cup", "蛋糕", "x" * 50, "é ", "milk "])
KINDS = st.sampled_from(["content", "reasoning_content", "refusal"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "index",
                    "delta",
                    "message",
                    "content",
                    "tool_calls",
                    "function",
                    "name",
                    "arguments",
                    "id",
                    "finish_reason",
                    "usage",
                    "error",
                    "odd",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


async def relay(guard: Guard, chunks: Sequence[object], n: int = 1) -> tuple[list[Out], str | None]:
    """Return everything that came out, and the code of the failure that ended it."""

    async def upstream() -> AsyncGenerator[object, None]:
        for chunk in chunks:
            yield chunk

    outs: list[Out] = []
    request = read_request(json.dumps(ask(n=n)).encode())
    try:
        async for out in Relay(guard, request, idle_s=5).run(upstream()):
            outs.append(out)
    except UpstreamFailure as failure:
        return outs, failure.code
    return outs, None


def chunk(choice: int, kind: str, text: str) -> object:
    """One chunk of text."""
    return {"choices": [{"index": choice, "delta": {kind: text}}]}


def joined(outs: Sequence[Out], choice: int, kind: str) -> str:
    """The text of one channel."""
    pieces = [o for o in outs if isinstance(o, Piece) and (o.choice, o.channel.kind) == (choice, kind)]
    return "".join(piece.text for piece in pieces)


@given(st.lists(st.tuples(st.integers(0, 1), KINDS, WORDS), max_size=30))
def test_what_comes_out_is_a_judged_beginning_of_what_went_in(sent: list[tuple[int, str, str]]) -> None:
    guard = Guard(keyword_release("output"))
    outs, failure = asyncio.run(relay(guard, [chunk(*one) for one in sent], n=2))
    assert failure is None
    for choice in (0, 1):
        for kind in ("content", "reasoning_content", "refusal"):
            whole = "".join(text for c, k, text in sent if (c, k) == (choice, kind))
            released = joined(outs, choice, kind)
            assert whole.startswith(released)
            assert not any("cake" in word for word in cut_words(released))
        ends = [i for i, o in enumerate(outs) if isinstance(o, Finish | Stopped) and o.choice == choice]
        assert len(ends) == 1
        assert not any(isinstance(o, Piece) and o.choice == choice for o in outs[ends[0] :])
    assert isinstance(outs[-1], Usage)
    assert guard.counters.words_released_unjudged == 0


@given(st.lists(WORDS, max_size=20).map("".join), st.sets(st.integers(0, 200), max_size=10))
def test_cuts_change_no_decision(text: str, cuts: set[int]) -> None:
    places = sorted(min(cut, len(text)) for cut in cuts)
    parts = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
    guard = Guard(keyword_release("output"))
    cut, _ = asyncio.run(relay(guard, [chunk(0, "content", part) for part in parts]))
    whole, _ = asyncio.run(relay(guard, [chunk(0, "content", text)]))
    assert joined(cut, 0, "content") == joined(whole, 0, "content")
    assert [o for o in cut if isinstance(o, Finish | Stopped)] == [o for o in whole if isinstance(o, Finish | Stopped)]


@given(JSON)
def test_any_chunk_is_read_or_refused(content: object) -> None:
    with suppress(UpstreamFailure):
        for part in read_chunk(content):
            assert isinstance(part, Usage) or part.choice >= 0


@given(st.lists(JSON, max_size=5))
def test_any_chunks_end_in_order(chunks: list[object]) -> None:
    guard = Guard(keyword_release("output"))
    outs, failure = asyncio.run(relay(guard, chunks))
    assert (failure is None) == isinstance(outs[-1] if outs else None, Usage)
    assert guard.counters.words_released_unjudged == 0


@pytest.mark.parametrize("field", ["name", "arguments"])
def test_too_many_channels_block(field: str) -> None:
    calls = [{"tool_calls": [{"index": i, "function": {field: "tea"}}]} for i in range(MOST_CHANNELS + 1)]
    chunks = [{"choices": [{"index": 0, "delta": call}]} for call in calls]
    outs, _ = asyncio.run(relay(Guard(keyword_release("output")), chunks))
    assert any(isinstance(out, Stopped) for out in outs)


def test_a_name_cannot_be_put_together_from_pieces() -> None:
    pieces = [{"tool_calls": [{"index": 0, "function": {"name": name}}]} for name in ("ca", "ke")]
    outs, _ = asyncio.run(
        relay(Guard(keyword_release("output")), [{"choices": [{"delta": piece}]} for piece in pieces])
    )
    assert any(isinstance(out, Stopped) for out in outs)


def test_channels_are_told_apart() -> None:
    assert Channel("tool", 1) != Channel("tool", 2)
    assert Channel("content") == Channel("content", 0)
