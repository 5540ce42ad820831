"""Files that are whole or absent: atomic writes, typed JSONL with line numbers, digests."""

import gzip
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from gruyere.values import ArtifactError, Value

V = TypeVar("V", bound=Value)


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a partial path beside the target; rename it into place only on success."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(target)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial)
        partial.unlink(missing_ok=True)


def write_text(target: Path, text: str) -> None:
    """Write a text file under its final name only once it is complete."""
    with atomic_path(target) as partial:
        partial.write_text(text, encoding="utf-8")


def read_json(path: Path) -> object:
    """Read one JSON file.

    Raises:
        ArtifactError: If it is missing or not valid JSON.
    """
    try:
        return json.loads("".join(open_text(path)))
    except json.JSONDecodeError as error:
        raise ArtifactError(f"{path}:{error.lineno}: not valid JSON ({error.msg}); restore or rebuild it") from None


def write_json(target: Path, content: object) -> None:
    """Write indented JSON atomically."""
    write_text(target, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_records(target: Path, records: Iterable[Value]) -> int:
    """Write records as JSONL atomically; return how many."""
    count = 0
    with atomic_path(target) as partial, partial.open("w", encoding="utf-8") as file:
        for record in records:
            file.write(record.model_dump_json() + "\n")
            count += 1
    return count


def open_text(path: Path) -> Iterator[str]:
    """Yield the lines of a text file, transparently unzipping `.gz`.

    Raises:
        ArtifactError: If the file is missing, is not UTF-8 or its compression is damaged.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as file:
            yield from file
    except FileNotFoundError:
        raise ArtifactError(f"{path}: no such file; check the path") from None
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path}: cannot be read ({error}); restore or rebuild it") from None


def read_json_lines(path: Path) -> Iterator[tuple[int, object]]:
    """Yield (line number, parsed JSON) for each non-empty line.

    Raises:
        ArtifactError: Naming the line that is truncated or not JSON.
    """
    for number, line in enumerate(open_text(path), start=1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except json.JSONDecodeError as error:
            raise ArtifactError(
                f"{path}:{number}: not valid JSON ({error.msg}); the file may be truncated, restore or rebuild it"
            ) from None


def read_records(path: Path, kind: type[V]) -> Iterator[V]:
    """Yield typed records from JSONL.

    Raises:
        ArtifactError: Naming the line and field that do not fit.
    """
    for number, content in read_json_lines(path):
        try:
            yield kind.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "row"
            raise ArtifactError(f"{path}:{number}: {where}: {first['msg']}; fix or rebuild the file") from None


def file_digest(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
