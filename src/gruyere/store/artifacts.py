"""Content-addressed artifacts: equal work shares one file, a changed setting can never reuse a stale one."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gruyere.store.files import atomic_path, file_digest, read_records, write_records, write_text
from gruyere.values import ArtifactError, Value, digest_of


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of artifacts, each named by a digest of everything it was made from."""

    root: Path

    def key(self, stage: str, version: int, *parts: object) -> str:
        """Name the work: stage, its version (bump when the output's meaning changes) and its inputs."""
        return digest_of([stage, version, *parts])

    def records(self, stage: str, key: str, make: Callable[[], Iterable[Value]]) -> tuple[Path, bool]:
        """Return the stage's JSONL artifact and whether it had to be made now."""
        path = self.root / stage / f"{key}.jsonl"
        if self._is_whole(path):
            return path, False
        write_records(path, make())
        self._seal(path)
        return path, True

    def folder(self, stage: str, key: str, make: Callable[[Path], None]) -> tuple[Path, bool]:
        """Return the stage's folder artifact and whether it had to be made now.

        `make` fills a partial folder that is renamed into place when it returns.
        """
        path = self.root / stage / key
        if path.is_dir():
            return path, False
        with atomic_path(path) as partial:
            partial.mkdir()
            make(partial)
        return path, True

    def load(self, path: Path, kind: type[Value]) -> Sequence[Value]:
        """Read an artifact back, checking its digest first.

        Raises:
            ArtifactError: If the bytes are not those that were written.
        """
        if not self._is_whole(path):
            raise ArtifactError(f"{path}: no such artifact; run the stage that makes it")
        return list(read_records(path, kind))

    def _seal(self, path: Path) -> None:
        write_text(path.with_suffix(".sha256"), file_digest(path) + "\n")

    def _is_whole(self, path: Path) -> bool:
        seal = path.with_suffix(".sha256")
        if not path.exists() or not seal.exists():
            return False
        if seal.read_text().strip() != file_digest(path):
            raise ArtifactError(f"{path}: content does not match its digest; delete the file to rebuild it")
        return True
