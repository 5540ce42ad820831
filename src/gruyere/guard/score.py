"""Scores for a file of conversations, one row at a time: what `gruyere score` writes."""

import json
import math
from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from gruyere.classifiers.serving.release import Release
from gruyere.guard.guard import Guard
from gruyere.guard.scoring import Scores, score_exchange
from gruyere.values import Exchange, Message, UsageError, Value


class ScoredRow(Value):
    """One row of output. A side is null where the release or the row lacks it, or its score is not a number."""

    id: str
    input_score: float | None
    output_score: float | None
    exchange_score: float | None
    verdict: Literal["allow", "block"]


class _Row(BaseModel):
    """One row of input; other columns are other people's and pass unread."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str | int | None = None
    messages: tuple[Message, ...]


def score_rows(release: Release, lines: Iterable[str]) -> Iterator[ScoredRow]:
    """Yield the scores of each JSON line with `messages`; a final assistant turn is the response.

    Reads and holds one line at a time. Blank lines are skipped; a row without `id` gets its line number.

    Raises:
        UsageError: Naming the line that is malformed.
    """
    guard = Guard(release)
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _score_row(guard, line, number)


def _score_row(guard: Guard, line: str, number: int) -> ScoredRow:
    row, exchange = _read(line, number)
    try:
        scores = score_exchange(guard.release.classifiers, exchange)
    except Exception:  # serving edge: a row that cannot be judged is a blocked row, as it would be live
        scores = Scores(math.nan)
    decision = guard.verdict(scores.by_side()).decision
    return ScoredRow(
        id=str(number if row.id is None else row.id),
        input_score=_number(scores.input),
        output_score=_number(scores.output),
        exchange_score=_number(scores.exchange),
        verdict="block" if decision == "block" else "allow",
    )


def _read(line: str, number: int) -> tuple[_Row, Exchange]:
    try:
        row = _Row.model_validate(json.loads(line))
        return row, Exchange.from_messages(row.messages)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"line {number}: not valid JSON ({error.msg}); the file may be truncated, fix the row"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "row"
        raise UsageError(f"line {number}: {where}: {first['msg']}; fix the row") from None
    except (UsageError, RecursionError) as error:
        raise UsageError(f"line {number}: {error}; fix the row") from None


def _number(score: float | None) -> float | None:
    return None if score is None or math.isnan(score) else score
