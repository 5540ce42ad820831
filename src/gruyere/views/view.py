"""What the decoders return: decoded readings of a text."""

from dataclasses import dataclass

Chain = tuple[str, ...]
"""Names of the decoders that lead to a reading, outermost first."""


@dataclass(frozen=True, slots=True)
class View:
    """One decoded reading of a whole text."""

    chain: Chain
    text: str


@dataclass(frozen=True, slots=True)
class ViewChunk:
    """The next piece of one view; the pieces of a chain, joined, are its text."""

    chain: Chain
    text: str
