"""Substitutions inside words: look-alikes, escapes, letter spacing, leetspeak."""

import html
import re
from functools import lru_cache

from gruyere.views.alphabets import disguise, fold
from gruyere.views.decoder import Running
from gruyere.views.english import READABLE, fluency, is_common, word_fluency
from gruyere.views.tokens import Token


class Lookalike(Running):
    """Homoglyphs, full-width and styled letters, zero-width characters, piled-up marks."""

    name = "lookalike"

    def weigh(self, token: Token) -> int:
        """Weigh how surely the word hides plain letters."""
        return 0 if token.body.isascii() else disguise(token.body)

    def decode(self, token: Token) -> str:
        """Return the word in plain letters."""
        return token.text if token.text.isascii() else token.space + fold(token.body)


_ESCAPE = re.compile(
    r"%([0-9A-Fa-f]{2})|&#(?:x([0-9A-Fa-f]{1,6})|([0-9]{1,7}));?|\\x([0-9A-Fa-f]{2})|\\u\{?([0-9A-Fa-f]{4,5})\}?"
)
_PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_BACKSLASH = re.compile(r"(?:\\x[0-9A-Fa-f]{2})+")
_UNICODE = re.compile(r"\\u\{?([0-9A-Fa-f]{4,5})\}?")


def _from_octets(match: re.Match[str]) -> str:
    return bytes.fromhex(re.sub(r"[%x\\]", "", match[0])).decode("utf-8", "replace")


