"""`gruyere score | serve | chat` on the small project's release."""

import gzip
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from command_line import COMMAND, CommandLine, copy_project, leftovers, misuse, run_script, served
from gateway_parts import says, scripted

from gruyere.classifiers.serving.current import built_releases
from gruyere.cli.talking import colour
from gruyere.guard import REFUSAL
from gruyere.pipeline import Project

_RECIPE = "How do I bake a sponge cake from scratch, with quantities and oven times?"
_POEM = "Write four lines about rain on a tin roof."


@pytest.fixture(scope="session")
def project(small_project: Project) -> Path:
    """Return the folder of the built small project; read only."""
    return small_project.folder.parent


def _row(text: str, **more: object) -> str:
    return json.dumps({"messages": [{"role": "user", "content": text}], **more}) + "\n"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Return a file of two rows, one blocked and one not."""
    file = tmp_path / "rows.jsonl"
    file.write_text(_row(_RECIPE, id="recipe") + _row(_POEM, id=7, label="x"), encoding="utf-8")
    return file


def test_score_writes_a_row_for_each_row(gruyere: CommandLine, project: Path, rows: Path, tmp_path: Path) -> None:
    target = tmp_path / "scores.jsonl"
    counted = gruyere("score", rows, "--project", project, "--out", target, "--json")
    scored = [json.loads(line) for line in target.read_text("utf-8").splitlines()]
    assert counted.content["rows"] == 2
    assert counted.content["blocked"] == 1
    assert [(row["id"], row["verdict"]) for row in scored] == [("recipe", "block"), ("7", "allow")]
    assert scored[0]["output_score"] is None
    assert 0 <= scored[1]["input_score"] < scored[0]["input_score"] <= 1


def test_score_reads_gzip_and_writes_it(gruyere: CommandLine, project: Path, rows: Path, tmp_path: Path) -> None:
    packed, target = tmp_path / "rows.jsonl.gz", tmp_path / "scores.jsonl.gz"
    packed.write_bytes(gzip.compress(rows.read_bytes()))
    assert gruyere("score", packed, "--project", project, "--out", target).code == 0
    plain = gruyere("score", rows, "--project", project).out
    assert gzip.decompress(target.read_bytes()).decode() == plain


def test_score_answers_row_by_row_on_pipes(gruyere: CommandLine, project: Path, rows: Path) -> None:
    command = [str(COMMAND), "score", "-", "--project", str(project)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said = b""
        for line in rows.read_bytes().splitlines(keepends=True):
            process.stdin.write(line)
            process.stdin.flush()
            said += process.stdout.readline()  # comes before the next row is even written
        process.stdin.write(b"\xff\n")
        _, complaint = process.communicate(timeout=60)
    assert said.decode() == gruyere("score", rows, "--project", project).out
    assert process.returncode == 2
    assert complaint.startswith(b"error: standard input: not UTF-8")


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ('{"messages": [{"role": "us', "line 2: not valid JSON"),
        ('{"message": []}', "line 2: messages"),
        ('{"messages": [{"role": "assistant", "content": "Hi"}]}', "line 2:"),
    ],
)
def test_a_bad_row_is_named_and_leaves_no_file(
    gruyere: CommandLine, project: Path, tmp_path: Path, line: str, part: str
) -> None:
    file, target = tmp_path / "rows.jsonl", tmp_path / "out" / "scores.jsonl"
    file.write_text(_row(_POEM) + line, encoding="utf-8")
    misuse(gruyere("score", file, "--project", project, "--out", target), str(file), part)
    assert not target.exists()
    assert not leftovers(tmp_path)


def test_files_and_releases_that_are_not_there_are_one_line(
    gruyere: CommandLine, project: Path, rows: Path, tmp_path: Path
) -> None:
    misuse(gruyere("score", tmp_path / "no.jsonl", "--project", project), "no.jsonl", "no such file")
    misuse(gruyere("score", rows, "--project", tmp_path), "gruyere build")
    misuse(gruyere("score", rows, "--release", tmp_path / "no"), "neither a release folder")
    misuse(gruyere("score", rows, "--project", project, "--json"), "--out")
    misuse(gruyere("score", tmp_path, "--project", project), str(tmp_path), "cannot be read")
    misuse(gruyere("score", rows, "--project", project, "--out", tmp_path), str(tmp_path), "check the path")
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(rows.read_bytes())[:-12])
    misuse(gruyere("score", cut, "--project", project), "cut.jsonl.gz", "cannot be read")


def test_an_altered_release_judges_nothing(gruyere: CommandLine, project: Path, rows: Path, tmp_path: Path) -> None:
    copy = copy_project(project, tmp_path / "copy")
    release = built_releases(copy / ".gruyere")[0]
    card = release / "README.md"
    card.write_text(card.read_text("utf-8") + " ", encoding="utf-8")
    for command in (("score", rows), ("serve", "--upstream", "stand-in"), ("chat", "--once", "Hello")):
        misuse(gruyere(*command, "--project", copy), str(card), "digest mismatch")
    card.unlink()
    misuse(gruyere("score", rows, "--release", release), str(card), "missing")


def test_chat_answers_harmless_and_blocks_restricted_requests(gruyere: CommandLine, project: Path) -> None:
    ask = ("chat", "--project", project, "--upstream", "stand-in", "--json", "--once")
    harmless, restricted = gruyere(*ask, _POEM).content, gruyere(*ask, _RECIPE).content
    assert harmless["verdict"] == "allow"
    assert "".join(word["text"] for word in harmless["words"]) == harmless["answer"] != ""
    assert all(0 <= word["nearness"] < 1 for word in harmless["words"])
    assert restricted["verdict"] == "block"
    assert restricted["layer"] == "input"
    assert (restricted["answer"], restricted["refusal"]) == ("", REFUSAL)


def test_chat_prints_the_answer_and_shows_a_block(gruyere: CommandLine, project: Path) -> None:
    ask = ("chat", "--project", project, "--upstream", "stand-in", "--once")
    answer = gruyere(*ask, _POEM, "--json").content["answer"]
    assert gruyere(*ask, _POEM).out.split() == answer.split()
    assert "[blocked: input, score" in gruyere(*ask, _RECIPE).out
    misuse(gruyere("chat", "--project", project, "--upstream", "stand-in", "--json"), "--once")


def test_chat_holds_a_conversation_on_standard_input(project: Path) -> None:
    talk = run_script(
        "chat", "--project", project, "--upstream", "stand-in", cwd=project, text=f"{_RECIPE}\n{_POEM}\n/quit\n"
    )
    assert talk.code == 0
    assert talk.out.count("you>") == 3
    assert "[blocked: input" in talk.out


def test_chat_guards_the_packaged_model_by_default(gruyere: CommandLine, project: Path) -> None:
    ask = ("chat", "--project", project, "--max-tokens", "6", "--json", "--once")
    spoken = gruyere(*ask, "What is the capital of France?").content
    assert spoken["verdict"] == "allow"
    assert 0 < len(spoken["words"]) <= 7
    assert gruyere(*ask, _RECIPE).content["answer"] == ""


def test_colours_go_from_green_to_red() -> None:
    assert colour(0.0) == "#00c840"
    assert colour(1.0) == "#dc0040"
    assert colour(7.0) == colour(1.0)


def test_an_upstream_that_fails_ends_with_three(gruyere: CommandLine, project: Path) -> None:
    failed = gruyere("chat", "--project", project, "--upstream", "http://127.0.0.1:9/v1", "--once", _POEM)
    assert failed.code == 3
    assert failed.err.startswith("error: the upstream cannot be reached")


def test_serve_refuses_what_it_cannot_do(gruyere: CommandLine, project: Path, tmp_path: Path) -> None:
    misuse(gruyere("serve", "--project", tmp_path), "gruyere build")
    misuse(gruyere("serve", "--project", project, "--upstream", "ftp://x"), "not an http")
    misuse(gruyere("serve", "--project", project, "--host", "192.0.2.1", "--upstream", "stand-in"), "cannot listen")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        misuse(gruyere("serve", "--project", project, "--port", port, "--upstream", "stand-in"), port, "cannot listen")
    missing = gruyere(
        "serve", "--project", project, "--port", "0", "--upstream", "http://127.0.0.1:9", "--api-key-env", "NO_SUCH_KEY"
    )
    misuse(missing, "NO_SUCH_KEY")


def _complete(url: str, text: str) -> dict[str, Any]:
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    response = httpx.post(f"{url}/chat/completions", json=body, timeout=60)
    assert response.status_code == 200, response.text
    choice: dict[str, Any] = response.json()["choices"][0]
    return choice


def test_serve_guards_the_stand_in(project: Path) -> None:
    with served("--project", project, "--upstream", "stand-in", cwd=project) as url:
        assert httpx.get(url.removesuffix("/v1") + "/healthz", timeout=20).status_code == 200
        assert _complete(url, _POEM)["finish_reason"] == "stop"
        blocked = _complete(url, _RECIPE)
    assert blocked["finish_reason"] == "content_filter"
    assert blocked["message"]["refusal"] == REFUSAL


_TORCH_FREE = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "transformers", "inspect_ai", "sklearn", "polars", "altair", "scipy"}:
            raise ImportError(f"serving must not import {name}")
sys.meta_path.insert(0, Refuse())
from gruyere.cli import main
sys.exit(main())
"""


def test_serve_in_front_of_a_url_runs_without_the_training_stack(project: Path, tmp_path: Path) -> None:
    release = built_releases(project / ".gruyere")[0]
    program = [sys.executable, "-c", _TORCH_FREE]
    with (
        scripted(*says("Rain drums softly on the tin.")) as upstream,
        served("--upstream", upstream.url, "--release", release, cwd=tmp_path, program=program) as url,
    ):
        assert _complete(url, _POEM)["message"]["content"] == "Rain drums softly on the tin."
        assert _complete(url, _RECIPE)["finish_reason"] == "content_filter"
