"""Parts of the MiniLM classifier: its settings, WordPiece word by word, and the loaded graph."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from pydantic import Field, ValidationError
from tokenizers import Tokenizer

from gruyere.classifiers.serving.sessions import input_text
from gruyere.store import read_json
from gruyere.values import ArtifactError, Message, Side, Value, cut_words

_CACHED_WORDS = 65_536


class MinilmSettings(Value):
    """A bidirectional encoder over windows of tokens."""

    kind: Literal["minilm"] = "minilm"
    side: Side
    window: int = Field(ge=1)
    """Tokens of one window of the text that is read, special and context tokens aside."""
    first: int = Field(ge=1)
    """Tokens after which the first window is judged; at most `window`."""
    stride: int = Field(ge=1)
    """Fresh tokens after which a further window is judged."""
    context: int = Field(ge=0)
    """Newest tokens of the conversation that stand before each window; 0 unless the side is exchange."""


@dataclass(frozen=True, slots=True)
class WordPieces:
    """A WordPiece tokenizer used word by word, which gives the same pieces as the whole text does."""

    tokenizer: Tokenizer
    cache: dict[str, tuple[int, ...]] = field(default_factory=dict, repr=False, compare=False)

    def of(self, word: str) -> tuple[int, ...]:
        """Return the ids of a word's pieces; none for white space."""
        key = word.strip()
        found = self.cache.get(key)
        if found is None:
            # A lone surrogate cannot reach the tokenizer, which is strict about UTF-8.
            clean = key.encode("utf-8", "replace").decode("utf-8")
            found = tuple(self.tokenizer.encode(clean, add_special_tokens=False).ids)
            if len(self.cache) < _CACHED_WORDS:
                self.cache[key] = found
        return found

    def special(self, token: str) -> int:
        """Return the id of `[CLS]` or `[SEP]`.

        Raises:
            ArtifactError: If the vocabulary lacks it.
        """
        number = self.tokenizer.token_to_id(token)
        if number is None:
            raise ArtifactError(f"tokenizer.json: no {token} in the vocabulary; restore or rebuild it")
        return int(number)


def load_pieces(path: Path) -> WordPieces:
    """Load a tokenizer; its padding and truncation, if any, are switched off."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return WordPieces(tokenizer)


def newest_tokens(pieces: WordPieces, context: Sequence[Message], longest: int) -> list[int]:
    """Return the last `longest` tokens of a conversation."""
    if longest == 0:
        return []
    newest: list[int] = []
    for word in reversed(cut_words(input_text(context))):
        newest[:0] = pieces.of(word)
        if len(newest) >= longest:
            break
    return newest[-longest:]


def framed(pieces: WordPieces, context: Sequence[int] | None, window: Sequence[int]) -> list[int]:
    """Return what the encoder reads: [CLS] text [SEP] of an input, [CLS] context [SEP] text [SEP] of a response.

    Args:
        context: Tokens before the response, empty for an output classifier; None for an input.
    """
    first, last = pieces.special("[CLS]"), pieces.special("[SEP]")
    return [first, *window, last] if context is None else [first, *context, last, *window, last]


@dataclass(frozen=True, slots=True)
class Graph:
    """An ONNX graph in onnxruntime; safe to run from several threads."""

    session: onnxruntime.InferenceSession

    def run(self, feed: dict[str, NDArray[np.generic]]) -> list[NDArray[np.float32]]:
        """Run it; all outputs in the graph's order."""
        outputs: list[NDArray[np.float32]] = self.session.run(None, feed)
        return outputs


def graph_of(model: bytes, threads: int) -> Graph:
    """Load a serialized graph for the CPU, with that many threads for one operation."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Idle threads must not spin: the guarded model often runs on the same cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return Graph(onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"]))


def read_folder(folder: Path, threads: int) -> tuple[MinilmSettings, WordPieces, Graph]:
    """Read `config.json`, `tokenizer.json` and `model.onnx`.

    Raises:
        ArtifactError: If a file is missing or damaged.
    """
    try:
        settings = MinilmSettings.model_validate(read_json(folder / "config.json"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ArtifactError(f"{folder}/config.json: {where}: {first['msg']}; rebuild the release") from None
    try:
        pieces = load_pieces(folder / "tokenizer.json")
        graph = graph_of((folder / "model.onnx").read_bytes(), threads)
    except Exception as error:  # tokenizers and onnxruntime raise kinds of their own
        reason = str(error).splitlines()[0]
        raise ArtifactError(f"{folder}: model or tokenizer cannot be read ({reason}); rebuild the release") from None
    return settings, pieces, graph
