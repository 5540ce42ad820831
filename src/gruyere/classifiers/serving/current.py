"""Which release of a project is in use: a pointer file, changed atomically. Runs without the training stack."""

from pathlib import Path

from gruyere.classifiers.serving.release import MANIFEST
from gruyere.store import write_text
from gruyere.values import UsageError

POINTER = Path("releases") / "current"
"""Holds the path of the current release, relative to the project's folder of results."""


def point_to(folder: Path, release: Path) -> None:
    """Make a release the current one of a project's folder of results (`.gruyere`)."""
    write_text(folder / POINTER, str(release.relative_to(folder)) + "\n")


def current_release(folder: Path) -> Path:
    """Return the folder of the current release.

    Raises:
        UsageError: If nothing was built yet, or what was built is gone.
    """
    pointer = folder / POINTER
    if not pointer.is_file():
        raise UsageError(f"{folder}: no release yet; run `gruyere build`, or name one with --release")
    release = folder / pointer.read_text("utf-8").strip()
    if not (release / MANIFEST).is_file():
        raise UsageError(f"{release}: the current release is gone; run `gruyere build`")
    return release


def built_releases(folder: Path) -> list[Path]:
    """Return the folders of all releases of a project, newest first."""
    found = [path.parent for path in (folder / "artifacts" / "release").glob(f"*/{MANIFEST}")]
    return sorted(found, key=lambda path: (path / MANIFEST).stat().st_mtime, reverse=True)
