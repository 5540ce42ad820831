"""Edit one sentence of a constitution and see what it would cost: `python recipes/edit_a_sentence.py FOLDER`.

Nothing is asked of any model: the plan says which calls a build would make, and every answer
that the edited sentence did not feed is still there.
"""

import sys
from pathlib import Path

from gruyere.constitution import diff
from gruyere.pipeline import init_project, open_project, plan_project

BEFORE = "Thermometer readings and cooling steps that finish a cake."
AFTER = "Thermometer readings that tell when a cake is done."


def main(folder: Path) -> None:
    """Make a project, reword a rule, and print the rules and the calls that differ."""
    init_project(folder)
    before = open_project(folder)
    file = folder / "constitution.md"
    file.write_text(file.read_text("utf-8").replace(BEFORE, AFTER), "utf-8")
    after = open_project(folder)
    for change in diff(before.constitution, after.constitution):
        print(f"{change.kind} in {change.category}")
    for row in plan_project(after):
        print(f"{row['stage']}: {row['calls']} calls to make, {row['answered']} answered already ({row['note']})")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
