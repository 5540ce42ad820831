"""A release: classifiers, thresholds and their evidence in one self-contained folder.

Layout: `manifest.json`, `README.md` (model card), `constitution.md`, one folder per side.
`manifest.json` holds the SHA-256 of every other file; a release is loaded only if all agree.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from gruyere.classifiers.serving.ensemble import EnsembleClassifier, EnsembleSettings
from gruyere.classifiers.serving.linear import load_linear
from gruyere.classifiers.serving.minilm import load_minilm
from gruyere.classifiers.serving.sessions import Classifier
from gruyere.classifiers.serving.static import load_static
from gruyere.store import file_digest, read_json
from gruyere.values import ArtifactError, Side, Threshold, UsageError, Value

MANIFEST = "manifest.json"


class Manifest(Value):
    """What a release is made of and what it was made from."""

    format: Literal[1] = 1
    name: str
    constitution_title: str
    constitution_digest: str
    data_digest: str
    held_out_families: tuple[str, ...]
    known_families: tuple[str, ...]
    thresholds: dict[Side, Threshold]
    files: dict[str, str]
    """SHA-256 of every other file, by path inside the release."""


@dataclass(frozen=True, slots=True)
class Release:
    """A loaded release, ready to judge."""

    name: str
    folder: Path
    manifest: Manifest
    classifiers: Mapping[Side, Classifier]
    thresholds: Mapping[Side, Threshold]

    @classmethod
    def load(cls, folder: Path) -> "Release":
        """Check every file's digest and load the classifiers.

        Raises:
            UsageError: If the folder is no release.
            ArtifactError: If a file is missing, added or altered.
        """
        manifest = verify(folder)
        classifiers = {side: load_classifier(folder / side) for side in manifest.thresholds}
        for side, classifier in classifiers.items():
            if classifier.side != side:
                raise ArtifactError(f"{folder / side}: holds a classifier of the {classifier.side} side; rebuild")
        return cls(manifest.name, folder, manifest, classifiers, dict(manifest.thresholds))


def read_manifest(folder: Path) -> Manifest:
    """Read a release's manifest without loading its classifiers."""
    if not (folder / MANIFEST).is_file():
        raise UsageError(f"{folder}: no release here (no {MANIFEST}); build one with `gruyere build`")
    try:
        return Manifest.model_validate(read_json(folder / MANIFEST))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ArtifactError(f"{folder / MANIFEST}: {where}: {first['msg']}; rebuild the release") from None


def verify(folder: Path) -> Manifest:
    """Check every file of a release against its digest, without loading its classifiers.

    Raises:
        UsageError: If the folder is no release.
        ArtifactError: If a file is missing, added or altered.
    """
    manifest = read_manifest(folder)
    _check_files(folder, manifest)
    return manifest


def _check_files(folder: Path, manifest: Manifest) -> None:
    present = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} - {MANIFEST}
    for missing in sorted(set(manifest.files) - present):
        raise ArtifactError(f"{folder / missing}: missing from the release; restore or rebuild it")
    for added in sorted(present - set(manifest.files)):
        raise ArtifactError(f"{folder / added}: not listed in {MANIFEST}; remove it or rebuild the release")
    for path, digest in manifest.files.items():
        if file_digest(folder / path) != digest:
            raise ArtifactError(f"{folder / path}: digest mismatch; the release was altered, restore or rebuild it")


def load_classifier(folder: Path) -> Classifier:
    """Load a saved classifier of any family by the `kind` in its `config.json`.

    Raises:
        ArtifactError: If the kind is unknown or a file is missing.
    """
    content = read_json(folder / "config.json")
    kind = content.get("kind") if isinstance(content, dict) else None
    if kind == "ensemble":
        settings = EnsembleSettings.model_validate(content)
        return EnsembleClassifier(settings, tuple(load_classifier(folder / member) for member in settings.members))
    loader = _LOADERS.get(str(kind))
    if loader is None:
        raise ArtifactError(
            f"{folder}/config.json: unknown kind {kind!r}; this version knows {', '.join(_LOADERS)}, ensemble"
        )
    return loader(folder)


_LOADERS: dict[str, Callable[[Path], Classifier]] = {
    "linear": load_linear,
    "static": load_static,
    "minilm": load_minilm,
}
