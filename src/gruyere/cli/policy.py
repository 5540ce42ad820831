"""`gruyere constitution check | show | diff`."""

from typing import Annotated

import typer
from rich.table import Table

from gruyere.cli.choosing import AsJson
from gruyere.cli.running import out, print_json
from gruyere.constitution import RuleChange, diff, load

app = typer.Typer(help="Check, show and compare constitutions.", no_args_is_help=True)

Which = Annotated[str, typer.Argument(help="A Markdown file, or the name of a shipped constitution.")]


@app.command()
def check(constitution: Which = "cake", as_json: AsJson = False) -> None:
    """Check a constitution; an error names file and line and exits with 2."""
    parsed = load(constitution)
    counts = {p: len(parsed.of(p)) for p in ("harmful", "monitored", "harmless")}
    if as_json:
        print_json({"title": parsed.title, "digest": parsed.content.digest, "rules": len(parsed.rules), **counts})
    else:
        shares = ", ".join(f"{count} {polarity}" for polarity, count in counts.items())
        out.print(f"{parsed.title}: {len(parsed.rules)} rules in {shares} categories. No faults.", highlight=False)


@app.command()
def show(constitution: Which = "cake", as_json: AsJson = False) -> None:
    """List the rules with their ids and lines."""
    parsed = load(constitution)
    if as_json:
        print_json(parsed.model_dump(mode="json"))
        return
    table = Table("rule", "line", "text", title=parsed.title, title_justify="left", pad_edge=False)
    colours = {"harmful": "red", "monitored": "yellow", "harmless": "green"}
    for category in parsed.categories:
        table.add_row(f"[bold {colours[category.polarity]}]{category.name}[/]", str(category.line), category.polarity)
        for rule in category.rules:
            table.add_row(f"  {rule.id}", str(rule.line), rule.text)
    out.print(table)


@app.command("diff")
def compare(before: Which, after: Which, as_json: AsJson = False) -> None:
    """List rules added, removed and reworded between two constitutions; a rebuild regenerates what they feed."""
    changes = diff(load(before), load(after))
    if as_json:
        print_json([{"kind": change.kind, **change.model_dump(mode="json")} for change in changes])
        return
    if not changes:
        out.print("No rule differs.")
    for change in changes:
        _print_change(change)


def _print_change(change: RuleChange) -> None:
    out.print(f"[bold]{change.kind}[/] in {change.category} ({change.polarity})")
    if change.before is not None:
        out.print(f"  - {change.before.text}", style="red", markup=False, highlight=False)
    if change.after is not None:
        out.print(f"  + {change.after.text}", style="green", markup=False, highlight=False)
