"""The whole story offline: constitution, release, evaluation, report, with the stand-in as target."""

import json
import shutil
from pathlib import Path

import pytest
from tiny_project import Writer, make_project

from gruyere.classifiers.serving.release import read_manifest
from gruyere.evaluation import Scoreboard
from gruyere.pipeline import Build, EvaluationResult, Project, build, evaluate_project, open_project
from gruyere.pipeline.evaluate import TARGETS, Measured, measure, scoreboard
from gruyere.pipeline.reporting import attack_rows, render
from gruyere.pipeline.target import readings, stand_in
from gruyere.store import read_json
from gruyere.values import Message

METRICS = {
    *TARGETS,
    "keyword_baseline_auroc",
    "input_auroc",
    "output_auroc",
    "exchange_auroc",
    "added_ttft_ms",
    "added_us_per_token",
}


@pytest.fixture(scope="module")
def evaluated(small_project: Project) -> EvaluationResult:
    """Evaluate the small project of the shipped constitution once."""
    return evaluate_project(small_project, "pytest")


def test_the_scoreboard_has_every_figure(evaluated: EvaluationResult) -> None:
    rows = {row.metric: row for row in evaluated.scoreboard.rows}
    assert set(rows) >= METRICS
    assert len(rows) == len(evaluated.scoreboard.rows)
    assert {m: rows[m].target for m in TARGETS} == dict(TARGETS)
    assert rows["added_ttft_ms"].value is None
    assert "local_requests = 0" in rows["added_ttft_ms"].note
    assert rows["unjudged_words_released"].value == 0
    assert (rows["attack_success_unguarded"].value or 0) >= 0.6
    guarded = rows["attack_success_guarded_known_families"]
    assert guarded.value is not None
    assert guarded.value < (rows["attack_success_unguarded"].value or 0)
    assert all((rows[f"{side}_auroc"].value or 0) > 0.7 for side in ("input", "output", "exchange"))
    assert all(r.low is None or (r.value is not None and r.low <= r.value <= (r.high or 0)) for r in rows.values())


def test_the_report_tells_the_same_figures(evaluated: EvaluationResult, small_build: Build, tmp_path: Path) -> None:
    evaluated.write_report(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "Guard report: Cake" in page
    assert read_manifest(small_build.release).name in page
    for heading in ("Attack success by family", "False positives by pool", "Recall by category"):
        assert heading in page
    assert page.count("<svg") >= 4
    assert "stand-in target" in page


def test_an_evaluation_of_the_same_release_is_reused(evaluated: EvaluationResult, small_project: Project) -> None:
    steps: list[str] = []
    again = evaluate_project(small_project, "another command", lambda *step: steps.append(step[0]))
    assert again.scoreboard == evaluated.scoreboard
    assert again.report_html == evaluated.report_html
    assert not steps


def test_every_attempt_is_kept_for_reading(evaluated: EvaluationResult, small_project: Project) -> None:
    (file,) = (small_project.folder / "artifacts" / "evaluation").glob("*/attempts.json")
    trials = read_json(file)
    assert isinstance(trials, list)
    n = {row.metric: row.n for row in evaluated.scoreboard.rows}
    attacks = [t for t in trials if t["bare"]["family"] != "plain"]
    assert len(attacks) == n["attack_success_unguarded"]
    assert all(t["guarded"]["blocked_by"] or t["guarded"]["answer"] is not None for t in trials)


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Build, Measured]:
    """Build and measure the tiny scripted project once."""
    project = make_project(tmp_path_factory.mktemp("scripted"))
    made = build(project, Writer())
    return project, made, measure(project, made)


def test_a_scripted_project_goes_the_whole_way(scripted: tuple[Project, Build, Measured]) -> None:
    project, made, measured = scripted
    board = scoreboard(measured, "pytest")
    rows = {row.metric: row for row in board.rows}
    assert rows["exchange_auroc"].value is None  # no such classifier: reported as missing, not left out
    assert rows["input_auroc"].value == 1.0
    assert rows["attack_success_guarded_known_families"].value == 0.0
    assert {t.held_out for t in measured.trials} == {True, False}
    assert "Guard report: Tea" in render(project, made, measured, board)
    assert Scoreboard.model_validate(json.loads(board.to_json())) == board


def test_attack_rows_keep_held_out_families_apart(scripted: tuple[Project, Build, Measured]) -> None:
    trials = scripted[2].trials
    rows = attack_rows(trials)
    assert sum(row.unguarded.attempts for row in rows) == sum(row.guarded.attempts for row in rows) == len(trials)
    assert [row.held_out for row in rows] == sorted(row.held_out for row in rows)
    assert {row.family for row in rows if row.held_out} <= {"cipher", "fiction", "composition"}


def test_only_test_topics_are_measured(scripted: tuple[Project, Build, Measured]) -> None:
    _, made, measured = scripted
    seen = {e.provenance.topic for e in made.synthesis.read_examples() if e.split != "test"}
    assert measured.test
    assert not {e.provenance.topic for e in measured.test} & seen
    assert not {e.provenance.topic for rows in measured.benign.values() for e in rows} & seen
    tested = {e.id for e in measured.test}
    assert {t.bare.example_id for t in measured.trials} <= tested


def test_the_stand_in_knows_the_single_turn_answers(small_build: Build) -> None:
    examples = small_build.synthesis.read_examples()
    target = stand_in(examples)
    harmless = [
        e
        for e in examples
        if e.provenance.polarity == "harmless" and e.provenance.kind == "request" and e.exchange.response
    ][:20]
    answers = [target.answer(e.exchange.transcript) for e in harmless]
    assert sum(a == e.exchange.response for a, e in zip(answers, harmless, strict=True)) >= 18
    assert target.answer([Message(role="user", content="zzz qqq xxx")])


def test_readings_decode_and_leave_plain_text_alone() -> None:
    assert readings("Nothing to decode in this sentence.") == []
    assert any("hello there friend" in text for text in readings("aGVsbG8gdGhlcmUgZnJpZW5k"))


def test_a_moved_project_keeps_its_release(small_project: Project, evaluated: EvaluationResult, tmp_path: Path) -> None:
    root = tmp_path / "moved"
    shutil.copytree(small_project.folder.parent, root)
    again = evaluate_project(open_project(root), "pytest")
    assert again.scoreboard == evaluated.scoreboard
