"""Cuts text into tokens by its characters alone, however it arrives: white space and what follows it."""

import re
from dataclasses import dataclass

LONGEST = 48
"""Longest body of one token; a longer run of characters becomes several tokens, the later ones without space."""
_PARTIAL = re.compile(r"(?:%[0-9A-Fa-f]?|&#?\w{0,7}|\\(?:[xu][0-9A-Fa-f]{0,3})?|0[xX][0-9A-Fa-f]?|(?<=[,;:])0)$")
_TOKEN = re.compile(r"(\s*)(\S+)")
_SPACES = 64
"""White space beyond this many characters before a token is dropped from views."""


@dataclass(frozen=True, slots=True)
class Token:
    """A word as it stands: leading white space and a run of other characters, at most `LONGEST` of them."""

    space: str
    body: str

    @property
    def text(self) -> str:
        """The token as it was read."""
        return self.space + self.body


def _cut_at(body: str) -> int:
    """Return where to cut a body that is too long, so that no escape sequence is torn apart."""
    partial = _PARTIAL.search(body)
    return partial.start() if partial and partial.start() > LONGEST // 2 else LONGEST


class Tokenizer:
    """Holds back the last, unfinished token; its memory is bounded."""

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending = ""

    def push(self, text: str) -> list[Token]:
        """Return the tokens that this text completes."""
        text = self._pending + text
        tokens: list[Token] = []
        end = 0
        for match in _TOKEN.finditer(text):
            space, body = match.groups()
            space = space[-_SPACES:]
            last = match.end() == len(text)
            start = 0
            while len(body) - start > LONGEST:
                cut = _cut_at(body[start : start + LONGEST])
                tokens.append(Token(space, body[start : start + cut]))
                space, start = "", start + cut
            body = body[start:]
            if last:
                self._pending = space + body
                return tokens
            tokens.append(Token(space, body))
            end = match.end()
        self._pending = text[end:][-_SPACES:]
        return tokens

    def close(self) -> list[Token]:
        """Return the last token, if there is one."""
        text, self._pending = self._pending, ""
        body = text.lstrip()
        return [Token(text[: len(text) - len(body)], body)] if body else []
