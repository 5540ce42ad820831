"""The linear classifier: hashed n-grams over a sliding window, a few microseconds a word.

After each word the logit is  b + c + Σ_window w·f / sqrt(Σ_window idf² + κ), where the window is the
last M words, f are idf-weighted hashed features, κ keeps a few words from weighing as much as many,
and c is the same expression over the whole context (exchange classifiers only; their context has
a weight table of its own). Both sums are kept in a ring, so a word costs the same at any length.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from gruyere.classifiers.serving.features import BUCKETS, FeatureReader
from gruyere.classifiers.serving.sessions import WordSession, input_text
from gruyere.store import read_json, write_json
from gruyere.values import ArtifactError, Message, Side, Value, cut_words

CONTEXT_WORDS = 2000
"""Longest context read, in words; the newest are kept, so that the last turn is always seen."""


class LinearSettings(Value):
    """What a saved linear classifier needs besides its tables."""

    kind: Literal["linear"] = "linear"
    side: Side
    window: int = Field(ge=1)
    kappa: float = Field(ge=0)
    bias: float


@dataclass(frozen=True, slots=True)
class Table:
    """Weights of shape (buckets,): `weight` already multiplied by idf, `power` is idf squared."""

    weight: NDArray[np.float32]
    power: NDArray[np.float32]
    cache: dict[tuple[int, ...], tuple[float, float]] = field(default_factory=dict)

    def sums(self, features: Sequence[int]) -> tuple[float, float]:
        """Return Σ weight and Σ power over a word's features."""
        key = tuple(features)
        found = self.cache.get(key)
        if found is None:
            index = np.asarray(key, dtype=np.int64)
            found = (float(self.weight[index].sum()), float(self.power[index].sum()))
            if len(self.cache) < 200_000:
                self.cache[key] = found
        return found


class LinearReader:
    """Reads words of one text; holds the ring of the last M words' sums."""

    __slots__ = ("_base", "_evidence", "_features", "_kappa", "_power", "_ring", "_table", "_window")

    def __init__(self, table: Table, settings: LinearSettings, base: float) -> None:
        self._table = table
        self._window = settings.window
        self._kappa = settings.kappa
        self._base = base
        self._ring: deque[tuple[float, float]] = deque()
        self._evidence = 0.0
        self._power = 0.0
        self._features = FeatureReader()

    def read(self, word: str) -> float:
        return sigmoid(self.logit(word))

    def logit(self, word: str) -> float:
        """Read the next word; return the logit of the window that ends with it."""
        evidence, power = self._table.sums(self._features.read(word))
        self._ring.append((evidence, power))
        if len(self._ring) > self._window:
            self._ring.popleft()
            # Summed afresh, not by subtraction: rounding must not drift with the length of the text.
            self._evidence = math.fsum(e for e, _ in self._ring)
            self._power = math.fsum(p for _, p in self._ring)
        else:
            self._evidence += evidence
            self._power += power
        return self._base + self._evidence / math.sqrt(self._power + self._kappa + 1e-6)


@dataclass(frozen=True, slots=True)
class LinearClassifier:
    """A trained linear classifier of one side."""

    settings: LinearSettings
    response: Table
    context: Table | None

    @property
    def side(self) -> Side:
        return self.settings.side

    def open(self, context: Sequence[Message]) -> WordSession:
        """Start reading one text; an exchange classifier reads the whole context first."""
        base = self.settings.bias
        if self.context is not None:
            base += context_logit(self.context, context, self.settings.kappa)
        return WordSession(LinearReader(self.response, self.settings, base))

    def save(self, folder: Path) -> None:
        """Write `config.json` and `model.safetensors`."""
        tensors = {"response.weight": self.response.weight, "response.power": self.response.power}
        if self.context is not None:
            tensors |= {"context.weight": self.context.weight, "context.power": self.context.power}
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, folder / "model.safetensors")
        write_json(folder / "config.json", self.settings.model_dump(mode="json"))


def context_logit(table: Table, context: Sequence[Message], kappa: float) -> float:
    """Return the contribution of a conversation, read as one text, newest words kept."""
    features = FeatureReader()
    evidence = power = 0.0
    for word in cut_words(input_text(context))[-CONTEXT_WORDS:]:
        word_evidence, word_power = table.sums(features.read(word))
        evidence += word_evidence
        power += word_power
    return evidence / math.sqrt(power + kappa + 1e-6)


def load_linear(folder: Path) -> LinearClassifier:
    """Load a saved linear classifier.

    Raises:
        ArtifactError: If a file is missing or its tables have another size than this version's.
    """
    settings = LinearSettings.model_validate(read_json(folder / "config.json"))
    try:
        tensors = load_file(folder / "model.safetensors")
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"{folder}/model.safetensors: cannot be read ({error}); rebuild the release") from None
    if any(t.shape != (BUCKETS,) for t in tensors.values()):
        raise ArtifactError(f"{folder}/model.safetensors: tables are not of {BUCKETS} buckets; rebuild the release")
    context = None
    if "context.weight" in tensors:
        context = Table(tensors["context.weight"], tensors["context.power"])
    return LinearClassifier(settings, Table(tensors["response.weight"], tensors["response.power"]), context)


def sigmoid(logit: float) -> float:
    """Return 1 / (1 + e^-x) without overflow; NaN stays NaN."""
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    # Asked this way round: a NaN is not below anything, and must not come out as harmless.
    return 0.0 if logit < -700 else math.exp(logit) / (1.0 + math.exp(logit))
