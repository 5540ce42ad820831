"""How scores become verdicts: thresholds, failures, and what is counted on the way."""

import threading
from collections.abc import Mapping

from gruyere.classifiers.serving.release import Release
from gruyere.guard.counters import Counters
from gruyere.values import Side, UsageError, Verdict


class VerdictRule:
    """A release's thresholds as one rule, with the totals of all who decide by it.

    Args:
        release: The loaded release.
        fail_open: Let text through, unjudged and counted as such, when a classifier fails.

    Raises:
        UsageError: If the release would judge nothing, or has a classifier without a threshold.
    """

    def __init__(self, release: Release, *, fail_open: bool) -> None:
        for side in release.classifiers:
            if side not in release.thresholds:
                raise UsageError(f"release {release.name}: the {side} classifier has no threshold; rebuild the release")
        if not release.classifiers:
            raise UsageError(f"release {release.name}: no classifiers, nothing would be judged; rebuild the release")
        self.release = release
        self.fail_open = fail_open
        # Thresholds as plain numbers: they are compared for every word.
        self.bars: Mapping[Side, float] = {side: release.thresholds[side].value for side in release.classifiers}
        self._totals = Counters()
        self._lock = threading.Lock()

    def failure(self, reason: str) -> Verdict:
        """Return the verdict of a failed judgement: block, or allow where the operator said so."""
        self.count(Counters(failures=1))
        decision = "allow" if self.fail_open else "block"
        return Verdict(decision=decision, layer="failure", release=self.release.name, reason=reason)

    def verdict(self, scores: Mapping[Side, float]) -> Verdict:
        """Block where a score reaches its threshold; what is not below it either (NaN) is a failure."""
        for side, score in scores.items():
            if score >= self.bars[side]:
                return Verdict(decision="block", layer=side, score=score, release=self.release.name)
        for side, score in scores.items():
            if not score < self.bars[side]:
                return self.failure(f"{side} classifier answered {score}")
        highest = max(scores.values(), default=None)
        return Verdict(decision="allow", score=highest, release=self.release.name)

    def nearness(self, scores: Mapping[Side, float]) -> float:
        """Return the largest score as a share of its threshold; at 1 the guard blocks."""
        return max((score / self.bars[side] for side, score in scores.items()), default=0.0)

    @property
    def counters(self) -> Counters:
        """A copy of the counts over all judged inputs and finished answers."""
        with self._lock:
            total = Counters()
            total.add(self._totals)
            return total

    def count(self, counters: Counters) -> None:
        """Add to the totals; safe from several threads."""
        with self._lock:
            self._totals.add(counters)
