"""What an upstream's chunk says, as typed pieces; nothing that is not understood gets further than here.

A chunk of another shape is an `UpstreamFailure`. A field that is of the right shape but not known, and
could carry text, becomes an `Unknown` piece, which blocks its choice.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gruyere.gateway.errors import UpstreamFailure

Kind = Literal["content", "refusal", "reasoning_content", "reasoning", "tool", "function"]
Reason = Literal["stop", "length", "tool_calls", "function_call", "content_filter"]

_TEXT: tuple[Kind, ...] = ("content", "refusal", "reasoning_content", "reasoning")
_KNOWN = frozenset({*_TEXT, "role", "tool_calls", "function_call"})
_REASONS: Mapping[str, Reason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "function_call",
    "content_filter": "content_filter",
}
_ID = re.compile(r"[\w.:-]{1,96}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Channel:
    """One text that a caller could read: the content, the reasoning, one tool call's arguments."""

    kind: Kind
    call: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """More text of one channel."""

    choice: int
    channel: Channel
    text: str


@dataclass(frozen=True, slots=True)
class CallStart:
    """The beginning of a tool call (or, without id, of a legacy function call): its name."""

    choice: int
    channel: Channel
    id: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A field that may carry text and is not known; cannot be judged."""

    choice: int
    field: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of one choice."""

    choice: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as counted by the upstream."""

    prompt: int
    completion: int


Part = Piece | CallStart | Unknown | Finish | Usage


def read_chunk(chunk: object) -> Iterator[Part]:
    """Yield what a `chat.completion.chunk` (or a whole `chat.completion`) says.

    Raises:
        UpstreamFailure: If it has another shape or carries an error.
    """
    if not isinstance(chunk, dict):
        raise _malformed("a chunk is not an object")
    if chunk.get("error"):
        raise UpstreamFailure("the upstream reported an error", code=_code(chunk["error"]))
    choices = chunk.get("choices", [])
    if not isinstance(choices, list):
        raise _malformed("'choices' is not a list")
    for choice in choices:
        yield from _read_choice(choice)
    usage = chunk.get("usage")
    if isinstance(usage, dict):
        yield Usage(_count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")))


def _read_choice(choice: object) -> Iterator[Part]:
    if not isinstance(choice, dict):
        raise _malformed("a choice is not an object")
    index = choice.get("index", 0)
    if not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise _malformed("a choice has no index")
    delta = choice.get("delta", choice.get("message"))
    if delta is not None:
        yield from _read_delta(index, delta)
    reason = choice.get("finish_reason")
    if reason is not None:
        yield Finish(index, _REASONS.get(reason, "stop") if isinstance(reason, str) else "stop")


def _read_delta(index: int, delta: object) -> Iterator[Part]:
    if not isinstance(delta, dict):
        raise _malformed("a delta is not an object")
    for kind in _TEXT:
        text = _text(delta, kind)
        if text:
            yield Piece(index, Channel(kind), text)
    calls = delta.get("tool_calls") or []
    if not isinstance(calls, list):
        raise _malformed("'tool_calls' is not a list")
    for position, call in enumerate(calls):
        yield from _read_call(index, position, call)
    if delta.get("function_call"):
        yield from _read_function(index, Channel("function"), None, delta["function_call"])
    for name, value in delta.items():
        if name not in _KNOWN and _may_carry_text(value):
            yield Unknown(index, name)


def _read_call(index: int, position: int, call: object) -> Iterator[Part]:
    if not isinstance(call, dict):
        raise _malformed("a tool call is not an object")
    number = call.get("index", position)
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise _malformed("a tool call has no index")
    call_id = _text(call, "id") or None
    if call.get("type") not in (None, "", "function") or (call_id and not _ID.fullmatch(call_id)):
        yield Unknown(index, "tool_calls")
        return
    yield from _read_function(index, Channel("tool", number), call_id, call.get("function") or {})
    for name, value in call.items():
        if name not in ("index", "id", "type", "function") and _may_carry_text(value):
            yield Unknown(index, f"tool_calls.{name}")


def _read_function(index: int, channel: Channel, call_id: str | None, function: object) -> Iterator[Part]:
    if not isinstance(function, dict):
        raise _malformed("a function call is not an object")
    name, arguments = _text(function, "name"), _text(function, "arguments")
    if name:
        yield CallStart(index, channel, call_id, name)
    if arguments:
        yield Piece(index, channel, arguments)
    for field, value in function.items():
        if field not in ("name", "arguments") and _may_carry_text(value):
            yield Unknown(index, f"function.{field}")


def _text(holder: Mapping[str, Any], name: str) -> str:
    value = holder.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _malformed(f"'{name}' is not text")
    return value


def _may_carry_text(value: object) -> bool:
    return isinstance(value, str | list | dict) and bool(value)


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _code(error: object) -> str:
    # Only a word passes: the message may hold anything.
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) and re.fullmatch(r"[a-z][a-z_]{1,63}", code) else "upstream_error"


def _malformed(what: str) -> UpstreamFailure:
    return UpstreamFailure(f"the upstream sent what this gateway cannot read: {what}", code="upstream_malformed")
