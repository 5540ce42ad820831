"""Augmentations: label kept, provenance extended, held-out families never met."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gruyere.pipeline.augmentation import (
    AugmentationConfig,
    augment,
    derive,
    join_conversations,
    rng_for,
    transformed,
)
from gruyere.transforms import TRANSFORMS
from gruyere.values import Example, Exchange, Message, Polarity, Provenance


def example(n: int, polarity: Polarity = "harmless", *, response: bool = True) -> Example:
    harmful = polarity == "harmful"
    responder = "helpful_only" if harmful else "generator"
    return Example(
        exchange=Exchange(
            transcript=(Message(role="user", content=f"request {n} about {'cake' if harmful else 'bread'}, please"),),
            response=f"answer {n}" if response else None,
        ),
        provenance=Provenance.model_validate(
            {
                "polarity": polarity,
                "kind": "request",
                "category": "a category",
                "rules": ("rule/1",),
                "topic": "topic",
                "language": "en",
                "model": "hand",
                "responder": responder if response else None,
                "pool": None if harmful else "near_domain",
            }
        ),
        split="train",
    )


ROWS = [example(n, "harmful" if n % 2 else "harmless") for n in range(60)]


def test_the_originals_come_first_and_labels_are_kept() -> None:
    made = augment(ROWS, AugmentationConfig(), 0, TRANSFORMS)
    assert made[: len(ROWS)] == ROWS
    parents = {e.id: e for e in ROWS}
    for new in made[len(ROWS) :]:
        assert new.provenance.transforms
        if new.provenance.transforms[-1] != "joined":
            parent = parents[new.provenance.parents[-1]]
            assert [new.label(s) for s in ("input", "output")] == [parent.label(s) for s in ("input", "output")]
            assert new.split == parent.split


def test_harmful_and_harmless_get_their_number_of_augmentations() -> None:
    config = AugmentationConfig(per_harmful=2, per_harmless=1, joined=0.0)
    made = augment(ROWS, config, 0, TRANSFORMS)[len(ROWS) :]
    counts = Counter(e.provenance.polarity for e in made)
    assert counts["harmful"] == 60
    assert counts["harmless"] == 30


@given(st.sets(st.sampled_from(["cipher", "fiction", "roleplay", "codeword", "override"])))
def test_held_out_families_are_never_used(held_out: set[str]) -> None:
    config = AugmentationConfig(held_out=tuple(sorted(held_out)), families=("roleplay", "codeword", "fiction"))
    made = augment(ROWS[:10], config, 0, TRANSFORMS)
    used = {TRANSFORMS[t].family for e in made for t in e.provenance.transforms if t != "joined"}
    assert not used & held_out
    assert used <= {"roleplay", "codeword", "fiction"}


def test_a_seed_repeats_it_and_the_order_of_examples_does_not_matter() -> None:
    config = AugmentationConfig(joined=0.0)
    first = augment(ROWS, config, 5, TRANSFORMS)
    assert augment(ROWS, config, 5, TRANSFORMS) == first
    assert {e.id for e in augment(ROWS[::-1], config, 5, TRANSFORMS)} == {e.id for e in first}
    assert {e.id for e in augment(ROWS, config, 6, TRANSFORMS)} != {e.id for e in first}


def test_a_transform_that_does_not_apply_gives_nothing() -> None:
    blank = derive(ROWS[0], Exchange(transcript=(Message(role="user", content="  "),)))
    assert transformed(blank, ["base64"], 0, TRANSFORMS) is None


def test_provenance_is_extended_not_replaced() -> None:
    once = transformed(ROWS[1], ["role_play"] if "role_play" in TRANSFORMS else [sorted(TRANSFORMS)[0]], 0, TRANSFORMS)
    assert once is not None
    twice = transformed(once, ["base64"], 0, TRANSFORMS)
    assert twice is not None
    assert twice.provenance.transforms == (*once.provenance.transforms, "base64")
    assert twice.provenance.parents == (ROWS[1].id, once.id)


def test_a_joined_conversation_begins_benign_and_is_judged_by_its_second_request() -> None:
    joined = join_conversations(ROWS, 1.0, 0)
    assert len(joined) == len(ROWS)
    by_id = {e.id: e for e in ROWS}
    for made, original in zip(joined, ROWS, strict=True):
        own, opener = (by_id[name] for name in made.provenance.parents)
        assert own == original
        assert opener.provenance.polarity == "harmless"
        assert made.multi_turn
        assert made.exchange.transcript[0] == opener.exchange.transcript[0]
        assert made.exchange.transcript[2:] == original.exchange.transcript
        assert made.label("input") == original.label("input")
        assert made.provenance.pool == (None if original.provenance.polarity == "harmful" else "multi_turn")


@pytest.mark.parametrize("rows", [[], [example(1, "harmful")], [example(1, response=False)]])
def test_nothing_is_joined_without_an_opener(rows: list[Example]) -> None:
    assert join_conversations(rows, 1.0, 0) == []


def test_generators_depend_on_their_parts_alone() -> None:
    assert rng_for(1, "a").random() == rng_for(1, "a").random()
    assert rng_for(1, "a").random() != rng_for(1, "b").random()
