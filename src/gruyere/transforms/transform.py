"""What a transform is, and the few edits of an exchange that all of them are made of."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gruyere.values import Exchange, Message

Apply = Callable[[Exchange, random.Random], Exchange]


def has_request(exchange: Exchange) -> bool:
    """Whether the transcript holds a user message that is not blank."""
    return any(m.role == "user" and m.content.strip() for m in exchange.transcript)


@dataclass(frozen=True, slots=True)
class Transform:
    """A label-preserving rewrite of an exchange.

    Args:
        name: What it is called in chains, configuration and provenance.
        family: The group that is held out as a whole.
        acts_on: Which side changes.
        source: The paper or report that describes it.
        apply: Rewrites an exchange; all chance comes from the generator, so a seed repeats it.
        invert: For encodings, the inverse on text.
        applies: Whether the exchange can be rewritten at all.
    """

    name: str
    family: str
    acts_on: Literal["request", "answer", "both"]
    source: str
    apply: Apply
    invert: Callable[[str], str] | None = None
    applies: Callable[[Exchange], bool] = has_request


def request_of(exchange: Exchange) -> str:
    """Return the last user message: the request that a transform disguises."""
    return next((m.content for m in reversed(exchange.transcript) if m.role == "user"), "")


def replace_request(exchange: Exchange, *messages: Message) -> Exchange:
    """Put messages in the place of the last user message."""
    place = max(i for i, m in enumerate(exchange.transcript) if m.role == "user")
    before, after = exchange.transcript[:place], exchange.transcript[place + 1 :]
    return exchange.model_copy(update={"transcript": (*before, *messages, *after)})


def reword_request(exchange: Exchange, text: str) -> Exchange:
    """Rewrite the last user message."""
    return replace_request(exchange, Message(role="user", content=text))


def reword_response(exchange: Exchange, rewrite: Callable[[str], str]) -> Exchange:
    """Rewrite the response where there is one."""
    if exchange.response is None:
        return exchange
    return exchange.model_copy(update={"response": rewrite(exchange.response)})


def fill(template: str, rng: random.Random, **fields: str | tuple[str, ...]) -> str:
    """Fill `{name}` marks in one pass, so that braces in a request stay as they are; a tuple is drawn from."""
    drawn = {key: value if isinstance(value, str) else rng.choice(value) for key, value in fields.items()}
    return re.sub(r"\{(\w+)\}", lambda mark: drawn.get(mark[1], mark[0]), template)
