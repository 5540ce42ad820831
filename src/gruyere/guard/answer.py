"""One answer being written, released word by word.

A word leaves only after every classifier of the answer has judged it below its threshold. A
classifier that raises or answers NaN blocks (fail closed) unless the operator chose otherwise.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gruyere.guard.counters import Counters, Ledger
from gruyere.guard.rule import VerdictRule
from gruyere.guard.scoring import ViewedSessions, answer_classifiers
from gruyere.values import Message, Side, Verdict, WordCutter
from gruyere.values.words import LONGEST


@dataclass(frozen=True, slots=True)
class JudgedWord:
    """A released word with the answer's score up to and including it.

    Args:
        score: The highest score of any classifier, in [0, 1].
        nearness: The highest score as a share of its threshold; at 1 the guard blocks.
    """

    text: str
    score: float
    nearness: float


@dataclass(frozen=True, slots=True)
class Step:
    """What came of reading more text: the words to release now, and whether this is the end."""

    words: tuple[JudgedWord, ...] = ()
    blocked: bool = False
    verdict: Verdict | None = None
    """Set by a block and by `close`."""

    @property
    def released(self) -> str:
        """The text to release now."""
        return "".join(word.text for word in self.words)


class GuardedAnswer:
    """One answer being written: takes text in any chunks, lets out judged words.

    The sessions are fed up to the character that completes a word, and no further, before the
    word is decided on: so decisions depend on the text alone, never on its chunks.
    """

    __slots__ = (
        "_closed",
        "_counters",
        "_cutter",
        "_fed",
        "_ledger",
        "_messages",
        "_open",
        "_rule",
        "_sessions",
        "_verdict",
    )

    def __init__(self, rule: VerdictRule, messages: Sequence[Message]) -> None:
        self._rule = rule
        self._cutter = WordCutter()
        self._counters = Counters(answers=1)
        self._ledger = Ledger(self._counters)
        self._messages = messages
        self._sessions: ViewedSessions | None = None  # opened with the first word: reading the context takes time
        self._fed = 0  # characters of the next word that the sessions have already read: 0 or 1
        self._closed = False
        self._open = False  # judging failed and the operator lets answers through
        self._verdict: Verdict | None = None

    @property
    def blocked(self) -> bool:
        """Whether a block ended this answer; then nothing more is released."""
        return self._verdict is not None and self._verdict.decision == "block"

    def push(self, text: str) -> Step:
        """Read more text; release the words that it completes and that are judged harmless."""
        if self._closed and not self.blocked:
            raise ValueError("this answer is closed")
        if self.blocked:
            return Step((), True, self._verdict)
        started = time.perf_counter()
        words = self._cutter.push(text)
        step = self._release(words, (*words[1:], self._cutter.pending)) if words else Step()
        self._counters.guard_seconds += time.perf_counter() - started
        if self.blocked:
            self.abandon()
        return step

    def close(self) -> Step:
        """Judge the end of the answer, its last word included, and release that word."""
        if self.blocked or self._closed:
            return Step((), self.blocked, self._verdict)
        started = time.perf_counter()
        step = self._last("".join(self._cutter.close()))
        self._counters.guard_seconds += time.perf_counter() - started
        self.abandon()
        return step

    def abandon(self) -> None:
        """Count this answer as finished, however it ended; harmless when repeated."""
        if not self._closed:
            self._closed = True
            self._counters.blocked += self.blocked
            self._rule.count(self._counters)

    def fail(self, reason: str) -> Step:
        """Give up on judging, a time-out for instance: blocks, unless the guard fails open."""
        self._fail(reason)
        if self.blocked:
            self.abandon()
        return Step((), self.blocked, self._verdict)

    def _release(self, words: Sequence[str], following: Sequence[str]) -> Step:
        out: list[JudgedWord] = []
        for word, after in zip(words, following, strict=True):
            scores = self._judge(word[self._fed :], word, after[:1])
            if self.blocked:
                break
            out.append(self._let_out(word, scores))
        return Step(tuple(out), self.blocked, self._verdict)

    def _judge(self, unread: str, word: str, after: str) -> Mapping[Side, float]:
        """Read one complete word, and the white space after it where that is what completes it."""
        if self._open:
            return {}
        self._fed = 0 if _completes_itself(word) else 1
        try:
            return self._decide(self._reading().push(unread + after if self._fed else unread), word)
        except Exception as error:  # serving edge: no unjudged word may pass
            self._fail(f"classifier failed: {type(error).__name__}")
            return {}

    def _last(self, word: str) -> Step:
        scores = self._judge_end(word)
        if self.blocked:
            return Step((), True, self._verdict)
        words = (self._let_out(word, scores),) if word else ()
        if self._verdict is None:
            self._verdict = self._rule.verdict(scores)
        return Step(words, False, self._verdict)

    def _judge_end(self, word: str) -> Mapping[Side, float]:
        if self._open:
            return {}
        try:
            self._reading().push(word[self._fed :])
            return self._decide(self._reading().close(), word)
        except Exception as error:  # serving edge
            self._fail(f"classifier failed: {type(error).__name__}")
            return {}

    def _reading(self) -> ViewedSessions:
        if self._sessions is None:
            self._sessions = ViewedSessions(answer_classifiers(self._rule.release.classifiers), self._messages)
        return self._sessions

    def _decide(self, scores: Mapping[Side, float], word: str) -> Mapping[Side, float]:
        # The plain comparison first: a verdict is only built for the word that needs one.
        bars = self._rule.bars
        if all(score < bars[side] for side, score in scores.items()):
            if word:
                self._ledger.judged(word)
            return scores
        self._end(self._rule.verdict(scores))
        return {}

    def _let_out(self, word: str, scores: Mapping[Side, float]) -> JudgedWord:
        self._ledger.released(word)
        return JudgedWord(word, max(scores.values(), default=0.0), self._rule.nearness(scores))

    def _fail(self, reason: str) -> None:
        self._end(self._rule.failure(reason))

    def _end(self, verdict: Verdict) -> None:
        self._verdict = verdict
        self._open = verdict.decision == "allow"


def _completes_itself(word: str) -> bool:
    """Whether a word is complete by its own last character, not by the white space after it."""
    if len(word) < LONGEST and word[-1] < "\u0e00":
        return False
    return bool(WordCutter().push(word))
