"""The guard as an OpenAI-compatible gateway, and in the terminal. Runs without the training stack."""

from gruyere.gateway.app import GatewaySettings, create_app
from gruyere.gateway.chat import chat_turn
from gruyere.gateway.errors import RequestError, UpstreamFailure
from gruyere.gateway.serve import run, server
from gruyere.gateway.sse import EventReader
from gruyere.gateway.upstream import CallableUpstream, HttpUpstream, Upstream

__all__ = [
    "CallableUpstream",
    "EventReader",
    "GatewaySettings",
    "HttpUpstream",
    "RequestError",
    "Upstream",
    "UpstreamFailure",
    "chat_turn",
    "create_app",
    "run",
    "server",
]
