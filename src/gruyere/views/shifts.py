"""Shifted alphabets and reversed words, found by comparing letter-pair statistics of a window of words."""

from collections import deque
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gruyere.views.english import COMMON, READABLE, TABLE, letter_codes, word_fluency
from gruyere.views.tokens import Token

WINDOW = 10
"""Words that are judged together."""
_RECENT = 6
_STRANGE = 3
"""Strangeness of the last six words that makes a closer look worth while."""
_LOWER = "abcdefghijklmnopqrstuvwxyz"


def _maps() -> tuple[dict[int, int], ...]:
    """Return the identity, the 25 shifts back, and Atbash, as translation tables."""
    alphabets = [_LOWER[n:] + _LOWER[:n] for n in range(26)] + [_LOWER[::-1]]
    return tuple(str.maketrans(a + a.upper(), _LOWER + _LOWER.upper()) for a in alphabets)


MAPS = _maps()


def _tables() -> NDArray[np.float32]:
    """Return letter-pair tables per reading, flattened: shape (54, 729); the second half reads words backwards."""
    forward = []
    for table in MAPS:
        code = np.array([0] + [table[ord(c)] - 96 for c in _LOWER])
        forward.append(TABLE[np.ix_(code, code)])
    return np.stack([t.ravel() for t in forward] + [t.T.ravel() for t in forward])


_TABLES = _tables()


_NAKED = ".,;:!?\"'()[]*"


def _common(words: Iterable[str]) -> set[str]:
    return {bare for word in words if (bare := word.strip(_NAKED).lower()) in COMMON}


@lru_cache(maxsize=20_000)
def strangeness(word: str) -> int:
    """Return 1 for a word with letter pairs that English hardly has, -1 for a common word, else 0."""
    if word.strip(_NAKED).lower() in COMMON:
        return -1
    return int(-9 < word_fluency(word) < READABLE)


class Shifts:
    """Finds the alphabet that a stretch of text is written in, or that its words stand backwards."""

    def __init__(self, *, reversal: bool) -> None:
        self._words: deque[str] = deque(maxlen=WINDOW)
        self._strange: deque[int] = deque([0] * _RECENT, maxlen=_RECENT)
        self._sum = 0
        self._new = 0
        self._reversal = reversal

    def read(self, body: str) -> int | None:
        """Read a word; return the reading found (0 to 53, never 0, the plain one), or None."""
        self._words.append(body)
        strange = strangeness(body)
        self._sum += strange - self._strange[0]
        self._strange.append(strange)
        self._new += 1
        if self._sum < _STRANGE or self._new < 2 or len(self._words) < _RECENT:
            return None
        self._new = 0
        return self._compare_windows()

    def close(self) -> int | None:
        """Judge a short text, or the end of a long one, on what there is."""
        return self._compare_windows() if sum(map(strangeness, self._words)) >= 0 else self._compare(self._core())

    def _compare_windows(self) -> int | None:
        return self._compare(list(self._words)) or self._compare(self._core())

    def _core(self) -> list[str]:
        """Return the words from the first strange one to the last: a short message among plain words."""
        words = list(self._words)
        places = [n for n, word in enumerate(words) if strangeness(word) > 0]
        return words[places[0] : places[-1] + 1] if places else []

    def _compare(self, words: list[str]) -> int | None:
        codes = letter_codes(" ".join(words)).astype(np.int32)
        pairs = codes[:-1] * 27 + codes[1:]
        if len(pairs) < 14:
            return None
        tables = _TABLES if self._reversal else _TABLES[:27]
        scores = tables[:, pairs].mean(axis=1)
        best = int(scores.argmax())
        if best == 0 or scores[best] < READABLE or scores[best] - scores[0] < 0.8:
            return None
        common = _common(reading(word, best) for word in words)
        if self._is_short_and_sure(words, scores, len(pairs)):
            return best
        if len(common) <= len(_common(words)):
            return None
        needed = 2 if any(len(word) > 2 for word in common) else 3
        enough = len(common) >= needed and len(common) * 7 >= len(words)
        return best if enough or (scores[best] > -3.9 and len(pairs) >= 50) else None

    @staticmethod
    def _is_short_and_sure(words: list[str], scores: NDArray[np.float32], pairs: int) -> bool:
        """Whether a few words without any common one read far better in one reading than in all others."""
        ranked = np.sort(scores)
        letters = all(word.strip(_NAKED).replace("-", "").isalpha() for word in words)
        return (
            letters
            and pairs >= 14
            and bool(ranked[-1] > -4.1 and ranked[-1] - scores[0] > 1.2 and ranked[-1] - ranked[-2] > 0.5)
        )


def best_fluency(text: str) -> float:
    """Return the mean log2 probability per letter pair under the reading that suits best; -9 without letters."""
    codes = letter_codes(text).astype(np.int32)
    if len(codes) < 3:
        return -9.0
    return float(_TABLES[:, codes[:-1] * 27 + codes[1:]].mean(axis=1).max())


def reading(text: str, number: int) -> str:
    """Return a word in the reading of this number."""
    text = text.translate(MAPS[number % 27])
    return text[::-1] if number >= 27 else text


class Reversed:
    """Words whose letters stand backwards; decoded one by one, in the order in which they come."""

    name = "reversed"

    def __init__(self) -> None:
        self.active = False

    def found(self, before: Iterable[Token]) -> str:
        """Open the view with the tokens so far."""
        self.active = True
        return "".join([self.decode(token) for token in before])

    def decode(self, token: Token) -> str:
        """Turn one word round, unless it reads better as it stands."""
        if token.body.strip(_NAKED).lower() in COMMON:
            return token.text
        return token.space + token.body[::-1]


class Caesar:
    """Shifted or mirrored alphabets; the alphabet may change as the text goes on."""

    name = "caesar"

    def __init__(self) -> None:
        self.active = False
        self.number = 0

    def found(self, number: int, before: Iterable[Token]) -> str:
        """Open the view with the tokens so far, or go on with another alphabet."""
        if number == self.number:
            return ""
        before = list(before)
        before = before[-WINDOW:] if self.active else before
        self.active, self.number = True, number
        return "".join([self.decode(token) for token in before])

    def decode(self, token: Token) -> str:
        """Shift one word back, unless it is a common word as it stands and would not be one shifted."""
        shifted = reading(token.body, self.number)
        bare, bare_shifted = (w.strip(_NAKED).lower() for w in (token.body, shifted))
        if bare in COMMON and bare_shifted not in COMMON:
            return token.text
        return token.space + shifted
