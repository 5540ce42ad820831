"""ASGI answers that end promptly when the caller hangs up, and take the upstream with them."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import suppress
from typing import TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

T = TypeVar("T")

NO_BUFFERING: Mapping[str, str] = {"cache-control": "no-cache", "x-accel-buffering": "no"}


class ClientGone(Exception):
    """The caller hung up before the answer was ready."""


def json_response(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON answer, ASCII only: text of a model may hold lone surrogates, which have no UTF-8 form."""
    body = json.dumps(content, separators=(",", ":")).encode("ascii")
    return Response(body, status, headers=headers, media_type="application/json")


class EventStream(Response):
    """A stream of events; closes its source when the caller hangs up."""

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncGenerator[bytes, None], headers: Mapping[str, str]) -> None:
        super().__init__(headers={**NO_BUFFERING, **headers})
        del self.headers["content-length"]
        self._frames = frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        try:
            with suppress(ClientGone, OSError):
                await unless_gone(receive, self._send(send))
        finally:
            await self._frames.aclose()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for content in self._frames:
            await send({"type": "http.response.body", "body": content, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def unless_gone(receive: Receive, work: Awaitable[T]) -> T:
    """Return the result of work, or cancel it when the caller hangs up first.

    Call only once the request body has been read.

    Raises:
        ClientGone: If the caller hung up.
    """
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientGone
    finally:
        for task in (working, watching):
            task.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
