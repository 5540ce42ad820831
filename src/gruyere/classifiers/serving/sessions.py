"""The one streaming contract that every classifier keeps.

`open(context)` starts a session, `push(text)` reads more text and returns the score of all
words completed so far, `close()` judges the last word too. The score after a prefix does not
depend on how the prefix was cut into chunks; it never falls (a stop cannot be undone); the
cost of a word does not grow with the length of the text. Knows no torch.
"""

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gruyere.values import Message, Side, WordCutter


class Session(Protocol):
    """One text being read; holds what a classifier remembers between chunks."""

    def push(self, text: str) -> float:
        """Read more text; return P(harmful | all complete words so far), in [0, 1]."""
        ...

    def close(self) -> float:
        """Read the end of the text; return P(harmful | whole text), in [0, 1]."""
        ...


class Classifier(Protocol):
    """A trained classifier of one side."""

    @property
    def side(self) -> Side:
        """What it judges: input, output or exchange."""
        ...

    def open(self, context: Sequence[Message]) -> Session:
        """Start reading one text.

        Args:
            context: For an exchange classifier the conversation up to the user's turn;
                ignored by input and output classifiers. An input classifier is pushed
                `input_text(messages)`, the others the response.
        """
        ...


class Reader(Protocol):
    """What a family implements: reads one complete word after another."""

    def read(self, word: str) -> float:
        """Read the next word (leading white space included); return the score after it, in [0, 1]."""
        ...


class WordSession:
    """A session over a reader: cuts words, keeps the running maximum.

    A NaN from the reader stays: `max` could hide it, so it is checked, and the guard blocks on it.
    """

    __slots__ = ("_cutter", "_reader", "_score")

    def __init__(self, reader: Reader) -> None:
        self._cutter = WordCutter()
        self._reader = reader
        self._score = 0.0

    def push(self, text: str) -> float:
        return self._read(self._cutter.push(text))

    def close(self) -> float:
        return self._read(self._cutter.close())

    def _read(self, words: Sequence[str]) -> float:
        for word in words:
            score = self._reader.read(word)
            if math.isnan(score) or score > self._score:
                self._score = score
        return self._score


def score_text(classifier: Classifier, text: str, context: Sequence[Message] = ()) -> float:
    """Return the score of a finished text."""
    session = classifier.open(context)
    session.push(text)
    return session.close()


def input_text(messages: Sequence[Message]) -> str:
    """Return what an input classifier reads: every turn's content, newest last, one a paragraph."""
    return "\n\n".join(message.content for message in messages)


def score_many(
    classifier: Classifier, texts: Sequence[str], contexts: Sequence[Sequence[Message]]
) -> NDArray[np.float64]:
    """Return the score of each finished text, shape (n,), one thread a core; the order decides nothing."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        scores = pool.map(lambda text, context: score_text(classifier, text, context), texts, contexts)
        return np.fromiter(scores, dtype=np.float64, count=len(texts))
