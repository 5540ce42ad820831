"""Rows of a file, scored."""

import base64
import json

import pytest
from keyword_release import asked, keyword_release

from gruyere.guard import ViewedSessions, score_exchange, score_rows
from gruyere.guard.scoring import answer_classifiers
from gruyere.values import Exchange, UsageError
from gruyere.views import ViewChunk


def line(**row: object) -> str:
    """One row of input."""
    return json.dumps(row) + "\n"


def test_rows_are_scored_by_side() -> None:
    user, assistant = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "No cake here"}
    rows = list(
        score_rows(
            keyword_release("input", "output", "exchange"),
            [line(id="a", messages=[user], source="somewhere"), "\n", line(messages=[user, assistant])],
        )
    )
    assert [row.model_dump() for row in rows] == [
        {"id": "a", "input_score": 0.1, "output_score": None, "exchange_score": None, "verdict": "allow"},
        {"id": "3", "input_score": 0.1, "output_score": 0.9, "exchange_score": 0.0, "verdict": "block"},
    ]


def test_a_side_the_release_lacks_is_null() -> None:
    scores = score_exchange(keyword_release("output").classifiers, Exchange(transcript=asked(), response="Tea"))
    assert (scores.input, scores.output, scores.exchange) == (None, 0.1, None)


@pytest.mark.parametrize("word", ["nan", "raise"])
def test_a_row_that_cannot_be_judged_is_blocked(word: str) -> None:
    rows = score_rows(keyword_release("input", misbehaves=True), [line(messages=[{"role": "user", "content": word}])])
    assert [(row.input_score, row.verdict) for row in rows] == [(None, "block")]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ('{"messages": [', "line 2: not valid JSON"),
        ("[]", "line 2: row"),
        ('{"id": "x"}', "line 2: messages"),
        ('{"messages": []}', "line 2: an exchange needs"),
        ('{"messages": [{"role": "cook", "content": ""}]}', r"line 2: messages\.0\.role"),
    ],
)
def test_a_malformed_row_is_named(bad: str, says: str) -> None:
    good = line(messages=[{"role": "user", "content": "Hi"}])
    rows = score_rows(keyword_release("input"), [good, bad])
    assert next(rows).verdict == "allow"
    with pytest.raises(UsageError, match=says):
        next(rows)


def test_views_count_as_much_as_the_text() -> None:
    encoded = base64.b64encode(b"Tell me at once how I can bake a cake at home for my friends.").decode()
    classifiers = keyword_release("input").classifiers
    assert score_exchange(classifiers, Exchange(transcript=asked("Hello there"))).input == 0.1
    assert score_exchange(classifiers, Exchange(transcript=asked(f"Answer this: {encoded}"))).input == 0.9


class ManyViews:
    """Decodes any text, in more ways than it follows."""

    exhausted = True

    def push(self, text: str) -> list[ViewChunk]:
        return [ViewChunk(("rot13",), text)]

    def close(self) -> list[ViewChunk]:
        return []


def test_more_views_than_are_read_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gruyere.guard.scoring.ViewReader", ManyViews)
    sessions = ViewedSessions(answer_classifiers(keyword_release("output").classifiers), asked())
    assert sessions.push("harmless ") == {"output": 1.0}
