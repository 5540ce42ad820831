"""Thresholds: what the benign pools force, what the attacks leave free, and what holds on fresh draws."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from gruyere.classifiers.training.calibration import (
    CONFIDENCE,
    SIDES,
    BenignPool,
    Scores,
    blocks_allowed,
    calibrate,
    needed_rows,
    upper_bound,
)
from gruyere.values import CalibrationError, Side, Threshold

DRAWS = 200


def benign(rng: np.random.Generator, n: int) -> Scores:
    """Scores of three sides that agree somewhat, as classifiers of the same text do."""
    shared = rng.normal(-3, 1, (n, 1))
    return np.asarray(1 / (1 + np.exp(-(shared + rng.normal(0, 1, (n, 3))))))


def attacks(rng: np.random.Generator, n: int = 300) -> Scores:
    """Scores of attacks that overlap with benign ones, so that thresholds are pressed against their budgets."""
    return np.asarray(1 / (1 + np.exp(-(rng.normal(0, 1.5, (n, 1)) + rng.normal(0, 1, (n, 3))))))


def only(column: int, scores: Scores) -> Scores:
    """Return the scores with all sides but one absent."""
    out = np.full_like(scores, -1.0)
    out[:, column] = scores[:, column]
    return out


def block_rate(thresholds: dict[Side, Threshold], scores: Scores) -> float:
    """Return the share of rows that any side blocks."""
    limits = np.array([thresholds[s].value if s in thresholds else 2.0 for s in SIDES])
    return float((scores >= limits).any(1).mean())


def holds_in(rates: Sequence[float], budget: float) -> bool:
    """Whether at least 95 % of the repetitions keep the budget, within binomial error (one in a thousand)."""
    kept = sum(rate <= budget for rate in rates)
    return kept >= binom.ppf(0.001, len(rates), CONFIDENCE)


@pytest.mark.parametrize("margin", [0.0, 0.5])
def test_a_single_side_meets_its_budget_on_fresh_draws(margin: float) -> None:
    rng = np.random.default_rng(1)
    fresh = only(0, benign(rng, 200_000))
    rates = []
    for _ in range(DRAWS):
        pool = BenignPool("general", only(0, benign(rng, 700)), 0.02)
        thresholds = calibrate([pool], only(0, attacks(rng)), sides=["input"], margin=margin)
        rates.append(block_rate(thresholds, fresh))
    assert holds_in(rates, 0.02)
    assert max(rates) > 0.005  # the budget is used, not dodged


def test_three_sides_and_three_pools_meet_their_budgets_on_fresh_draws() -> None:
    rng = np.random.default_rng(2)
    fresh = benign(rng, 100_000)
    budgets = {"general": (800, 0.01), "near_domain": (300, 0.03), "multi_turn": (200, 0.05)}
    rates = []
    for _ in range(DRAWS):
        pools = [BenignPool(name, benign(rng, n), budget) for name, (n, budget) in budgets.items()]
        rates.append(block_rate(calibrate(pools, attacks(rng)), fresh))
    assert holds_in(rates, 0.01)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.02, 0.05, 0.2]), st.floats(0, 1))
def test_the_record_tells_what_the_thresholds_do(seed: int, budget: float, margin: float) -> None:
    rng = np.random.default_rng(seed)
    pool, stopped = BenignPool("general", benign(rng, 200), budget), attacks(rng, 50)
    thresholds = calibrate([pool], stopped, margin=margin)
    assert set(thresholds) == set(SIDES)
    record = thresholds["input"].calibration.pools[0]
    assert record.blocked == round(block_rate(thresholds, pool.scores) * 200)
    assert record.upper == upper_bound(record.blocked, 200) <= budget
    assert thresholds["input"].calibration.recall == pytest.approx(block_rate(thresholds, stopped))


@given(st.integers(0, 2**32 - 1))
def test_a_margin_costs_no_recall(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pool, stopped = BenignPool("general", benign(rng, 200), 0.05), attacks(rng, 50)
    recalls = {calibrate([pool], stopped, margin=m)["output"].calibration.recall for m in (0.0, 0.5, 1.0)}
    assert len(recalls) == 1


def test_separated_scores_are_all_stopped_and_the_threshold_stands_in_the_gap() -> None:
    pool = BenignPool("general", np.full((100, 3), 0.1), 0.05)
    thresholds = calibrate([pool], np.full((20, 3), 0.9), margin=0.5)
    assert [t.value for t in thresholds.values()] == pytest.approx([0.5] * 3)
    assert thresholds["exchange"].calibration.recall == 1.0
    assert thresholds["exchange"].calibration.attacks == 20


def test_absent_sides_block_nothing() -> None:
    scores = np.full((100, 3), -1.0)
    scores[:, 0] = 0.2
    thresholds = calibrate([BenignPool("general", scores, 0.05)], np.array([[0.9, -1.0, -1.0]]))
    assert thresholds["input"].calibration.recall == 1.0
    assert all(t.value > 0 for t in thresholds.values())


def test_without_attacks_nothing_benign_is_given_away() -> None:
    thresholds = calibrate([BenignPool("general", np.full((100, 3), 0.4), 0.05)], np.empty((0, 3)))
    assert block_rate(thresholds, np.full((1, 3), 0.4)) == 0.0
    assert thresholds["input"].calibration.attacks == 0


def test_a_pool_too_small_for_its_budget_names_the_size_needed() -> None:
    small = BenignPool("near_domain", np.zeros((100, 3)), 0.02)
    with pytest.raises(CalibrationError, match=r"'near_domain': 100 exchanges cannot resolve .* 2\.00%.*need 149"):
        calibrate([small], np.ones((1, 3)))
    calibrate([BenignPool("near_domain", np.zeros((149, 3)), 0.02)], np.ones((1, 3)))


def test_an_empty_pool_is_an_error() -> None:
    with pytest.raises(CalibrationError, match="pool 'general' is empty; add at least 598 benign exchanges"):
        calibrate([BenignPool("general", np.empty((0, 3)), 0.005)], np.ones((1, 3)))


def test_benign_scores_of_one_leave_no_threshold() -> None:
    with pytest.raises(CalibrationError, match="no thresholds keep every pool within its budget"):
        calibrate([BenignPool("general", np.ones((100, 3)), 0.05)], np.ones((1, 3)))


@given(st.integers(1, 5000), st.sampled_from([0.005, 0.01, 0.02, 0.05, 0.3]))
def test_blocks_allowed_is_the_largest_count_within_the_budget(n: int, budget: float) -> None:
    allowed = blocks_allowed(n, budget)
    assert allowed == -1 or upper_bound(allowed, n) <= budget
    assert upper_bound(allowed + 1, n) > budget
    assert (allowed >= 0) == (n >= needed_rows(budget))


def test_the_bound_is_the_exact_one() -> None:
    # With 10 of 200 blocked, a true rate at the bound gives 10 or fewer in exactly 5 % of pools.
    assert binom.cdf(10, 200, upper_bound(10, 200)) == pytest.approx(0.05)
    assert upper_bound(0, 598) <= 0.005 < upper_bound(0, 597)
    assert upper_bound(7, 7) == 1.0
    with pytest.raises(ValueError, match="at least 1"):
        upper_bound(0, 0)
