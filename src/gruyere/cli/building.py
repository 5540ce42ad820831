"""`gruyere init | build | examples | batch | evaluate | demo`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from gruyere.cli.choosing import AsJson, Folder
from gruyere.cli.running import NOT_MET, err, out, print_json, progress_bars

if TYPE_CHECKING:
    from gruyere.language import ImportReport

batch = typer.Typer(help="Have missing answers written by any batch API.", no_args_is_help=True)


def init(
    folder: Annotated[Path, typer.Argument(help="Folder to start a project in.")] = Path(),
    constitution: Annotated[str, typer.Option(help="Shipped constitution to copy.")] = "cake",
    as_json: AsJson = False,
) -> None:
    """Write gruyere.toml and constitution.md to start from."""
    from gruyere.pipeline import init_project

    written = init_project(folder, constitution)
    if as_json:
        print_json({"written": [str(path) for path in written]})
        return
    for path in written:
        out.print(f"wrote {path}", highlight=False, soft_wrap=True)
    out.print("Edit constitution.md, then run `gruyere build`.")


def build(
    project: Folder = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print calls and tokens per stage, and ask nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Synthesise, train, calibrate and bundle a release; only what changed is done again."""
    from gruyere.pipeline import build_project, open_project, plan_project

    opened = open_project(project)
    if dry_run:
        _print_plan(plan_project(opened), as_json)
        return
    with progress_bars() as progress:
        made = build_project(opened, progress)
    problems = made.synthesis.read_problems()
    if as_json:
        print_json({"release": str(made.release), "fresh": made.fresh, "problems": len(problems)})
        return
    word = "built" if made.fresh else "up to date"
    out.print(f"{word}: {made.release}", highlight=False, soft_wrap=True)
    for path in made.synthesis.problems:
        if path.stat().st_size:
            out.print(f"dropped or disputed, listed in {path}", highlight=False, soft_wrap=True)


def _print_plan(plans: list[dict[str, object]], as_json: bool) -> None:
    if as_json:
        print_json(plans)
        return
    columns = ("stage", "calls", "answered", "input_tokens", "output_tokens", "note")
    heads = ("stage", "calls to make", "answered", "tokens in", "tokens out", "")
    table = Table(*heads, title="What a build would ask", title_justify="left", pad_edge=False)
    for plan in plans:
        cells = (plan[column] for column in columns)
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell).split(";")[0] for cell in cells))
    out.print(table)
    out.print("Tokens out are upper bounds.", style="dim")


def examples(
    file: Annotated[Path, typer.Option("--out", "-o", help="JSONL file to write.")],
    project: Folder = None,
    raw: Annotated[bool, typer.Option("--raw", help="Before transforms.")] = False,
    traffic: Annotated[
        bool, typer.Option("--traffic", help="Include what the guarded model said to benign traffic.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Export a project's examples as rows of id, source, messages, target, label and category."""
    from gruyere.pipeline import export_examples, open_project

    with progress_bars() as progress:
        count = export_examples(open_project(project), file, raw=raw, traffic=traffic, progress=progress)
    if as_json:
        print_json({"rows": count, "file": str(file)})
    else:
        out.print(f"wrote {count} rows to {file}", highlight=False)


def evaluate(
    project: Folder = None,
    report: Annotated[Path | None, typer.Option(help="Also write an HTML report here.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure the release on topics never trained on; exits with 1 where a target is not met."""
    from gruyere.pipeline import evaluate_project, open_project

    with progress_bars() as progress:
        result = evaluate_project(open_project(project), "gruyere evaluate", progress)
    board = result.scoreboard
    if report is not None:
        result.write_report(report)
    if as_json:
        print_json(json.loads(board.to_json()))
    else:
        out.print(board.table())
    if not board.met:
        raise typer.Exit(NOT_MET)


def demo(
    folder: Annotated[Path, typer.Option(help="Where scoreboard and report go.")] = Path("demo"),
    as_json: AsJson = False,
) -> None:
    """Build, evaluate and report the guard of the shipped cake constitution, without network or GPU."""
    from gruyere.pipeline import run_demo

    with progress_bars() as progress:
        board = run_demo(folder, progress)
    if as_json:
        print_json(json.loads(board.to_json()))
        return
    out.print(board.table("Scoreboard of the cake guard (attacks: stand-in target; cost: real local model)"))
    err.print(f"report: {folder / 'report.html'}   figures: {folder / 'scoreboard.json'}", highlight=False)
    out.print(f"Start the gateway with:  gruyere serve --project {folder}", highlight=False, soft_wrap=True)


@batch.command("export")
def batch_export(
    file: Annotated[Path, typer.Option("--out", "-o", help="OpenAI Batch input JSONL to write.")],
    project: Folder = None,
    model: Annotated[str, typer.Option(help="Model name to put in the requests.")] = "gpt-5",
    as_json: AsJson = False,
) -> None:
    """Write the calls of the next stage that has no answers yet, for any batch API."""
    from gruyere.pipeline import export_missing, open_project

    count = export_missing(open_project(project), file, model)
    if as_json:
        print_json({"calls": count, "file": str(file) if count else None})
    elif count:
        out.print(f"wrote {count} calls to {file}; import the answers with `gruyere batch import`", highlight=False)
    else:
        out.print("nothing is missing; run `gruyere build`")


@batch.command("import")
def batch_import(
    file: Annotated[Path, typer.Argument(help="The batch API's output file.")],
    asked: Annotated[
        Path | None, typer.Option("--asked", help="The file that `batch export` wrote: any other id is left out.")
    ] = None,
    project: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Read a batch API's answers into the project's recordings; failed lines are listed and stay missing."""
    from gruyere.pipeline import import_answers, open_project

    report = import_answers(open_project(project), file, asked)
    if as_json:
        print_json(_import_facts(report))
    else:
        _print_import(report)


def _import_facts(report: "ImportReport") -> dict[str, object]:
    return {
        "imported": report.imported,
        "truncated": report.truncated,
        "already": report.already,
        "failed": [{"call": line.key, "reason": line.reason} for line in report.failed],
        "unknown": list(report.unknown),
    }


def _print_import(report: "ImportReport") -> None:
    out.print(
        f"imported {report.imported} answers ({report.truncated} cut short), {report.already} were there already, "
        f"{len(report.failed)} failed, {len(report.unknown)} were not asked for",
        highlight=False,
        soft_wrap=True,
    )
    for line in report.failed:
        out.print(f"  {line.key[:15]}: {line.reason}", markup=False, highlight=False, soft_wrap=True)
