"""What both MiniLM forms share: settings, WordPiece word by word, and the loaded graph."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter, ValidationError
from tokenizers import Tokenizer

from gruyere.store import read_json
from gruyere.values import ArtifactError, Side, Value

_CACHED_WORDS = 65_536


class EncoderSettings(Value):
    """A bidirectional encoder over windows of tokens."""

    kind: Literal["minilm"] = "minilm"
    form: Literal["encoder"] = "encoder"
    side: Side
    window: int = Field(ge=1)
    """Tokens of one window, the two special ones aside."""
    stride: int = Field(ge=1)
    """Fresh tokens after which a further window is judged."""


class StreamSettings(Value):
    """A causal stream with a key-value cache and a linear head over the last words."""

    kind: Literal["minilm"] = "minilm"
    form: Literal["stream"] = "stream"
    side: Side
    layers: int = Field(ge=1)
    """Transformer blocks that are run, hence caches kept."""
    heads: int = Field(ge=1)
    size: int = Field(ge=1)
    """Length of one head's keys."""
    window: int = Field(ge=1)
    """M: words whose evidence is averaged."""
    damping: float = Field(ge=0)
    """Words of average evidence added to the mean, so that a few words do not weigh as much as many."""
    segment: int = Field(ge=2)
    """Tokens of the response in the cache at which it is begun afresh."""
    overlap: int = Field(ge=0)
    """Tokens read again into a fresh cache."""
    context_tokens: int = Field(ge=0)
    """Newest tokens of the conversation read before the response; 0 unless the side is exchange."""
    bias: float
    shift: float
    """Evidence of an average word, subtracted from each."""
    context_shift: float = 0.0


MinilmSettings = Annotated[EncoderSettings | StreamSettings, Field(discriminator="form")]


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


def read_folder(folder: Path, threads: int) -> tuple[EncoderSettings | StreamSettings, WordPieces, Graph]:
    """Read `config.json`, `tokenizer.json` and `model.onnx`.

    Raises:
        ArtifactError: If a file is missing or damaged.
    """
    adapter: TypeAdapter[EncoderSettings | StreamSettings] = TypeAdapter(MinilmSettings)
    try:
        settings = adapter.validate_python(read_json(folder / "config.json"))
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
