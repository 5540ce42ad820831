"""Near-duplicates, splits and prompts."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gruyere.synthesis import Draft, SynthesisConfig, Topic
from gruyere.synthesis.asking import prompt
from gruyere.synthesis.filters import drop_near_duplicates, split_topics
from gruyere.values import Kind, Message, Polarity


def topic(title: str, polarity: Polarity = "harmful", category: str = "c") -> Topic:
    """A topic under one rule."""
    pool = None if polarity == "harmful" else "near_domain"
    return Topic.model_validate(
        {"category": category, "polarity": polarity, "rule": "c/1", "rule_text": "r", "title": title, "pool": pool}
    )


def draft(text: str, kind: Kind = "request", title: str = "t") -> Draft:
    """A request under a harmful topic."""
    return Draft(
        topic=topic(title), kind=kind, messages=(Message(role="user", content=text),), language="en", model="m"
    )


LONG = "how long do I bake a sponge at one hundred and eighty degrees in a gas oven"


def test_the_later_of_two_near_duplicates_goes() -> None:
    kept, problems = drop_near_duplicates([draft(LONG), draft(LONG + " please"), draft("something else entirely")], 0.5)
    assert [d.text for d in kept] == [LONG, "something else entirely"]
    assert problems[0].subject.endswith("please")


def test_a_twin_may_resemble_its_original() -> None:
    kept, problems = drop_near_duplicates([draft(LONG), draft(LONG.replace("sponge", "loaf"), kind="twin")], 0.5)
    assert len(kept) == 2
    assert not problems


@given(st.lists(st.text("abcdefgh", min_size=1, max_size=6), min_size=12, max_size=80, unique=True))
def test_splits_have_nearly_the_configured_shares(titles: list[str]) -> None:
    config = SynthesisConfig()
    counts = Counter(split_topics([topic(t) for t in titles], config).values())
    assert abs(counts["train"] / len(titles) - config.split.train) <= 0.15
    assert abs(counts["calibration"] / len(titles) - config.split.calibration) <= 0.15
    assert counts["test"] >= 1


def test_a_prompt_refuses_unknown_fields() -> None:
    with pytest.raises(ValueError, match="no fields"):
        prompt("answer", colour="red")
    with pytest.raises(KeyError):
        prompt("topics", title="T")
