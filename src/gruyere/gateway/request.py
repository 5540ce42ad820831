"""A chat request: what is judged of it, and what is passed on.

Every string that can reach the model is judged, in whatever field it stands; what cannot be read
(images, audio, files) is refused. Fields that this gateway does not know pass through, judged.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from gruyere.gateway.errors import RequestError
from gruyere.values import Message, Role

K = TypeVar("K")

MOST_CHOICES = 16
"""Most answers that one request may ask for."""

_ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_TEXT_PARTS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
_NOT_CONTENT = frozenset({"role", "id", "type", "tool_call_id", "index"})
"""Keys of a message whose strings are names given by programs, not text."""
_SCHEMA_WORDS = frozenset(
    [
        "additionalProperties",
        "allOf",
        "anyOf",
        "arguments",
        "default",
        "description",
        "enum",
        "format",
        "function",
        "items",
        "json_schema",
        "maximum",
        "minimum",
        "name",
        "oneOf",
        "parameters",
        "properties",
        "required",
        "schema",
        "strict",
        "title",
        "tool_calls",
    ]
)
"""Keys that every tool definition and schema has; other keys may be chosen by the caller, so they are text."""
_SETTINGS = frozenset(
    [
        "frequency_penalty",
        "function_call",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "min_p",
        "modalities",
        "model",
        "n",
        "parallel_tool_calls",
        "presence_penalty",
        "prompt_cache_key",
        "reasoning_effort",
        "repetition_penalty",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "top_k",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
    ]
)
"""Request fields whose strings do not become part of what the model reads."""
_NAMES: Mapping[type, str] = {bool: "boolean", int: "integer", str: "string", dict: "object"}
_WITHHELD = ("logprobs", "top_logprobs")
"""Probabilities of other tokens would show text that nobody judged."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A checked request.

    Args:
        judged: What the input classifiers read: other text for the model first, then the conversation.
        upstream: The body for the upstream: as it came, always streamed, without log-probabilities.
        stream: Whether the caller wants a stream.
        include_usage: Whether the caller wants a usage chunk at the end of the stream.
        choices: How many answers are asked for.
    """

    judged: tuple[Message, ...]
    upstream: Mapping[str, Any]
    model: str
    stream: bool
    include_usage: bool
    choices: int


def read_request(raw: bytes) -> ChatRequest:
    """Read the body of `POST /v1/chat/completions`.

    Raises:
        RequestError: Naming the field that is missing, malformed or cannot be judged.
    """
    body = _read_json(raw)
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RequestError("'messages' must be a list of at least one message", param="messages")
    conversation = [_read_message(message, f"messages[{i}]") for i, message in enumerate(messages)]
    stream = _typed(body, "stream", bool, False)
    choices = _typed(body, "n", int, 1)
    if not 1 <= choices <= MOST_CHOICES:
        raise RequestError(f"'n' must be from 1 to {MOST_CHOICES}", param="n")
    options = _typed(body, "stream_options", dict, {})
    return ChatRequest(
        judged=(*_other_text(body), *conversation),
        upstream=_for_upstream(body, options),
        model=_typed(body, "model", str, "") or "default",
        stream=stream,
        include_usage=stream and options.get("include_usage") is True,
        choices=choices,
    )


def _read_json(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise RequestError("the request body is not valid JSON", code="invalid_json") from None
    if not isinstance(body, dict):
        raise RequestError("the request body must be a JSON object", code="invalid_json")
    return body


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _typed(body: Mapping[str, Any], name: str, kind: type[K], default: K) -> K:
    value = body.get(name)
    if value is None:
        return default
    # JSON's true is an int to Python, but not to the caller.
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise RequestError(f"'{name}' must be of type {_NAMES[kind]}", param=name)
    return value


def _for_upstream(body: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    passed = {name: value for name, value in body.items() if name not in _WITHHELD}
    # Streamed whatever the caller wants: only a stream can be stopped at a block.
    return {**passed, "stream": True, "stream_options": {**options, "include_usage": True}}


def _read_message(message: object, where: str) -> Message:
    if not isinstance(message, dict):
        raise RequestError(f"'{where}' must be an object", param=where)
    role = message.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise RequestError(f"'{where}.role' must be one of {', '.join(_ROLES)}", param=f"{where}.role")
    text = [*_content(message.get("content"), f"{where}.content")]
    for name, value in message.items():
        if name not in ("content", *_NOT_CONTENT):
            text += _strings(value, f"{where}.{name}")
    return Message(role=_ROLES[role], content=readable("\n".join(text)))


def _content(content: object, where: str) -> Iterator[str]:
    if content is None or isinstance(content, str):
        yield content or ""
        return
    if not isinstance(content, list):
        raise RequestError(f"'{where}' must be text, a list of text parts or null", param=where)
    for i, part in enumerate(content):
        yield from _part(part, f"{where}[{i}]")


def _part(part: object, where: str) -> Iterator[str]:
    kind = part.get("type") if isinstance(part, dict) else None
    name = _TEXT_PARTS.get(kind) if isinstance(kind, str) else None
    text = part.get(name) if isinstance(part, dict) and name else None
    if not isinstance(part, dict) or not isinstance(text, str):
        message = f"'{where}' is not text and cannot be judged; send text parts only"
        raise RequestError(message, param=where, code="unsupported_content")
    yield text
    for other, value in part.items():
        if other not in (name, "cache_control", *_NOT_CONTENT):
            yield from _strings(value, f"{where}.{other}")


def _other_text(body: Mapping[str, Any]) -> list[Message]:
    """Return text outside the messages that the model may read: tools, schemas, unknown fields."""
    others = {name: value for name, value in body.items() if name not in _SETTINGS}
    text = [string for name, value in others.items() for string in _strings(value, name)]
    return [Message(role="system", content=readable("\n".join(text)))] if text else []


def _strings(value: object, where: str) -> list[str]:
    """Return every string inside a JSON value in order, keys included where they are not fixed names."""
    found: list[str] = []
    todo: list[object] = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            if item:
                found.append(item)
        elif isinstance(item, dict):
            if item.get("type") in ("image_url", "input_audio", "file"):
                raise RequestError(
                    f"'{where}' holds content that cannot be judged", param=where, code="unsupported_content"
                )
            for name, inner in reversed(item.items()):
                if name not in _NOT_CONTENT:
                    todo += [inner] if name in _SCHEMA_WORDS else [inner, name]
        elif isinstance(item, list):
            todo += reversed(item)
    return found


def readable(text: str) -> str:
    """Replace lone surrogates, which JSON allows and no text has."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def count_words(messages: Sequence[Message]) -> int:
    """Return the number of words in messages: the estimate of prompt tokens where an upstream gives none."""
    return sum(len(message.content.split()) for message in messages)
