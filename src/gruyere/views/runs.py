"""Runs of encoded octets (base64, base32, hexadecimal, binary), decoded while they grow."""

import base64
import codecs
import re
from collections.abc import Iterable

from gruyere.views.english import READABLE, fluency
from gruyere.views.shifts import best_fluency
from gruyere.views.tokens import Token

_EVIDENCE = 12
"""Decoded characters that must look like text before a view opens in the middle of a run."""
_SURE = 24
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
        return is_readable(text) or len(text) >= _SURE

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


class Base64(Octets):
    """Both alphabets, wrapped or spaced, padded or not, at any alignment."""

    name = "base64"
    group = 4
    candidate = re.compile(r"[A-Za-z0-9+/_-]{3}[A-Za-z0-9+/_=-]")
    _piece = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
    _strange = re.compile(r"(?=.*[A-Za-z])(?=.*[0-9+/=]).{4}|.+[A-Z].*[a-z]|[A-Z]*[a-z].*[A-Z]|.{20}")

    def pieces(self, body: str) -> list[tuple[str, int, int]]:
        """Return stretches of the alphabet."""
        return [(m[0], m.start(), m.end()) for m in self._piece.finditer(body)]

    def begins(self, digits: str) -> bool:
        """Letters of both cases or digits among them: English words do not begin a run."""
        return len(digits) >= 4 and self._strange.match(digits) is not None

    def starts(self, digits: str) -> Iterable[str]:
        """Try all four alignments where the piece is long."""
        return [digits[n:] for n in range(4)] if len(digits) >= 20 else [digits]

    def octets(self, digits: str) -> bytes:
        """Decode whole quads."""
        return base64.b64decode(digits.rstrip("=").translate(_URL_SAFE) + "=" * (-len(digits.rstrip("=")) % 4))

    def rest(self, digits: str) -> bytes:
        """Decode two or three digits left over."""
        digits = digits.rstrip("=")
        return self.octets(digits) if len(digits) >= 2 else b""


class Rot13Base64(Base64):
    """Base64 whose letters were shifted by 13 afterwards, which no letter statistics can see."""

    name = "rot13_base64"

    def octets(self, digits: str) -> bytes:
        """Shift back, then decode."""
        return super().octets(codecs.encode(digits, "rot13"))


_URL_SAFE = str.maketrans("-_", "+/")


class Base32(Octets):
    """Capital letters and digits two to seven."""

    name = "base32"
    group = 8
    candidate = re.compile(r"[A-Z2-7]{8}")
    _piece = re.compile(r"[A-Z2-7]+=*")

    def pieces(self, body: str) -> list[tuple[str, int, int]]:
        """Return the token if all of it is of the alphabet."""
        match = self._piece.fullmatch(body)
        return [(body, 0, len(body))] if match else []

    def begins(self, digits: str) -> bool:
        """At least one group, or a padded one."""
        return len(digits) >= 8

    def octets(self, digits: str) -> bytes:
        """Decode groups of eight."""
        digits = digits.rstrip("=")
        digits = digits[: len(digits) - (len(digits) % 8 in (1, 3, 6))]
        return base64.b32decode(digits + "=" * (-len(digits) % 8))

    def rest(self, digits: str) -> bytes:
        """Decode what is left over."""
        return self.octets(digits) if len(digits.rstrip("=")) >= 2 else b""


class Hexadecimal(Octets):
    """Pairs of digits: plain, spaced, with colons, `0x` or backslash-x before them."""

    name = "hex"
    group = 2
    candidate = re.compile(r"^[\W\dxX_]*[0-9A-Fa-f]{2}\W*$|[0-9a-fA-F]{4}|x[0-9A-Fa-f]{2}|[0-9A-Fa-f]{2}[:,;]")
    _signs = re.compile(r"0[xX]|\\x|[:,;\"'\[\](){}]")
    _piece = re.compile(r"(?:[0-9a-f]+|[0-9A-F]+)")

    def pieces(self, body: str) -> list[tuple[str, int, int]]:
        """Return the token's digits if it holds nothing else but separators; else long stretches of digits."""
        digits = self._signs.sub("", body)
        if self._piece.fullmatch(digits):
            return [(digits, 0, len(body))]
        return [(m[0], m.start(), m.end()) for m in _LONG_HEX.finditer(body)]

    def begins(self, digits: str) -> bool:
        """One pair, or a long even piece."""
        return len(digits) % 2 == 0

    def octets(self, digits: str) -> bytes:
        """Decode pairs."""
        return bytes.fromhex(digits)

    def accepts(self, text: str) -> bool:
        """Columns of decimal numbers decode to printable characters too; letters among the digits tell them apart."""
        encoded = text.encode("utf-8", "replace").hex()
        mixed = sum(digit in "abcdef" for digit in encoded) * 12 >= len(encoded)
        return (mixed or len(text) >= _SURE) and (is_readable(text) or (mixed and len(text) >= _SURE))


_LONG_HEX = re.compile(r"(?:[0-9a-f]{8,}|[0-9A-F]{8,})")


class Rot13Hexadecimal(Hexadecimal):
    """Hexadecimal digits whose letters were shifted by 13 afterwards."""

    name = "rot13_hex"
    candidate = re.compile(r"^[0-9n-sN-S]{2}$|[0-9n-sN-S]{8}")

    def pieces(self, body: str) -> list[tuple[str, int, int]]:
        """Shift back, then look for digits; digits that a shift does not touch are left to the plain decoder."""
        return [] if body.isdigit() and not self.active else super().pieces(codecs.encode(body, "rot13"))


class Binary(Octets):
    """Groups of eight zeros and ones."""

    name = "binary"
    group = 8
    candidate = re.compile(r"[01]{8}")
    _piece = re.compile(r"[01]+[,;]?")

    def pieces(self, body: str) -> list[tuple[str, int, int]]:
        """Return the token if it is zeros and ones."""
        return [(body.rstrip(",;"), 0, len(body))] if self._piece.fullmatch(body) else []

    def begins(self, digits: str) -> bool:
        """A whole octet, or seven bits that get their zero back."""
        return len(digits) >= 8

    def octets(self, digits: str) -> bytes:
        """Decode octets."""
        return bytes(int(digits[n : n + 8], 2) for n in range(0, len(digits), 8))
