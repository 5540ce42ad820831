"""MiniLM for the input side: a fine-tuned bidirectional encoder over windows of the text.

A bidirectional encoder cannot judge word by word, so its points of judgement are fixed by the text
alone: a window of `window` tokens is judged when it is full, then whenever `stride` further tokens
have come, and at the end the last `window` tokens if any of them is fresh. The score is the highest
so far. `push` therefore answers for the full windows, `close` for all; the tail that `push` has not
judged yet is shorter than a window. A window costs the same wherever it is. Knows no torch.

`load_minilm` also loads the causal stream of the output and exchange sides; see `minilm_stream`.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gruyere.classifiers.serving.linear import sigmoid
from gruyere.classifiers.serving.minilm_stream import StreamClassifier, score_side_by_side
from gruyere.classifiers.serving.wordpieces import EncoderSettings, Graph, StreamSettings, WordPieces, read_folder
from gruyere.values import Message, Side, WordCutter


class WindowCutter:
    """Cuts a stream of tokens into overlapping windows; remembers one window."""

    __slots__ = ("_fresh", "_kept", "_stride", "_wanted")

    def __init__(self, window: int, stride: int) -> None:
        self._kept: deque[int] = deque(maxlen=window)
        self._stride = stride
        self._wanted = window
        self._fresh = 0

    def push(self, tokens: Sequence[int]) -> list[list[int]]:
        """Return the windows that these tokens fill."""
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


class EncoderSession:
    """One text being read; a NaN from the graph stays, and the guard blocks on it."""

    __slots__ = ("_classifier", "_score", "_windows", "_words")

    def __init__(self, classifier: "EncoderClassifier") -> None:
        self._classifier = classifier
        self._words = WordCutter()
        self._windows = WindowCutter(classifier.settings.window, classifier.settings.stride)
        self._score = 0.0

    def push(self, text: str) -> float:
        """Read more text; return the score of the full windows so far."""
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
            score = self._classifier.judge(window)
            if math.isnan(score) or score > self._score:
                self._score = score
        return self._score


@dataclass(frozen=True, slots=True)
class EncoderClassifier:
    """A fine-tuned bidirectional encoder."""

    settings: EncoderSettings
    pieces: WordPieces = field(repr=False)
    graph: Graph = field(repr=False)

    @property
    def side(self) -> Side:
        return self.settings.side

    def open(self, context: Sequence[Message]) -> EncoderSession:  # noqa: ARG002
        """Start reading one text; the context is not read."""
        return EncoderSession(self)

    def judge(self, window: Sequence[int]) -> float:
        """Return the score of one window of tokens, the special ones not among them."""
        ids = np.array([self.pieces.special("[CLS]"), *window, self.pieces.special("[SEP]")], dtype=np.int64)
        (logit,) = self.graph.run({"ids": ids, "positions": np.arange(len(ids))})
        return sigmoid(float(logit[0]))

    def score_many(
        self,
        texts: Sequence[str],
        contexts: Sequence[Sequence[Message]],
    ) -> NDArray[np.float64]:
        """Return each finished text's score, shape (n,), as a session gives it at its end.

        Window by window: activations are quantised per call, so padding windows into batches
        would change their scores.
        """
        return score_side_by_side(self, texts, contexts)


def load_minilm(folder: Path, threads: int = 1) -> EncoderClassifier | StreamClassifier:
    """Load a saved MiniLM classifier of either form.

    Args:
        folder: What training's `save` wrote.
        threads: Threads for one operation, at least 1.

    Raises:
        ArtifactError: If a file is missing or damaged.
    """
    settings, pieces, graph = read_folder(folder, threads)
    match settings:
        case EncoderSettings():
            return EncoderClassifier(settings, pieces, graph)
        case StreamSettings():
            return StreamClassifier(settings, pieces, graph)
