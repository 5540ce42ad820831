"""Recorded responses: OpenAI Batch output JSONL, keyed by the digest of the call.

A line: {"id", "custom_id": digest, "response": {"status_code": 200, "body": {chat completion}},
"error": null, "metadata": {"stage", "subject"}}. Metadata is ours and optional.
"""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gruyere.language.calls import Call, Reply, StopReason
from gruyere.store import atomic_path, read_json_lines
from gruyere.values import ArtifactError, UsageError, Value

_STOPS: Mapping[str, StopReason] = {"stop": "stop", "length": "length", "content_filter": "content_filter"}


class Recording(Value):
    """One recorded reply and what it answers."""

    key: str
    """The call's digest; in a journal, that of the call and the model behind its role."""
    reply: Reply
    stage: str = ""
    subject: str = ""


class UnusableLine(Value):
    """A batch line without a usable answer: an error, a status other than 200, or no text."""

    key: str
    reason: str


def to_line(recording: Recording) -> dict[str, object]:
    """Return a recording as one line of an OpenAI Batch output file."""
    reply = recording.reply
    finish = reply.stop_reason if reply.stop_reason != "other" else "error"
    return {
        "id": f"batch_req_{recording.key[3:27]}",
        "custom_id": recording.key,
        "response": {
            "status_code": 200,
            "request_id": f"req_{recording.key[3:19]}",
            "body": {
                "id": f"chatcmpl-{recording.key[3:27]}",
                "object": "chat.completion",
                "created": 0,
                "model": reply.model,
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": reply.text, "refusal": None},
                        "finish_reason": finish,
                    }
                ],
                "usage": {
                    "prompt_tokens": reply.input_tokens,
                    "completion_tokens": reply.output_tokens,
                    "total_tokens": reply.input_tokens + reply.output_tokens,
                },
            },
        },
        "error": None,
        "metadata": {"stage": recording.stage, "subject": recording.subject},
    }


class _Foreign(BaseModel):
    """A record that other programs write: fields that we do not know are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Message(_Foreign):
    content: str | None = None
    refusal: str | None = None


class _Choice(_Foreign):
    message: _Message
    finish_reason: str | None = None


class _Usage(_Foreign):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Body(_Foreign):
    model: str = "unknown"
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


class _About(_Foreign):
    stage: str = ""
    subject: str = ""


class _Response(_Foreign):
    status_code: int
    body: object = None


class _Line(_Foreign):
    custom_id: str = Field(min_length=1)
    response: _Response | None = None
    error: object = None
    metadata: _About | None = None


def from_line(content: object, where: str) -> Recording | UnusableLine:
    """Read one batch output line, OpenAI's form.

    Raises:
        ArtifactError: If the line is not a batch output line at all.
    """
    try:
        line = _Line.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "line"
        raise ArtifactError(
            f"{where}: not a batch output line ({field}: {first['msg']}); check that this is the output file"
        ) from None
    if line.error:
        return UnusableLine(key=line.custom_id, reason=f"error: {line.error}")
    if line.response is None or line.response.status_code != 200:
        status = line.response.status_code if line.response else "missing"
        return UnusableLine(key=line.custom_id, reason=f"status {status}{_error_text(line.response)}")
    try:
        body = _Body.model_validate(line.response.body)
    except ValidationError:
        return UnusableLine(key=line.custom_id, reason="the response holds no choice with a message")
    return _recording(line, body)


def _recording(line: _Line, body: _Body) -> Recording | UnusableLine:
    choice = body.choices[0]
    if not choice.message.content:
        reason = choice.message.refusal or f"empty answer, ended with {choice.finish_reason!r}"
        return UnusableLine(key=line.custom_id, reason=reason)
    usage, about = body.usage or _Usage(), line.metadata or _About()
    return Recording(
        key=line.custom_id,
        reply=Reply(
            text=choice.message.content,
            model=body.model,
            stop_reason=_STOPS.get(choice.finish_reason or "stop", "other"),
            input_tokens=usage.prompt_tokens or 0,
            output_tokens=usage.completion_tokens or 0,
        ),
        stage=about.stage,
        subject=about.subject,
    )


def _error_text(response: _Response | None) -> str:
    body = response.body if response else None
    return f": {body['error']}" if isinstance(body, dict) and body.get("error") else ""


class Recordings:
    """Recorded replies by call digest."""

    def __init__(self, recordings: Iterable[Recording] = ()) -> None:
        self._by_digest: dict[str, Recording] = {}
        for recording in recordings:
            self.add(recording)

    @classmethod
    def load(cls, paths: Iterable[Path]) -> "Recordings":
        """Load files, or all `*.jsonl` and `*.jsonl.gz` of folders; lines without a usable answer are passed over.

        Raises:
            ArtifactError: If a file is missing or damaged (file and line are named), or two answer one call differently.
        """
        out = cls()
        for file in (file for path in paths for file in recording_files(path)):
            for number, content in read_json_lines(file):
                recording = from_line(content, f"{file}:{number}")
                if isinstance(recording, Recording):
                    out.add(recording, f"{file}:{number}")
        return out

    def dump(self, path: Path) -> None:
        """Write all recordings atomically as batch output JSONL, gzipped where the name ends in `.gz`."""
        lines = [json.dumps(to_line(recording), ensure_ascii=False) + "\n" for recording in self]
        body = "".join(lines).encode("utf-8")
        with atomic_path(path) as partial:
            # A fixed time stamp: equal recordings are equal bytes.
            partial.write_bytes(gzip.compress(body, mtime=0) if path.suffix == ".gz" else body)

    def add(self, recording: Recording, where: str = "recordings") -> None:
        """Add one recording; the same answer twice is fine, another answer to the same call is not."""
        known = self._by_digest.setdefault(recording.key, recording)
        if known.reply.text != recording.reply.text:
            raise ArtifactError(
                f"{where}: a second, different answer to call {recording.key[:15]} ({recording.subject}); "
                "remove one of the two"
            )

    def get(self, call: Call) -> Reply | None:
        """Return the reply to a call, if it was recorded."""
        recording = self._by_digest.get(call.digest)
        return recording.reply if recording else None

    def __contains__(self, digest: object) -> bool:
        return digest in self._by_digest

    def __len__(self) -> int:
        return len(self._by_digest)

    def __iter__(self) -> Iterator[Recording]:
        return iter(self._by_digest.values())


def recording_files(path: Path) -> list[Path]:
    """Return the recording files at a path: the file itself, or those of a folder, sorted.

    Raises:
        ArtifactError: If a folder holds none.
    """
    files = sorted([*path.glob("*.jsonl"), *path.glob("*.jsonl.gz")]) if path.is_dir() else [path]
    if not files:
        raise ArtifactError(f"{path}: holds no *.jsonl or *.jsonl.gz recordings; check the path")
    return files


def shipped_corpora() -> tuple[str, ...]:
    """Return the names of the recordings that come with the package."""
    folder = resources.files("gruyere.language") / "corpora"
    return tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_dir())) if folder.is_dir() else ()


def corpus_folder(name: str) -> Path:
    """Return the folder of a shipped corpus.

    Raises:
        UsageError: If none has this name.
    """
    if name not in shipped_corpora():
        raise UsageError(f"no shipped recordings {name!r}; shipped: {', '.join(shipped_corpora()) or 'none'}")
    return Path(str(resources.files("gruyere.language") / "corpora" / name))
