"""Words are cut by the text alone, whatever the chunks."""

from hypothesis import given
from hypothesis import strategies as st

from gruyere.values import WordCutter, cut_words
from gruyere.values.words import LONGEST


def pieces(text: str, cuts: list[int]) -> list[str]:
    """Cut a text at the given places."""
    places = sorted({min(c, len(text)) for c in cuts} | {0, len(text)})
    return [text[a:b] for a, b in zip(places, places[1:], strict=False)]


@given(st.text(), st.lists(st.integers(0, 200)))
def test_chunks_do_not_move_the_cuts(text: str, cuts: list[int]) -> None:
    cutter = WordCutter()
    words = [word for piece in pieces(text, cuts) for word in cutter.push(piece)] + cutter.close()
    assert words == cut_words(text)
    assert "".join(words) == text


@given(st.text(alphabet="ab \n\t", max_size=300))
def test_what_is_held_back_is_bounded(text: str) -> None:
    cutter = WordCutter()
    for char in text:
        cutter.push(char)
        assert len(cutter.pending) <= 2 * LONGEST


def test_unspaced_scripts_complete_at_each_character() -> None:
    assert cut_words("做蛋糕 now") == ["做", "蛋", "糕", " now"]


def test_endless_space_does_not_pile_up() -> None:
    assert len(cut_words(" " * 1000)) > 10
