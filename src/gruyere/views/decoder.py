"""The contract of a decoder, and what the substitution decoders share: evidence first, then the running text."""

from collections import deque
from collections.abc import Iterable
from typing import Protocol

from gruyere.views.tokens import Token

REPLAYED = 32
"""Tokens before the point of detection that a running view starts with, for context."""


class Decoder(Protocol):
    """Reads tokens in order and returns decoded text as evidence allows.

    What it returns, joined, is a function of the tokens alone. State and time per token are bounded.
    """

    name: str
    active: bool
    """Whether it must also see tokens that are plain words; if not, they are not shown to it."""

    def read(self, token: Token, before: Iterable[Token]) -> str:
        """Read a token; `before` holds the last `REPLAYED` tokens, this one included."""
        ...

    def close(self, before: Iterable[Token]) -> str:
        """Return what is left at the end of the text."""
        ...


class Running:
    """A decoder whose view is the whole running text with its words decoded, from detection on.

    Subclasses weigh each token and decode it; the view opens once the evidence of the last
    `REPLAYED` tokens that are not plain reaches `enough`, or `enough_at_end` when the text ends.
    """

    name = ""
    enough = 3
    enough_at_end = 2

    def __init__(self) -> None:
        self.active = False
        self._opened = False
        self._evidence: deque[int] = deque(maxlen=REPLAYED)
        self._sum = 0

    def weigh(self, token: Token) -> int:
        """Return the evidence in one token."""
        raise NotImplementedError

    def decode(self, token: Token) -> str:
        """Return the token as it reads."""
        raise NotImplementedError

    def read(self, token: Token, before: Iterable[Token]) -> str:
        """Decode the token, or the replayed tokens once there is enough evidence."""
        if self._opened:
            return self.decode(token)
        weight = self.weigh(token)
        if len(self._evidence) == REPLAYED:
            self._sum -= self._evidence[0]
        self._evidence.append(weight)
        self._sum += weight
        if self._sum < self.enough:
            return ""
        return self._open(before)

    def close(self, before: Iterable[Token]) -> str:
        """Open at the end of the text on less evidence."""
        if not self._opened and self._sum >= self.enough_at_end:
            return self._open(before)
        return ""

    def _open(self, before: Iterable[Token]) -> str:
        self.active = self._opened = True
        return "".join([self.decode(token) for token in before])
