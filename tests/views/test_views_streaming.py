"""Views do not depend on how a text is cut, come while it is written, and cost a bounded amount."""

import base64
import random
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gruyere.transforms import ENCODERS
from gruyere.views import CHAINS, Chain, ViewReader, read_views

PLAIN = "Please tell me how to bake a cake for my sister, and what I should do when it has sunk in the middle."


def streamed(text: str, cuts: list[int]) -> dict[Chain, str]:
    reader = ViewReader()
    views: dict[Chain, str] = {}
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    chunks = [c for a, b in zip(edges, edges[1:], strict=False) for c in reader.push(text[a:b])] + reader.close()
    for chunk in chunks:
        views[chunk.chain] = views.get(chunk.chain, "") + chunk.text
    return views


passages = st.one_of(
    st.text(max_size=60),
    st.builds(lambda name: ENCODERS[name](PLAIN), st.sampled_from(sorted(ENCODERS))),
    st.builds(
        lambda a, b: ENCODERS[a](ENCODERS[b](PLAIN)),
        st.sampled_from(["base64", "hex", "zero_width"]),
        st.sampled_from(sorted(ENCODERS)),
    ),
    st.just(PLAIN),
    st.text(alphabet="0123456789abcdefABCDEF=%&#x;\\u./-| \n", max_size=120),
    st.text(alphabet="\u200b\u0336caрkеe аlм \U000e0063\U000e0061", max_size=80),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(passages, max_size=4).map(" ".join), st.lists(st.integers(min_value=0), max_size=12))
def test_chunks_do_not_change_views(text: str, cuts: list[int]) -> None:
    assert streamed(text, cuts) == {view.chain: view.text for view in read_views(text)}


@settings(max_examples=15, deadline=None)
@given(st.lists(passages, max_size=3).map(" ".join))
def test_single_characters_do_not_change_views(text: str) -> None:
    assert streamed(text, list(range(len(text)))) == {view.chain: view.text for view in read_views(text)}


@pytest.mark.parametrize(
    "name", ["base64", "hex", "morse", "rot13", "reversed", "leetspeak", "homoglyphs", "zero_width"]
)
def test_an_encoded_answer_is_read_while_it_is_written(name: str) -> None:
    text = ENCODERS[name](PLAIN * 3)
    reader = ViewReader()
    half = "".join(chunk.text for chunk in reader.push(text[: len(text) // 2]))
    assert len(half) >= len(PLAIN) // 2
    assert "cake" in half.lower()


def produced(text: str) -> tuple[int, ViewReader]:
    reader = ViewReader()
    return sum(len(chunk.text) for chunk in reader.push(text) + reader.close()), reader


def _nested(layers: int) -> str:
    data = PLAIN.encode() * 20
    for _ in range(layers):
        data = base64.b64encode(data)
    return data.decode()


BOMBS = {
    "base64 in base64, eight times": _nested(8),
    "one long word": "a" * 300_000,
    "one long base64 word": base64.b64encode(PLAIN.encode() * 1500).decode(),
    "surrogates": "\ud800\udc00\ud83d" * 5000,
    "percent signs": "%" * 100_000,
    "entities of entities": "&amp;" * 20_000 + "&#38;#38;" * 2000,
    "ligatures that expand": "\ufdfa" * 20_000,
    "marks on marks": "a" + "\u0301" * 100_000,
    "white space": " " * 300_000 + "x",
    "invisible": "\u200b" * 200_000,
    "tags": "".join(chr(0xE0000 + ord(c)) for c in PLAIN * 200),
    "dots": "." * 100_000,
    "morse letters": ". " * 30_000,
    "zeros and ones": "01" * 50_000,
    "noise": "".join(random.Random(7).choices(string.printable, k=100_000)),
    "everything at once": " ".join(ENCODERS[a](ENCODERS[b](PLAIN)) for a in ENCODERS for b in ENCODERS) * 2,
}


@pytest.mark.parametrize("name", sorted(BOMBS))
def test_bombs_cost_a_bounded_amount(name: str) -> None:
    text = BOMBS[name]
    length, reader = produced(text)
    assert length <= 12 * len(text) + 40_000
    assert len(reader._tree.chains) <= CHAINS


def test_a_text_that_opens_too_many_views_says_so() -> None:
    text = " ".join(
        ENCODERS[a](ENCODERS[b](ENCODERS[c](PLAIN)))
        for a in ("base64", "hex", "morse")
        for b in ENCODERS
        for c in ENCODERS
    )
    _, reader = produced(text)
    assert reader.exhausted
    assert not produced(PLAIN)[1].exhausted


def test_memory_does_not_grow_with_the_text() -> None:
    reader = ViewReader()
    for _ in range(3000):
        reader.push(PLAIN + " ")
    root = reader._root
    assert sum(map(len, root._tail)) <= 17_000
    assert len(root._before) <= 32
    assert len(root._tokens._pending) <= 200


def test_nothing_to_read_gives_no_view() -> None:
    assert read_views("") == ()
    assert read_views("  \n ") == ()
    assert read_views(PLAIN) == ()
