"""What stands behind a role: one small contract for providers, local models and the stand-in."""

from types import TracebackType
from typing import Protocol, Self, assert_never

from gruyere.language.calls import Call, Reply, RoleName
from gruyere.language.local import LocalBackend
from gruyere.language.providers import ProviderBackend
from gruyere.language.roles import LocalRole, ProviderRole, RecordedRole, RoleConfig, StandInRole
from gruyere.language.standin import MODEL, StandIn
from gruyere.values import UsageError


class Backend(Protocol):
    """One model that answers calls while it is open (`async with`)."""

    model: str
    """The model's name, for people and error messages."""
    concurrency: int
    """How many calls may be in flight at once, at least 1."""

    async def answer(self, call: Call) -> Reply:
        """Answer one call; raise UpstreamError, saying only why, when the model gives up."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class StandInBackend:
    """The stand-in model as a backend."""

    model = MODEL
    concurrency = 1

    def __init__(self, standin: StandIn) -> None:
        self._standin = standin

    async def answer(self, call: Call) -> Reply:
        """Answer at once, from the recorded corpus."""
        return self._standin.reply(call)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close."""


def open_backend(name: RoleName, role: RoleConfig, standin: StandIn | None = None) -> Backend:
    """Return the backend of a role; nothing is loaded or connected before `async with`.

    Args:
        name: The role, for error messages.
        role: Its configuration.
        standin: The stand-in model, which higher floors make from the corpus; needed by stand-in roles only.

    Raises:
        UsageError: If the role is recorded (recordings are read, not asked), or no stand-in was given.
    """
    match role:
        case ProviderRole():
            return ProviderBackend(role)
        case LocalRole():
            return LocalBackend(role)
        case StandInRole():
            if standin is None:
                raise UsageError(
                    f"role {name!r}: backend 'stand-in' has no corpus to answer from here; "
                    f"name a recorded, local or inspect backend in [roles.{name}]"
                )
            return StandInBackend(standin)
        case RecordedRole():
            raise UsageError(f"role {name!r}: backend 'recorded' only replays answers; name a model in [roles.{name}]")
        case _:
            assert_never(role)
