"""The scoreboard's JSON form, its judgement of targets and its table."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from gruyere.evaluation import Interval, Proportion, Row, Scoreboard
from gruyere.evaluation.scoreboard import figure, is_met
from gruyere.values import UsageError


def board(*rows: Row) -> Scoreboard:
    return Scoreboard(made="2026-11-21T10:00:00Z", commit="abc", machine="2 cores", command="make demo", rows=rows)


def test_the_json_form_is_the_documented_one(tmp_path: Path) -> None:
    row = Row.of("aegis.f1", 0.81, target=">= 0.80", interval=Interval(0.77, 0.85), n=356)
    board(row).write(tmp_path / "scoreboard.json")
    assert json.loads((tmp_path / "scoreboard.json").read_text("utf-8")) == {
        "made": "2026-11-21T10:00:00Z",
        "commit": "abc",
        "machine": "2 cores",
        "command": "make demo",
        "rows": [
            {
                "metric": "aegis.f1",
                "value": 0.81,
                "low": 0.77,
                "high": 0.85,
                "n": 356,
                "target": ">= 0.80",
                "met": True,
                "note": "",
            }
        ],
    }
    assert [p.name for p in tmp_path.iterdir()] == ["scoreboard.json"]


def test_an_empty_board_is_valid_json_and_reads_back() -> None:
    full = board(Row.missing("leak", 'no "blocks"', target="<= 0.002"), Row.of("ms", 3.5))
    for one in (board(), full):
        assert Scoreboard.model_validate_json(one.to_json()) == one


@pytest.mark.parametrize(
    ("target", "value", "met"),
    [
        ("<= 0.01", 0.01, True),
        ("<= 0.01", 0.011, False),
        ("< 1", 1.0, False),
        (">= 0.93", 0.93, True),
        ("> 2", 3.0, True),
        ("== 0", 0.0, True),
        ("== 0", 1.0, False),
    ],
)
def test_targets_are_judged(target: str, value: float, met: bool) -> None:
    assert is_met(target, value) is met
    assert Row.of("x", value, target=target).met is met


@pytest.mark.parametrize("target", ["0.01", "=< 0.01", "<= much", "<= nan"])
def test_a_malformed_target_is_refused(target: str) -> None:
    with pytest.raises(UsageError, match="no comparison"):
        Row.of("x", 0.5, target=target)


def test_a_null_value_is_never_met_and_says_why() -> None:
    rows = [
        Row.missing("x", "no model", target=">= 0"),
        Row.of("x", float("nan"), target=">= 0"),
        Row.of_share("x", Proportion(0, 0), target="<= 1"),
        Row.missing("x", "not tried"),
    ]
    assert all(row.value is None and not row.met and row.note for row in rows)
    assert not board(*rows).met


def test_shares_carry_their_interval_and_missing_rows_are_named() -> None:
    row = Row.of_share("fp", Proportion(1, 200), target="<= 0.02")
    assert (row.value, row.n, row.met) == (0.005, 200, True)
    assert row.low is not None
    assert row.high is not None
    assert row.low < 0.005 < row.high
    assert board(row).missing_from(["fp", "leak"]) == ["leak"]


def test_the_table_fits_80_columns_and_shows_markup_as_text() -> None:
    name = "attack_success_guarded_heldout_families"
    rows = (
        Row.of_share(name, Proportion(20, 360), target="<= 0.05", note="[red]not markup[/red]"),
        Row.of_share("attack_success_guarded_known_families", Proportion(2, 1840), target="<= 0.002"),
        Row.of("added_us_per_token", 183.24, n=50000),
    )
    console = Console(width=80, record=True, quiet=False, file=Path("/dev/null").open("w"))  # noqa: SIM115
    with console.file:
        console.print(board(*rows).table())
    text = console.export_text()
    assert name in text
    assert "[red]not markup[/red]" in text
    assert "0.056" in text
    assert " no" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0"),
        (3e-5, "<0.0001"),
        (-1e-6, "0"),
        (0.0012, "0.0012"),
        (0.99412, "0.994"),
        (1.0, "1"),
        (-2.5, "-2.5"),
        (20.0, "20"),
        (183.24, "183.2"),
        (52310.7, "52,311"),
    ],
)
def test_figures_are_written_for_people(value: float | None, text: str) -> None:
    assert figure(value) == text
