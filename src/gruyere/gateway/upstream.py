"""The model behind the guard: any OpenAI-compatible server, or a function in this process.

An upstream yields parsed chunks of a streamed chat completion. Closing the generator stops the
generation. Knows nothing of guards.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx

from gruyere.gateway.errors import UpstreamFailure
from gruyere.gateway.request import readable
from gruyere.gateway.sse import MOST_BYTES, EventReader
from gruyere.values import Message, UsageError

DONE = "[DONE]"
_MOST_ERROR_CHARS = 2000


class Upstream(Protocol):
    """Where answers come from."""

    def stream(self, body: Mapping[str, Any], authorization: str | None) -> AsyncGenerator[object, None]:
        """Yield the chunks of one streamed completion, as parsed JSON, up to `[DONE]`.

        Args:
            body: The request for the upstream, already set to stream.
            authorization: The caller's own `Authorization` header, for upstreams without a key.

        Raises:
            UpstreamFailure: If it is unreachable, refuses, breaks off or sends what cannot be parsed.
        """
        ...

    async def models(self, authorization: str | None) -> object:
        """Return the list of models in OpenAI's shape."""
        ...

    async def reachable(self) -> bool:
        """Return whether the upstream answers at all."""
        ...

    async def aclose(self) -> None:
        """Release connections."""
        ...


class HttpUpstream:
    """An OpenAI-compatible server.

    Args:
        url: Its base, such as `http://127.0.0.1:8000/v1`; `/v1` is added where there is no path.
        api_key: Sent as bearer token; without one the caller's `Authorization` header is passed on.
        timeout_s: Longest silence, in seconds, before and while it answers.

    Raises:
        UsageError: If the URL is not an http or https address.
    """

    def __init__(self, url: str, api_key: str | None = None, timeout_s: float = 60.0) -> None:
        self.url = _base(url)
        self._api_key = api_key
        # One client for all requests: building one costs a TLS context, tens of milliseconds.
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout_s, connect=min(10.0, timeout_s), pool=None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=100),
            follow_redirects=False,
            headers={"accept-encoding": "identity"},  # a compressed stream is held up, and may be a bomb
        )

    async def stream(self, body: Mapping[str, Any], authorization: str | None) -> AsyncGenerator[object, None]:
        async with self._send(body, authorization) as response:
            if response.status_code != 200:
                raise await _refusal(response)
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                yield await _whole(response)
                return
            async with aclosing(_events(response)) as events:
                async for data in events:
                    if data == DONE:
                        return
                    yield _parse(data)
        raise UpstreamFailure("the upstream broke off in the middle of its answer", code="upstream_lost")

    async def models(self, authorization: str | None) -> object:
        try:
            response = await self._client.get(f"{self.url}/models", headers=self._headers(authorization))
        except httpx.HTTPError as error:
            raise _unreachable(error) from error
        if response.status_code != 200:
            raise await _refusal(response)
        return _parse(response.text)

    async def reachable(self) -> bool:
        try:
            response = await self._client.get(f"{self.url}/models", headers=self._headers(None), timeout=2.0)
        except httpx.HTTPError:
            return False
        return response.status_code < 500

    async def aclose(self) -> None:
        await self._client.aclose()

    def _headers(self, authorization: str | None) -> dict[str, str]:
        if self._api_key:
            return {"authorization": f"Bearer {self._api_key}"}
        return {"authorization": authorization} if authorization else {}

    @asynccontextmanager
    async def _send(self, body: Mapping[str, Any], authorization: str | None) -> AsyncIterator[httpx.Response]:
        # ASCII JSON: lone surrogates, which JSON allows, have no UTF-8 form.
        content = json.dumps(body, separators=(",", ":")).encode("ascii")
        headers = {**self._headers(authorization), "content-type": "application/json", "accept": "text/event-stream"}
        request = self._client.build_request("POST", f"{self.url}/chat/completions", content=content, headers=headers)
        try:
            response = await self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise _unreachable(error) from error
        try:
            yield response
        finally:
            await response.aclose()


