"""What the documents say is run, or compared with the code."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from command_line import CommandLine, served

from gruyere.evaluation import Row, Scoreboard
from gruyere.guard import REFUSAL
from gruyere.pipeline import Project

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language: str) -> list[str]:
    """Return the README's code blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)


def script(name: str) -> ModuleType:
    """Import a script of `scripts/`."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_python_example_runs(small_project: Project, tmp_path: Path) -> None:
    (code,) = blocks("python")
    shutil.copytree(small_project.folder, tmp_path / "demo" / ".gruyere")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    assert done.stdout == "input: allow\nSoft drums on the tin, a grey song that ends at noon.\n"


def test_the_curl_example_streams_a_block(small_project: Project, tmp_path: Path) -> None:
    (command,) = [block for block in blocks("sh") if block.startswith("curl")]
    with served("--project", small_project.folder.parent, "--upstream", "stand-in", cwd=tmp_path) as url:
        command = command.replace("http://127.0.0.1:8080/v1", url)
        environment = {**os.environ, "no_proxy": "127.0.0.1"}
        done = subprocess.run(
            ["bash", "-c", command], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
    assert done.returncode == 0, done.stderr
    assert REFUSAL in done.stdout
    assert '"finish_reason":"content_filter"' in done.stdout
    assert done.stdout.rstrip().endswith("data: [DONE]")


def test_every_command_of_the_readme_exists(gruyere: CommandLine) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    commands = set(re.findall(r"gruyere ([a-z]+)", "\n".join([*blocks("sh"), *re.findall(r"`gruyere [^`]+`", readme)])))
    assert len(commands) >= 12
    for command in commands:
        assert gruyere(command, "--help").code == 0, command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_documents_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_the_configuration_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "CONFIGURATION.md").read_text("utf-8")
    assert page == script("configuration_doc").document(), "run scripts/configuration_doc.py"


def test_the_scoreboard_goes_between_its_markers() -> None:
    rows = (
        Row.of("attack_success_guarded_known_families", 0.005, target="<= 0.01", n=200),
        Row.missing("added_ttft_ms", "no local model"),
    )
    board = Scoreboard(made="2026-01-31T10:00:00Z", commit="c", machine="m", command="make demo", rows=rows)
    readme = (ROOT / "README.md").read_text("utf-8")
    filled = script("readme_scoreboard").with_scoreboard(readme, board)
    assert "| `attack_success_guarded_known_families` | 0.50 % | 200 | ≤ 0.01 | yes |" in filled
    assert "| `added_ttft_ms` | – |" in filled
    assert script("readme_scoreboard").with_scoreboard(filled, board) == filled
    assert filled.split("<!-- /scoreboard -->")[1] == readme.split("<!-- /scoreboard -->")[1]
    with pytest.raises(ValueError, match="no block"):
        script("readme_scoreboard").with_scoreboard("# gruyere", board)
