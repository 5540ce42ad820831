"""`gruyere score`."""

import gzip
import io
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, TypeVar

import typer

from gruyere.cli.choosing import AsJson, Folder, ReleaseName, release_folder
from gruyere.cli.running import err, print_json
from gruyere.store import atomic_path, open_text
from gruyere.values import UsageError

T = TypeVar("T")


def score(
    file: Annotated[str, typer.Argument(help="JSONL rows with `messages`, plain or .gz; `-` is standard input.")],
    target: Annotated[
        Path | None, typer.Option("--out", "-o", help="JSONL file to write, .gz to compress; default: standard output.")
    ] = None,
    project: Folder = None,
    release: ReleaseName = None,
    as_json: AsJson = False,
) -> None:
    """Score conversations, one row at a time: scores of each side, and the verdict.

    Rows out: `id`, `input_score`, `output_score`, `exchange_score` (null where the side is
    absent) and `verdict`. A final assistant turn is the response. `--json` needs `--out`
    and prints counts.
    """
    from gruyere.classifiers.serving.release import Release
    from gruyere.guard import score_rows

    if as_json and target is None:
        raise UsageError("--json prints counts where the rows would go; name a file for the rows with --out")
    loaded = Release.load(release_folder(project, release))
    rows = blocked = 0
    with _opened(target) as sink:
        for row in _named(score_rows(loaded, _lines(file)), file):
            sink.write(row.model_dump_json() + "\n")
            if target is None:
                sink.flush()  # whoever reads the other end of a pipe gets each row at once
            rows += 1
            blocked += row.verdict == "block"
    if as_json:
        print_json({"rows": rows, "blocked": blocked, "release": loaded.name, "file": str(target)})
    else:
        err.print(f"scored {rows} rows, {blocked} blocked, by {loaded.name}", highlight=False)


def _lines(file: str) -> Iterable[str]:
    # Standard input as UTF-8, whatever the terminal speaks.
    return io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8") if file == "-" else open_text(Path(file))


def _named(rows: Iterator[T], file: str) -> Iterator[T]:
    """Add the file's name to a complaint about one of its lines."""
    try:
        yield from rows
    except UsageError as error:
        raise UsageError(f"{'standard input' if file == '-' else file}: {error}") from None
    except UnicodeDecodeError as error:  # only standard input: open_text names its file
        raise UsageError(f"standard input: not UTF-8 ({error.reason} at byte {error.start}); convert it") from None


@contextmanager
def _opened(target: Path | None) -> Iterator[IO[str]]:
    """Yield where rows go; a file has its name only once it is whole."""
    if target is None:
        yield sys.stdout
        return
    with atomic_path(target) as partial:
        opener = gzip.open if target.suffix == ".gz" else open
        with opener(partial, "wt", encoding="utf-8") as sink:
            yield sink
