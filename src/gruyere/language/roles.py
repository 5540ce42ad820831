"""Which model answers for which role, as `[roles.<name>]` tables of gruyere.toml."""

from typing import Annotated, Literal

from pydantic import Field

from gruyere.values import Value, digest_of


class RecordedRole(Value):
    """Stored responses: no network. `corpus` names shipped recordings, `paths` files or folders of them."""

    backend: Literal["recorded"] = "recorded"
    corpus: str | None = None
    paths: tuple[str, ...] = ()


class ProviderRole(Value):
    """Any model that inspect-ai reaches, by its name there, such as `openai/gpt-5` or `anthropic/claude-…`."""

    backend: Literal["inspect"] = "inspect"
    model: str
    base_url: str | None = None
    max_connections: int = Field(default=10, ge=1)
    timeout_s: int = Field(default=300, ge=1)
    """Longest wait for one answer, retries and the waits between them included."""
    attempt_timeout_s: int = Field(default=60, ge=1)
    """Longest wait for one attempt; a slower one is abandoned and retried."""
    max_retries: int = Field(default=5, ge=0)
    model_args: dict[str, str | int | float | bool] = Field(default={})
    """Passed to inspect-ai's provider, such as `{ responses_api = false }`."""


class LocalRole(Value):
    """A GGUF file run by llama.cpp on this machine; without a path the packaged SmolLM2-135M-Instruct."""

    backend: Literal["local"] = "local"
    path: str | None = None
    threads: int = Field(default=1, ge=1)
    context: int = Field(default=2048, ge=256)


class StandInRole(Value):
    """The scripted stand-in model (see `gruyere.language.standin`); only for demonstration and tests."""

    backend: Literal["stand-in"] = "stand-in"


RoleConfig = Annotated[RecordedRole | ProviderRole | LocalRole | StandInRole, Field(discriminator="backend")]


def fingerprint(role: RecordedRole | ProviderRole | LocalRole | StandInRole) -> str:
    """Name the model behind a role; connection settings are not part of it."""
    settings = {"max_connections", "timeout_s", "attempt_timeout_s", "max_retries", "threads", "base_url"}
    return digest_of(role.model_dump(mode="json", exclude=settings))
