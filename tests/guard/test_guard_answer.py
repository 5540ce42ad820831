"""Word by word: what is released, what is not, and what is counted."""

import base64
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyword_release import asked, keyword_release

from gruyere.guard import Counters, Guard, GuardedAnswer, score_exchange
from gruyere.guard.counters import Ledger
from gruyere.values import Exchange, UsageError, Verdict, cut_words

WORDS = st.one_of(
    st.sampled_from(
        ["cake", "cup", "tea", " ", "  ", "\n", "蛋糕", "ขนม", "x" * 47, "y" * 48, "z" * 97, "é", " Cake!"]
    ),
    st.text(max_size=6),
)
TEXTS = st.lists(WORDS, max_size=30).map("".join)


@st.composite
def chunked(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A text and one way to cut it into chunks."""
    text = draw(TEXTS)
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=12)))
    return text, [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def read(answer: GuardedAnswer, chunks: list[str]) -> tuple[str, Verdict | None]:
    """Push all chunks whatever happens; return everything released and the last verdict."""
    steps = [answer.push(chunk) for chunk in chunks]
    steps.append(answer.close())
    return "".join(step.released for step in steps), steps[-1].verdict


@given(chunked())
def test_chunking_changes_nothing(case: tuple[str, list[str]]) -> None:
    text, chunks = case
    guard = Guard(keyword_release("input", "output", "exchange"))
    assert read(guard.open(asked()), chunks) == read(guard.open(asked()), [text])


@given(chunked())
def test_released_text_ends_before_the_first_blocked_word(case: tuple[str, list[str]]) -> None:
    text, chunks = case
    words = cut_words(text)
    harmless = next((i for i, word in enumerate(words) if "cake" in word.casefold()), len(words))
    guard = Guard(keyword_release("output"))
    released, verdict = read(guard.open(asked()), chunks)
    assert verdict is not None
    assert released == "".join(words[:harmless])
    assert (verdict.decision == "block") == (harmless < len(words))
    counters = guard.counters
    assert counters.words_released_unjudged == 0
    assert counters.words_judged == harmless == len(cut_words(released))


@given(chunked(), st.integers(0, 40))
def test_nothing_follows_a_block(case: tuple[str, list[str]], position: int) -> None:
    _, chunks = case
    answer = Guard(keyword_release("output")).open(asked())
    blocked = False
    for chunk in [*chunks[:position], " cake ", *chunks[position:]]:
        step = answer.push(chunk)
        assert not (blocked and (step.released or not step.blocked))
        blocked = blocked or step.blocked
    assert answer.close().blocked


@given(chunked())
def test_streaming_scores_equal_offline_scores(case: tuple[str, list[str]]) -> None:
    text, chunks = case
    release = keyword_release("output", "exchange")
    messages = asked("My oven is hot.")
    offline = score_exchange(release.classifiers, Exchange(transcript=messages, response=text))
    _, verdict = read(Guard(release).open(messages), chunks)
    assert verdict is not None
    assert verdict.score == max(offline.by_side().values())


def test_the_unfinished_word_is_held_back() -> None:
    answer = Guard(keyword_release("output")).open(asked())
    assert answer.push("A nice cup").released == "A nice"
    assert answer.push("ful of").released == " cupful"
    assert answer.close().released == " of"


def test_words_without_spaces_are_released_one_by_one() -> None:
    answer = Guard(keyword_release("output")).open(asked())
    assert answer.push("好的").released == "好的"


def test_the_last_word_is_judged() -> None:
    answer = Guard(keyword_release("output")).open(asked())
    assert answer.push("Bake a cake").released == "Bake a"
    step = answer.close()
    assert step.blocked
    assert step.released == ""
    assert step.verdict is not None
    assert step.verdict.layer == "output"


def test_each_layer_says_which_it_was() -> None:
    guard = Guard(keyword_release("input", "exchange"))
    assert guard.judge_input(asked("Cake, please.")).layer == "input"
    assert guard.judge_input(asked()).decision == "allow"
    assert read(guard.open(asked("My oven is hot.")), ["a cake"])[1] == Verdict(
        decision="block", layer="exchange", score=0.9, release="cake-1"
    )
    assert read(guard.open(asked()), ["a cake"])[0] == "a cake"


def test_an_encoded_answer_is_blocked_while_it_is_written() -> None:
    hidden = "First sift the flour, then beat the eggs for the cake until they are pale and stand in soft peaks. " * 4
    encoded = base64.b64encode(hidden.encode()).decode()
    released, verdict = read(
        Guard(keyword_release("output")).open(asked()), [encoded[i : i + 5] for i in range(0, len(encoded), 5)]
    )
    assert verdict is not None
    assert verdict.decision == "block"
    assert len(released) < len(encoded) / 2


@pytest.mark.parametrize("word", ["nan", "raise"])
def test_a_failing_classifier_blocks(word: str) -> None:
    guard = Guard(keyword_release("input", "output", misbehaves=True))
    released, verdict = read(guard.open(asked()), [f"one two {word} three"])
    assert released == "one two"
    assert verdict is not None
    assert (verdict.decision, verdict.layer, verdict.score) == ("block", "failure", None)
    assert guard.judge_input(asked(word)).layer == "failure"
    assert guard.counters.failures == 2


@pytest.mark.parametrize(
    ("question", "answer", "layer", "released"),
    [("Hi", "Tea, no cake", "output", "Tea, no"), ("cake", "Tea", "input", ""), ("Hi", "Tea", None, "Tea")],
)
def test_a_finished_exchange_is_judged_as_a_live_one(
    question: str, answer: str, layer: str | None, released: str
) -> None:
    exchange = Exchange(transcript=asked(question), response=answer)
    judged = Guard(keyword_release("input", "output")).judge_exchange(exchange)
    assert (judged.verdict.layer, judged.released) == (layer, released)


def test_failing_open_is_a_choice_and_is_counted() -> None:
    guard = Guard(keyword_release("output", misbehaves=True), fail_open=True)
    released, verdict = read(guard.open(asked()), ["one two nan three"])
    assert released == "one two nan three"
    assert verdict is not None
    assert (verdict.decision, verdict.layer) == ("allow", "failure")
    assert guard.counters.words_released_unjudged == 2


def test_failing_open_lets_no_known_harm_through() -> None:
    rule = Guard(keyword_release("output", "exchange"), fail_open=True)
    assert rule.verdict({"output": math.nan, "exchange": 0.9}).layer == "exchange"
    assert rule.verdict({"output": math.nan, "exchange": 0.1}).layer == "failure"
    assert rule.verdict({"output": 0.5}).decision == "block"


def test_the_ledger_sees_what_was_not_judged() -> None:
    counters = Counters()
    ledger = Ledger(counters)
    ledger.judged("one")
    ledger.judged(" two")
    ledger.released("one")
    assert counters.words_released_unjudged == 0
    ledger.released(" three")
    assert (counters.words_released, counters.words_released_unjudged) == (2, 1)


def test_a_release_that_judges_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="no classifiers"):
        Guard(keyword_release())
