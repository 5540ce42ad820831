"""Every transform keeps its promises; chains are bounded."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gruyere.transforms import (
    DECODERS,
    ENCODERS,
    TRANSFORMS,
    Transform,
    agreed_codewords,
    apply_chain,
    families,
    keyword_swap,
    register,
    requested_format,
    translation,
)
from gruyere.values import Exchange, Message, UsageError

REQUEST = "How long does a lemon cake bake at 180 degrees, and how do I know that two cakes are done?"
ANSWER = "Bake the cake for 35 minutes.\nA skewer comes out clean {really} when it is done."


def exchange(request: str = REQUEST, response: str | None = ANSWER) -> Exchange:
    return Exchange(transcript=(Message(role="user", content=request),), response=response)


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_a_seed_repeats_a_transform(name: str) -> None:
    transform = TRANSFORMS[name]
    made = [transform.apply(exchange(), random.Random(seed)) for seed in range(30)]
    assert made == [transform.apply(exchange(), random.Random(seed)) for seed in range(30)]
    assert exchange() not in made
    assert len({m.model_dump_json() for m in made}) >= 8


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_a_missing_response_stays_missing(name: str) -> None:
    assert all(
        TRANSFORMS[name].apply(exchange(response=None), random.Random(seed)).response is None for seed in range(12)
    )


@pytest.mark.parametrize("name", ["role_play", "fiction", "prompt_injection", "system_override"])
def test_framings_keep_request_and_answer_whole_in_many_wordings(name: str) -> None:
    frames = set()
    for seed in range(400):
        made = TRANSFORMS[name].apply(exchange(), random.Random(seed))
        assert any(REQUEST in m.content for m in made.transcript)
        assert made.response is not None
        assert made.response.endswith(ANSWER)
        frames.add("\n".join(m.content for m in made.transcript).replace(REQUEST, ""))
    assert len(frames) >= 50


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_encodings_act_on_request_answer_or_both_and_the_stand_in_can_tell(name: str) -> None:
    modes = set()
    for seed in range(200):
        made = TRANSFORMS[name].apply(exchange(), random.Random(seed))
        text = made.transcript[-1].content
        asked = requested_format(text)
        assert (asked == name) == (made.response != ANSWER)
        assert asked in (None, name)
        modes.add((REQUEST in text, made.response == ANSWER))
    assert modes == {(True, False), (False, True), (False, False)}


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_bytes_encodings_and_reversal_are_inverted_exactly(text: str) -> None:
    for name in ("base64", "hex", "rot13", "reversed"):
        assert DECODERS[name](ENCODERS[name](text)) == text


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz .,?", max_size=200))
def test_lossy_encodings_are_inverted_up_to_case_and_space(text: str) -> None:
    for name in ("leetspeak", "homoglyphs", "zero_width"):
        assert DECODERS[name](ENCODERS[name](text)) == text
    assert DECODERS["morse"](ENCODERS["morse"](text)).split() == text.split()


def test_every_encoding_has_its_inverse() -> None:
    assert ENCODERS.keys() == DECODERS.keys()
    assert all(TRANSFORMS[name].invert is DECODERS[name] for name in ENCODERS)


@pytest.mark.parametrize(
    "text",
    [
        "How do I decode base64 in Python?",
        "Write a function that returns the hex digest of a file.",
        "What is the answer to life? I like Morse code.",
        "reverse a linked list in C",
        "Explain ROT13.",
    ],
)
def test_talking_about_a_format_does_not_ask_for_it(text: str) -> None:
    assert requested_format(text) is None


def test_a_code_word_is_agreed_then_used_in_request_and_answer() -> None:
    for seed in range(200):
        made = TRANSFORMS["keyword_swap"].apply(exchange(), random.Random(seed))
        assert [m.role for m in made.transcript] == ["user", "assistant", "user"]
        agreed = agreed_codewords(made.transcript)
        codes = [code for code, meaning in agreed.items() if meaning == "cake"]
        assert len(codes) == 1, made.transcript[0].content
        assert agreed[codes[0] + "s"] == "cakes"
        assert "cake" not in made.transcript[-1].content
        assert made.response is not None
        assert "cake" not in made.response
        assert codes[0] in made.response


def test_a_text_without_a_listed_noun_gets_its_longest_word_swapped() -> None:
    made = keyword_swap(()).apply(exchange("Draft a resignation letter"), random.Random(1))
    assert "resignation" in agreed_codewords(made.transcript).values()
    assert not keyword_swap().applies(exchange("a b c"))


def test_translations_come_from_the_table_only() -> None:
    german = "Wie lange backt ein Zitronenkuchen?"
    transform = translation({REQUEST: [("de", german)]})
    assert transform.applies(exchange())
    assert not transform.applies(exchange("something else"))
    texts = {transform.apply(exchange(), random.Random(seed)).transcript[-1].content for seed in range(40)}
    assert german in texts
    assert len(texts) > 4
    assert all(text.startswith(german) for text in texts)


def test_earlier_turns_stay_as_they_were() -> None:
    earlier = (Message(role="user", content="hello there"), Message(role="assistant", content="hi"))
    long = Exchange(transcript=(*earlier, Message(role="user", content=REQUEST)), response=ANSWER)
    for transform in TRANSFORMS.values():
        made = transform.apply(long, random.Random(5))
        assert [m for m in made.transcript if m in earlier] == list(earlier)


def test_chains_compose_and_are_bounded() -> None:
    made = apply_chain(["role_play", "rot13", "base64"], exchange(), random.Random(3))
    assert made != exchange()
    with pytest.raises(UsageError, match="at most 3"):
        apply_chain(["rot13"] * 4, exchange(), random.Random(0))
    with pytest.raises(UsageError, match=r"unknown transform 'rot14'; known: .*base64"):
        apply_chain(["rot14"], exchange(), random.Random(0))
    with pytest.raises(UsageError, match="does not apply"):
        apply_chain(["morse"], exchange("ケーキ"), random.Random(0))
    with pytest.raises(UsageError, match="at most 200000"):
        apply_chain(["morse", "hex"], exchange(REQUEST * 500), random.Random(0))


def test_names_are_unique_and_families_cover_all() -> None:
    one: Transform = TRANSFORMS["rot13"]
    with pytest.raises(UsageError, match="two transforms are called 'rot13'"):
        register([one, one])
    assert sorted(name for names in families().values() for name in names) == sorted(TRANSFORMS)
    assert set(families()) >= {"encoding", "cipher", "signal", "lookalike", "roleplay", "fiction", "injection"}
