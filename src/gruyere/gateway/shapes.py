"""Judged pieces in the shapes of OpenAI's chat completions, streamed and whole.

A blocked choice carries the refusal text and `finish_reason: "content_filter"`, in both shapes:
never an empty turn, and the same whichever layer stopped it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from gruyere.gateway.chunks import CallStart, Channel, Finish, Piece, Usage
from gruyere.gateway.relay import Out, Stopped
from gruyere.guard import REFUSAL

Json = dict[str, object]

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is the same in every chunk of one answer."""

    id: str
    created: int
    model: str

    def wrap(self, kind: str, choices: list[Json], **more: object) -> Json:
        """Return a chunk or completion around choices."""
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model, "choices": choices, **more}


def frame(content: Mapping[str, object]) -> bytes:
    """Return one event of the stream. ASCII only: no character of an answer can end a line."""
    return b"data: " + json.dumps(content, separators=(",", ":")).encode("ascii") + b"\n\n"


class ChunkWriter:
    """Writes pieces as `chat.completion.chunk` objects."""

    def __init__(self, envelope: Envelope, include_usage: bool) -> None:
        self._envelope = envelope
        self._include_usage = include_usage
        self._begun: set[int] = set()
        self._refused: set[int] = set()

    def write(self, out: Out) -> list[Json]:
        """Return the chunks for one piece; usage only where it was asked for."""
        match out:
            case Piece(choice=choice, channel=channel):
                if channel.kind == "refusal":
                    self._refused.add(choice)
                return [self._delta(choice, _piece_delta(out))]
            case CallStart(choice=choice):
                return [self._delta(choice, _call_delta(out))]
            case Stopped(choice=choice):
                return self._end(choice, "content_filter")
            case Finish(choice=choice, reason=reason):
                return self._end(choice, reason)
            case Usage():
                chunk = self._envelope.wrap("chat.completion.chunk", [], usage=usage_of(out))
                return [chunk] if self._include_usage else []

    def _end(self, choice: int, reason: str) -> list[Json]:
        chunks = []
        if reason == "content_filter" and choice not in self._refused:
            chunks.append(self._delta(choice, {"refusal": REFUSAL}))
        return [*chunks, self._delta(choice, {}, reason)]

    def _delta(self, choice: int, delta: Json, reason: str | None = None) -> Json:
        if choice not in self._begun:
            self._begun.add(choice)
            delta = {"role": "assistant", **delta}
        content: Json = {"index": choice, "delta": delta, "finish_reason": reason}
        more: Json = {"usage": None} if self._include_usage else {}
        return self._envelope.wrap("chat.completion.chunk", [content], **more)


@dataclass(slots=True)
class _Answer:
    texts: dict[Channel, list[str]] = field(default_factory=dict)
    calls: dict[Channel, CallStart] = field(default_factory=dict)
    reason: str = "stop"

    def text(self, channel: Channel) -> str | None:
        parts = self.texts.get(channel)
        return "".join(parts) if parts else None


class CompletionWriter:
    """Gathers pieces into one `chat.completion` object."""

    def __init__(self, envelope: Envelope, choices: int) -> None:
        self._envelope = envelope
        self._answers = [_Answer() for _ in range(choices)]
        self._usage = Usage(0, 0)

    def write(self, out: Out) -> None:
        """Take in one piece."""
        match out:
            case Piece(choice=choice, channel=channel, text=text):
                self._answers[choice].texts.setdefault(channel, []).append(text)
            case CallStart(choice=choice, channel=channel):
                self._answers[choice].calls[channel] = out
            case Stopped(choice=choice):
                self._answers[choice].reason = "content_filter"
            case Finish(choice=choice, reason=reason):
                self._answers[choice].reason = reason
            case Usage():
                self._usage = out

    @property
    def completion(self) -> Json:
        """The completion of all pieces so far."""
        choices = [_whole_choice(index, answer) for index, answer in enumerate(self._answers)]
        return self._envelope.wrap("chat.completion", choices, usage=usage_of(self._usage))


def _whole_choice(index: int, answer: _Answer) -> Json:
    blocked = answer.reason == "content_filter"
    refusal = answer.text(Channel("refusal")) or (REFUSAL if blocked else None)
    message: Json = {"role": "assistant", "content": answer.text(Channel("content")), "refusal": refusal}
    for kind in ("reasoning_content", "reasoning"):
        text = answer.text(Channel(kind))
        if text is not None:
            message[kind] = text
    if not blocked:  # half a tool call must not be carried out
        message |= _whole_calls(answer)
    return {"index": index, "message": message, "logprobs": None, "finish_reason": answer.reason}


def _whole_calls(answer: _Answer) -> Json:
    calls: list[Json] = []
    legacy: Json = {}
    for channel, call in sorted(answer.calls.items(), key=lambda item: item[0].call):
        function: Json = {"name": call.name, "arguments": answer.text(channel) or ""}
        if channel.kind == "function":
            legacy = {"function_call": function}
        else:
            calls.append({"id": call.id or f"call_{channel.call}", "type": "function", "function": function})
    return {**legacy, "tool_calls": calls} if calls else legacy


def _piece_delta(piece: Piece) -> Json:
    channel = piece.channel
    if channel.kind == "tool":
        return {"tool_calls": [{"index": channel.call, "function": {"arguments": piece.text}}]}
    if channel.kind == "function":
        return {"function_call": {"arguments": piece.text}}
    return {channel.kind: piece.text}


def _call_delta(call: CallStart) -> Json:
    function: Json = {"name": call.name, "arguments": ""}
    if call.channel.kind == "function":
        return {"function_call": function}
    entry: Json = {"index": call.channel.call, "type": "function", "function": function}
    return {"tool_calls": [entry | ({"id": call.id} if call.id else {})]}


def usage_of(usage: Usage) -> Json:
    """Return usage in OpenAI's shape."""
    total = usage.prompt + usage.completion
    return {"prompt_tokens": usage.prompt, "completion_tokens": usage.completion, "total_tokens": total}
