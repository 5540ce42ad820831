"""Octets in base64, base32, hexadecimal and binary digits."""

import base64
import codecs
import re
from collections.abc import Iterable

from gruyere.views.octets import SURE, Octets, is_readable


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
        mixed = re.search("[a-f]", text.encode("utf-8", "replace").hex()) is not None
        return (mixed or len(text) >= SURE) and (is_readable(text) or (mixed and len(text) >= 2 * SURE))


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
