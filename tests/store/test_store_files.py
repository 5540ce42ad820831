"""Files are whole or absent, and a damaged artifact is never used."""

import gzip
from pathlib import Path

import pytest

from gruyere.store import Store, atomic_path, read_json, read_records, write_records
from gruyere.values import ArtifactError, Message


def test_nothing_half_written_stays_under_a_final_name(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"

    def broken() -> list[Message]:
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError), atomic_path(target) as partial:
        partial.write_text("half")
        broken()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"role": "user", "content": "a"', "rows.jsonl:2: not valid JSON"),
        ('{"role": "user"}', "rows.jsonl:2: content: Field required"),
        ('{"role": "user", "content": "a", "x": 1}', "rows.jsonl:2: x: Extra inputs"),
    ],
)
def test_a_bad_row_is_named_by_line_and_field(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(Message(role="user", content="fine").model_dump_json() + "\n" + line + "\n")
    with pytest.raises(ArtifactError) as caught:
        list(read_records(path, Message))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_gzip_and_damage(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    body = gzip.compress(Message(role="user", content="a" * 500).model_dump_json().encode())
    path.write_bytes(body)
    assert len(list(read_records(path, Message))) == 1
    path.write_bytes(body[:-20])
    with pytest.raises(ArtifactError, match="cannot be read"):
        list(read_records(path, Message))


def test_missing_files_are_artifact_errors(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such file"):
        read_json(tmp_path / "absent.json")


def test_equal_work_is_done_once_and_damage_is_noticed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made: list[int] = []

    def make() -> list[Message]:
        made.append(1)
        return [Message(role="user", content="a")]

    key = store.key("stage", 1, "input")
    path, fresh = store.records("stage", key, make)
    again, fresh_again = store.records("stage", key, make)
    assert (path, fresh, fresh_again, len(made)) == (again, True, False, 1)
    assert store.key("stage", 2, "input") != key
    path.write_text(path.read_text().replace("a", "b"))
    with pytest.raises(ArtifactError, match="does not match its digest"):
        store.records("stage", key, make)


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def fails(folder: Path) -> None:
        write_records(folder / "a.jsonl", [])
        raise RuntimeError("no space")

    with pytest.raises(RuntimeError):
        store.folder("release", "k", fails)
    assert not any(path.is_file() for path in tmp_path.rglob("*"))

    def works(folder: Path) -> None:
        (folder / "x").write_text("x")

    path, fresh = store.folder("release", "k", works)
    assert fresh
    assert (path / "x").read_text() == "x"
