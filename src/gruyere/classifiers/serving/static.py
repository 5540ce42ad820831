"""The static classifier: frozen word vectors and a small causal GRU, some tens of microseconds a word.

A word's vector is the mean of its tokens' static embeddings. A GRU reads one vector a word, a linear
head gives a logit z_t. An exchange classifier reads the newest words of the conversation first,
marked as context, through the same GRU; their logits are not judged. The state of a stream is the
GRU's (width,) vector and the last M logits, whatever the length of the text. Knows no torch.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from gruyere.classifiers.serving.linear import sigmoid
from gruyere.classifiers.serving.sessions import WordSession, input_text, score_text
from gruyere.store import read_json
from gruyere.values import ArtifactError, Message, Side, Value, cut_words

Floats = NDArray[np.float32]

_CACHED_WORDS = 16_384
_HALF = np.float32(0.5)


class StaticSettings(Value):
    """What a saved static classifier needs besides its tensors."""

    kind: Literal["static"] = "static"
    side: Side
    width: int = Field(ge=1)
    dimensions: int = Field(ge=1)
    """Length of a word vector."""
    window: int = Field(ge=1)
    """M: logits averaged; 1 where the objective judges each word by itself."""
    prior: float
    """Logit that stands for each word the window does not have yet."""
    context_words: int = Field(ge=0)
    """Newest words of the conversation that an exchange classifier reads."""


@dataclass(frozen=True, slots=True)
class WordVectors:
    """Static embeddings, shape (tokens, dimensions), and the tokenizer that indexes them."""

    tokenizer: Tokenizer
    table: NDArray[np.float16]

    def of(self, word: str) -> Floats:
        """Return the mean embedding of a word's tokens, shape (dimensions,); zeros without tokens."""
        stripped = word.strip()
        # A lone surrogate cannot reach the tokenizer, which is strict about UTF-8.
        clean = stripped.encode("utf-8", "replace").decode("utf-8")
        ids = self.tokenizer.encode(clean, add_special_tokens=False).ids if clean else []
        if not ids:
            return np.zeros(self.table.shape[1], dtype=np.float32)
        mean: Floats = self.table[ids].astype(np.float32).mean(axis=0)
        return mean


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A GRU's weights in PyTorch's layout and order of gates (reset, update, new), and its head.

    `inputs` has shape (3·width, dimensions), `context` (3·width,) is what a context word adds,
    `states` has shape (3·width, width), both biases (3·width,), `head` (width,).
    """

    inputs: Floats
    context: Floats
    states: Floats
    input_bias: Floats
    state_bias: Floats
    head: Floats
    head_bias: float

    def gates(self, vectors: Floats) -> Floats:
        """Return the inputs' share of the gates: (..., dimensions) to (..., 3·width)."""
        gates: Floats = vectors @ self.inputs.T + self.input_bias
        return gates

    def step(self, gates: Floats, state: Floats) -> Floats:
        """Return the state after one word: (..., 3·width) and (..., width) to (..., width)."""
        width = state.shape[-1]
        recurrent = state @ self.states.T + self.state_bias
        # The sigmoid as a tanh, which cannot overflow.
        both: Floats = _HALF + _HALF * np.tanh(_HALF * (gates[..., : 2 * width] + recurrent[..., : 2 * width]))
        new: Floats = np.tanh(gates[..., 2 * width :] + both[..., :width] * recurrent[..., 2 * width :])
        after: Floats = new + both[..., width:] * (state - new)
        return after


class StaticReader:
    """Reads the words of one text; holds the GRU's state and the last M logits."""

    __slots__ = ("_classifier", "_logits", "_state")

    def __init__(self, classifier: "StaticClassifier", state: Floats) -> None:
        self._classifier = classifier
        self._state = state
        settings = classifier.settings
        self._logits: deque[float] = deque([settings.prior] * settings.window, maxlen=settings.window)

    def read(self, word: str) -> float:
        if word.isspace():  # only at the end of a text: says nothing
            return 0.0
        recurrence = self._classifier.recurrence
        self._state = recurrence.step(self._classifier.gates(word), self._state)
        self._logits.append(float(self._state @ recurrence.head) + recurrence.head_bias)
        return sigmoid(math.fsum(self._logits) / len(self._logits))


