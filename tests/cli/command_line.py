"""Runs commands through the real entry point, in this process or in one of their own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gruyere.cli import main

COMMAND = Path(sys.executable).with_name("gruyere")
"""The installed script."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def content(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


def misuse(outcome: Outcome, *parts: str) -> None:
    """Check that a command ended with one line that holds these parts, and with exit code 2."""
    lines = [line for line in outcome.err.splitlines() if line.strip()]
    assert outcome.code == 2, outcome
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    for part in parts:
        assert part in lines[0]


class CommandLine:
    """Runs `gruyere` in this process and catches what it prints."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def __call__(self, *arguments: str | Path) -> Outcome:
        self._capture.readouterr()
        code = main([str(argument) for argument in arguments])
        said = self._capture.readouterr()
        return Outcome(code, said.out, said.err)


def run_script(*arguments: str | Path, cwd: Path, text: str | None = None) -> Outcome:
    """Run the installed script in its own process."""
    command = [str(COMMAND), *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, input=text, capture_output=True, text=True, timeout=240)
    return Outcome(done.returncode, done.stdout, done.stderr)


def copy_project(folder: Path, target: Path) -> Path:
    """Copy a project with everything made from it, to be damaged."""
    shutil.copytree(folder, target)
    return target


def leftovers(folder: Path) -> list[Path]:
    """Return partial files that a command forgot."""
    return [path for path in folder.rglob("*") if path.name.endswith(".partial")]


@contextmanager
def served(*arguments: str | Path, cwd: Path, program: list[str] | None = None) -> Iterator[str]:
    """Yield the base URL of `gruyere serve` in its own process, which must end well when it is told to stop."""
    command = [*(program or [str(COMMAND)]), "serve", "--port", "0", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "200", "PYTHONWARNINGS": "default"}
    process = subprocess.Popen(command, cwd=cwd, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        assert " guards " in line, line + process.stderr.read()
        rest = threading.Thread(target=process.stderr.read, daemon=True)
        rest.start()
        yield line.split(" at ")[1].split()[0]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) in (0, -signal.SIGINT, 130)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
