"""Text to encoded text and back, deterministic: what a model is asked to answer in. Knows no exchange."""

import base64
import codecs
import re
import unicodedata
from collections.abc import Callable, Mapping
from types import MappingProxyType

_CODES = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.. "
    "----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----. "
    ".-.-.- --..-- ..--.. .----. -.-.-- -..-. -.--. -.--.- .-... ---... -.-.-. -...- .-.-. -....- ..--.- .-..-. ...-..- .--.-."
)
_SIGNED = "abcdefghijklmnopqrstuvwxyz0123456789.,?'!/()&:;=+-_\"$@"
MORSE = MappingProxyType(dict(zip(_SIGNED, _CODES.split(), strict=True)))
LEET = MappingProxyType({"a": "4", "e": "3", "i": "1", "o": "0", "s": "5", "t": "7"})
HOMOGLYPHS = MappingProxyType(dict(zip("aceopxyijsABCEHIKMOPTXY", "асеорхуіјѕАВСЕНІКМОРТХУ", strict=True)))
ZERO_WIDTH = "\u200b\u200c\u2060"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def to_base64(text: str) -> str:
    """Encode as standard base64 on one line."""
    return base64.b64encode(_bytes(text)).decode("ascii")


def from_base64(text: str) -> str:
    """Decode base64 of either alphabet, wrapped or not, padded or not."""
    body = re.sub(r"\s|=", "", text).translate(str.maketrans("-_", "+/"))
    return base64.b64decode(body + "=" * (-len(body) % 4)).decode("utf-8", "surrogatepass")


def wrap_base64(text: str) -> str:
    """Encode as base64 in lines of 76 columns, as in e-mail."""
    return base64.encodebytes(_bytes(text)).decode("ascii").strip()


def to_hex(text: str) -> str:
    """Encode as lower-case hexadecimal."""
    return _bytes(text).hex()


def spaced_hex(text: str) -> str:
    """Encode as pairs of hexadecimal digits with spaces between."""
    return _bytes(text).hex(" ")


def from_hex(text: str) -> str:
    """Decode hexadecimal digits, spaced or not."""
    return bytes.fromhex("".join(text.split())).decode("utf-8", "surrogatepass")


def rot13(text: str) -> str:
    """Shift Latin letters by 13; its own inverse."""
    return codecs.encode(text, "rot13")


def backwards(text: str) -> str:
    """Reverse the whole text, character by character; its own inverse."""
    return text[::-1]


def to_morse(text: str) -> str:
    """Write in Morse code, words apart by ` / `; accents fall away, and so do signs that have no code."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    words = (" ".join(MORSE[c] for c in word if c in MORSE) for word in plain.split())
    return " / ".join(word for word in words if word)


def from_morse(text: str) -> str:
    """Read Morse code; unknown groups become `?`."""
    letters = {code: letter for letter, code in MORSE.items()}
    return " ".join("".join(letters.get(code, "?") for code in word.split()) for word in text.split("/"))


def _substitution(table: Mapping[str, str]) -> tuple[Callable[[str], str], Callable[[str], str]]:
    forth = {ord(old): new for old, new in table.items()}
    back = {ord(new): old for old, new in table.items()}
    return (lambda text: text.translate(forth)), (lambda text: text.translate(back))


_to_leet, _ = _substitution({**LEET, **{letter.upper(): digit for letter, digit in LEET.items()}})
_to_lookalikes, _from_lookalikes = _substitution(HOMOGLYPHS)


def from_leet(text: str) -> str:
    """Read digits as letters; case, and digits that were digits, are lost."""
    return text.translate({ord(digit): letter for letter, digit in LEET.items()})


def to_zero_width(text: str) -> str:
    """Put an invisible character between any two letters; which one depends on the letter alone."""
    out = []
    for here, after in zip(text, text[1:] + " ", strict=False):
        out.append(here)
        if here.isalnum() and after.isalnum():
            out.append(ZERO_WIDTH[ord(here) % len(ZERO_WIDTH)])
    return "".join(out)


def from_zero_width(text: str) -> str:
    """Drop the invisible characters."""
    return text.translate(str.maketrans("", "", ZERO_WIDTH))


ENCODERS: dict[str, Callable[[str], str]] = {
    "base64": to_base64,
    "hex": to_hex,
    "rot13": rot13,
    "reversed": backwards,
    "morse": to_morse,
    "leetspeak": _to_leet,
    "homoglyphs": _to_lookalikes,
    "zero_width": to_zero_width,
}
"""Plain text to encoded text, by format name."""

DECODERS: dict[str, Callable[[str], str]] = {
    "base64": from_base64,
    "hex": from_hex,
    "rot13": rot13,
    "reversed": backwards,
    "morse": from_morse,
    "leetspeak": from_leet,
    "homoglyphs": _from_lookalikes,
    "zero_width": from_zero_width,
}
"""Encoded text to plain text, by format name; raise ValueError on text that is not of the format."""
