"""The command-line edge: exit codes, JSON or tables, progress with time left."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from gruyere.values import ArtifactError, UpstreamError, UsageError

DONE, NOT_MET, MISUSE, UPSTREAM = 0, 1, 2, 3

out = Console()
"""Where results go."""
err = Console(stderr=True)
"""Where progress, notes and errors go, so that `--json` output can be piped."""


def print_json(content: object) -> None:
    """Print JSON to standard output, exactly once and without colour."""
    sys.stdout.write(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def guarded(command: Callable[[], Any]) -> int:
    """Run a command and return its exit code; misuse prints one line, surprises keep their traceback."""
    try:
        command()
    except SystemExit as ended:  # how Typer ends, with the code of `typer.Exit` or of a usage error
        return ended.code if isinstance(ended.code, int) else DONE
    except (UsageError, ArtifactError) as error:
        err.print(f"error: {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
        return MISUSE
    except UpstreamError as error:
        err.print(f"error: {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
        return UPSTREAM
    except OSError as error:
        if error.filename is None:
            raise  # not about a file that somebody named
        where = error.filename2 or error.filename  # of a renaming, the name that somebody gave
        line = f"error: {where}: {error.strerror}; check the path and its permissions"
        err.print(line, style="bold red", markup=False, highlight=False, soft_wrap=True)
        return MISUSE
    return DONE


Report = Callable[[str, int, int], None]


@contextmanager
def progress_bars() -> Iterator[Report]:
    """Yield a callback (what, done, total) that draws one bar per thing, with the time left.

    Where standard error is no terminal, a line is printed at the end of each thing that took over two seconds.
    """
    if err.is_terminal:
        with _drawn() as report:
            yield report
    else:
        yield _printed()


@contextmanager
def _drawn() -> Iterator[Report]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                for earlier in tasks.values():
                    progress.update(earlier, visible=False)
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done, total=total)

        yield report


def _printed() -> Report:
    started: dict[str, float] = {}
    shown: dict[str, float] = {}

    def report(what: str, done: int, total: int) -> None:
        now = time.monotonic()
        began = started.setdefault(what, now)
        if now - shown.setdefault(what, began) >= 15 and 0 < done < total:
            left = (now - began) / done * (total - done)
            err.print(f"{what}: {done} of {total}, about {left:.0f} s left", highlight=False)
            shown[what] = now

    return report
