"""Choose thresholds jointly: the most attacks stopped within every benign pool's budget.

A row is blocked when any side's score reaches its threshold, so the sides share one budget.
Each pool's block rate is judged by its upper 95 % Clopper-Pearson bound; a pool that is too
small for its budget is an error, never a guess.

The bound is honest only for thresholds that were not themselves picked by looking at the few
strongest benign rows: the best of thousands of triples that happen to block none of 700 rows blocks
twice the budget of the next 700. So the choice has two steps. How the sides stand to each other is settled
where benign rows are many, well below the final thresholds; then all sides move together, one number,
until each pool's strongest rows are within its budget.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from gruyere.values import Calibration, CalibrationError, PoolRecord, Side, Threshold, digest_of

SIDES: tuple[Side, ...] = ("input", "output", "exchange")
CONFIDENCE = 0.95
NEVER = 1.0
"""A threshold that only a certain score reaches."""
_SHOULDER = 6.0
"""Multiple of a pool's budget at which the sides are balanced: enough rows that the strongest few decide nothing."""
_SHIFTS = np.arange(-4.0, 4.5, 0.5)
"""Shifts of one side against the others that are tried, in logits."""
_EXPECTED_RISE = 2.0
"""How far above the shoulder an attack counts half when the sides are balanced, in logits."""

Scores = NDArray[np.float64]
"""Shape (rows, 3): one column per side in the order of SIDES, -1 where the side is absent."""


def upper_bound(blocked: int, n: int, confidence: float = CONFIDENCE) -> float:
    """Return the one-sided upper Clopper-Pearson bound of a rate, in [0, 1]."""
    if n < 1:
        raise ValueError("n must be at least 1")
    return 1.0 if blocked >= n else float(beta.ppf(confidence, blocked + 1, n - blocked))


def needed_rows(budget: float, confidence: float = CONFIDENCE) -> int:
    """Return the smallest pool whose bound meets the budget with no row blocked."""
    return math.ceil(math.log(1 - confidence) / math.log(1 - budget))


def blocks_allowed(n: int, budget: float) -> int:
    """Return how many blocked rows of n keep the upper bound within the budget; -1 if not even none."""
    allowed = -1
    while allowed + 1 < n and upper_bound(allowed + 1, n) <= budget:
        allowed += 1
    return allowed


@dataclass(frozen=True, slots=True)
class BenignPool:
    """Held-out benign rows with a budget: the largest tolerated block rate, a fraction in (0, 1)."""

    name: str
    scores: Scores
    budget: float


def calibrate(
    pools: Sequence[BenignPool],
    attacks: Scores,
    *,
    sides: Sequence[Side] = SIDES,
    margin: float = 0.5,
) -> dict[Side, Threshold]:
    """Return one threshold per side.

    The sides are balanced for recall, then moved together to the lowest place that keeps every pool
    within its budget. Each threshold is at last moved from the strongest tolerated benign score
    towards the weakest stopped attack by `margin` of the gap, in logits.

    Args:
        pools: Benign pools; rows of one pool are exchanges, blocked once if any side blocks.
        attacks: Rows that should be stopped, shape (attacks, 3).
        sides: Sides that the release has.
        margin: Fraction in [0, 1] of the gap between tolerated benign and stopped attack.

    Raises:
        CalibrationError: If a pool is empty or too small for its budget (naming the size needed), or
            benign scores of 1.0 leave no threshold.
    """
    for pool in pools:
        check_size(pool.name, len(pool.scores), pool.budget)
    pools = [replace(pool, scores=_judged(pool.scores)) for pool in pools]
    attacks = _judged(attacks)
    columns = [SIDES.index(side) for side in sides]
    balance = _balance(pools, attacks, columns)
    level = max(_level(_strongest(pool.scores, columns, balance), pool) for pool in pools)
    values = tuple(
        _with_margin(value, pools, attacks[:, column], column, margin)
        for value, column in zip(_values(pools, columns, balance, level), columns, strict=True)
    )
    return _thresholds(dict(zip(sides, values, strict=True)), pools, attacks, columns)


def _judged(scores: Scores) -> Scores:
    """Return the scores as the guard reads them: it blocks where a classifier failed (NaN)."""
    return np.asarray(np.where(np.isnan(scores), 1.0, scores))


def _logits(scores: Scores) -> Scores:
    """Return logits; absent sides (-1) give minus infinity."""
    clipped = np.clip(scores, 1e-12, 1 - 1e-12)
    return np.where(scores < 0, -np.inf, np.log(clipped / (1 - clipped)))


def _strongest(scores: Scores, columns: Sequence[int], balance: Scores) -> Scores:
    """Return each row's highest logit above its side's balance, shape (rows,)."""
    return np.asarray((_logits(scores[:, columns]) - balance).max(1))


def _level(strongest: Scores, pool: BenignPool) -> float:
    """Return the strongest row that must pass: rows above it are as many as the budget allows."""
    allowed = blocks_allowed(len(strongest), pool.budget)
    return float(np.sort(strongest)[::-1][allowed])