def _code_point(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    return "\ufffd" if 0xD800 <= code < 0xE000 else chr(code)


class Escapes(Running):
    """Percent, HTML and backslash escapes of letters and spaces."""

    name = "escapes"
    enough = 4

    def weigh(self, token: Token) -> int:
        """Count escapes that stand for ASCII letters, digits or a space."""
        if not any(sign in token.body for sign in "%&\\"):
            return 0
        count = 0
        for octet, hexadecimal, decimal, backslash, unicode in _ESCAPE.findall(token.body):
            code = int(decimal) if decimal else int(octet or hexadecimal or backslash or unicode, 16)
            count += code == 32 or (code < 128 and chr(code).isalnum())
        return count

    def decode(self, token: Token) -> str:
        """Undo all escapes of the token."""
        body = token.body
        if "%" in body:
            body = _PERCENT.sub(_from_octets, body)
        if "\\" in body:
            body = _UNICODE.sub(_code_point, _BACKSLASH.sub(_from_octets, body))
        return token.space + (html.unescape(body) if "&" in body else body)


_DOTTED = re.compile(r"[^\W\d_](?:[-_.*·|~][^\W\d_]){2,}[.,;:!?]?")
_SEPARATED = re.compile(r"[^\W\d_](?:[-_.*·|~][^\W\d_])+[.,;:!?]*")
_SEPARATOR = re.compile(r"[-_.*·|~](?=[^\W\d_])")
_SPACED_TAIL = re.compile(r"[^\W\d_][.,;:!?]?")


class Spacing(Running):
    """Letters set apart: "c a k e", "c-a-k-e". Wider gaps are taken for the ends of words."""

    name = "spacing"
    enough = 2
    enough_at_end = 1

    def __init__(self) -> None:
        super().__init__()
        self._run = ""
        self._joinable = False

    def weigh(self, token: Token) -> int:
        """Give evidence once a run of at least four single letters reads like a language."""
        if _DOTTED.fullmatch(token.body):
            letters = re.sub(r"\W|_", "", token.body)
            return int(len(letters) >= 4 and fluency(letters) >= READABLE)
        self.active = _SPACED_TAIL.fullmatch(token.body) is not None  # the next token may be a word that ends the run
        if not self.active:
            self._run = ""
            return 0
        self._run = (self._run + token.body[0])[-24:]
        if len(self._run) < 4 or fluency(self._run) < READABLE or len(set(self._run.lower())) < 3:
            return 0
        return 2 if len(self._run) >= 6 else 1

    def decode(self, token: Token) -> str:
        """Join single letters to the one before; keep other words as they are."""
        single = len(token.body) == 1 or (len(token.body) == 2 and not token.body[1].isalnum())
        joined = single and self._joinable and token.space == " "
        self._joinable = len(token.body) == 1
        body = _SEPARATOR.sub("", token.body) if _SEPARATED.fullmatch(token.body) else token.body
        return body if joined else token.space + body


_LEET_WORD = re.compile(r"[^\w@$!+|]*([A-Za-z0-9@$!+|]*?[A-Za-z][A-Za-z0-9@$!+|]*?)[^\w@$|]*")
_LEET_COMPOUND = re.compile(r"[^\w@$!+|]*([A-Za-z0-9@$!+|'/-]*?[A-Za-z][A-Za-z0-9@$!+|'/-]*?)[^\w@$|]*")
_WOVEN = re.compile(r"[A-Za-z][43105780@$][A-Za-z]+[43105780@$]")
"""Digits woven in between letters twice, as in c4k3: one such word is hardly an accident."""
_LEET_NUMBER = re.compile(r"[^\w@$]*([0-9@$]{1,3})[^\w@$|]*")
_SURELY_A_WORD = -3.6
_SHORT = frozenset(("a", "i"))
_QUANTITY = re.compile(r"[0-9]+(?:[a-z]{1,3}|[A-Z]{1,3}|min|mins|hours?|th|st|nd|rd)|[A-Za-z]+[0-9]+", re.IGNORECASE)
_LEET = str.maketrans("4@3105$7!+|896", "aaeiosstitlbgg")
_LEET_L = str.maketrans("4@3105$7!+|896", "aaelosstltlbgg")


@lru_cache(maxsize=20_000)
def _unleet(word: str) -> str:
    first, second = word.translate(_LEET), word.translate(_LEET_L)
    if len(word) == 1:
        return first
    return max(first, second, key=lambda w: (is_common(w), fluency(w)))


class Leet(Running):
    """Digits and signs for letters inside words."""

    name = "leetspeak"

    def weigh(self, token: Token) -> int:
        """Count words in which digits stand among letters and which read well with letters for them."""
        match = _LEET_WORD.fullmatch(token.body)
        if match is None:
            return 0
        word = match[1]
        digits = sum(c in "4310578" or c in "@$" for c in word)
        if digits == 1 and word[0] in "4310578@$":
            return 0  # `$name`, `@name` and `4chan` are names
        if not digits or len(word) < 3 or _QUANTITY.fullmatch(word) or any(c in "29" for c in word):
            return 0
        if not (word.islower() or word[1:].islower() or word.isupper()):
            return 0
        if word_fluency(_unleet(word)) < READABLE:
            return 0
        return 2 if len(word) >= 4 and _WOVEN.search(word) else 1

    def decode(self, token: Token) -> str:
        """Read digits among letters as letters; numbers and quantities stay."""
        if token.body.isalpha():
            return token.text
        match = _LEET_COMPOUND.fullmatch(token.body) or _LEET_NUMBER.fullmatch(token.body)
        if match is None or not any(c in "4310578@$" for c in match[1]) or _is_quantity(match[1]):
            return token.text
        return token.space + token.body[: match.start(1)] + _unleet(match[1]) + token.body[match.end(1) :]


def _is_quantity(word: str) -> bool:
    if is_common(_unleet(word)) or _unleet(word).lower() in _SHORT:
        return False
    trailing = word[0].isalpha() and fluency(_unleet(word)) >= READABLE
    if trailing or (sum(map(str.isdigit, word)) >= 4 and fluency(_unleet(word)) > _SURELY_A_WORD):
        return False
    return word.isdigit() or (_QUANTITY.fullmatch(word) is not None and len(word) > 2)
