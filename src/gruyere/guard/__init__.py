"""The guard: classifiers and thresholds composed into one decision, word by word. Knows nothing of HTTP."""

from gruyere.guard.answer import GuardedAnswer, JudgedWord, Step
from gruyere.guard.counters import Counters
from gruyere.guard.guard import REFUSAL, Guard, Judged
from gruyere.guard.score import ScoredRow, score_rows
from gruyere.guard.scoring import Scores, ViewedSessions, score_exchange, score_input
from gruyere.guard.stream import Blocked, Released, StreamedAnswer, after_input, guard_stream, judge_input

__all__ = [
    "REFUSAL",
    "Blocked",
    "Counters",
    "Guard",
    "GuardedAnswer",
    "Judged",
    "JudgedWord",
    "Released",
    "ScoredRow",
    "Scores",
    "Step",
    "StreamedAnswer",
    "ViewedSessions",
    "after_input",
    "guard_stream",
    "judge_input",
    "score_exchange",
    "score_input",
    "score_rows",
]
