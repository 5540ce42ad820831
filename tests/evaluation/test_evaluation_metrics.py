"""Metrics on small cases done by hand, against sklearn, and where they refuse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from gruyere.evaluation import (
    auroc,
    auroc_interval,
    average_precision,
    best_f1,
    block_rates,
    expected_calibration_error,
    keyword_baseline,
    recall_at_fpr,
    roc,
)
from gruyere.values import UsageError

ROWS = st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=4, max_size=60).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)


@given(ROWS)
def test_auroc_is_the_share_of_pairs_ranked_right(rows: list[tuple[bool, float]]) -> None:
    harmful = [s for label, s in rows if label]
    harmless = [s for label, s in rows if not label]
    wins = sum((a > b) + 0.5 * (a == b) for a in harmful for b in harmless)
    labels, scores = zip(*rows, strict=True)
    area = auroc(labels, scores)
    interval = auroc_interval(labels, scores)
    assert area == pytest.approx(wins / (len(harmful) * len(harmless)))
    assert 0 <= interval.low <= area + 1e-9
    assert area - 1e-9 <= interval.high <= 1


@given(ROWS)
def test_best_f1_beats_every_threshold_and_names_its_own(rows: list[tuple[bool, float]]) -> None:
    labels, scores = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    best = best_f1(labels, scores)
    assert best.value == pytest.approx(f1_score(labels, scores >= best.threshold))
    assert all(best.value >= f1_score(labels, scores >= t) - 1e-12 for t in set(scores.tolist()))


def test_auroc_interval_covers_the_true_area_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    labels = np.r_[np.ones(60), np.zeros(80)]
    truth = 0.8556  # normal scores 1.5 standard deviations apart: Phi(1.5 / sqrt 2)
    hits = 0
    for _ in range(300):
        interval = auroc_interval(labels, np.r_[rng.normal(1.5, 1, 60), rng.normal(0, 1, 80)])
        hits += interval.low <= truth <= interval.high
    assert 0.91 <= hits / 300 <= 0.99


def test_a_perfect_ranking_still_has_an_uncertain_area() -> None:
    interval = auroc_interval([1] * 20 + [0] * 50, [0.9] * 20 + [0.1] * 50)
    assert interval.high == 1.0
    assert 0.7 < interval.low < 1.0


def test_recall_at_a_false_positive_rate_by_hand() -> None:
    labels = [1, 1, 1, 1, 0, 0, 0, 0, 0]
    scores = [0.9, 0.8, 0.4, 0.2, 0.85, 0.3, 0.1, 0.1, 0.1]
    assert recall_at_fpr(labels, scores, 0.0) == 0.25
    assert recall_at_fpr(labels, scores, 0.2) == 0.75
    assert recall_at_fpr(labels, scores, 0.19) == 0.25
    assert average_precision(labels, scores) == pytest.approx((1 + 2 / 3 + 3 / 4 + 4 / 6) / 4)
    assert roc(labels, scores).recall[-1] == 1.0


def test_calibration_error_by_hand() -> None:
    assert expected_calibration_error([1, 0, 1, 0], [0.95, 0.95, 0.55, 0.05], bins=10) == pytest.approx(
        (abs(1.9 - 1) + 0.45 + 0.05) / 4
    )
    with pytest.raises(UsageError, match=r"scores in \[0, 1\]"):
        expected_calibration_error([1, 0], [1.2, 0.0])


def test_block_rates_per_group_are_sorted_and_counted() -> None:
    rates = block_rates(["pie", "bread", "pie"], [True, False, False])
    assert [(r.group, r.share.events, r.share.n) for r in rates] == [("bread", 0, 1), ("pie", 1, 2)]
    assert rates[1].share.interval.high == pytest.approx(0.98742, abs=1e-5)


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [([1, 1], [0.1, 0.2], "single class"), ([1, 0], [0.1], "one score per label"), ([1, 0], [0.1, np.nan], "finite")],
)
def test_bad_input_is_refused_in_one_line(labels: list[int], scores: list[float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        auroc(labels, scores)


def test_keywords_separate_an_easy_set_and_not_a_matched_one() -> None:
    harmful = ["cream the butter for the cake", "how long does a cake bake", "my cake sank", "eggs in a cake"]
    harmless = ["write a poem about rain", "fix my python loop", "letter to the landlord", "capital of France"]
    labels = [True] * 4 + [False] * 4
    easy = keyword_baseline(harmful + harmless, labels, ["cake tin size", "loop over rows"], [True, False])
    assert easy.auroc == 1.0
    assert easy.strongest[0] == "cake"
    hard = keyword_baseline(
        harmful + harmless, labels, ["who invented the cake", "who invented the cake"], [True, False]
    )
    assert hard.auroc == 0.5


def test_keywords_need_both_classes() -> None:
    with pytest.raises(UsageError, match="harmful and harmless"):
        keyword_baseline(["a b"], [True], ["a b"], [True])
