"""Files and content-addressed artifacts. Knows what a record is, not what it means."""

from gruyere.store.artifacts import Store
from gruyere.store.files import (
    atomic_path,
    file_digest,
    open_text,
    read_json,
    read_json_lines,
    read_records,
    write_json,
    write_records,
    write_text,
)

__all__ = [
    "Store",
    "atomic_path",
    "file_digest",
    "open_text",
    "read_json",
    "read_json_lines",
    "read_records",
    "write_json",
    "write_records",
    "write_text",
]
