"""What decoders of octets share: a run of digits is decoded while it grows, and shown once it reads like text."""

import codecs
import re
from collections.abc import Iterable

from gruyere.views.english import READABLE, fluency
from gruyere.views.shifts import best_fluency
from gruyere.views.tokens import Token

_EVIDENCE = 12
"""Decoded characters that must look like text before a view opens in the middle of a run."""
SURE = 24
"""Decoded characters without any that is unprintable after which no more is asked of them."""
_PATIENCE = 96
"""Decoded characters after which a run that never looked like text is given up."""
_NESTED = re.compile(r"[A-Za-z0-9+/=_\s-]{16,}|[.\-/\s]{16,}|(?:%[0-9A-Fa-f]{2}){4,}.*", re.DOTALL)


def _is_text(char: str) -> bool:
    return char != "\ufffd" and (char.isprintable() or char in "\n\r\t" or char in "\u200b\u200c\u200d\u2060")


def is_garbage(text: str) -> bool:
    """Whether octets decoded to something that nobody wrote."""
    bad = sum(not _is_text(char) for char in text)
    return bad > (len(text) // 24)


def is_readable(text: str) -> bool:
    """Whether decoded text reads like a language, or like another layer of encoding."""
    letters = sum(char.isalpha() or char == " " for char in text)
    foreign = [ord(char) >> 8 for char in text if char.isalpha() and not char.isascii()]
    if len(foreign) >= 4:  # one script takes few blocks of 256; ideographs take many, but all of them near
        near = len(set(foreign)) <= 2 or all(0x2E <= block <= 0x9F for block in foreign)
        return near and letters >= 0.6 * len(text) and (len(text) >= _EVIDENCE or len(foreign) >= 0.7 * len(text))
    if len(text) < _EVIDENCE:
        return text.isascii() and letters >= 0.8 * len(text) and fluency(text) >= READABLE
    return (letters >= 0.7 * len(text) and best_fluency(text) >= READABLE) or _NESTED.fullmatch(text) is not None


class Octets:
    """One run decoder: finds pieces of an alphabet and decodes them in whole groups.

    Subclasses say what a piece is, when one may begin a run, and how groups decode.
    """

    name = ""
    group = 1
    candidate = re.compile("")
    """What a token must hold to be looked at outside a run: a cheap test, since most tokens fail it."""
    shortest = 4
    """Decoded characters that a whole, closed run must have."""

    def __init__(self) -> None:
        self.active = False
        self._opened = False
        self._emitted = False
        self._digits = ""
        self._held = ""
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def pieces(self, body: str) -> list[tuple[str, int, int]]:
        """Return the stretches of a token that belong to the alphabet, each with its start and end."""
        raise NotImplementedError

    def begins(self, digits: str) -> bool:
        """Whether a run may begin with this piece."""
        raise NotImplementedError

    def octets(self, digits: str) -> bytes:
        """Decode whole groups, or raise ValueError."""
        raise NotImplementedError

    def rest(self, digits: str) -> bytes:
        """Decode an incomplete last group as far as it goes."""
        del digits
        return b""

    def accepts(self, text: str) -> bool:
        """Whether decoded text is what somebody wrote: it reads well, or so much of it is printable that chance is out."""
        return is_readable(text) or len(text) >= SURE

    def read(self, token: Token, before: Iterable[Token]) -> str:  # noqa: ARG002
        """Feed the token's pieces to the run, beginning and ending runs as needed."""
        if not self.active and self.candidate.search(token.body) is None:
            return ""
        out = ""
        here = 0
        for digits, start, end in self.pieces(token.body):
            if start > here or not self.active:
                out += self._finish()
                if not self.begins(digits):
                    here = end
                    continue
                self.active = True
            fed = self._feed(digits)
            if fed is None:  # what came before may have been something else: let the piece begin a run itself
                out += self._finish(keep=self._opened)
                fed = self._restart(digits)
            out += fed
            here = end
            if digits.endswith("="):
                out += self._finish()
        if here < len(token.body):
            out += self._finish()
        return out

    def close(self, before: Iterable[Token]) -> str:  # noqa: ARG002
        """End the run with the text."""
        return self._finish()

    def starts(self, digits: str) -> Iterable[str]:
        """Return the alignments that a first piece is tried in."""
        return (digits,)

    def _restart(self, digits: str) -> str:
        if not self.begins(digits):
            return ""
        for tried in self.starts(digits):
            self._reset()
            self.active = True
            fed = self._feed(tried)
            if fed is not None:
                return fed
        self._reset()
        return ""

    def _feed(self, digits: str) -> str | None:
        """Decode whole groups; return what may be shown, or None where it is garbage."""
        whole = self._digits + digits
        cut = len(whole) - len(whole) % self.group
        try:
            text = self._utf8.decode(self.octets(whole[:cut]))
        except ValueError:
            return None
        if is_garbage(self._held + text if not self._opened else text):
            return None
        self._digits = whole[cut:]
        if self._opened:
            return text
        self._held += text
        if len(self._held) >= _EVIDENCE and self.accepts(self._held):
            return self._show()
        return "" if len(self._held) < _PATIENCE else None

    def _show(self) -> str:
        text = ("\n" if self._emitted else "") + self._held
        self._opened, self._emitted, self._held = True, True, ""
        return text

    def _finish(self, *, keep: bool = True) -> str:
        if not self.active:
            return ""
        out = ""
        if keep:
            try:
                tail = self._utf8.decode(self.rest(self._digits))
            except ValueError:
                tail = ""
            tail = "" if is_garbage(tail) else tail
            if self._opened:
                out = tail
            else:
                self._held += tail
                if len(self._held) >= self.shortest and self.accepts(self._held) and self._held.strip():
                    out = self._show()
        self._reset()
        return out

    def _reset(self) -> None:
        self.active = self._opened = False
        self._digits = self._held = ""
        self._utf8.reset()
