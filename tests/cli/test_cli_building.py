"""`gruyere build | examples | evaluate | batch | releases` on the small project."""

import json
from pathlib import Path

import pytest
from command_line import CommandLine, copy_project, leftovers, misuse

from gruyere.classifiers.serving.current import built_releases
from gruyere.pipeline import Project


@pytest.fixture(scope="session")
def project(small_project: Project) -> Path:
    """Return the folder of the built small project; read only."""
    return small_project.folder.parent


def test_a_second_build_finds_everything_done(gruyere: CommandLine, project: Path) -> None:
    built = gruyere("build", "--project", project, "--json")
    assert built.code == 0
    assert built.content["fresh"] is False
    assert (Path(built.content["release"]) / "manifest.json").is_file()
    assert "up to date" in gruyere("build", "--project", project).out


def test_dry_run_asks_nothing_and_plans_nothing_for_a_recorded_project(gruyere: CommandLine, project: Path) -> None:
    plans = gruyere("build", "--project", project, "--dry-run", "--json").content
    assert {plan["stage"] for plan in plans} >= {"topics", "requests", "answers", "twins"}
    assert sum(plan["calls"] for plan in plans) == 0
    assert sum(plan["answered"] for plan in plans) > 1000
    assert "requests" in gruyere("build", "--project", project, "--dry-run").out


def test_dry_run_estimates_what_a_paid_build_would_ask(gruyere: CommandLine, tmp_path: Path, small_config: str) -> None:
    paid = small_config.replace(
        '{ backend = "recorded", corpus = "cake" }', '{ backend = "inspect", model = "mockllm/m" }'
    )
    (tmp_path / "gruyere.toml").write_text(paid, encoding="utf-8")
    plans = gruyere("build", "--project", tmp_path, "--dry-run", "--json").content
    assert sum(plan["calls"] for plan in plans) > 1000
    assert all(plan["input_tokens"] > 0 for plan in plans if plan["calls"])
    assert not (tmp_path / ".gruyere" / "artifacts").exists()


