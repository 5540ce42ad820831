"""Cut a stream into words, so that text is judged only once a word is complete.

A word is its leading white space and the run of other characters that follows.
It is complete when white space follows it, when it reaches `LONGEST` characters,
or at the end of the text. Ideographs, kana, hangul and Thai, which are written without
spaces, complete after each character. The cuts depend on the text alone, never
on how it was chopped into chunks.
"""

LONGEST = 48
"""Longest run of non-space characters in one word, in characters: bounds what is held back."""

_UNSPACED = ((0x0E00, 0x0E7F), (0x2E80, 0x9FFF), (0xAC00, 0xD7AF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))


def _is_unspaced(char: str) -> bool:
    code = ord(char)
    return code >= 0x0E00 and any(low <= code <= high for low, high in _UNSPACED)


class WordCutter:
    """Turns chunks into complete words whose concatenation is the text."""

    __slots__ = ("_body", "_pending")

    def __init__(self) -> None:
        self._pending: list[str] = []
        self._body = 0  # non-space characters in the pending word

    def push(self, text: str) -> list[str]:
        """Return the words that this text completes, in order."""
        words: list[str] = []
        for char in text:
            if char.isspace():
                if self._body or len(self._pending) >= LONGEST:
                    words.append(self._take())
                self._pending.append(char)
                continue
            self._pending.append(char)
            self._body += 1
            if self._body >= LONGEST or _is_unspaced(char):
                words.append(self._take())
        return words

    def close(self) -> list[str]:
        """Return the last, unfinished word, if there is one."""
        return [self._take()] if self._pending else []

    @property
    def pending(self) -> str:
        """The text held back because its word is not complete."""
        return "".join(self._pending)

    def _take(self) -> str:
        word = "".join(self._pending)
        self._pending.clear()
        self._body = 0
        return word


def cut_words(text: str) -> list[str]:
    """Return all words of a finished text; joined, they are the text."""
    cutter = WordCutter()
    return cutter.push(text) + cutter.close()
