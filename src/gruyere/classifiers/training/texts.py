"""What a classifier is trained on: one text, its context and its label."""

from dataclasses import dataclass

from gruyere.classifiers.serving.sessions import input_text
from gruyere.values import Exchange, Message, Side


@dataclass(frozen=True, slots=True)
class TrainText:
    """One text to learn from.

    Args:
        text: What the session is pushed: `input_text(messages)` for the input side, else the response.
        context: The conversation for the exchange side, else empty.
        label: P(harmful), in [0, 1]; soft labels allowed.
        weight: Relative weight in the loss, greater than 0.
    """

    text: str
    context: tuple[Message, ...]
    label: float
    weight: float = 1.0


def text_of(exchange: Exchange, side: Side) -> tuple[str, tuple[Message, ...]] | None:
    """Return what a classifier of this side reads of an exchange; None where the side is absent."""
    if side == "input":
        return input_text(exchange.transcript), ()
    if exchange.response is None:
        return None
    return exchange.response, exchange.transcript if side == "exchange" else ()
