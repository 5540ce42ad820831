"""Put a scoreboard into README.md, between its markers.

Usage: python scripts/readme_scoreboard.py demo/scoreboard.json
"""

import sys
from pathlib import Path

from gruyere.evaluation import Row, Scoreboard
from gruyere.store import read_json, write_text

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- scoreboard -->", "<!-- /scoreboard -->"


def figure(row: Row) -> str:
    """Return a value with its interval; shares as percentages, everything else as it is."""
    if row.value is None:
        return "–"
    share = row.metric.startswith(("attack_", "false_positive_", "streaming_", "local_"))
    text, interval = (_percent(row.value), _percent) if share else (_plain(row.value), _plain)
    if row.low is None or row.high is None:
        return text
    return f"{text} ({interval(row.low)} to {interval(row.high)})"


def _percent(value: float) -> str:
    return f"{100 * value:.2f} %"


def _plain(value: float) -> str:
    return f"{value:,.3f}" if abs(value) < 10 and value != int(value) else f"{value:,.0f}"


def table(board: Scoreboard) -> str:
    """Return the scoreboard as a Markdown table, with where and when it was made."""
    lines = ["| figure | value (95 % interval) | n | target | met |", "|---|---|---|---|---|"]
    for row in board.rows:
        met = ("yes" if row.met else "**no**") if row.target else ""
        target = row.target.replace("<=", "≤").replace(">=", "≥")
        lines.append(f"| `{row.metric}` | {figure(row)} | {row.n or ''} | {target} | {met} |")
    return "\n".join(
        [*lines, "", f"Made {board.made} by `{board.command}` on {board.machine}, commit `{board.commit}`."]
    )


def with_scoreboard(readme: str, board: Scoreboard) -> str:
    """Return a README with the block between the markers replaced.

    Raises:
        ValueError: If a marker is missing.
    """
    before, _, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"README.md has no block between {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{table(board)}\n{END}{after}"


def main() -> int:
    """Rewrite README.md."""
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    board = Scoreboard.model_validate(read_json(Path(sys.argv[1])))
    write_text(README, with_scoreboard(README.read_text("utf-8"), board))
    return 0


if __name__ == "__main__":
    sys.exit(main())
