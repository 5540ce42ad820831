"""The ASGI application: OpenAI's chat completions with a guard around the model."""

import logging
import re
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from pydantic import Field
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gruyere.gateway.answers import ClientGone, EventStream, json_response, unless_gone
from gruyere.gateway.errors import RequestError, UpstreamFailure, error_body
from gruyere.gateway.relay import Out, Relay
from gruyere.gateway.request import ChatRequest, read_request
from gruyere.gateway.shapes import DONE, ChunkWriter, CompletionWriter, Envelope, frame
from gruyere.gateway.upstream import Upstream
from gruyere.guard import Guard
from gruyere.values import Value

LOG = logging.getLogger(__name__)


class GatewaySettings(Value):
    """Limits of the gateway."""

    idle_timeout_s: float = Field(default=60.0, gt=0)
    """Longest silence of the upstream, in seconds."""
    most_body_bytes: int = Field(default=10 * 1024 * 1024, ge=1)
    """Largest request body, in bytes."""


@dataclass(frozen=True, slots=True)
class Answering:
    """One request on its way: its guard, its names and what was asked."""

    request: ChatRequest
    guard: Guard
    decision: str
    """Random id that callers and operators can quote; says nothing about the decision."""
    envelope: Envelope

    @property
    def headers(self) -> dict[str, str]:
        """Headers of every answer, blocked or not."""
        return {"x-gruyere-release": _header(self.guard.release.name), "x-gruyere-decision": self.decision}


def create_app(
    guard_source: Callable[[], Guard], upstream: Upstream, settings: GatewaySettings | None = None
) -> Starlette:
    """Return the application.

    Args:
        guard_source: Returns the guard in use now; asked once per request, which keeps what it got.
        upstream: The model; closed when the application shuts down.
        settings: Limits.
    """
    gateway = Gateway(guard_source, upstream, settings or GatewaySettings())
    return Starlette(
        routes=[
            Route("/v1/chat/completions", gateway.chat_completions, methods=["POST"]),
            Route("/v1/models", gateway.models, methods=["GET"]),
            Route("/healthz", gateway.health, methods=["GET"]),
        ],
        exception_handlers={
            RequestError: _known_error,
            UpstreamFailure: _known_error,
            HTTPException: _http_error,
            ClientGone: _client_gone,
            Exception: _surprise,
        },
        lifespan=gateway.lifespan,
    )


class Gateway:
    """The endpoints and what they share."""

    def __init__(self, guard_source: Callable[[], Guard], upstream: Upstream, settings: GatewaySettings) -> None:
        self._guard_source = guard_source
        self._upstream = upstream
        self._settings = settings

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Close the upstream's connections at the end."""
        del app
        try:
            yield
        finally:
            await self._upstream.aclose()

    async def chat_completions(self, http: Request) -> Response:
        """`POST /v1/chat/completions`."""
        request = read_request(await self._body(http))
        decision = secrets.token_hex(12)
        envelope = Envelope(f"chatcmpl-{decision}", int(time.time()), request.model)
        answering = Answering(request, self._guard_source(), decision, envelope)
        chunks = self._upstream.stream(request.upstream, http.headers.get("authorization"))
        outs = Relay(answering.guard, request, self._settings.idle_timeout_s).run(chunks)
        if request.stream:
            return await self._streamed(http, answering, outs)
        return await self._whole(http, answering, outs)

    async def models(self, http: Request) -> Response:
        """`GET /v1/models`, as the upstream has it."""
        return json_response(await self._upstream.models(http.headers.get("authorization")))

    async def health(self, http: Request) -> Response:
        """`GET /healthz`: 200 where the upstream answers, else 503."""
        del http
        guard = self._guard_source()
        reachable = await self._upstream.reachable()
        content = {
            "status": "ok" if reachable else "degraded",
            "release": guard.release.name,
            "upstream": "reachable" if reachable else "unreachable",
        }
        return json_response(content, status=200 if reachable else 503)

    async def _streamed(self, http: Request, answering: Answering, outs: AsyncGenerator[Out, None]) -> Response:
        # The first piece is waited for, so that an upstream's refusal still gets its own status.
        try:
            first = await unless_gone(http.receive, anext(outs))
        except BaseException:
            await outs.aclose()
            raise
        return EventStream(_frames(first, outs, answering), answering.headers)

    async def _whole(self, http: Request, answering: Answering, outs: AsyncGenerator[Out, None]) -> Response:
        writer = CompletionWriter(answering.envelope, answering.request.choices)
        await unless_gone(http.receive, _gather(outs, writer))
        return json_response(writer.completion, headers=answering.headers)

    async def _body(self, http: Request) -> bytes:
        body = bytearray()
        async for received in http.stream():
            body += received
            if len(body) > self._settings.most_body_bytes:
                message = f"the request body is over {self._settings.most_body_bytes} bytes"
                raise RequestError(message, code="body_too_large", status=413)
        return bytes(body)


def _header(name: str) -> str:
    """Return a name as a header's value: an operator may have chosen characters that a header must not hold."""
    return re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)


async def _gather(outs: AsyncGenerator[Out, None], writer: CompletionWriter) -> None:
    async with aclosing(outs):
        async for out in outs:
            writer.write(out)


async def _frames(first: Out, outs: AsyncGenerator[Out, None], answering: Answering) -> AsyncGenerator[bytes, None]:
    """Yield the events of a stream; a failure on the way becomes an error event. Ends with `[DONE]`."""
    writer = ChunkWriter(answering.envelope, answering.request.include_usage)
    async with aclosing(outs):
        try:
            for chunk in writer.write(first):
                yield frame(chunk)
            async for out in outs:
                for chunk in writer.write(out):
                    yield frame(chunk)
        except UpstreamFailure as failure:
            LOG.warning("decision %s: %s", answering.decision, failure.code)
            yield frame(failure.body)
        except Exception:  # serving edge: the status is long sent, so the stream has to say it
            LOG.exception("decision %s: the gateway failed", answering.decision)
            yield frame(_INTERNAL)
        yield DONE


_INTERNAL = error_body("the gateway failed", "internal_error", "internal_error")


async def _known_error(http: Request, error: Exception) -> Response:
    del http
    assert isinstance(error, RequestError | UpstreamFailure)
    return json_response(error.body, status=error.status)


async def _http_error(http: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    body = error_body(f"{error.detail}: {http.method} {http.url.path}", "invalid_request_error", code)
    return json_response(body, status=error.status_code, headers=error.headers)


async def _client_gone(http: Request, error: Exception) -> Response:
    del http, error
    return Response(status_code=499)  # nobody is there to read it


async def _surprise(http: Request, error: Exception) -> Response:
    del http, error  # Starlette raises it on, for the server to log
    return json_response(_INTERNAL, status=500)
