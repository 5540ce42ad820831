"""Scores of a text and of its decoded views: the one way in which calibration, evaluation and the guard score.

The score of a text is the highest score of the raw text and of every view of it; it never
falls, does not depend on chunking, and is the same offline and streaming. Knows no thresholds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gruyere.classifiers.serving.sessions import Classifier, Session, input_text
from gruyere.values import Exchange, Message, Side
from gruyere.views import ViewChunk, ViewReader, read_views

MOST_DECODED = 4
"""Most decoded readings of a conversation that an exchange classifier is shown, the newest ones."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores in [0, 1] by side; None where the release has no such classifier or there is no response.

    NaN means that a classifier failed: whoever compares it with a threshold must block.
    """

    input: float | None = None
    output: float | None = None
    exchange: float | None = None

    def by_side(self) -> dict[Side, float]:
        """Return the scores that are there."""
        found: dict[Side, float | None] = {"input": self.input, "output": self.output, "exchange": self.exchange}
        return {side: score for side, score in found.items() if score is not None}


class ViewedSessions:
    """Sessions of several classifiers over one text and each of its views.

    The text is decoded once for all classifiers. A view's last word is judged once it is complete
    in the decoded text, as a word of the raw text is. Text that decodes in more ways than the reader
    follows scores 1.0: nobody writes so by accident, reading on would cost without bound, and leaving
    a view out would be a hole to aim for. Calibration scores the same way, so that what this costs
    benign traffic is inside its budgets.
    """

    __slots__ = ("_classifiers", "_context", "_raw", "_reader", "_scores", "_views")

    def __init__(self, classifiers: Sequence[Classifier], context: Sequence[Message]) -> None:
        self._classifiers = tuple(classifiers)
        self._context = readable(context)
        self._raw = self._open()
        self._views: dict[tuple[str, ...], Mapping[Side, Session]] = {}
        self._reader = ViewReader()
        self._scores: dict[Side, float] = dict.fromkeys(self._raw, 0.0)

    def push(self, text: str) -> Mapping[Side, float]:
        """Read more text; return each side's score of all complete words so far."""
        if text and self._raw:
            self._read(self._raw, text)
            self._read_views(self._reader.push(text))
        return self._scores

    def close(self) -> Mapping[Side, float]:
        """Read the end of the text; return each side's score of the whole."""
        if self._raw:
            self._read_views(self._reader.close())
        for sessions in (self._raw, *self._views.values()):
            for side, session in sessions.items():
                self._raise(side, session.close())
        return self._scores

    def _open(self) -> dict[Side, Session]:
        return {classifier.side: classifier.open(self._context) for classifier in self._classifiers}

    def _read(self, sessions: Mapping[Side, Session], text: str) -> None:
        for side, session in sessions.items():
            self._raise(side, session.push(text))

    def _read_views(self, chunks: Sequence[ViewChunk]) -> None:
        for chunk in chunks:
            sessions = self._views.get(chunk.chain)
            if sessions is None:
                sessions = self._views[chunk.chain] = self._open()
            self._read(sessions, chunk.text)
        if self._reader.exhausted:
            for side in self._scores:
                self._raise(side, 1.0)

    def _raise(self, side: Side, score: float) -> None:
        # A NaN, once seen, stays: `max` would hide it, and the guard has to block on it.
        before = self._scores[side]
        self._scores[side] = score if math.isnan(score) or score > before else before


def readable(context: Sequence[Message]) -> tuple[Message, ...]:
    """Return a conversation followed by what its messages decode to, in plain words.

    So an answer is read in the light of what was asked, however it was spelt. A conversation in
    plain text is returned as it is.
    """
    decoded = [view.text for m in context if m.role != "assistant" for view in read_views(m.content)]
    clean = [text.encode("utf-8", "replace").decode("utf-8") for text in decoded[-MOST_DECODED:]]
    return (*context, *(Message(role="user", content=text) for text in clean))


def score_input(classifiers: Mapping[Side, Classifier], messages: Sequence[Message]) -> float | None:
    """Return the input score of a conversation in [0, 1]; None without an input classifier."""
    if "input" not in classifiers:
        return None
    sessions = ViewedSessions([classifiers["input"]], ())
    sessions.push(input_text(messages))
    return sessions.close()["input"]


def answer_classifiers(classifiers: Mapping[Side, Classifier]) -> list[Classifier]:
    """Return the classifiers that read the response."""
    return [classifiers[side] for side in ("output", "exchange") if side in classifiers]


def score_exchange(classifiers: Mapping[Side, Classifier], exchange: Exchange) -> Scores:
    """Return all scores of a finished exchange: what the guard's sessions hold after reading it."""
    scores: Mapping[Side, float] = {}
    if exchange.response is not None:
        sessions = ViewedSessions(answer_classifiers(classifiers), exchange.transcript)
        sessions.push(exchange.response)
        scores = sessions.close()
    return Scores(score_input(classifiers, exchange.transcript), scores.get("output"), scores.get("exchange"))
