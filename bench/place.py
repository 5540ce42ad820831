"""Where a benchmark finds what it measures, and the form in which it leaves its figures."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gruyere.classifiers.serving.release import Release
from gruyere.evaluation import Row, Scoreboard
from gruyere.pipeline import Project, build_project, current_release, init_project, open_project
from gruyere.pipeline.evaluate import commit, machine
from gruyere.pipeline.project import FILE

Progress = Callable[[str, int, int], None]
ROOT = Path(__file__).resolve().parent.parent
PUBLIC_DATA = "GRUYERE_PUBLIC_DATA"
"""Environment variable that names the folder of public data sets."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a benchmark reads and where it writes.

    Args:
        project: Folder of the project that is measured; made from the shipped one where it has no configuration.
        public_data: Folder of public data sets; None where there is none.
        results: Folder of the scoreboards.
        docs: Folder of the documentation, for benchmarks that keep a table there.
        short: Whether to run the short form, as `make bench` does.
        workers: Processes that score.
    """

    project: Path
    public_data: Path | None
    results: Path
    docs: Path
    short: bool = True
    workers: int = 1

    def open(self) -> Project:
        """Open the project, making it from the shipped one first where the folder holds none."""
        if not (self.project / FILE).exists():
            init_project(self.project)
        return open_project(self.project)

    def release(self, progress: Progress) -> Release:
        """Load the project's current release, built first where there is none."""
        project = self.open()
        built = (project.releases / "current").is_file()
        return Release.load(current_release(project) if built else build_project(project, progress).release)


def public_data() -> Path | None:
    """Return the folder of public data: the one that the environment names, or the one beside the repository."""
    named = os.environ.get(PUBLIC_DATA)
    folder = Path(named) if named else ROOT.parent / "shared" / "public-data"
    return folder if folder.is_dir() else None


def board(rows: Sequence[Row], command: str) -> Scoreboard:
    """Put the rows of one run into the shared form."""
    made = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Scoreboard(made=made, commit=commit(), machine=machine(), command=command, rows=tuple(rows))
