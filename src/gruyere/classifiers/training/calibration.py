"""Choose thresholds jointly: the most attacks stopped within every benign pool's budget.

A row is blocked when any side's score reaches its threshold, so the sides share one budget.
Each pool's block rate is judged by its upper 95 % Clopper-Pearson bound; a pool that is too
small for its budget is an error, never a guess.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from gruyere.values import Calibration, CalibrationError, PoolRecord, Side, Threshold, digest_of

SIDES: tuple[Side, ...] = ("input", "output", "exchange")
CONFIDENCE = 0.95
NEVER = 1.0
"""A threshold that only a certain score reaches."""
_CANDIDATES = 24
"""Thresholds tried per side: those that the strongest benign rows force."""

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

    Among thresholds that keep every pool within its budget the ones that stop most attacks
    are taken; among equals those whose weakest side stops most by itself, since layers should
    not lean on each other. Each threshold is then moved from the strongest tolerated benign
    score towards the weakest stopped attack by `margin` of the gap, in logits.

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
        _check_size(pool)
    columns = [SIDES.index(side) for side in sides]
    choices = [_candidates(pools, column) for column in columns]
    best: tuple[float, float, tuple[float, ...]] | None = None
    allowed = [blocks_allowed(len(pool.scores), pool.budget) for pool in pools]
    for values in product(*choices):
        limits = np.array(values)
        if any(
            int((pool.scores[:, columns] >= limits).any(1).sum()) > limit
            for pool, limit in zip(pools, allowed, strict=True)
        ):
            continue
        stopped = attacks[:, columns] >= limits
        recall = float(stopped.any(1).mean()) if len(attacks) else 0.0
        weakest = float(stopped.mean(0).min()) if len(attacks) else 0.0
        if best is None or (recall, weakest) > best[:2]:
            best = (recall, weakest, values)
    if best is None:
        raise CalibrationError(
            "no thresholds keep every pool within its budget: too many benign scores are 1.0; retrain or raise a budget"
        )
    values = tuple(
        _with_margin(value, pools, attacks[:, column], column, margin)
        for value, column in zip(best[2], columns, strict=True)
    )
    return _thresholds(dict(zip(sides, values, strict=True)), pools, attacks, columns)


def _check_size(pool: BenignPool) -> None:
    n = len(pool.scores)
    if n == 0:
        raise CalibrationError(f"pool {pool.name!r} is empty; add at least {needed_rows(pool.budget)} benign exchanges")
    if blocks_allowed(n, pool.budget) < 0:
        raise CalibrationError(
            f"pool {pool.name!r}: {n} exchanges cannot resolve a budget of {pool.budget:.2%} "
            f"(upper bound {upper_bound(0, n):.2%} with none blocked); need {needed_rows(pool.budget)} or a larger budget"
        )


def _candidates(pools: Sequence[BenignPool], column: int) -> list[float]:
    """Return thresholds just above each of the strongest benign scores of one side, highest first."""
    strong: set[float] = set()
    for pool in pools:
        depth = blocks_allowed(len(pool.scores), pool.budget) + 1
        strong.update(np.sort(pool.scores[:, column])[::-1][:depth].tolist())
    ordered = sorted((s for s in strong if s >= 0), reverse=True)
    above = [float(np.nextafter(s, np.inf)) for s in ordered]
    picked = (
        [above[i] for i in sorted({round(p) for p in np.linspace(0, len(above) - 1, _CANDIDATES)})] if above else []
    )
    return [value for value in dict.fromkeys([*picked, NEVER]) if 0 < value <= 1.0]


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
    return min(1.0 / (1.0 + math.exp(-moved)), float(ceiling))


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
