"""Train the static classifier: a causal GRU on wordllama's frozen embeddings, by any of the three objectives.

The embeddings are the wordllama package's 32,000 × 256 table, read from its files; a release holds a copy
of them in half precision, so serving needs neither the package nor torch.
"""

import importlib.util
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import torch
from pydantic import Field
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from gruyere.classifiers.serving.sessions import input_text
from gruyere.classifiers.serving.static import (
    Floats,
    Recurrence,
    StaticClassifier,
    StaticSettings,
    WordVectors,
    tensor_shapes,
)
from gruyere.classifiers.training.batches import bucketed, check_labels, draw_epoch
from gruyere.classifiers.training.losses import Objective, streaming_loss
from gruyere.classifiers.training.static_graph import step_model
from gruyere.classifiers.training.texts import TrainText
from gruyere.store import atomic_path, file_digest, write_json
from gruyere.values import Side, UsageError, Value, cut_words

_EMBEDDINGS = "weights/l2_supercat_256.safetensors"
_TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
_DIGESTS = {
    _EMBEDDINGS: "64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5",
    _TOKENIZER: "93248f2a9ec36c7b35f700a033d5f36228aae48db61aee31007fa49062cdeb68",
}


class StaticConfig(Value):
    """How a static classifier is trained."""

    kind: Literal["static"] = "static"
    objective: Objective = "sliding_softmax"
    width: int = Field(default=128, ge=1)
    """Length of the GRU's state."""
    window: int = Field(default=16, ge=1)
    """M: logits averaged by `sliding_softmax`; the others judge each word by itself."""
    prior: float = -3.0
    """Logit that stands for each word the window does not have yet."""
    context_words: int = Field(default=128, ge=0)
    """Newest words of the conversation that an exchange classifier reads."""
    longest: int = Field(default=512, ge=1)
    """Words of a text that training reads; serving reads all."""
    dropout: float = Field(default=0.3, ge=0, lt=1)
    epochs: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=1e-2, ge=0)
    batch: int = Field(default=64, ge=1)


@dataclass(frozen=True, slots=True)
class TrainedStatic:
    """A trained static classifier; `save` makes a folder that `load_static` reads."""

    classifier: StaticClassifier

    def save(self, folder: Path) -> None:
        """Write `config.json`, `tokenizer.json`, `model.safetensors` and the step as `model.onnx`."""
        classifier = self.classifier
        recurrence = classifier.recurrence
        tensors = {name: getattr(recurrence, name) for name in list(tensor_shapes(classifier.settings))[1:-1]}
        tensors["head_bias"] = np.array([recurrence.head_bias], dtype=np.float32)
        tensors["embedding"] = classifier.vectors.table
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(folder / "model.safetensors") as partial:
            save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, partial)
        with atomic_path(folder / "tokenizer.json") as partial:
            classifier.vectors.tokenizer.save(str(partial))
        with atomic_path(folder / "model.onnx") as partial:
            onnx.save(step_model(classifier.settings, recurrence), partial)
        write_json(folder / "config.json", classifier.settings.model_dump(mode="json"))


def wordllama_vectors() -> WordVectors:
    """Return wordllama's embeddings, shape (32000, 256), and tokenizer.

    Raises:
        UsageError: If the package is missing or a file is not the known one.
    """
    found = importlib.util.find_spec("wordllama")
    if found is None or not found.submodule_search_locations:
        raise UsageError("the static backbone needs wordllama's embeddings; run `pip install --no-deps wordllama`")
    folder = Path(found.submodule_search_locations[0])
    for name, digest in _DIGESTS.items():
        if not (folder / name).is_file() or file_digest(folder / name) != digest:
            raise UsageError(f"{folder / name}: not the known file; reinstall wordllama 0.4")
    table = load_file(folder / _EMBEDDINGS)["embedding.weight"]
    return WordVectors(Tokenizer.from_file(str(folder / _TOKENIZER)), table.astype(np.float16))


@dataclass(frozen=True, slots=True)
class _Text:
    """A text in word numbers: rows of the table of distinct words' vectors."""

    words: Tensor
    context: Tensor


class _Reader:
    """Numbers distinct words and keeps their vectors, shape (distinct words, dimensions)."""

    def __init__(self, vectors: WordVectors) -> None:
        self.vectors = vectors
        self.numbers: dict[str, int] = {}
        self.rows: list[Floats] = []

    def read(self, words: Sequence[str]) -> Tensor:
        numbers = []
        for word in words:
            if word not in self.numbers:
                self.numbers[word] = len(self.rows)
                self.rows.append(self.vectors.of(word))
            numbers.append(self.numbers[word])
        return torch.tensor(numbers, dtype=torch.long)


