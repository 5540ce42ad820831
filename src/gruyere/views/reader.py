"""Reads a text as it comes and returns its decoded readings, decoders nested up to a depth.

Every decoder is a function of the tokens so far, so the views of a text do not depend on how it
was cut into chunks. A token is read once it is complete. Knows no classifier.
"""

import re
from collections import deque

from gruyere.views.decoder import REPLAYED, Decoder, Running
from gruyere.views.runs import Base32, Base64, Binary, Hexadecimal, Rot13Base64, Rot13Hexadecimal
from gruyere.views.shifts import Caesar, Reversed, Shifts
from gruyere.views.signals import Morse, Tags
from gruyere.views.substitutions import Escapes, Leet, Lookalike, Spacing
from gruyere.views.tokens import Token, Tokenizer
from gruyere.views.view import Chain, View, ViewChunk

DEPTH = 3
CHAINS = 32
"""Most views of one text; beyond it `ViewReader.exhausted` is set and no further view opens."""
REMEMBERED = 16_384
"""Characters at the end of a text that are read backwards as a whole when it ends."""
_PLAIN = re.compile(r"[\"'(]*(?:[A-Za-z][a-z]+(?:['-][a-z]+)*|[$]?[0-9](?:[0-9]{2}|[.][0-9])?)[.,;:!?\"')]*").fullmatch
"""Words and small numbers, which no decoder needs to see unless it is in the middle of something.
Two digits are missing on purpose: they may be an octet."""
_OPAQUE = re.compile(r"[A-Za-z0-9+/=_-]{12,}|[.\-/|]+|[0-9a-fA-F]{2}").fullmatch
_OPAQUE_ENOUGH = 16
"""Characters of tokens that no language has, from which on a text is also tried backwards when it ends."""
_RUNNING: tuple[type[Running], ...] = (Lookalike, Escapes, Spacing, Leet)
_RUNS: tuple[type[Decoder], ...] = (
    Base64,
    Rot13Base64,
    Base32,
    Hexadecimal,
    Rot13Hexadecimal,
    Binary,
    Morse,
    Tags,
)
_ORDER = ("lookalike", "escapes", "spacing", "reversed", "reversed_text", "caesar", "leetspeak")
"""Readings of the whole running text, in the order in which they nest: it bounds their number."""


class _Tree:
    """What all levels of one reader share: how many views there are."""

    __slots__ = ("chains", "exhausted")

    def __init__(self) -> None:
        self.chains: set[Chain] = set()
        self.exhausted = False

    def admit(self, chain: Chain) -> bool:
        """Whether the view exists or may still open."""
        if chain in self.chains:
            return True
        if len(self.chains) >= CHAINS:
            self.exhausted = True
            return False
        self.chains.add(chain)
        return True


