"""A scripted model server: speaks OpenAI's and Anthropic's protocols over real HTTP, and misbehaves on cue."""

import asyncio
import json
import socket
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer with a text; `finish` is OpenAI's finish_reason or Anthropic's stop_reason."""

    text: str = "Fine, thank you."
    finish: str | None = None


@dataclass(frozen=True, slots=True)
class Fail:
    """Answer with an error status."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stall:
    """Answer nothing for so long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Raw:
    """Answer 200 with these bytes, whatever they are."""

    body: bytes


Step = Answer | Fail | Stall | Raw


class ScriptedServer:
    """Plays `steps` in order, then `otherwise` for ever; keeps every request body and the busiest moment."""

    def __init__(self, steps: Iterable[Step] = (), otherwise: Step | None = None) -> None:
        self.steps = deque(steps)
        self.otherwise: Step = otherwise or Answer()
        self.requests: list[dict[str, Any]] = []
        self.busiest = 0
        self._busy = 0
        routes = [
            Route("/v1/chat/completions", self._openai, methods=["POST"]),
            Route("/v1/messages", self._anthropic, methods=["POST"]),
        ]
        app = Starlette(routes=routes)
        config = uvicorn.Config(app, log_level="critical", lifespan="off", ws="none", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen()  # connections wait here until the thread accepts them
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="scripted-server", daemon=True
        )

    @property
    def root(self) -> str:
        """Base URL without `/v1`, as Anthropic's clients want it."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    @property
    def url(self) -> str:
        """Base URL with `/v1`, as OpenAI's clients want it."""
        return f"{self.root}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=10)
        self._socket.close()

    async def _openai(self, request: Request) -> Response:
        asked, step = await self._take(request)
        if not isinstance(step, Answer):
            return await self._misbehave(step)
        finish = step.finish or "stop"
        if asked.get("stream"):
            return StreamingResponse(_openai_chunks(step.text, finish), media_type="text/event-stream")
        message = {"role": "assistant", "content": step.text}
        return JSONResponse(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 0,
                "model": asked["model"],
                "choices": [{"index": 0, "message": message, "finish_reason": finish}],
                "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
            }
        )

    async def _anthropic(self, request: Request) -> Response:
        asked, step = await self._take(request)
        if not isinstance(step, Answer):
            return await self._misbehave(step)
        return JSONResponse(
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": asked["model"],
                "content": [{"type": "text", "text": step.text}],
                "stop_reason": step.finish or "end_turn",
                "stop_sequence": None,
                "usage": {"input_tokens": 7, "output_tokens": 3},
            }
        )

    async def _take(self, request: Request) -> tuple[dict[str, Any], Step]:
        asked = await request.json()
        self.requests.append(asked)
        self._busy += 1
        self.busiest = max(self.busiest, self._busy)
        await asyncio.sleep(0.02)  # long enough for calls in flight to overlap
        self._busy -= 1
        return asked, self.steps.popleft() if self.steps else self.otherwise

    async def _misbehave(self, step: Fail | Stall | Raw) -> Response:
        match step:
            case Fail():
                error = {"error": {"message": "scripted failure", "type": "scripted"}}
                return JSONResponse(error, status_code=step.status, headers=step.headers)
            case Stall():
                await self._wait(step.seconds)
                return Response(status_code=503)
            case Raw():
                return Response(step.body, media_type="application/json")

    async def _wait(self, seconds: float) -> None:
        """Wait, but not beyond the end of the test."""
        for _ in range(round(seconds / 0.05)):
            if self._server.should_exit:
                return
            await asyncio.sleep(0.05)


async def _openai_chunks(text: str, finish: str) -> AsyncIterator[str]:
    for word in text.split(" "):
        choice = {"index": 0, "delta": {"content": word + " "}, "finish_reason": None}
        yield f"data: {json.dumps({'id': 'c', 'object': 'chat.completion.chunk', 'choices': [choice]})}\n\n"
    last = {"index": 0, "delta": {}, "finish_reason": finish}
    yield f"data: {json.dumps({'id': 'c', 'object': 'chat.completion.chunk', 'choices': [last]})}\n\n"
    yield "data: [DONE]\n\n"