class _Model(nn.Module):
    """A GRU over word vectors; one more input marks the words of the context."""

    def __init__(self, config: StaticConfig, side: Side, dimensions: int) -> None:
        super().__init__()
        self.config = config
        self.window = config.window if config.objective == "sliding_softmax" else 1
        self.side = side
        self.gru = nn.GRU(dimensions + 1, config.width, batch_first=True)
        self.head = nn.Linear(config.width, 1)
        nn.init.constant_(self.head.bias, -1.0)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, vectors: Tensor, context: Tensor, lengths: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """Return windowed logits and mask, shape (texts, words).

        Args:
            vectors: Word vectors, context first, shape (texts, words, dimensions).
            context: 1 where a word is of the context, shape (texts, words).
            lengths: Words of each text, its context included, shape (texts,).
            before: Words of each context, shape (texts,).
        """
        states, _ = self.gru(torch.cat([self.dropout(vectors), context[..., None]], dim=2))
        logits = self.head(self.dropout(states))[..., 0]
        position = torch.arange(logits.shape[1])[None, :]
        mask = (position >= before[:, None]) & (position < lengths[:, None])
        return self._windowed(logits, mask), mask

    def _windowed(self, logits: Tensor, mask: Tensor) -> Tensor:
        """Mean of the last M logits; words before the response count as the prior."""
        if self.window == 1:
            return logits
        filled = functional.pad(
            logits.masked_fill(~mask, self.config.prior), (self.window - 1, 0), value=self.config.prior
        )
        return filled.unfold(1, self.window, 1).mean(dim=2)

    def settings(self) -> StaticSettings:
        return StaticSettings(
            side=self.side,
            width=self.config.width,
            dimensions=self.gru.input_size - 1,
            window=self.window,
            prior=self.config.prior,
            context_words=self.config.context_words if self.side == "exchange" else 0,
        )

    def recurrence(self) -> Recurrence:
        """Return the weights as serving wants them: the context's column apart."""
        own = self.gru.state_dict()
        inputs = _array(own["weight_ih_l0"])
        return Recurrence(
            inputs=np.ascontiguousarray(inputs[:, :-1]),
            context=np.ascontiguousarray(inputs[:, -1]),
            states=_array(own["weight_hh_l0"]),
            input_bias=_array(own["bias_ih_l0"]),
            state_bias=_array(own["bias_hh_l0"]),
            head=_array(self.head.weight)[0],
            head_bias=float(self.head.bias.item()),
        )


def _array(tensor: Tensor) -> Floats:
    array: Floats = tensor.detach().numpy().astype(np.float32)
    return array


def train_static(
    texts: Sequence[TrainText],
    side: Side,
    config: StaticConfig,
    seed: int = 0,
    progress: Callable[[str, int, int], None] = lambda *_: None,
    vectors: WordVectors | None = None,
) -> TrainedStatic:
    """Train on labelled texts; repeatable under a seed.

    Args:
        vectors: Embeddings to use instead of wordllama's.

    Raises:
        UsageError: If one of the two labels is absent, or the embeddings are.
    """
    kept = [t for t in texts if t.text.strip()]
    check_labels(kept, side)
    reader = _Reader(vectors if vectors is not None else wordllama_vectors())
    read = [_read(reader, t, side, config) for t in kept]
    table = torch.from_numpy(np.stack(reader.rows))
    rng = random.Random(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _Model(config, side, table.shape[1])
        _fit(model, read, table, kept, rng, progress)
    model.eval()
    return TrainedStatic(StaticClassifier(model.settings(), reader.vectors, model.recurrence()))


def _read(reader: _Reader, text: TrainText, side: Side, config: StaticConfig) -> _Text:
    context: list[str] = []
    if side == "exchange" and config.context_words:
        context = cut_words(input_text(text.context))[-config.context_words :]
    words = [word for word in cut_words(text.text)[: config.longest] if not word.isspace()]
    return _Text(reader.read(words), reader.read(context))


def _fit(
    model: _Model,
    read: Sequence[_Text],
    table: Tensor,
    texts: Sequence[TrainText],
    rng: random.Random,
    progress: Callable[[str, int, int], None],
) -> None:
    """Minimise the objective over the epochs, the learning rate falling to zero along a cosine."""
    config = model.config
    weights = [t.weight for t in texts]
    labels = torch.tensor([t.label for t in texts], dtype=torch.float32)
    lengths = [len(t.words) + len(t.context) for t in read]
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    steps = config.epochs * -(-len(read) // config.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for epoch in range(config.epochs):
        progress(f"training static {model.side}", epoch, config.epochs)
        for batch in bucketed(draw_epoch(weights, rng), lengths, config.batch, rng):
            logits, mask = model(*_padded([read[i] for i in batch], table))
            omega = (epoch + 1) / config.epochs
            loss = streaming_loss(config.objective, logits, mask, labels[batch], omega=omega)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    progress(f"training static {model.side}", config.epochs, config.epochs)


def _padded(texts: Sequence[_Text], table: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return what `_Model.forward` takes."""
    before = torch.tensor([len(t.context) for t in texts])
    whole = [torch.cat([t.context, t.words]) for t in texts]
    lengths = torch.tensor([len(w) for w in whole])
    numbers = nn.utils.rnn.pad_sequence(whole, batch_first=True)
    context = (torch.arange(numbers.shape[1])[None, :] < before[:, None]).float()
    return table[numbers], context, lengths, before
