"""`gruyere serve | chat`: the guard in front of a server's model, the local one or the stand-in.

In front of a URL nothing of the training stack is imported.
"""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gruyere.cli.choosing import AsJson, Folder, ReleaseName, release_folder
from gruyere.cli.running import err, print_json
from gruyere.values import UsageError

if TYPE_CHECKING:
    from gruyere.gateway import Upstream
    from gruyere.guard import Guard

LOCAL, STAND_IN = "local", "stand-in"

Where = Annotated[
    str,
    typer.Option(
        "--upstream",
        "-u",
        help="Model behind the guard: the URL of an OpenAI-compatible server, `local` (packaged SmolLM2) "
        "or `stand-in` (scripted, for trying things out).",
    ),
]
KeyName = Annotated[
    str | None,
    typer.Option("--api-key-env", help="Environment variable with the upstream's key; else callers' keys pass on."),
]


def serve(
    project: Folder = None,
    release: ReleaseName = None,
    upstream: Where = LOCAL,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8080,
    api_key_env: KeyName = None,
    fail_open: Annotated[
        bool, typer.Option("--fail-open", help="Let text through unjudged when a classifier fails.")
    ] = False,
) -> None:
    """Answer OpenAI's chat completions with a guard around the model."""
    from gruyere.gateway import create_app, server

    guard = _load_guard(project, release, fail_open=fail_open)
    with _listening(host, port) as listener, _open_upstream(upstream, project, api_key_env) as model:
        address = f"http://{host}:{listener.getsockname()[1]}"
        err.print(f"{guard.release.name} guards {upstream} at {address}/v1  (Ctrl-C stops)", highlight=False)
        server(create_app(lambda: guard, model), host, port).run(sockets=[listener])


def chat(
    project: Folder = None,
    release: ReleaseName = None,
    upstream: Where = LOCAL,
    once: Annotated[str | None, typer.Option("--once", help="Ask this, print the answer and end.")] = None,
    model: Annotated[str, typer.Option(help="Model name to ask a server for.")] = "default",
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 400,
    api_key_env: KeyName = None,
    as_json: AsJson = False,
) -> None:
    """Talk to the guarded model; each word is coloured by how near its score is to the threshold."""
    from gruyere.cli.talking import Partner, talk, talk_once

    if as_json and once is None:
        raise UsageError("--json needs --once: it prints one answer")
    guard = _load_guard(project, release)
    with _open_upstream(upstream, project, api_key_env) as source:
        partner = Partner(guard, source, model, max_tokens)
        if once is None:
            asyncio.run(talk(partner))
            return
        answer = asyncio.run(talk_once(partner, once, quiet=as_json))
    if as_json:
        print_json(answer)


def _load_guard(project: Path | None, release: str | None, *, fail_open: bool = False) -> "Guard":
    from gruyere.classifiers.serving.release import Release
    from gruyere.guard import Guard

    return Guard(Release.load(release_folder(project, release)), fail_open=fail_open)


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """Yield a bound socket, so that a taken port is one line and not a half-started server."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family)
    except OSError as error:
        raise UsageError(f"{host}:{port}: cannot listen ({error.strerror}); choose another --host or --port") from None
    with listener:
        yield listener


@contextmanager
def _open_upstream(name: str, project: Path | None, api_key_env: str | None) -> Iterator["Upstream"]:
    from gruyere.gateway import HttpUpstream

    if name == STAND_IN:
        yield _stand_in(project)
    elif name == LOCAL:
        from gruyere.language import LocalServer

        with LocalServer() as served:
            yield HttpUpstream(served.url)
    else:
        yield HttpUpstream(name, api_key=_key(api_key_env))


def _key(variable: str | None) -> str | None:
    if variable is None:
        return None
    if not os.environ.get(variable):
        raise UsageError(f"--api-key-env: the environment variable {variable} is not set")
    return os.environ[variable]


def _stand_in(project: Path | None) -> "Upstream":
    """Return the stand-in that knows the project's recorded corpus."""
    from gruyere.gateway import CallableUpstream
    from gruyere.pipeline import open_project, stand_in_of

    return CallableUpstream(stand_in_of(open_project(project)).stream, STAND_IN)
