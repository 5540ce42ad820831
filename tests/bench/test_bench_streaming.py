"""What the streaming benchmark computes; no clock is judged here."""

import pytest
from bench.streaming import block_times, plain_words, rows_of, slope_per_1000_words
from keyword_release import KeywordClassifier

from gruyere.pipeline import Build
from gruyere.values import UsageError, cut_words


def test_flat_costs_have_no_slope_and_growing_ones_have() -> None:
    assert slope_per_1000_words([2.0] * 20) == 0.0
    growing = [1.0 + 0.1 * n for n in range(21)]  # doubles in the middle: 0.4 per 1000 words of a median of 2
    assert slope_per_1000_words(growing, size=250) == pytest.approx(0.2)
    assert slope_per_1000_words([2.0] * 10 + [50.0] + [2.0] * 10) == 0.0  # a pause tilts nothing


def test_rows_name_lengths_growth_and_shares() -> None:
    rows = {r.metric: r for r in rows_of((100, 10_000), [2e-6, 3e-6], [1e-6, 1e-6], [2e-6, 2e-6])}
    assert rows["streaming.us_per_word_100"].value == pytest.approx(2.0)
    assert rows["streaming.growth_10000_over_100"].value == pytest.approx(1.5)
    assert rows["streaming.growth_10000_over_100"].target == "<= 1.5"
    assert rows["streaming.views_share"].value == pytest.approx(1 / 3)
    assert rows["streaming.slope_per_1000_words"].met


def test_plain_words_come_from_harmless_answers(small_build: Build) -> None:
    examples = small_build.synthesis.read_examples()
    words = plain_words(examples, 5000)
    assert len(words) == 5000
    harmless = {e.exchange.response for e in examples if e.provenance.polarity == "harmless"}
    first = next(text for text in harmless if text and "".join(words).startswith(text))
    assert cut_words(first)[:5] == words[:5]


def test_without_answers_there_is_nothing_to_time() -> None:
    with pytest.raises(UsageError, match="no harmless English answers"):
        plain_words([], 100)


def test_every_whole_block_is_timed() -> None:
    times = block_times([KeywordClassifier("output")], ["word "] * 600)
    assert len(times) == 2
    assert all(t >= 0 for t in times)
