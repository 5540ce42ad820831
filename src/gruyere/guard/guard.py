"""One decision from a release: the verdict on the input, and guarded answers."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from gruyere.classifiers.serving.release import Release
from gruyere.guard.answer import GuardedAnswer
from gruyere.guard.counters import Counters
from gruyere.guard.rule import VerdictRule
from gruyere.guard.scoring import score_input
from gruyere.values import Exchange, Message, Verdict

REFUSAL = (
    "This conversation was stopped because it may conflict with the usage policy. "
    "Please rephrase or remove the last request before going on."
)
"""What a blocked caller reads, whichever layer fired, failures included."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What the guard would have done with a finished exchange.

    Args:
        verdict: The block, of whichever layer came first; else the last layer's allow.
        released: What a caller would have read of the response.
    """

    verdict: Verdict
    released: str


class Guard(VerdictRule):
    """A release's classifiers and thresholds as one decision.

    Args:
        release: The loaded release; an answer finishes on the release it began with.
        timeout_s: Longest time one judgement may take before it counts as failed, in seconds.
        fail_open: Let text through, unjudged and counted as such, when a classifier fails.
    """

    def __init__(self, release: Release, *, timeout_s: float = 10.0, fail_open: bool = False) -> None:
        super().__init__(release, fail_open=fail_open)
        self.timeout_s = timeout_s

    def judge_input(self, messages: Sequence[Message]) -> Verdict:
        """Judge a conversation before it is answered. Never raises on a classifier's account."""
        started = time.perf_counter()
        try:
            score = score_input(self.release.classifiers, messages)
            verdict = self.verdict({} if score is None else {"input": score})
        except Exception as error:  # serving edge: a failure must not let anything pass
            verdict = self.failure(f"input classifier failed: {type(error).__name__}")
        self.count(Counters(guard_seconds=time.perf_counter() - started, blocked=verdict.decision == "block"))
        return verdict

    def open(self, messages: Sequence[Message]) -> GuardedAnswer:
        """Start guarding one answer to these messages."""
        return GuardedAnswer(self, messages)

    def judge_exchange(self, exchange: Exchange) -> Judged:
        """Judge a finished exchange as it would have been judged live."""
        verdict = self.judge_input(exchange.transcript)
        if verdict.decision == "block" or exchange.response is None:
            return Judged(verdict, "")
        answer = self.open(exchange.transcript)
        steps = (answer.push(exchange.response), answer.close())
        return Judged(steps[-1].verdict or verdict, "".join(step.released for step in steps))
