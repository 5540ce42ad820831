"""The comparison's arithmetic and its table; families are trained on a handful of texts."""

from pathlib import Path

import numpy as np
import pytest
from bench.__main__ import BENCHES, main, run_bench
from bench.comparison import BEGIN, END, Measured, ensemble, markdown, measure, with_ensembles, write_table
from bench.place import Place, board

from bench import comparison
from gruyere.classifiers.training.texts import TrainText
from gruyere.evaluation import Row, Scoreboard
from gruyere.store import read_json
from gruyere.values import UsageError

LABELS = np.array([True, True, False, False])


def measured(name: str, *scores: float, cost: float = 1.0) -> Measured:
    return Measured("input", name, LABELS, np.array(scores), cost)


def test_an_ensemble_is_the_mean_of_logits_at_the_sum_of_costs() -> None:
    made = ensemble([measured("a", 0.9, 0.5, 0.5, 0.1, cost=2.0), measured("b", 0.9, 0.9, 0.5, 0.1, cost=3.0)])
    assert made.name == "a+b"
    assert made.us_per_word == 5.0
    assert made.scores == pytest.approx([0.9, 0.75, 0.5, 0.1])


def test_every_combination_is_compared() -> None:
    names = [m.name for m in with_ensembles([measured(n, 0.9, 0.8, 0.2, 0.1) for n in "abc"])]
    assert names == ["a", "b", "c", "a+b", "a+c", "b+c", "a+b+c"]


def test_the_table_puts_the_best_first() -> None:
    lines = markdown([measured("poor", 0.1, 0.9, 0.5, 0.2), measured("good", 0.9, 0.8, 0.2, 0.1)]).splitlines()
    assert lines[0] == "### input: 4 texts, 2 of them harmful"
    assert lines[4].startswith("| good | 1.0000 | 1.0000 | 1.000 | 1.000 | 1.0 |")
    assert lines[5].startswith("| poor |")
    assert lines[2].count("|") == lines[3].count("|") == lines[4].count("|")


def test_only_the_generated_part_of_the_page_changes(tmp_path: Path) -> None:
    page = tmp_path / "CLASSIFIERS.md"
    write_table(page, "first table")
    text = page.read_text("utf-8")
    assert text.startswith("# Classifiers compared\n")
    page.write_text(text + "\nA closing word.\n", "utf-8")
    write_table(page, "second table")
    text = page.read_text("utf-8")
    assert "first table" not in text
    assert text.index(BEGIN) < text.index("second table") < text.index(END) < text.index("A closing word.")
    page.write_text("no markers", "utf-8")
    with pytest.raises(UsageError, match="has lost its markers"):
        write_table(page, "third table")


def test_a_family_is_trained_loaded_and_measured() -> None:
    texts = [TrainText("bake the sponge cake", (), 1.0), TrainText("boil the brown rice", (), 0.0)] * 10
    (one,) = measure("linear", {"input": texts}, {"input": texts[:4]}, 0, lambda *_: None)
    assert (one.side, one.name) == ("input", "linear")
    assert one.labels.tolist() == [True, False, True, False]
    assert one.scores[0] > one.scores[1]
    assert one.us_per_word > 0
    assert {row.metric.rsplit(".", 1)[1] for row in comparison.rows_of(one) if "fpr" not in row.metric} == {
        "auroc",
        "average_precision",
        "us_per_word",
    }


def test_an_unknown_family_is_refused(tmp_path: Path) -> None:
    place = Place(tmp_path, None, tmp_path, tmp_path)
    with pytest.raises(UsageError, match="no family 'oracle'; known: linear, static, minilm"):
        comparison.run(place, lambda *_: None, ["oracle"])


def test_a_run_is_printed_and_written_in_the_shared_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(tmp_path, None, tmp_path / "results", tmp_path)
    made = run_bench("one", lambda *_: [Row.of("speed", 3.0, target="<= 4")], place, "pytest", lambda *_: None)
    assert Scoreboard.model_validate(read_json(tmp_path / "results" / "one.json")) == made
    assert "speed" in capsys.readouterr().out
    assert made.met


def test_the_command_knows_its_benchmarks(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["nonsense"])
    said = capsys.readouterr().err
    assert all(name in said for name in BENCHES)


def test_a_board_says_when_and_where() -> None:
    made = board([Row.missing("speed", "no clock")], "pytest")
    assert made.made.endswith("Z")
    assert made.command == "pytest"
    assert not made.met
