"""Prompts and the parsing of their answers. Knows no stage and no provider."""

import json
import re
from collections.abc import Callable, Sequence
from importlib import resources
from string import Template
from typing import Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from gruyere.language.calls import Call, Reply, RoleName
from gruyere.synthesis.records import Problem
from gruyere.values import Message, UpstreamError

T = TypeVar("T")

MALFORMED_LIMIT = 0.05
"""Largest share of unusable answers in one stage; beyond it the stage stops rather than train on the rest."""


class Ask(Protocol):
    """Puts calls to the roles' models and returns their replies in order."""

    @property
    def fingerprint(self) -> str:
        """Name of the models behind the roles: replies of other models are other data."""
        ...

    def __call__(self, stage: str, calls: Sequence[Call]) -> list[Reply]:
        """Answer every call, in order, or raise."""
        ...


def prompt(name: str, **fields: object) -> str:
    """Fill a prompt file's `$fields`; a field that is missing or unknown is an error."""
    text = (resources.files("gruyere.synthesis") / "prompts" / f"{name}.md").read_text("utf-8")
    template = Template(text)
    unknown = set(fields) - set(template.get_identifiers())
    if unknown:
        raise ValueError(f"prompt {name!r} has no fields {sorted(unknown)}")
    return template.substitute({key: str(value) for key, value in fields.items()}).strip()


def call(
    role: RoleName,
    text: str,
    *,
    stage: str,
    subject: str,
    max_tokens: int,
    system: str | None = None,
    temperature: float = 1.0,
) -> Call:
    """Build a call from a prompt."""
    messages = [Message(role="system", content=system)] if system else []
    return Call(
        role=role,
        messages=(*messages, Message(role="user", content=text)),
        max_tokens=max_tokens,
        temperature=temperature,
        stage=stage,
        subject=subject,
    )


def numbered(texts: Sequence[str]) -> str:
    """List texts as numbered items, each delimited so that none can pass for another."""
    return "\n".join(f'<message n="{n}">\n{text}\n</message>' for n, text in enumerate(texts, start=1))


def parse_array(reply: Reply, items: TypeAdapter[list[T]]) -> list[T]:
    """Read a typed JSON array out of a reply, code fences allowed.

    Raises:
        ValueError: If the reply was cut short, refused, or is no such array.
    """
    if reply.stop_reason != "stop":
        raise ValueError(f"the answer ended with {reply.stop_reason!r}")
    text = re.sub(r"^```(?:json)?\s*|\s*```$", "", reply.text.strip())
    try:
        parsed = items.validate_python(json.loads(text))
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at character {error.pos}") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    if not parsed:
        raise ValueError("an empty array")
    return parsed


def read_all(
    stage: str,
    calls: Sequence[Call],
    replies: Sequence[Reply],
    read: Callable[[Reply], T],
) -> tuple[list[T | None], list[Problem]]:
    """Parse the replies of a stage; an unusable one gives None and a problem.

    Raises:
        UpstreamError: If more than `MALFORMED_LIMIT` of the replies (and more than one) are unusable.
    """
    parsed: list[T | None] = []
    problems: list[Problem] = []
    for asked, reply in zip(calls, replies, strict=True):
        try:
            parsed.append(read(reply))
        except ValueError as error:
            parsed.append(None)
            problems.append(Problem(stage=stage, subject=asked.subject, reason=f"unusable answer: {error}"))
    if len(problems) > max(1, MALFORMED_LIMIT * len(calls)):
        raise UpstreamError(
            f"stage {stage!r}: {len(problems)} of {len(calls)} answers are unusable, first {problems[0].subject!r}: "
            f"{problems[0].reason}; check the model configured for role {calls[0].role!r}"
        )
    return parsed, problems
