"""Missing calls out as OpenAI Batch input, answers back from OpenAI or Anthropic batch output.

The way to have calls answered elsewhere: `gruyere batch export`, any batch API, `gruyere batch import`.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from gruyere.language.calls import Call, Reply, RoleName, StopReason
from gruyere.language.recorded import Recording, Recordings, UnusableLine, from_line
from gruyere.store import read_json_lines, read_records, write_records
from gruyere.values import ArtifactError, UsageError, Value

URL = "/v1/chat/completions"
_ANTHROPIC_STOPS: Mapping[str, StopReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "refusal": "content_filter",
}


class _BatchMessage(Value):
    role: str
    content: str


class _BatchBody(Value):
    model: str
    messages: tuple[_BatchMessage, ...]
    max_tokens: int
    temperature: float


class About(Value):
    """What a call is about: ours, next to what the batch API reads."""

    role: RoleName
    stage: str = ""
    subject: str = ""


class BatchRequest(Value):
    """One line of a batch input file; `custom_id` is the call's digest."""

    custom_id: str
    method: str = "POST"
    url: str = URL
    body: _BatchBody
    metadata: About


def to_request(call: Call, model: str) -> BatchRequest:
    """Return a call as one line of a batch input file for a model."""
    return BatchRequest(
        custom_id=call.digest,
        body=_BatchBody(
            model=model,
            messages=tuple(_BatchMessage(role=m.role, content=m.content) for m in call.messages),
            max_tokens=call.max_tokens,
            temperature=call.temperature,
        ),
        metadata=About(role=call.role, stage=call.stage, subject=call.subject),
    )


def export_batch(calls: Iterable[Call], target: Path, model: str) -> int:
    """Write calls as OpenAI Batch input JSONL, equal calls once; return how many lines were written."""
    distinct = {call.digest: call for call in calls}
    return write_records(target, (to_request(call, model) for call in distinct.values()))


def read_requests(path: Path) -> list[BatchRequest]:
    """Read a batch input file that `export_batch` wrote.

    Raises:
        ArtifactError: Naming the line and field that do not fit.
    """
    return list(read_records(path, BatchRequest))


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did with each line of a batch output file."""

    imported: int
    truncated: int
    """Of those imported, answers that ended at the token limit."""
    already: int
    """Answers that the project had, word for word."""
    failed: tuple[UnusableLine, ...]
    """Errors, refusals without text and empty answers; their calls stay missing."""
    unknown: tuple[str, ...]
    """Ids that were not asked for; left out."""


@dataclass(slots=True)
class _Sorted:
    new: list[Recording] = field(default_factory=list)
    already: int = 0
    failed: list[UnusableLine] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def import_batch(output: Path, recordings: Path, asked: Sequence[BatchRequest] | None = None) -> ImportReport:
    """Add the answers of a batch output file to a recordings file, which is replaced only at the end.

    Args:
        output: Batch output or error file, OpenAI's form or Anthropic's, plain or gzipped.
        recordings: The project's recordings; made if absent.
        asked: The exported requests: they supply stage and subject, and any other id is unknown.
            None takes every id.

    Raises:
        ArtifactError: If a file is damaged, or an answer differs from the one recorded for the same call.
    """
    known = Recordings.load([recordings] if recordings.exists() else [])
    about = None if asked is None else {request.custom_id: request.metadata for request in asked}
    lines = [_read_line(content, f"{output}:{number}") for number, content in read_json_lines(output)]
    if not lines:
        raise UsageError(f"{output}: holds no batch output lines; check that the batch has finished")
    found = _sort(lines, known, about, str(output))
    if found.new:
        known.dump(recordings)
    return ImportReport(
        imported=len(found.new),
        truncated=sum(recording.reply.stop_reason == "length" for recording in found.new),
        already=found.already,
        failed=tuple(found.failed),
        unknown=tuple(found.unknown),
    )


def _sort(
    lines: Sequence[Recording | UnusableLine], known: Recordings, about: Mapping[str, About] | None, where: str
) -> _Sorted:
    """Sort lines by what becomes of them; usable new ones are added to `known`."""
    found = _Sorted()
    for line in lines:
        if about is not None and line.key not in about:
            found.unknown.append(line.key)
        elif isinstance(line, UnusableLine):
            found.failed.append(line)
        elif line.key in known:
            known.add(line, where)  # raises where the answers differ
            found.already += 1
        else:
            recording = line if about is None else _name(line, about[line.key])
            known.add(recording, where)
            found.new.append(recording)
    return found


def _name(recording: Recording, about: About) -> Recording:
    return recording.model_copy(update={"stage": about.stage, "subject": about.subject})


def _read_line(content: object, where: str) -> Recording | UnusableLine:
    if isinstance(content, dict) and "result" in content:
        return from_anthropic_line(content, where)
    return from_line(content, where)


class _Foreign(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Block(_Foreign):
    type: str
    text: str = ""


class _Usage(_Foreign):
    input_tokens: int = 0
    output_tokens: int = 0


class _AnthropicMessage(_Foreign):
    model: str
    content: list[_Block]
    stop_reason: str | None = None
    usage: _Usage = _Usage()


class _Result(_Foreign):
    type: str
    message: _AnthropicMessage | None = None
    error: object = None


class _AnthropicLine(_Foreign):
    custom_id: str
    result: _Result


def from_anthropic_line(content: object, where: str) -> Recording | UnusableLine:
    """Read one line of an Anthropic message batch's results.

    Raises:
        ArtifactError: If the line is no such line.
    """
    try:
        line = _AnthropicLine.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise ArtifactError(
            f"{where}: not a message batch line ({'.'.join(map(str, first['loc']))}: {first['msg']}); "
            "check that this is the results file"
        ) from None
    digest = _restore_id(line.custom_id)
    message = line.result.message
    if line.result.type != "succeeded" or message is None:
        detail = f": {json.dumps(line.result.error)}" if line.result.error else ""
        return UnusableLine(key=digest, reason=f"{line.result.type}{detail}")
    text = "".join(block.text for block in message.content if block.type == "text")
    if not text:
        return UnusableLine(key=digest, reason=f"empty answer, ended with {message.stop_reason!r}")
    return Recording(
        key=digest,
        reply=Reply(
            text=text,
            model=message.model,
            stop_reason=_ANTHROPIC_STOPS.get(message.stop_reason or "", "other"),
            input_tokens=message.usage.input_tokens,
            output_tokens=message.usage.output_tokens,
        ),
    )


def _restore_id(custom_id: str) -> str:
    """Put back the `v1-` that has to go where ids are limited to 64 characters."""
    return f"v1-{custom_id}" if re.fullmatch(r"[0-9a-f]{64}", custom_id) else custom_id
