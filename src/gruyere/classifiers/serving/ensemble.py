"""An ensemble: weighted logits of several classifiers of one side."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from gruyere.classifiers.serving.linear import sigmoid
from gruyere.classifiers.serving.sessions import Classifier, Session
from gruyere.values import Message, Side, Value

_EDGE = 1e-7


class EnsembleSettings(Value):
    """Weights of the members' logits, in the order of their folders; not negative, so that a score never falls."""

    kind: Literal["ensemble"] = "ensemble"
    side: Side
    members: tuple[str, ...] = Field(min_length=1)
    weights: tuple[float, ...] = Field(min_length=1)
    bias: float = 0.0


def logit(score: float) -> float:
    """Return ln(p / (1 - p)), finite for 0 and 1; NaN stays NaN."""
    clipped = min(max(score, _EDGE), 1 - _EDGE) if not math.isnan(score) else score
    return math.log(clipped / (1 - clipped))


class EnsembleSession:
    """All members read the same text; the score is the sigmoid of their weighted logits."""

    __slots__ = ("_sessions", "_settings")

    def __init__(self, settings: EnsembleSettings, sessions: Sequence[Session]) -> None:
        self._settings = settings
        self._sessions = sessions

    def push(self, text: str) -> float:
        return self._combine([session.push(text) for session in self._sessions])

    def close(self) -> float:
        return self._combine([session.close() for session in self._sessions])

    def _combine(self, scores: Sequence[float]) -> float:
        total = math.fsum(w * logit(s) for w, s in zip(self._settings.weights, scores, strict=True))
        return sigmoid(total + self._settings.bias)


@dataclass(frozen=True, slots=True)
class EnsembleClassifier:
    """Several classifiers of one side, read side by side."""

    settings: EnsembleSettings
    members: tuple[Classifier, ...]

    @property
    def side(self) -> Side:
        return self.settings.side

    def open(self, context: Sequence[Message]) -> EnsembleSession:
        """Start reading one text with every member."""
        return EnsembleSession(self.settings, [member.open(context) for member in self.members])
