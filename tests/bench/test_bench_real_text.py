"""The benchmark on public data, over a few rows and classifiers of known behaviour."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from bench.place import Place, board, public_data
from bench.public_rows import PublicRow, input_scores, read_rows
from bench.real_text import ALPACA, COOKING, TARGETS, alpaca_rows, cooking_rows, read_set_aside, run
from keyword_release import keyword_release

from gruyere.classifiers.serving.release import Release
from gruyere.pipeline import Build, Project
from gruyere.values import ArtifactError, Message

TEXTS = [
    ("a", "Why did my sponge cake sink?", "harmful"),
    ("b", "How long does cake keep in the freezer?", "harmful"),
    ("c", "How do I season a wok?", "harmless"),
    ("d", "Is a rice cake gluten free?", "harmless"),
]


def rows(texts: Sequence[tuple[str, str, str]] = TEXTS) -> list[PublicRow]:
    return [
        PublicRow.model_validate({"id": i, "messages": [Message(role="user", content=t)], "label": label})
        for i, t, label in texts
    ]


def write(path: Path, texts: Sequence[tuple[str, str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (
        json.dumps({"id": i, "source": "x", "messages": [{"role": "user", "content": t}], "label": label}) + "\n"
        for i, t, label in texts
    )
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(lines)


def place(project: Project, data: Path | None, out: Path) -> Place:
    return Place(project.folder.parent, data, out, out)


def test_cooking_rows_compare_with_the_word_alone() -> None:
    by_name = {row.metric: row for row in cooking_rows(rows(), np.array([0.9, 0.8, 0.1, 0.2]))}
    assert by_name["cooking.input_auroc"].value == 1.0
    assert by_name["cooking.input_auroc"].met
    assert by_name["cooking.recall_at_1.6%_fpr"].value == 1.0
    assert by_name["cooking.keyword_recall"].value == 1.0
    assert "50.00% false positives" in by_name["cooking.keyword_recall"].note
    assert by_name["cooking.keyword_auroc"].value == 0.75


def test_requests_set_aside_do_not_count_and_blocked_rows_are_named() -> None:
    aside = read_set_aside().model_copy(update={"ids": {"a": "asks for a cake", "b": "asks for a cake"}})
    made = alpaca_rows(rows(), np.array([0.9, 0.1, 0.1, 0.9]), keyword_release("input"), aside)
    by_name = {row.metric: row for row in made}
    assert (by_name["alpaca.blocked"].value, by_name["alpaca.blocked"].n) == (0.5, 2)
    assert not by_name["alpaca.blocked"].met
    assert by_name["alpaca.blocked"].note == "blocked rows: d"
    assert (by_name["alpaca.set_aside_blocked"].value, by_name["alpaca.set_aside_blocked"].n) == (0.5, 2)


def test_the_set_aside_list_gives_a_reason_for_every_row() -> None:
    aside = read_set_aside()
    assert 0 < len(aside.ids) < 20
    assert all(reason.startswith("asks ") for reason in aside.ids.values())


def test_scores_are_the_guards_and_keep_their_order() -> None:
    assert input_scores(keyword_release("input"), rows(), workers=1).tolist() == [0.9, 0.9, 0.1, 0.9]


def test_two_processes_score_as_one(small_build: Build) -> None:
    release = Release.load(small_build.release)
    many = rows() * 40
    alone, together = (input_scores(release, many, workers=n) for n in (1, 2))
    assert alone.tolist() == together.tolist()
    assert len(alone) == 160


def test_a_release_without_an_input_classifier_is_refused() -> None:
    with pytest.raises(ArtifactError, match="has no input classifier"):
        input_scores(keyword_release("output"), rows(), workers=1)


def test_the_whole_benchmark_over_two_small_files(small_project: Project, small_build: Build, tmp_path: Path) -> None:
    del small_build
    write(tmp_path / COOKING, TEXTS)
    write(tmp_path / ALPACA, [(i, t, "harmless") for i, t, _ in TEXTS[2:]])
    steps: list[str] = []
    made = run(place(small_project, tmp_path, tmp_path), lambda *step: steps.append(step[0]))
    assert all(row.value is not None for row in made[:-1])
    assert made[-1].value is None  # nothing was set aside in two rows
    assert set(steps) == {"scoring cooking-questions", "scoring alpaca-harmless"}


def test_without_data_every_row_is_null_and_says_why(small_project: Project, tmp_path: Path) -> None:
    made = run(place(small_project, None, tmp_path), lambda *_: None)
    assert {row.metric for row in made} >= set(TARGETS)
    assert all(row.value is None and "GRUYERE_PUBLIC_DATA" in row.note for row in made)
    assert not board(made, "pytest").met


def test_one_missing_file_leaves_the_other_measured(small_project: Project, small_build: Build, tmp_path: Path) -> None:
    del small_build
    write(tmp_path / COOKING, TEXTS)
    made = {row.metric: row.value for row in run(place(small_project, tmp_path, tmp_path), lambda *_: None)}
    assert made["cooking.input_auroc"] is not None
    assert made["alpaca.blocked"] is None


def test_a_row_of_another_form_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": "a", "messages": [], "label": "harmless"}\n{"id": "b"}\n', "utf-8")
    with pytest.raises(ArtifactError, match=r"rows\.jsonl:2: messages: Field required; fetch"):
        read_rows(path)


def test_the_environment_names_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRUYERE_PUBLIC_DATA", str(tmp_path))
    assert public_data() == tmp_path
    monkeypatch.setenv("GRUYERE_PUBLIC_DATA", str(tmp_path / "nowhere"))
    assert public_data() is None