def _balance(pools: Sequence[BenignPool], attacks: Scores, columns: Sequence[int]) -> Scores:
    """Return a logit for each side, such that blocking above it on all sides stops attacks best.

    Judged at each pool's shoulder, a multiple of its budget; attacks count by how far above it they lie.
    """
    everything = _logits(np.concatenate([pool.scores for pool in pools])[:, columns])
    base = np.array([_shoulder(column[np.isfinite(column)], 0.05) for column in everything.T])
    if len(attacks) == 0 or len(columns) == 1:
        return base
    best, chosen = -math.inf, base
    # The smallest shifts first: a larger one has to earn it.
    for shifts in sorted(product(_SHIFTS, repeat=len(columns) - 1), key=lambda s: sum(map(abs, s))):
        tried = base + np.array([0.0, *shifts])
        level = max(
            _shoulder(_strongest(pool.scores, columns, tried), min(0.5, _SHOULDER * pool.budget)) for pool in pools
        )
        above = _strongest(attacks, columns, tried) - level - _EXPECTED_RISE
        gain = float((1 / (1 + np.exp(-np.clip(above, -50, 50)))).mean())
        if gain > best + 1e-4:
            best, chosen = gain, tried
    return chosen


def _shoulder(values: Scores, share: float) -> float:
    """Return the value that this share of rows exceeds; 0 without rows."""
    return float(np.quantile(values, 1 - share, method="higher")) if len(values) else 0.0


def _values(pools: Sequence[BenignPool], columns: Sequence[int], balance: Scores, level: float) -> list[float]:
    """Return the lowest thresholds above every row that must pass.

    Raises:
        CalibrationError: If such a row scores 1.0.
    """
    if level == -math.inf:
        return [NEVER] * len(columns)  # no benign row has any of these sides: nothing is known, nothing is blocked
    scores = np.concatenate([pool.scores for pool in pools])
    passing = scores[_strongest(scores, columns, balance) <= level]
    values = []
    for column, offset in zip(columns, balance, strict=True):
        highest = float(passing[:, column].max())
        value = max(1 / (1 + math.exp(-min(max(level + offset, -500.0), 500.0))), float(np.nextafter(highest, np.inf)))
        if highest >= 1.0:
            raise CalibrationError(
                "no thresholds keep every pool within its budget: too many benign scores are 1.0; "
                "retrain or raise a budget"
            )
        values.append(min(value, NEVER))
    return values


def check_size(name: str, n: int, budget: float) -> None:
    """Check that a pool of n rows can resolve its budget.

    Raises:
        CalibrationError: If it cannot, naming the size needed.
    """
    if n == 0:
        raise CalibrationError(f"pool {name!r} is empty; add at least {needed_rows(budget)} benign exchanges")
    if blocks_allowed(n, budget) < 0:
        raise CalibrationError(
            f"pool {name!r}: {n} exchanges cannot resolve a budget of {budget:.2%} "
            f"(upper bound {upper_bound(0, n):.2%} with none blocked); need {needed_rows(budget)} or a larger budget"
        )


def _logit(score: float) -> float:
    clipped = min(max(score, 1e-12), 1 - 1e-12)
    return math.log(clipped / (1 - clipped))


def _with_margin(value: float, pools: Sequence[BenignPool], attacks: Scores, column: int, margin: float) -> float:
    """Move a threshold up into the gap above it, without letting a stopped attack through."""
    stopped = attacks[attacks >= value]
    benign = np.concatenate([pool.scores[:, column] for pool in pools])
    tolerated = benign[benign >= value]
    ceiling = min([*stopped.tolist(), *tolerated.tolist()], default=None)
    if ceiling is None or ceiling <= value or value >= NEVER:
        return value
    moved = _logit(value) + margin * (_logit(ceiling) - _logit(value))
    return min(max(value, 1.0 / (1.0 + math.exp(-moved))), float(ceiling))  # rounding must not go below


def _thresholds(
    values: Mapping[Side, float], pools: Sequence[BenignPool], attacks: Scores, columns: Sequence[int]
) -> dict[Side, Threshold]:
    limits = np.array(list(values.values()))
    records = []
    for pool in pools:
        blocked = int((pool.scores[:, columns] >= limits).any(1).sum())
        n = len(pool.scores)
        records.append(
            PoolRecord(pool=pool.name, n=n, blocked=blocked, budget=pool.budget, upper=upper_bound(blocked, n))
        )
    recall = float((attacks[:, columns] >= limits).any(1).mean()) if len(attacks) else 0.0
    data = digest_of([[pool.name, np.round(pool.scores, 9).tolist()] for pool in pools])
    calibration = Calibration(pools=tuple(records), recall=recall, attacks=len(attacks), data_digest=data)
    return {side: Threshold(side=side, value=value, calibration=calibration) for side, value in values.items()}
