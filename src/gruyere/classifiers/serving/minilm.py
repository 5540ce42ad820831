"""MiniLM: a fine-tuned bidirectional encoder over windows of the text.

A bidirectional encoder cannot judge word by word at a bearable cost, so its points of judgement are
fixed by the text alone: once `first` tokens have come, then whenever `stride` further ones have, and
at the end if any token is fresh. Each point judges the last `window` tokens, after the newest tokens
of the conversation where the side is exchange. The score is the highest so far.
`push` answers for the points passed, `close` for all. Between two points fewer than `stride` tokens
go unread, so an answer is guarded word by word by an ensemble with a family that reads every word.
A window costs the same wherever it is. Knows no torch.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gruyere.classifiers.serving.linear import sigmoid
from gruyere.classifiers.serving.wordpieces import (
    Graph,
    MinilmSettings,
    WordPieces,
    framed,
    newest_tokens,
    read_folder,
)
from gruyere.values import Message, Side, WordCutter


class WindowCutter:
    """Cuts a stream of tokens into overlapping windows; remembers one window."""

    __slots__ = ("_fresh", "_kept", "_stride", "_wanted")

    def __init__(self, window: int, first: int, stride: int) -> None:
        self._kept: deque[int] = deque(maxlen=window)
        self._stride = stride
        self._wanted = first
        self._fresh = 0

    def push(self, tokens: Sequence[int]) -> list[list[int]]:
        """Return the windows that these tokens make due."""
        windows = []
        for token in tokens:
            self._kept.append(token)
            self._fresh += 1
            if self._fresh == self._wanted:
                windows.append(self._take())
        return windows

    def close(self) -> list[list[int]]:
        """Return the last window if it holds a token that no window held."""
        return [self._take()] if self._fresh else []

    def _take(self) -> list[int]:
        self._wanted = self._stride
        self._fresh = 0
        return list(self._kept)


class MinilmSession:
    """One text being read; a NaN from the graph stays, and the guard blocks on it."""

    __slots__ = ("_classifier", "_context", "_score", "_windows", "_words")

    def __init__(self, classifier: "MinilmClassifier", context: Sequence[int] | None) -> None:
        settings = classifier.settings
        self._classifier = classifier
        self._context = context
        self._words = WordCutter()
        self._windows = WindowCutter(settings.window, settings.first, settings.stride)
        self._score = 0.0

    def push(self, text: str) -> float:
        """Read more text; return the score at the points passed so far."""
        return self._read(self._words.push(text))

    def close(self) -> float:
        """Read the end; return the score of the whole text, 0 if it has no token."""
        self._read(self._words.close())
        return self._judge(self._windows.close())

    def _read(self, words: Sequence[str]) -> float:
        for word in words:
            self._judge(self._windows.push(self._classifier.pieces.of(word)))
        return self._score

    def _judge(self, windows: Sequence[Sequence[int]]) -> float:
        for window in windows:
            score = self._classifier.judge(self._context, window)
            if math.isnan(score) or score > self._score:
                self._score = score
        return self._score


@dataclass(frozen=True, slots=True)
class MinilmClassifier:
    """A fine-tuned encoder of one side."""

    settings: MinilmSettings
    pieces: WordPieces = field(repr=False)
    graph: Graph = field(repr=False)

    @property
    def side(self) -> Side:
        return self.settings.side

    def open(self, context: Sequence[Message]) -> MinilmSession:
        """Start reading one text; an exchange classifier keeps the newest tokens of the context."""
        if self.side == "input":
            return MinilmSession(self, None)
        return MinilmSession(self, newest_tokens(self.pieces, context, self.settings.context))

    def judge(self, context: Sequence[int] | None, window: Sequence[int]) -> float:
        """Return the score of one window of tokens after a context; see `framed`."""
        ids = np.array(framed(self.pieces, context, window), dtype=np.int64)
        (logit,) = self.graph.run({"ids": ids, "positions": np.arange(len(ids))})
        return sigmoid(float(logit[0]))


def load_minilm(folder: Path, threads: int = 1) -> MinilmClassifier:
    """Load a saved MiniLM classifier.

    Args:
        folder: What training's `save` wrote.
        threads: Threads for one operation, at least 1.

    Raises:
        ArtifactError: If a file is missing or damaged.
    """
    return MinilmClassifier(*read_folder(folder, threads))
