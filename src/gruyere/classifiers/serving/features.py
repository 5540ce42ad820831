"""Hashed word and character n-grams, one word at a time.

A word gives features that depend on it alone (tokens, character 3- to 5-grams) and
pair features with the two tokens before it. Digits are folded to 0 so that amounts share features.
"""

import re
import unicodedata
import zlib
from dataclasses import dataclass, field
from functools import lru_cache

BITS = 18
BUCKETS = 1 << BITS
_MASK = BUCKETS - 1
_TOKEN = re.compile(r"[^\W\d_]+|\d+|[^\w\s]")
_LONGEST_TOKEN = 24


def _bucket(name: str) -> int:
    return zlib.crc32(name.encode("utf-8", "surrogatepass")) & _MASK


@lru_cache(maxsize=65536)
def tokens_of(word: str) -> tuple[str, ...]:
    """Return the folded tokens of a word: letters, digit runs as zeros, single symbols."""
    folded = unicodedata.normalize("NFKC", word).casefold()
    return tuple(("0" * len(t) if t[0].isdigit() else t)[:_LONGEST_TOKEN] for t in _TOKEN.findall(folded))


@lru_cache(maxsize=65536)
def own_features(word: str) -> tuple[int, ...]:
    """Return the buckets of the features that depend on this word alone."""
    names = []
    for token in tokens_of(word):
        names.append("u " + token)
        if token[0].isalpha():
            framed = f"<{token}>"
            names += [
                "c " + framed[i : i + n] for n in (3, 4, 5) for i in range(len(framed) - n + 1) if n < len(framed)
            ]
    return tuple(_bucket(name) for name in names)


@lru_cache(maxsize=131072)
def _pair(kind: str, first: str, second: str) -> int:
    return _bucket(f"{kind} {first} {second}")


@dataclass(slots=True)
class FeatureReader:
    """Remembers the last two tokens, so that each word costs the same."""

    before: str = "^"
    before_that: str = "^"
    namespace: str = field(default="")

    def read(self, word: str) -> list[int]:
        """Return the buckets of the next word's features: its own, then its pairs."""
        features = list(own_features(word))
        for token in tokens_of(word):
            features.append(_pair("b", self.before, token))
            features.append(_pair("s", self.before_that, token))
            self.before_that, self.before = self.before, token
        return features
