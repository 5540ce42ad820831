"""How much a text looks like written language: letter pairs and common words. Knows no encoding.

`english.json` holds log2 probabilities, times ten, of a letter given the one before, counted over
900,000 letters of everyday English; row and column 0 are the edge of a word, 1 to 26 are a to z.
"""

import json
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

_DATA = json.loads((resources.files("gruyere.views") / "english.json").read_text("utf-8"))
COMMON: frozenset[str] = frozenset(_DATA["common"])
"""Words of at least two letters that any English text of a few sentences holds."""
READABLE = -4.2
"""Mean bits per letter pair above which letters look like a Latin-script language rather than noise."""


TABLE: NDArray[np.float32] = np.asarray(_DATA["bigrams"], dtype=np.float32) / np.float32(10)
"""log2 P(second | first), shape (27, 27)."""
_FLAT: tuple[float, ...] = tuple(float(x) for x in TABLE.ravel())
_CODES = bytes(c - 96 if 97 <= c <= 122 else c - 64 if 65 <= c <= 90 else 0 for c in range(256))


def letter_codes(text: str) -> NDArray[np.uint8]:
    """Return 1 to 26 for a to z in either case and 0 for everything else, runs of 0 made one, an edge at both ends.

    Shape (letters and edges,).
    """
    raw = text.encode("latin-1", "replace").translate(_CODES)
    return np.frombuffer(b"\0" + b"\0".join(part for part in raw.split(b"\0") if part) + b"\0", dtype=np.uint8)


def fluency(text: str) -> float:
    """Return the mean log2 probability per letter pair; -9 where there are no letters."""
    codes = letter_codes(text).tolist()
    if len(codes) < 3:
        return -9.0
    total: float = sum(_FLAT[a * 27 + b] for a, b in zip(codes, codes[1:], strict=False))
    return total / (len(codes) - 1)


@lru_cache(maxsize=20_000)
def word_fluency(word: str) -> float:
    """Return `fluency` of one word, remembered: most words of a text have been seen before."""
    return fluency(word)


def is_common(word: str) -> bool:
    """Whether a word, without its punctuation, is one of the commonest."""
    return word.strip(".,;:!?\"'()").lower() in COMMON