class _Level:
    """All decoders over one text: the raw one, or a view's."""

    def __init__(self, tree: _Tree, chain: Chain, depth: int, *, running: bool = True) -> None:
        self._tree, self._chain, self._depth = tree, chain, depth
        self._tokens = Tokenizer()
        self._before: deque[Token] = deque(maxlen=REPLAYED)
        done = max((_ORDER.index(name) for name in chain if name in _ORDER), default=-1)
        nested = [kind() for kind in _RUNNING if running and _ORDER.index(kind.name) > done]
        self._decoders: list[Decoder] = [*nested, *(kind() for kind in _RUNS)]
        self._reversed = Reversed() if done < _ORDER.index("reversed") else None
        self._caesar = Caesar() if running and done < _ORDER.index("caesar") else None
        self._shifts = Shifts(reversal=self._reversed is not None) if self._caesar else None
        self._children: dict[str, _Level] = {}
        self._tail: deque[str] = deque()
        self._tail_length = 0
        self._opaque = 0

    def push(self, text: str) -> list[ViewChunk]:
        """Read more text."""
        out: list[ViewChunk] = []
        for token in self._tokens.push(text):
            self._read(token, out)
        return out

    def close(self) -> list[ViewChunk]:
        """Read the end of the text, then end every view."""
        out: list[ViewChunk] = []
        for token in self._tokens.close():
            self._read(token, out)
        for decoder in self._decoders:
            self._emit(decoder.name, decoder.close(self._before), out)
        if self._shifts is not None:
            self._found(self._shifts.close(), out)
        if self._reversed is not None:
            self._read_backwards(out)
        for child in self._children.values():
            out += child.close()
        return out

    def _read(self, token: Token, out: list[ViewChunk]) -> None:
        self._before.append(token)
        self._remember(token)
        plain = _PLAIN(token.body) is not None
        if not plain and _OPAQUE(token.body):
            self._opaque += len(token.body)
        for decoder in self._decoders:
            if decoder.active or not plain:
                text = decoder.read(token, self._before)
                if text:
                    self._emit(decoder.name, text, out)
        if self._shifts is not None:
            self._shift(token, out)

    def _shift(self, token: Token, out: list[ViewChunk]) -> None:
        for view in (self._reversed, self._caesar):
            if view is not None and view.active:
                self._emit(view.name, view.decode(token), out)
        if self._shifts is not None and token.body.isascii():
            self._found(self._shifts.read(token.body), out)

    def _found(self, number: int | None, out: list[ViewChunk]) -> None:
        if number is None:
            return
        if number >= 27:
            if self._reversed is not None and not self._reversed.active:
                self._emit(self._reversed.name, self._reversed.found(self._before), out)
        elif self._caesar is not None:
            self._emit(self._caesar.name, self._caesar.found(number, self._before), out)

    def _read_backwards(self, out: list[ViewChunk]) -> None:
        """Read the whole text backwards where its words stood backwards, or where it is opaque either way."""
        text = "".join(self._tail)[::-1]
        if self._reversed is not None and self._reversed.active:
            self._emit("reversed_text", text, out)
        elif self._opaque >= _OPAQUE_ENOUGH and self._depth > 1 and self._children.keys() <= {"morse"}:
            scratch = _Level(self._tree, (*self._chain, "reversed_text"), self._depth - 1, running=False)
            out += scratch.push(text) + scratch.close()

    def _remember(self, token: Token) -> None:
        if self._reversed is None:
            return
        self._tail.append(token.text)
        self._tail_length += len(token.text)
        while self._tail_length > REMEMBERED:
            self._tail_length -= len(self._tail.popleft())

    def _emit(self, name: str, text: str, out: list[ViewChunk]) -> None:
        chain = (*self._chain, name)
        if not text or not self._tree.admit(chain):
            return
        out.append(ViewChunk(chain, text))
        if self._depth > 1:
            if name not in self._children:
                self._children[name] = _Level(self._tree, chain, self._depth - 1)
            out += self._children[name].push(text)


class ViewReader:
    """Reads one text in chunks of any size; state and time per character are bounded.

    Args:
        depth: How many decoders may be nested.
    """

    def __init__(self, depth: int = DEPTH) -> None:
        if depth < 1:
            raise ValueError(f"depth must be at least 1, not {depth}")
        self._tree = _Tree()
        self._root = _Level(self._tree, (), depth)

    @property
    def exhausted(self) -> bool:
        """Whether the text tried to open more than `CHAINS` views: no honest text does."""
        return self._tree.exhausted

    def push(self, text: str) -> list[ViewChunk]:
        """Read more text; return what it adds to each view, in order."""
        return self._root.push(text)

    def close(self) -> list[ViewChunk]:
        """Read the end of the text; return the rest of each view."""
        return self._root.close()


def read_views(text: str, depth: int = DEPTH) -> tuple[View, ...]:
    """Return all views of a whole text: exactly what a `ViewReader` gives, joined per chain."""
    reader = ViewReader(depth)
    pieces: dict[Chain, list[str]] = {}
    for chunk in reader.push(text) + reader.close():
        pieces.setdefault(chunk.chain, []).append(chunk.text)
    return tuple(View(chain, "".join(texts)) for chain, texts in pieces.items())
