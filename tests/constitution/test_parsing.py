"""The constitution's Markdown: what parses, what is refused, and that nothing is lost on the way back."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gruyere.constitution import Category, Constitution, Rule, load, parse, render, shipped, slug_of
from gruyere.constitution.parsing import split_sentences
from gruyere.values import Polarity, UsageError

SMALL = """# Tea

Why.

## Harmful

### Brewing tea

How to brew tea. Amounts, e.g. leaves per cup.

- Judging by colour when to stop.

## Harmless

### Coffee

Brewing coffee.
"""


def test_rules_are_sentences_and_bullets_with_lines() -> None:
    constitution = parse(SMALL)
    rules = constitution.of("harmful")[0].rules
    assert [r.text for r in rules] == [
        "How to brew tea.",
        "Amounts, e.g. leaves per cup.",
        "Judging by colour when to stop.",
    ]
    assert [r.bullet for r in rules] == [False, False, True]
    assert [r.line for r in rules] == [9, 9, 11]
    assert constitution.preamble == "Why."


def test_a_rule_keeps_its_id_when_it_moves_and_changes_it_when_reworded() -> None:
    before = parse(SMALL).of("harmful")[0].rules[2].id
    moved = parse(SMALL.replace("Why.", "Why.\n\nAnd more of why.")).of("harmful")[0].rules[2]
    reworded = parse(SMALL.replace("by colour", "by smell")).of("harmful")[0].rules[2]
    assert moved.id == before
    assert moved.line != 11
    assert reworded.id != before
    assert before.startswith("brewing-tea/")


@pytest.mark.parametrize(
    ("edit", "line", "message"),
    [
        (("## Harmless", "## Harmles"), 13, "unknown heading 'Harmles'"),
        (("Brewing coffee.\n", ""), 15, "category 'Coffee' is empty"),
        (("### Coffee", "### Brewing  Tea"), 15, "duplicate category"),
        (("## Harmless\n\n### Coffee\n\nBrewing coffee.\n", ""), 1, "no category under ## Harmless"),
        (("# Tea", "Tea"), 1, "text before the title"),
        (("Brewing coffee.", "Brewing coffee.\n\n```\ncode\n```"), 19, "fence has no meaning here"),
        (("Brewing coffee.", "#### Deep\n\nBrewing coffee."), 17, "too deep"),
        (("- Judging", "- Judging by colour when to stop.\n- Judging"), 12, "stands twice"),
        (("- Judging", "- \n- Judging"), 11, "empty bullet"),
        (("## Harmless", "## Harmful"), 13, "second 'Harmful' section"),
        (("### Brewing tea\n\n", ""), 7, "text outside a category"),
        (("### Coffee", "### ???"), 15, "no letters or digits"),
    ],
)
def test_faults_name_file_and_line(edit: tuple[str, str], line: int, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(SMALL.replace(*edit), "tea.md")
    assert str(caught.value).startswith(f"tea.md:{line}: ")
    assert message in str(caught.value)


def test_comments_are_for_people() -> None:
    commented = SMALL.replace("Brewing coffee.", "<!-- ask legal -->\n\nBrewing coffee.")
    assert parse(commented).content == parse(SMALL).content


def test_missing_and_unreadable_files_are_usage_errors(tmp_path: Path) -> None:
    bad = tmp_path / "latin.md"
    bad.write_bytes("# Thé".encode("latin-1"))
    with pytest.raises(UsageError, match="not UTF-8"):
        load(str(bad))
    with pytest.raises(UsageError, match="no such constitution"):
        load(str(tmp_path / "absent.md"))


_WORD = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyzäöé"), min_size=1, max_size=9)
_SENTENCE = st.lists(_WORD, min_size=2, max_size=8).map(lambda words: " ".join(words).capitalize() + ".")


@st.composite
def constitutions(draw: st.DrawFn) -> Constitution:
    """Any constitution with unique names and rules."""
    names = draw(st.lists(_WORD, min_size=2, max_size=6, unique_by=slug_of))
    categories = []
    for position, name in enumerate(names):
        polarity: Polarity = (
            "harmful"
            if position == 0
            else "harmless"
            if position == 1
            else draw(st.sampled_from(["harmful", "monitored", "harmless"]))
        )
        texts = draw(st.lists(_SENTENCE, min_size=1, max_size=5, unique=True))
        rules = tuple(Rule.of(slug_of(name), text, bullet=draw(st.booleans()), line=1) for text in texts)
        categories.append(Category(name=name, polarity=polarity, rules=rules, line=1))
    order = {"harmful": 0, "monitored": 1, "harmless": 2}
    categories.sort(key=lambda c: order[c.polarity])
    return Constitution(title=draw(_WORD), preamble=draw(_SENTENCE), categories=tuple(categories))


@given(constitutions())
def test_parse_after_render_is_the_identity(constitution: Constitution) -> None:
    assert parse(render(constitution)).content == constitution


@pytest.mark.parametrize("name", shipped())
def test_shipped_constitutions_survive_the_round_trip(name: str) -> None:
    constitution = load(name)
    assert parse(render(constitution)).content == constitution.content


def test_cake_is_complete() -> None:
    cake = load("cake")
    assert len(cake.of("harmful")) >= 8
    assert len(cake.of("monitored")) == 2
    assert len(cake.of("harmless")) >= 14


def test_sentences_end_where_a_reader_would_end_them() -> None:
    assert split_sentences("Use 2.5 kg, e.g. Flour. Then stop! “Really?” No. 7 is fine.") == [
        "Use 2.5 kg, e.g. Flour.",
        "Then stop!",
        "“Really?”",
        "No. 7 is fine.",
    ]
