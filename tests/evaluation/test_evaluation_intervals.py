"""Intervals agree with scipy's and cover what they promise to cover."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from gruyere.evaluation import Proportion, clopper_pearson, lower_bound, needed_sample, upper_bound, wilson


@pytest.mark.parametrize(("events", "n"), [(0, 10), (1, 10), (5, 10), (10, 10), (3, 1000), (0, 1)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_both_intervals_agree_with_scipy(events: int, n: int, confidence: float) -> None:
    test = binomtest(events, n)
    exact = test.proportion_ci(confidence, method="exact")
    score = test.proportion_ci(confidence, method="wilson")
    mine, wilsons = clopper_pearson(events, n, confidence), wilson(events, n, confidence)
    assert (mine.low, mine.high) == pytest.approx((exact.low, exact.high), abs=1e-12)
    assert (wilsons.low, wilsons.high) == pytest.approx((score.low, score.high), abs=1e-12)


@pytest.mark.parametrize(("events", "n"), [(0, 10), (2, 300), (299, 300), (300, 300)])
def test_one_sided_bounds_agree_with_scipy(events: int, n: int) -> None:
    upper = binomtest(events, n, alternative="less").proportion_ci(0.95).high
    lower = binomtest(events, n, alternative="greater").proportion_ci(0.95).low
    assert upper_bound(events, n) == pytest.approx(upper, abs=1e-12)
    assert lower_bound(events, n) == pytest.approx(lower, abs=1e-12)


@given(st.integers(1, 60), st.floats(0.01, 0.99))
def test_the_exact_interval_covers_the_true_share_often_enough(n: int, share: float) -> None:
    covered = 0.0
    for events in range(n + 1):
        interval = clopper_pearson(events, n)
        if interval.low <= share <= interval.high:
            covered += float(binom.pmf(events, n, share))
    assert covered >= 0.95 - 1e-9


@given(st.floats(1e-5, 0.5), st.floats(0.5, 0.999))
def test_needed_sample_is_the_smallest_that_meets_the_budget(budget: float, confidence: float) -> None:
    n = needed_sample(budget, confidence)
    assert upper_bound(0, n, confidence) <= budget * (1 + 1e-9)
    assert n == 1 or upper_bound(0, n - 1, confidence) > budget * (1 - 1e-9)


def test_half_a_percent_needs_about_six_hundred_rows() -> None:
    assert needed_sample(0.005) == 598


def test_no_rows_mean_no_rate_and_the_whole_range() -> None:
    empty = Proportion(0, 0)
    assert (empty.rate, empty.interval.low, empty.interval.high, empty.upper) == (None, 0.0, 1.0, 1.0)


@pytest.mark.parametrize(("events", "n"), [(-1, 3), (4, 3)])
def test_impossible_counts_are_refused(events: int, n: int) -> None:
    with pytest.raises(ValueError, match="need 0 <= events <= n"):
        Proportion(events, n)


@pytest.mark.parametrize("budget", [0.0, 1.0, -0.1])
def test_a_budget_outside_its_range_is_refused(budget: float) -> None:
    with pytest.raises(ValueError, match="budget"):
        needed_sample(budget)