class CallableUpstream:
    """A function of this process that writes text, such as the stand-in model.

    Args:
        answer: Takes the conversation, yields the answer in chunks of any size, one token at best.
        model: Its name in `/v1/models`.
    """

    def __init__(self, answer: Callable[[Sequence[Message]], AsyncIterator[str]], model: str) -> None:
        self._answer = answer
        self._model = model

    async def stream(self, body: Mapping[str, Any], authorization: str | None) -> AsyncGenerator[object, None]:
        del authorization
        messages = [
            Message(role=_role(m.get("role")), content=readable(_plain(m.get("content")))) for m in body["messages"]
        ]
        most = body.get("max_completion_tokens") or body.get("max_tokens")
        count = 0
        for choice in range(body.get("n") or 1):
            reason = "stop"
            written = 0
            chunks = self._answer(messages)
            try:
                async for text in chunks:
                    if isinstance(most, int) and written >= most:
                        reason = "length"
                        break
                    written += 1
                    yield {"choices": [{"index": choice, "delta": {"content": text}, "finish_reason": None}]}
            finally:
                close = getattr(chunks, "aclose", None)
                if close is not None:
                    await close()
            count += written
            yield {"choices": [{"index": choice, "delta": {}, "finish_reason": reason}]}
        prompt = sum(len(message.content.split()) for message in messages)
        yield {"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": count}}

    async def models(self, authorization: str | None) -> object:
        del authorization
        entry = {"id": self._model, "object": "model", "created": 0, "owned_by": "gruyere"}
        return {"object": "list", "data": [entry]}

    async def reachable(self) -> bool:
        return True

    async def aclose(self) -> None:
        return None


def _base(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise UsageError(f"upstream {url!r} is not an http or https address; give one such as http://127.0.0.1:8000/v1")
    base = url.rstrip("/").removesuffix("/chat/completions")
    return base + "/v1" if parts.path in ("", "/") else base


async def _events(response: httpx.Response) -> AsyncGenerator[str, None]:
    reader = EventReader()
    try:
        async for received in response.aiter_bytes():
            for data in reader.push(received):
                yield data
    except httpx.TimeoutException as error:
        raise UpstreamFailure("the upstream fell silent", code="upstream_timeout", status=504) from error
    except httpx.HTTPError as error:
        raise UpstreamFailure("the upstream broke off in the middle of its answer", code="upstream_lost") from error
    for data in reader.close():
        yield data


async def _whole(response: httpx.Response) -> object:
    """Read an answer of a server that does not stream."""
    return _parse((await _read(response, MOST_BYTES)).decode("utf-8", "replace"))


async def _read(response: httpx.Response, most: int) -> bytes:
    body = bytearray()
    try:
        async for received in response.aiter_bytes():
            body += received
            if len(body) > most:
                raise UpstreamFailure(f"the upstream sent over {most} bytes at once", code="upstream_malformed")
    except httpx.HTTPError as error:
        raise _unreachable(error) from error
    return bytes(body)


async def _refusal(response: httpx.Response) -> UpstreamFailure:
    """Return the upstream's own error with its status: message, type and code, nothing else it may hold."""
    try:
        content = json.loads(await _read(response, 64 * 1024))
        error = content["error"]
        message, kind, code = (error.get(name) for name in ("message", "type", "code"))
    except (ValueError, KeyError, TypeError, AttributeError, UpstreamFailure):
        message, kind, code = None, None, None
    status = response.status_code if 400 <= response.status_code < 600 else 502
    return UpstreamFailure(
        str(message)[:_MOST_ERROR_CHARS] if message else f"the upstream answered with status {response.status_code}",
        code=str(code)[:64] if code else "upstream_error",
        status=status,
        kind=str(kind)[:64] if kind else "upstream_error",
    )


def _parse(data: str) -> object:
    try:
        content: object = json.loads(data)
    except (ValueError, RecursionError):
        raise UpstreamFailure("the upstream sent what is not JSON", code="upstream_malformed") from None
    return content


def _unreachable(error: httpx.HTTPError) -> UpstreamFailure:
    if isinstance(error, httpx.TimeoutException):
        return UpstreamFailure("the upstream did not answer in time", code="upstream_timeout", status=504)
    return UpstreamFailure("the upstream cannot be reached", code="upstream_unreachable")


def _role(role: object) -> Any:
    return {"developer": "system", "function": "tool"}.get(str(role), role)


def _plain(content: object) -> str:
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""
