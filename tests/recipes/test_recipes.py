"""The recipes run as they are printed."""

import subprocess
import sys
from pathlib import Path

from gruyere.pipeline import Build

RECIPES = Path(__file__).parents[2] / "recipes"


def run(name: str, argument: Path) -> str:
    """Run a recipe in a process of its own; return what it prints."""
    command = [sys.executable, str(RECIPES / f"{name}.py"), str(argument)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=240).stdout


def test_guard_a_stream(small_build: Build) -> None:
    shown = run("guard_a_stream", small_build.release)
    assert shown.startswith(("Knead the dough", "This conversation was stopped"))


def test_edit_a_sentence(tmp_path: Path) -> None:
    lines = run("edit_a_sentence", tmp_path / "project").splitlines()
    assert lines[0] == "reworded in Testing doneness"
    assert lines[1].startswith("topics: 1 calls to make, ")
    assert all(" answered already " in line for line in lines[1:])
    answered = [int(line.split(" answered")[0].split()[-1]) for line in lines[1:]]
    assert min(answered) > 0
