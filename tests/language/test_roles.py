"""Role configuration: what gruyere.toml may say, and what is refused by name."""

import tomllib

import pytest
from pydantic import TypeAdapter, ValidationError

from gruyere.language import (
    Known,
    LocalRole,
    ProviderRole,
    RecordedRole,
    RoleConfig,
    Skills,
    StandIn,
    StandInBackend,
    StandInRole,
    fingerprint,
    open_backend,
)
from gruyere.values import UsageError

ROLES: TypeAdapter[dict[str, RoleConfig]] = TypeAdapter(dict[str, RoleConfig])

TABLES = """
[generator]
backend = "recorded"
corpus = "cake"
paths = ["more.jsonl"]

[judge]
backend = "inspect"
model = "openai/some-model"
base_url = "http://127.0.0.1:8000/v1"
max_connections = 4
timeout_s = 20
max_retries = 2
model_args = { responses_api = false, client_timeout = 2.5 }

[monitor]
backend = "local"

[target]
backend = "stand-in"
"""


def test_reads_every_backend() -> None:
    roles = ROLES.validate_python(tomllib.loads(TABLES))
    assert roles["generator"] == RecordedRole(corpus="cake", paths=("more.jsonl",))
    judge = roles["judge"]
    assert isinstance(judge, ProviderRole)
    assert judge.model_args == {"responses_api": False, "client_timeout": 2.5}
    assert roles["monitor"] == LocalRole()
    assert roles["target"] == StandInRole()


@pytest.mark.parametrize(
    ("table", "field"),
    [
        ({"backend": "recorded", "corpora": "cake"}, "corpora"),
        ({"backend": "inspect", "model": "a/b", "timeout": 3}, "timeout"),
        ({"backend": "inspect"}, "model"),
        ({"backend": "inspect", "model": "a/b", "max_connections": 0}, "max_connections"),
        ({"backend": "local", "context": 1}, "context"),
        ({"backend": "stand-in", "rate": 0.5}, "rate"),
        ({"backend": "telepathy"}, "telepathy"),
        ({"model": "a/b"}, "backend"),
    ],
)
def test_what_it_does_not_know_is_refused_by_name(table: dict[str, object], field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        ROLES.validate_python({"judge": table})


def test_the_fingerprint_names_the_model_and_not_the_connection() -> None:
    role = ProviderRole(model="a/b")
    assert fingerprint(role) == fingerprint(ProviderRole(model="a/b", attempt_timeout_s=7, base_url="http://x"))
    assert fingerprint(role) != fingerprint(ProviderRole(model="a/c"))
    assert fingerprint(role) != fingerprint(ProviderRole(model="a/b", model_args={"effort": "low"}))
    assert fingerprint(LocalRole()) == fingerprint(LocalRole(threads=2))
    assert fingerprint(LocalRole()) != fingerprint(LocalRole(path="other.gguf"))


def test_recorded_roles_and_a_stand_in_without_corpus_have_no_backend() -> None:
    with pytest.raises(UsageError, match=r"\[roles\.judge\]"):
        open_backend("judge", RecordedRole())
    with pytest.raises(UsageError, match="'target'"):
        open_backend("target", StandInRole())


def test_a_stand_in_role_opens_the_stand_in_given() -> None:
    skills = Skills(lambda _: (), {}, lambda _: None, lambda _: {})
    standin = StandIn([Known("What is a torte?", "A rich cake.", False)], skills)
    assert isinstance(open_backend("target", StandInRole(), standin), StandInBackend)
