"""Options that several commands share, and the release that they mean. Imports nothing of the training stack."""

from pathlib import Path
from typing import Annotated

import typer

from gruyere.classifiers.serving.current import built_releases, current_release
from gruyere.classifiers.serving.release import MANIFEST, read_manifest
from gruyere.values import UsageError

RESULTS = ".gruyere"
"""Folder of a project that holds what was made from it."""

Folder = Annotated[
    Path | None,
    typer.Option("--project", "-p", help="Folder with gruyere.toml; without one, the shipped cake project here."),
]
ReleaseName = Annotated[
    str | None,
    typer.Option("--release", "-r", help="Folder of a release, or its name in the project; default: the current one."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def results_of(project: Path | None) -> Path:
    """Return a project's folder of results.

    Raises:
        UsageError: If the project's folder does not exist.
    """
    if project is not None and not project.is_dir():
        raise UsageError(f"{project}: no such folder; make a project with `gruyere init {project}`")
    return (project or Path()) / RESULTS


def release_folder(project: Path | None, release: str | None) -> Path:
    """Return the release meant: a folder, a name or the start of one, or the project's current release.

    Raises:
        UsageError: If there is none, or a name fits several.
    """
    if release is not None and (Path(release) / MANIFEST).is_file():
        return Path(release)
    results = results_of(project)
    if release is None:
        return current_release(results)
    named = {path: read_manifest(path).name for path in built_releases(results)}
    fitting = [path for path, name in named.items() if name.startswith(release)]
    if len(fitting) > 1 and release not in named.values():
        raise UsageError(f"{len(fitting)} releases begin with {release!r}; give more of the name")
    if not fitting:
        raise UsageError(f"{release}: neither a release folder nor a release of {results}; see `gruyere releases list`")
    return next((path for path in fitting if named[path] == release), fitting[0])
