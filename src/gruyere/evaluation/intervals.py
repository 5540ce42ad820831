"""Shares with their uncertainty: Clopper-Pearson and Wilson intervals, and how many rows a claim needs.

The bounds that calibration relies on are the ones used here, so that a threshold's record and a
report can never disagree about the same counts.
"""

import math
from dataclasses import dataclass

from scipy.stats import beta, norm

from gruyere.classifiers.training.calibration import needed_rows
from gruyere.classifiers.training.calibration import upper_bound as upper_bound

CONFIDENCE = 0.95
"""Confidence of every interval in a report unless it says otherwise."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval of a share, both ends in [0, 1]."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Proportion:
    """Events counted among n rows."""

    events: int
    n: int

    def __post_init__(self) -> None:
        _check_counts(self.events, self.n)

    @property
    def rate(self) -> float | None:
        """Share of events in [0, 1]; None without rows, since nothing was measured."""
        return self.events / self.n if self.n else None

    @property
    def interval(self) -> Interval:
        """Two-sided 95 % Clopper-Pearson interval; the whole range without rows."""
        return clopper_pearson(self.events, self.n)

    @property
    def upper(self) -> float:
        """One-sided upper 95 % Clopper-Pearson bound, what a budget is judged by; 1 without rows."""
        return upper_bound(self.events, self.n) if self.n else 1.0


def clopper_pearson(events: int, n: int, confidence: float = CONFIDENCE) -> Interval:
    """Return the exact two-sided interval: it covers the true share at least `confidence` of the time.

    Raises:
        ValueError: If the counts are impossible or the confidence is not in (0, 1).

    Source: Clopper and Pearson 1934, by quantiles of the beta distribution.
    """
    _check_counts(events, n)
    tail = _tail(confidence)
    low = 0.0 if events == 0 else float(beta.ppf(tail, events, n - events + 1))
    high = 1.0 if events == n else float(beta.ppf(1 - tail, events + 1, n - events))
    return Interval(low, high)


def lower_bound(events: int, n: int, confidence: float = CONFIDENCE) -> float:
    """Return the one-sided lower Clopper-Pearson bound of a share, in [0, 1]."""
    _check_counts(events, n)
    return 0.0 if events == 0 else float(beta.ppf(1 - confidence, events, n - events + 1))


def wilson(events: int, n: int, confidence: float = CONFIDENCE) -> Interval:
    """Return Wilson's score interval: narrower than the exact one, right on average and not always.

    Raises:
        ValueError: If the counts are impossible or the confidence is not in (0, 1).

    Source: Wilson 1927, without continuity correction.
    """
    _check_counts(events, n)
    z = float(norm.ppf(1 - _tail(confidence)))
    if n == 0:
        return Interval(0.0, 1.0)
    share, weight = events / n, z * z / n
    centre = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(share * (1 - share) / n + weight / (4 * n))
    low = 0.0 if events == 0 else max(0.0, centre - half)
    high = 1.0 if events == n else min(1.0, centre + half)
    return Interval(low, high)


def needed_sample(budget: float, confidence: float = CONFIDENCE) -> int:
    """Return the smallest n whose one-sided upper bound is within the budget when nothing happens at all.

    Args:
        budget: Largest tolerated share, a fraction in (0, 1).
        confidence: In (0, 1).

    Raises:
        ValueError: If budget or confidence lies outside its range.
    """
    if not 0 < budget < 1:
        raise ValueError(f"budget must lie in (0, 1), got {budget}")
    _tail(confidence)
    return needed_rows(budget, confidence)


def _tail(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie in (0, 1), got {confidence}")
    return (1 - confidence) / 2


def _check_counts(events: int, n: int) -> None:
    if not 0 <= events <= n:
        raise ValueError(f"{events} events among {n} rows: need 0 <= events <= n")
