"""All commands under one name."""

from importlib.metadata import version
from typing import Annotated

import typer

from gruyere.cli import building, policy, releases, rewriting, scoring, serving
from gruyere.cli.running import out

app = typer.Typer(
    help="Turns a written policy into calibrated classifiers that guard a language model, token by token.",
    epilog="Exit codes: 0 done, 1 a check that the command makes is not met, 2 misuse or bad input, "
    "3 an upstream failed.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_MAKE, _MEASURE, _USE, _LOOK = "Make", "Measure", "Use", "Look inside"

app.command(rich_help_panel=_MAKE)(building.init)
app.add_typer(policy.app, name="constitution", rich_help_panel=_MAKE)
app.command(rich_help_panel=_MAKE)(building.build)
app.command(rich_help_panel=_MAKE)(building.examples)
app.add_typer(building.batch, name="batch", rich_help_panel=_MAKE)
app.command(rich_help_panel=_MEASURE)(building.evaluate)
app.command(rich_help_panel=_MEASURE)(building.demo)
app.command(rich_help_panel=_USE)(scoring.score)
app.command(rich_help_panel=_USE)(serving.serve)
app.command(rich_help_panel=_USE)(serving.chat)
app.add_typer(rewriting.app, name="transforms", rich_help_panel=_LOOK)
app.add_typer(releases.app, name="releases", rich_help_panel=_LOOK)


def _show_version(wanted: bool) -> None:
    if wanted:
        out.print(f"gruyere {version('gruyere')}", highlight=False)
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del show_version  # its callback has done the work
