"""`gruyere transforms list | show | apply`."""

import random
import sys
from typing import Annotated

import typer
from rich.table import Table

from gruyere.cli.choosing import AsJson
from gruyere.cli.running import out, print_json
from gruyere.transforms import TRANSFORMS, Transform, apply_chain, find
from gruyere.values import Exchange, Message, UsageError

app = typer.Typer(help="Look at label-preserving rewrites and try them.", no_args_is_help=True)

_SAMPLE = "How long does a sponge stay in the oven?"
_TRANSLATION = "translation (family translation) is made from a project's recorded translations and has no entry here"


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """List the transforms by family."""
    ordered = sorted(TRANSFORMS.values(), key=lambda t: (t.family, t.name))
    if as_json:
        print_json([_facts(transform) for transform in ordered])
        return
    table = Table("family", "name", "acts on", "decodable", "source", pad_edge=False)
    for t in ordered:
        table.add_row(t.family, t.name, t.acts_on, "yes" if t.invert else "", t.source)
    out.print(table)
    out.print(_TRANSLATION, style="dim", highlight=False)


@app.command()
def show(name: Annotated[str, typer.Argument(help="Name of a transform.")], as_json: AsJson = False) -> None:
    """Show one transform and what it makes of a sample request."""
    transform = find(name)
    exchange = Exchange(transcript=(Message(role="user", content=_SAMPLE),))
    messages = apply_chain([name], exchange, random.Random(0)).messages
    if as_json:
        print_json({**_facts(transform), "sample": [m.model_dump() for m in messages]})
        return
    for key, value in _facts(transform).items():
        out.print(f"{key}: {value}", markup=False, highlight=False)
    _print_messages(messages)


@app.command()
def apply(
    names: Annotated[list[str], typer.Argument(help="Transforms, innermost first; at most 3.")],
    text: Annotated[str | None, typer.Option("--text", "-t", help="Request; default: standard input.")] = None,
    response: Annotated[str | None, typer.Option(help="Response to it, if it should be rewritten too.")] = None,
    seed: Annotated[int, typer.Option(help="Repeats the same choices.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Rewrite a request, and a response where the transform changes answers."""
    request = text if text is not None else sys.stdin.read()
    if not request.strip():
        raise UsageError("nothing to rewrite; give a request with --text or on standard input")
    exchange = Exchange(transcript=(Message(role="user", content=request),), response=response)
    messages = apply_chain(names, exchange, random.Random(seed)).messages
    if as_json:
        print_json({"transforms": names, "seed": seed, "messages": [m.model_dump() for m in messages]})
    else:
        _print_messages(messages)


def _facts(transform: Transform) -> dict[str, str | bool]:
    return {
        "name": transform.name,
        "family": transform.family,
        "acts_on": transform.acts_on,
        "decodable": transform.invert is not None,
        "source": transform.source,
    }


def _print_messages(messages: tuple[Message, ...]) -> None:
    for message in messages:
        out.print(f"[bold]{message.role}[/]")
        out.print(message.content, markup=False, highlight=False, soft_wrap=True)
