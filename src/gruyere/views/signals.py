"""Morse code and invisible tag characters."""

import re
from collections.abc import Iterable
from types import MappingProxyType

from gruyere.views.alphabets import TAG_CHARACTERS
from gruyere.views.english import READABLE
from gruyere.views.shifts import best_fluency
from gruyere.views.tokens import Token

_CODES = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.. "
    "----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----. "
    ".-.-.- --..-- ..--.. .----. -.-.-- -..-. -.--. -.--.- .-... ---... -.-.-. -...- .-.-. -....- ..--.- .-..-. ...-..- .--.-."
)
_SIGNED = "abcdefghijklmnopqrstuvwxyz0123456789.,?'!/()&:;=+-_\"$@"
MORSE = MappingProxyType(dict(zip(_CODES.split(), _SIGNED, strict=True)))
_SIGNS = str.maketrans("–—−‐‑_•·∙⋅*", "------.....")
_FIRST = frozenset(".-/|\\–—−‐‑_•·∙⋅*")
_GROUPS = re.compile(r"[.\-/|\\]+")
_PATIENCE = 24


class Morse:
    """Groups of dots and dashes; `/`, `|` or a wide gap ends a word."""

    name = "morse"

    def __init__(self) -> None:
        self.active = False
        self._opened = False
        self._code = ""
        self._held = ""
        self._codes = 0

    def read(self, token: Token, before: Iterable[Token]) -> str:  # noqa: ARG002
        """Read groups; a token of anything else ends the message."""
        if not self.active and token.body[0] not in _FIRST:
            return ""
        body = token.body.translate(_SIGNS)
        if not _GROUPS.fullmatch(body):
            return self._finish()
        self.active = True
        if token.space:
            self._letter()
            if len(token.space) > 1 or "\n" in token.space:
                self._word()
        for char in body:
            if char in "/|\\":
                self._letter()
                self._word()
            elif len(self._code) < 8:
                self._code += char
        return self._shown()

    def close(self, before: Iterable[Token]) -> str:  # noqa: ARG002
        """End the message with the text."""
        return self._finish()

    def _letter(self) -> None:
        if self._code:
            self._held += MORSE.get(self._code, "\ufffd")
            self._codes += 1
        self._code = ""

    def _word(self) -> None:
        if not self._held.endswith(" "):
            self._held += " "

    def _shown(self) -> str:
        text = self._held
        if not self._opened:
            if len(text.replace(" ", "")) < 5:
                return ""
            if not _reads(text):
                if len(text) > _PATIENCE:
                    self._reset()
                return ""
            self._opened = True
        self._held = ""
        return text

    def _finish(self) -> str:
        if not self.active:
            return ""
        self._letter()
        text = self._held
        show = self._opened or (len(text.replace(" ", "")) >= 3 and _reads(text))
        self._reset()
        return text.replace("\ufffd", "?") + " " if show else ""

    def _reset(self) -> None:
        self.active = self._opened = False
        self._code = self._held = ""
        self._codes = 0


def _reads(text: str) -> bool:
    known = [c for c in text if c not in " \ufffd"]
    return len(set(known)) >= 3 and text.count("\ufffd") * 8 <= len(known) and best_fluency(text) >= READABLE - 0.6


class Tags:
    """Text written in invisible tag characters."""

    name = "tags"

    def __init__(self) -> None:
        self.active = False
        self._held = ""
        self._opened = False

    def read(self, token: Token, before: Iterable[Token]) -> str:  # noqa: ARG002
        """Collect tag characters; flags of regions use five of them, so more are asked for."""
        if token.body.isascii():
            return ""
        for run in TAG_CHARACTERS.findall(token.body):
            self._held += "".join(chr(ord(char) - 0xE0000) for char in run)
        if len(self._held) < 8 and not self._opened:
            return ""
        text, self._held, self._opened = self._held, "", True
        return text

    def close(self, before: Iterable[Token]) -> str:  # noqa: ARG002
        """Nothing is held back but what was too little."""
        return ""
