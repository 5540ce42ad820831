"""The journal of finished calls: append-only JSONL, each line on disk before the next call is counted done."""

from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from pydantic import ValidationError

from gruyere.language.calls import Reply
from gruyere.language.recorded import Recording
from gruyere.values import ArtifactError


class Journal:
    """Finished calls by key. Use as a context manager to append.

    A line counts once its newline is written: what a crash left unfinished at the end is
    cut off, and that call asked again.

    Raises:
        ArtifactError: If a finished line is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._replies = {recording.key: recording.reply for recording in read_journal(path)}
        self._file: BinaryIO | None = None

    def get(self, key: str) -> Reply | None:
        """Return the reply under a key, if that call was finished."""
        return self._replies.get(key)

    def __len__(self) -> int:
        return len(self._replies)

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        _cut_unfinished(self.path)
        self._file = self.path.open("ab", buffering=0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None

    def add(self, recording: Recording) -> None:
        """Append one finished call; unbuffered, so that it outlives a crash of this process."""
        if self._file is None:
            raise RuntimeError("open the journal with `with` before adding to it")
        self._file.write(recording.model_dump_json().encode("utf-8") + b"\n")
        self._replies[recording.key] = recording.reply


def read_journal(path: Path) -> list[Recording]:
    """Read the finished lines; a last line without its newline is left out.

    Raises:
        ArtifactError: If a finished line is damaged.
    """
    if not path.exists():
        return []
    recordings: list[Recording] = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        if not line.strip():
            continue
        try:
            recordings.append(Recording.model_validate_json(line))
        except ValidationError:
            raise ArtifactError(
                f"{path}:{number}: damaged journal line; remove the line to have that call asked again"
            ) from None
    return recordings


def _cut_unfinished(path: Path) -> None:
    if not path.exists():
        return
    with path.open("rb+") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)
