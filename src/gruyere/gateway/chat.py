"""One turn of a conversation with the guarded model in this process, for the terminal."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from gruyere.gateway.chunks import Piece, read_chunk
from gruyere.gateway.upstream import Upstream
from gruyere.guard import Blocked, Guard, JudgedWord, guard_stream
from gruyere.values import Message


async def chat_turn(
    guard: Guard,
    upstream: Upstream,
    messages: Sequence[Message],
    *,
    model: str = "default",
    max_tokens: int | None = None,
) -> AsyncGenerator[JudgedWord | Blocked, None]:
    """Yield the words of the answer with their scores, and `Blocked` last if it is stopped.

    Only the answer's content is shown; reasoning is neither shown nor judged.

    Raises:
        UpstreamFailure: If the upstream fails.
    """
    async with aclosing(guard_stream(guard, messages, _content(upstream, messages, model, max_tokens))) as events:
        async for event in events:
            if isinstance(event, Blocked):
                yield event
            else:
                for word in event.words:
                    yield word


async def _content(
    upstream: Upstream, messages: Sequence[Message], model: str, max_tokens: int | None
) -> AsyncGenerator[str, None]:
    body: dict[str, object] = {"model": model, "messages": [m.model_dump() for m in messages], "stream": True}
    if max_tokens is not None:
        body["max_tokens"] = max_tokens
    async with aclosing(upstream.stream(body, None)) as chunks:
        async for chunk in chunks:
            for part in read_chunk(chunk):
                if isinstance(part, Piece) and part.channel.kind == "content":
                    yield part.text
