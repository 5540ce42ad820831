"""The one form in which every benchmark and the demo write their figures."""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import field_validator
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from gruyere.evaluation.intervals import Interval, Proportion
from gruyere.store import write_text
from gruyere.values import UsageError, Value

_TARGET = re.compile(r"(<=|>=|==|<|>) (\S+)")


class Row(Value):
    """One figure beside its anchor. `value` is null where it could not be had; `note` then says why."""

    metric: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    target: str = ""
    """A comparison such as "<= 0.01", or empty where the figure is only reported."""
    met: bool
    """Whether the value reaches the target; a null value never does, and no target asks nothing."""
    note: str = ""

    @field_validator("target")
    @classmethod
    def _check_target(cls, target: str) -> str:
        if target:
            is_met(target, 0.0)
        return target

    @classmethod
    def of(
        cls,
        metric: str,
        value: float | None,
        *,
        target: str = "",
        interval: Interval | None = None,
        n: int = 0,
        note: str = "",
    ) -> Self:
        """Make a row and judge it against its target.

        Raises:
            ValueError: If the target is no comparison.
        """
        if value is not None and not math.isfinite(value):
            value, note = None, note or f"the figure came out as {value}"
        low, high = (interval.low, interval.high) if interval and value is not None else (None, None)
        met = value is not None and (not target or is_met(target, value))
        return cls(metric=metric, value=value, low=low, high=high, n=n, target=target, met=met, note=note)

    @classmethod
    def of_share(cls, metric: str, share: Proportion, *, target: str = "", note: str = "") -> Self:
        """Make a row from counts; no rows at all give a null value."""
        if share.n == 0:
            return cls.of(metric, None, target=target, note=note or "nothing to measure it on")
        return cls.of(metric, share.rate, target=target, interval=share.interval, n=share.n, note=note)

    @classmethod
    def missing(cls, metric: str, note: str, *, target: str = "") -> Self:
        """Make the row of a figure that could not be had."""
        return cls.of(metric, None, target=target, note=note)


class Scoreboard(Value):
    """All figures of one run."""

    made: str
    """When, as ISO 8601 in UTC."""
    commit: str
    machine: str
    command: str
    rows: tuple[Row, ...]

    @property
    def met(self) -> bool:
        """Whether every row reaches its target."""
        return all(row.met for row in self.rows)

    def missing_from(self, metrics: Sequence[str]) -> list[str]:
        """Return the expected metrics that have no row; each counts as not met."""
        present = {row.metric for row in self.rows}
        return [metric for metric in metrics if metric not in present]

    def to_json(self) -> str:
        """Return the shared JSON form, one row per line so that two runs can be compared by diff."""
        head = self.model_dump(mode="json", exclude={"rows"})
        rows = ",\n".join("  " + json.dumps(row.model_dump(mode="json"), ensure_ascii=False) for row in self.rows)
        start = json.dumps(head, ensure_ascii=False)[:-1]
        return f'{start},\n "rows": [\n{rows}\n]}}\n'

    def write(self, path: Path) -> None:
        """Write the JSON form; the file is whole or absent."""
        write_text(path, self.to_json())

    def table(self, title: str = "Scoreboard, with 95 % intervals") -> Table:
        """Return the figures as a table for the terminal, narrow enough for 80 columns; notes stand below it."""
        notes = "\n".join(escape(f"{row.metric}: {row.note}") for row in self.rows if row.note)
        table = Table(title=title, caption=notes or None, box=SIMPLE_HEAD, padding=0, pad_edge=False)
        table.title_justify = table.caption_justify = "left"
        table.add_column("metric", overflow="fold")
        for name in ("value", "interval", "n", "target"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("met")
        for row in self.rows:
            mark = "[bold red]no[/]" if not row.met else "[green]yes[/]" if row.target else ""
            table.add_row(row.metric, figure(row.value), interval_text(row), str(row.n or ""), row.target, mark)
        return table


def is_met(target: str, value: float) -> bool:
    """Judge a value by a target such as "<= 0.01" or ">= 0.93".

    Raises:
        UsageError: If the target is no comparison with a number.
    """
    match = _TARGET.fullmatch(target.strip())
    try:
        sign, limit = (match[1], float(match[2])) if match else ("", math.nan)
    except ValueError:
        sign, limit = "", math.nan
    results = {"<=": value <= limit, ">=": value >= limit, "<": value < limit, ">": value > limit, "==": value == limit}
    if sign not in results or not math.isfinite(limit):
        raise UsageError(f"target {target!r} is no comparison; write for example '<= 0.01'")
    return results[sign]


def figure(value: float | None) -> str:
    """Write a figure for people: finer where it is small, and never a bare 0 for something above it."""
    if value is None:
        return "–"
    text = _rounded(value)
    return "<0.0001" if text == "0" and value > 0 else text


def interval_text(row: Row) -> str:
    """Write a row's interval, or nothing where it has none."""
    return "" if row.low is None or row.high is None else f"{_rounded(row.low)}–{_rounded(row.high)}"


def _rounded(value: float) -> str:
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    digits = 1 if size >= 10 else 3 if size >= 0.01 else 4
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