def test_examples_are_rows_of_the_public_form(gruyere: CommandLine, project: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    report = gruyere("examples", "--project", project, "--raw", "--out", file, "--json")
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert report.content["rows"] == len(rows) > 3000
    assert {"id", "source", "messages", "target", "label", "category"} <= set(rows[0])
    assert {row["label"] for row in rows} == {"harmful", "harmless"}
    assert not any(row["provenance"]["transforms"] for row in rows)


def test_evaluate_ends_with_one_where_a_target_is_not_met(gruyere: CommandLine, project: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    measured = gruyere("evaluate", "--project", project, "--report", report, "--json")
    rows = {row["metric"]: row for row in measured.content["rows"]}
    assert measured.code == (0 if all(row["met"] for row in rows.values()) else 1)
    assert rows["added_ttft_ms"]["value"] is None  # the small project leaves the local model out, and says so
    assert "local_requests" in rows["added_ttft_ms"]["note"]
    assert rows["unjudged_words_released"]["value"] == 0
    assert rows["attack_success_unguarded"]["value"] > rows["attack_success_guarded_known_families"]["value"]
    assert report.read_text("utf-8").startswith("<!")


def test_demo_leaves_scoreboard_and_report(gruyere: CommandLine, project: Path, tmp_path: Path) -> None:
    gruyere("evaluate", "--project", project)  # the same release is not measured twice
    folder = copy_project(project, tmp_path / "demo")
    shown = gruyere("demo", "--folder", folder)
    assert shown.code == 0
    assert "attack_success_unguarded" in shown.out
    assert shown.out.rstrip().endswith(f"gruyere serve --project {folder}")
    assert json.loads((folder / "scoreboard.json").read_text("utf-8"))["rows"]
    assert (folder / "report.html").is_file()
    assert gruyere("demo", "--folder", folder, "--json").content["rows"]


def test_releases_are_listed_and_shown_by_name_or_folder(gruyere: CommandLine, project: Path) -> None:
    listed = gruyere("releases", "list", "--project", project, "--json").content
    name, folder = listed[0]["name"], listed[0]["folder"]
    assert [row["current"] for row in listed] == [True]
    assert name in gruyere("releases", "list", "--project", project).out
    for which in (name, name[:-3], folder):
        shown = gruyere("releases", "show", which, "--project", project, "--json").content
        assert shown["name"] == name
    assert set(shown["thresholds"]) == {"input", "output", "exchange"}
    assert "near_domain" in gruyere("releases", "show", "--project", project).out
    misuse(gruyere("releases", "show", "nothing", "--project", project), "nothing", "gruyere releases list")


def test_a_project_without_release_says_so(gruyere: CommandLine, tmp_path: Path) -> None:
    assert gruyere("releases", "list", "--project", tmp_path, "--json").content == []
    misuse(gruyere("releases", "show", "--project", tmp_path), "gruyere build")
    misuse(gruyere("releases", "list", "--project", tmp_path / "nowhere"), "nowhere", "gruyere init")


def test_batch_export_and_import_go_round(gruyere: CommandLine, tmp_path: Path, small_config: str) -> None:
    (tmp_path / "gruyere.toml").write_text(small_config.replace('corpus = "cake"', "paths = []"), encoding="utf-8")
    asked, answered = tmp_path / "asked.jsonl", tmp_path / "answered.jsonl"
    exported = gruyere("batch", "export", "--project", tmp_path, "--out", asked, "--json").content
    requests = [json.loads(line) for line in asked.read_text("utf-8").splitlines()]
    assert exported["calls"] == len(requests) > 0
    lines = [_answer(request["custom_id"], "1. flour\n2. sugar") for request in requests[:2]]
    answered.write_text("".join([*lines, _answer("v1-unknown", "no")]), encoding="utf-8")
    report = gruyere("batch", "import", answered, "--asked", asked, "--project", tmp_path, "--json").content
    assert report["imported"] == 2
    assert report["unknown"] == ["v1-unknown"]
    again = gruyere("batch", "import", answered, "--asked", asked, "--project", tmp_path)
    assert "2 were there already" in again.out
    left = gruyere("batch", "export", "--project", tmp_path, "--out", asked, "--json").content
    assert left["calls"] == len(requests) - 2


def test_batch_export_has_nothing_to_do_for_a_whole_corpus(gruyere: CommandLine, project: Path, tmp_path: Path) -> None:
    file = tmp_path / "asked.jsonl"
    assert gruyere("batch", "export", "--project", project, "--out", file, "--json").content["calls"] == 0
    assert not file.exists()


@pytest.mark.parametrize("table", ["nonsense = 1", "[calibration]\nbudget = 0.1", '[classifiers.input]\nkind = "tea"'])
def test_a_key_that_nobody_knows_is_one_line(gruyere: CommandLine, tmp_path: Path, table: str) -> None:
    (tmp_path / "gruyere.toml").write_text(f"{table}\n", encoding="utf-8")
    misuse(gruyere("build", "--project", tmp_path), "gruyere.toml")
    assert not (tmp_path / ".gruyere").exists()


def test_broken_toml_is_one_line(gruyere: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "gruyere.toml").write_text("roles = {", encoding="utf-8")
    misuse(gruyere("build", "--project", tmp_path), "not valid TOML")


def test_missing_recordings_say_how_to_get_them(gruyere: CommandLine, tmp_path: Path, small_config: str) -> None:
    (tmp_path / "gruyere.toml").write_text(small_config.replace('corpus = "cake"', "paths = []"), encoding="utf-8")
    misuse(gruyere("build", "--project", tmp_path), "batch export")
    (tmp_path / "gruyere.toml").write_text(small_config.replace('corpus = "cake"', 'corpus = "tea"'), encoding="utf-8")
    misuse(gruyere("build", "--project", tmp_path), "tea")


def test_a_missing_model_is_one_line(gruyere: CommandLine, tmp_path: Path, small_config: str) -> None:
    local = small_config.replace(
        'generator = { backend = "recorded", corpus = "cake" }', 'generator = { backend = "local", path = "no.gguf" }'
    )
    (tmp_path / "gruyere.toml").write_text(local, encoding="utf-8")
    misuse(gruyere("build", "--project", tmp_path), "no.gguf")


def test_an_altered_artifact_stops_the_build(gruyere: CommandLine, project: Path, tmp_path: Path) -> None:
    copy = copy_project(project, tmp_path / "copy")
    examples = next((copy / ".gruyere" / "artifacts" / "examples").glob("*.jsonl"))
    examples.write_bytes(examples.read_bytes()[:-40])
    misuse(gruyere("build", "--project", copy), str(examples), "digest")


def test_an_altered_release_stops_the_build(gruyere: CommandLine, project: Path, tmp_path: Path) -> None:
    copy = copy_project(project, tmp_path / "copy")
    damaged = next(p for p in built_releases(copy / ".gruyere")[0].rglob("*") if p.suffix in {".npz", ".safetensors"})
    flip_a_byte(damaged)
    misuse(gruyere("build", "--project", copy), str(damaged), "digest")


@pytest.mark.parametrize(
    ("before", "after", "parts"),
    [
        ("general = 0.05", "general = 0.0001", ("general", "cannot resolve", "0.01%")),
        ("local_requests = 0", 'local_requests = 0\n[synthesis]\ngeneral = ["Tea"]', ("Tea",)),
        (
            "local_requests = 0",
            "local_requests = 0\n[synthesis]\nsplit_general = { train = 0.5, calibration = 0.0001 }",
            ("'general'", "is empty"),
        ),
    ],
)
def test_a_budget_or_pool_that_cannot_be_had_leaves_no_release(
    gruyere: CommandLine, project: Path, tmp_path: Path, before: str, after: str, parts: tuple[str, ...]
) -> None:
    copy = copy_project(project, tmp_path / "copy")
    file = copy / "gruyere.toml"
    file.write_text(file.read_text("utf-8").replace(before, after), encoding="utf-8")
    count = len(built_releases(copy / ".gruyere"))
    misuse(gruyere("build", "--project", copy), *parts)
    assert len(built_releases(copy / ".gruyere")) == count
    assert not leftovers(copy)


def flip_a_byte(path: Path) -> None:
    """Change one byte in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


def _answer(custom_id: str, text: str) -> str:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    body = {"id": "c", "object": "chat.completion", "model": "m", "choices": [choice]}
    response = {"status_code": 200, "request_id": "r", "body": body}
    return json.dumps({"id": "b", "custom_id": custom_id, "response": response, "error": None}) + "\n"
