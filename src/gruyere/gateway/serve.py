"""Runs the gateway under uvicorn."""

import uvicorn
from starlette.applications import Starlette

DRAIN_S = 30
"""How long running streams may go on after a signal to stop, in seconds."""


def run(app: Starlette, host: str = "127.0.0.1", port: int = 8080) -> None:
    """Serve until interrupted; running streams are finished first, up to `DRAIN_S` seconds."""
    server(app, host, port).run()


def server(app: Starlette, host: str = "127.0.0.1", port: int = 0) -> uvicorn.Server:
    """Return a configured server that is not running yet; port 0 takes a free one."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_S,
        lifespan="on",
        ws="none",
    )
    return uvicorn.Server(config)