@dataclass(frozen=True, slots=True)
class StaticClassifier:
    """A trained static classifier of one side."""

    settings: StaticSettings
    vectors: WordVectors = field(repr=False)
    recurrence: Recurrence = field(repr=False)
    cache: dict[str, Floats] = field(default_factory=dict, repr=False, compare=False)
    """Gates of the words met so far; bounded."""

    @property
    def side(self) -> Side:
        return self.settings.side

    def open(self, context: Sequence[Message]) -> WordSession:
        """Start reading one text; an exchange classifier reads the newest context first."""
        state = np.zeros(self.settings.width, dtype=np.float32)
        for gates in self._context_gates(context):
            state = self.recurrence.step(gates, state)
        return WordSession(StaticReader(self, state))

    def gates(self, word: str) -> Floats:
        """Return a word's share of the gates, shape (3·width,)."""
        found = self.cache.get(word)
        if found is None:
            found = self.recurrence.gates(self.vectors.of(word))
            if len(self.cache) < _CACHED_WORDS:
                self.cache[word] = found
        return found

    def score_many(self, texts: Sequence[str], contexts: Sequence[Sequence[Message]]) -> NDArray[np.float64]:
        """Return each finished text's score, shape (n,), as a session gives it at its end.

        One after another: a step for one stream costs some 20 µs, less than padding batches of them does.

        Args:
            texts: What sessions would be pushed, n of them.
            contexts: The conversation of each, n of them; ignored unless this is an exchange classifier.
        """
        pairs = zip(texts, contexts, strict=True)
        return np.array([score_text(self, text, context) for text, context in pairs], dtype=np.float64)

    def _context_gates(self, context: Sequence[Message]) -> list[Floats]:
        if self.side != "exchange" or not self.settings.context_words:
            return []
        words = cut_words(input_text(context))[-self.settings.context_words :]
        marked = self.recurrence.context
        return [self.gates(word) + marked for word in words]


def load_static(folder: Path) -> StaticClassifier:
    """Load a saved static classifier.

    Raises:
        ArtifactError: If a file is missing, damaged or does not fit the settings.
    """
    try:
        settings = StaticSettings.model_validate(read_json(folder / "config.json"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ArtifactError(f"{folder}/config.json: {where}: {first['msg']}; rebuild the release") from None
    try:
        tensors = load_file(folder / "model.safetensors")
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # tokenizers raises bare Exception
        raise ArtifactError(f"{folder}: model or tokenizer cannot be read ({error}); rebuild the release") from None
    for name, shape in tensor_shapes(settings).items():
        if name not in tensors or tensors[name].shape[-len(shape) :] != shape:
            raise ArtifactError(f"{folder}/model.safetensors: {name} is not of shape {shape}; rebuild the release")
    recurrence = Recurrence(
        inputs=tensors["inputs"],
        context=tensors["context"],
        states=tensors["states"],
        input_bias=tensors["input_bias"],
        state_bias=tensors["state_bias"],
        head=tensors["head"],
        head_bias=float(tensors["head_bias"].item()),
    )
    return StaticClassifier(settings, WordVectors(tokenizer, tensors["embedding"]), recurrence)


def tensor_shapes(settings: StaticSettings) -> dict[str, tuple[int, ...]]:
    """Return the trailing shape of each saved tensor; all but `embedding` are fields of `Recurrence`."""
    width, gates = settings.width, 3 * settings.width
    return {
        "embedding": (settings.dimensions,),
        "inputs": (gates, settings.dimensions),
        "context": (gates,),
        "states": (gates, width),
        "input_bias": (gates,),
        "state_bias": (gates,),
        "head": (width,),
        "head_bias": (1,),
    }
