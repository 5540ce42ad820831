"""A scripted upstream that speaks HTTP byte by byte, and the gateway served in front of it."""

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from gruyere.classifiers.serving.release import Release
from gruyere.gateway import GatewaySettings, HttpUpstream, create_app, server
from gruyere.guard import Guard

sys.path.append(str(Path(__file__).parents[1] / "guard"))

from keyword_release import keyword_release


@dataclass(frozen=True, slots=True)
class Hold:
    """Say nothing more until the caller hangs up (or five seconds have passed)."""


@dataclass(frozen=True, slots=True)
class Die:
    """Close the connection in the middle of the answer."""


Act = bytes | float | Hold | Die
"""Bytes to send, seconds to wait, or a way to end."""

DONE = b"data: [DONE]\n\n"


def event(content: object) -> bytes:
    """One event of a stream."""
    return b"data: " + json.dumps(content).encode() + b"\n\n"


def delta(choice: int = 0, reason: str | None = None, **fields: object) -> bytes:
    """One chunk of one choice."""
    return event(
        {
            "id": "up-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "up",
            "choices": [{"index": choice, "delta": fields, "finish_reason": reason, "logprobs": {"content": []}}],
            "surprise": "unjudged text",
        }
    )


def usage(prompt: int, completion: int) -> bytes:
    """The usage chunk."""
    return event({"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion}})


def says(text: str) -> list[Act]:
    """A script that writes a text word by word and ends well."""
    words = text.split(" ")
    chunks: list[Act] = [delta(content=word if i == 0 else " " + word) for i, word in enumerate(words)]
    return [delta(role="assistant", content=""), *chunks, delta(reason="stop"), usage(7, len(words)), DONE]


@dataclass(slots=True)
class ScriptedUpstream:
    """Answers every request with its script; remembers requests and callers that hung up."""

    script: Sequence[Act]
    head: bytes = b"200 OK\r\ncontent-type: text/event-stream"
    port: int = 0
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(
                (int(h.split(":")[1]) for h in head.lower().split("\r\n") if h.startswith("content-length")), 0
            )
            self.headers.append(head)
            if length:
                self.bodies.append(json.loads(await reader.readexactly(length)))
            writer.write(b"HTTP/1.1 " + self.head + b"\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n")
            await self._play(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.hung_up.set()
        finally:
            writer.close()

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for act in self.script:
            match act:
                case bytes():
                    writer.write(f"{len(act):x}\r\n".encode() + act + b"\r\n")
                    await writer.drain()
                case float():
                    await asyncio.sleep(act)
                case Die():
                    return
                case Hold():
                    async with asyncio.timeout(5):
                        if await reader.read(1) == b"":
                            self.hung_up.set()
                    return
        writer.write(b"0\r\n\r\n")
        await writer.drain()


@contextmanager
def scripted(*script: Act, head: bytes = b"200 OK\r\ncontent-type: text/event-stream") -> Iterator[ScriptedUpstream]:
    """Serve a script on a free port, from a thread."""
    upstream = ScriptedUpstream(script, head)
    ready, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        listening = await asyncio.start_server(upstream.answer, "127.0.0.1", 0)
        upstream.port = listening.sockets[0].getsockname()[1]
        ready.set()
        async with listening:
            await stop.wait()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    ready.wait(5)
    try:
        yield upstream
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


@contextmanager
def served(app: Starlette) -> Iterator[str]:
    """Serve an application with uvicorn in a thread; yield its address."""
    running = server(app)
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        wait_for(lambda: running.started)
        yield f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    finally:
        running.should_exit = True
        thread.join(10)


@contextmanager
def guarded(
    upstream: ScriptedUpstream,
    release: Release | None = None,
    *,
    idle_timeout_s: float = 5.0,
    timeout_s: float = 5.0,
) -> Iterator[tuple[str, Guard]]:
    """Serve a gateway in front of an upstream; yield its address and its guard."""
    guard = Guard(release or keyword_release("input", "output", "exchange"), timeout_s=timeout_s)
    settings = GatewaySettings(idle_timeout_s=idle_timeout_s)
    app = create_app(lambda: guard, HttpUpstream(upstream.url, "up-key"), settings)
    with served(app) as address:
        yield address, guard


def wait_for(condition: Callable[[], bool], most_s: float = 5.0) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: If it does not within so many seconds.
    """
    end = time.monotonic() + most_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the condition did not come true")
        time.sleep(0.01)


def ask(text: str = "How are you?", **more: object) -> dict[str, Any]:
    """A request body."""
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


def events_of(body: str) -> list[Any]:
    """Parse a whole stream; `[DONE]` stays a string."""
    data = [line.removeprefix("data: ") for line in body.split("\n") if line]
    return [item if item == "[DONE]" else json.loads(item) for item in data]


def text_of(events: Sequence[Any], name: str = "content", choice: int = 0) -> str:
    """Put together one field of one choice."""
    choices = [c for e in events if isinstance(e, dict) for c in e.get("choices", []) if c["index"] == choice]
    return "".join(c["delta"].get(name) or "" for c in choices)


def reasons_of(events: Sequence[Any], choice: int = 0) -> list[str]:
    """Every finish reason of one choice."""
    choices = [c for e in events if isinstance(e, dict) for c in e.get("choices", []) if c["index"] == choice]
    return [c["finish_reason"] for c in choices if c["finish_reason"]]
