"""Train the linear classifier with any of the three streaming objectives."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from gruyere.classifiers.serving.features import BUCKETS, FeatureReader
from gruyere.classifiers.serving.linear import (
    CONTEXT_WORDS,
    LinearClassifier,
    LinearSettings,
    Table,
)
from gruyere.classifiers.serving.sessions import input_text
from gruyere.classifiers.training.batches import bucketed, check_labels, draw_epoch
from gruyere.classifiers.training.losses import Objective, streaming_loss
from gruyere.classifiers.training.texts import TrainText
from gruyere.values import Side, Value, cut_words


class LinearConfig(Value):
    """How a linear classifier is trained."""

    kind: Literal["linear"] = "linear"
    objective: Objective = "sliding_softmax"
    window: int = Field(default=48, ge=1)
    """M: words whose evidence is summed."""
    kappa: float = Field(default=3000.0, ge=0)
    """Prior weight in the window's norm, in units of squared idf: damps the logit of the first few words."""
    inverse_penalty: float = Field(default=30.0, gt=0)
    """C of the L2 penalty ||w||²/(2·C·texts)."""
    epochs: int = Field(default=20, ge=1)
    learning_rate: float = Field(default=0.3, gt=0)
    batch: int = Field(default=256, ge=1)


@dataclass(frozen=True, slots=True)
class _Bags:
    """Features of many words, flattened: word i owns features[starts[i] : starts[i + 1]]."""

    features: NDArray[np.int32]
    starts: NDArray[np.int64]


def _bags(text: str, limit: int | None = None) -> _Bags:
    reader = FeatureReader()
    words = cut_words(text)
    rows = [reader.read(word) for word in (words if limit is None else words[-limit:])]
    lengths = np.fromiter((len(row) for row in rows), dtype=np.int64, count=len(rows))
    flat = np.fromiter((f for row in rows for f in row), dtype=np.int32, count=int(lengths.sum()))
    return _Bags(flat, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


class _Weights(nn.Module):
    """One weight per bucket, idf-scaled; sums weights and powers over bags."""

    def __init__(self, idf: NDArray[np.float32]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(BUCKETS, 1))
        self.idf: Tensor = torch.from_numpy(idf)

    def sums(self, bags: Sequence[_Bags], *, whole: bool) -> tuple[Tensor, Tensor]:
        """Return Σ weight and Σ power per word, or per text where `whole`; shape (bags,)."""
        features = torch.from_numpy(np.concatenate([b.features for b in bags]).astype(np.int64))
        counts = [len(b.features) for b in bags]
        begins = np.concatenate([[0], np.cumsum(counts)])[:-1]
        if whole:
            offsets = begins
        else:
            offsets = np.concatenate([b.starts[:-1] + begin for b, begin in zip(bags, begins, strict=True)])
        at = torch.from_numpy(offsets.astype(np.int64))
        idf = self.idf[features]
        evidence = functional.embedding_bag(features, self.weight, at, mode="sum", per_sample_weights=idf)
        power = functional.embedding_bag(features, self.idf[:, None] ** 2, at, mode="sum")
        return evidence[:, 0], power[:, 0]

    def table(self) -> Table:
        weight = (self.weight.detach()[:, 0] * self.idf).numpy().astype(np.float32)
        return Table(weight, (self.idf**2).numpy().astype(np.float32))


def _idf(bags: Sequence[_Bags]) -> NDArray[np.float32]:
    seen = np.zeros(BUCKETS)
    for bag in bags:
        seen[np.unique(bag.features)] += 1
    return (np.log((1 + len(bags)) / (1 + seen)) + 1).astype(np.float32)


class _Model(nn.Module):
    def __init__(self, config: LinearConfig, texts: Sequence[_Bags], contexts: Sequence[_Bags] | None) -> None:
        super().__init__()
        self.config = config
        self.response = _Weights(_idf(texts))
        self.context = _Weights(_idf(contexts)) if contexts is not None else None
        self.bias = nn.Parameter(torch.tensor(-1.0))

    def forward(self, texts: Sequence[_Bags], contexts: Sequence[_Bags] | None) -> tuple[Tensor, Tensor]:
        """Return windowed logits and mask, both of shape (texts, longest text in words)."""
        evidence, power = self.response.sums(texts, whole=False)
        lengths = [len(b.starts) - 1 for b in texts]
        shape = (len(texts), max(lengths))
        mask = torch.arange(shape[1])[None, :] < torch.tensor(lengths)[:, None]
        evidence = torch.zeros(shape).masked_scatter(mask, evidence)
        power = torch.zeros(shape).masked_scatter(mask, power)
        logits = self.bias + self._window(evidence) / torch.sqrt(self._window(power) + self.config.kappa + 1e-6)
        if self.context is not None and contexts is not None:
            total, norm = self.context.sums(contexts, whole=True)
            logits = logits + (total / torch.sqrt(norm + self.config.kappa + 1e-6))[:, None]
        return logits, mask

    def _window(self, values: Tensor) -> Tensor:
        """Sum the last M columns: (texts, words) to the same shape."""
        sums = functional.pad(values.double(), (1, 0)).cumsum(1)
        index = torch.arange(1, values.shape[1] + 1)
        return (sums[:, index] - sums[:, (index - self.config.window).clamp(min=0)]).float()

    def penalty(self) -> Tensor:
        total = self.response.weight.square().sum()
        return total if self.context is None else total + self.context.weight.square().sum()


def train_linear(
    texts: Sequence[TrainText],
    side: Side,
    config: LinearConfig,
    seed: int = 0,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> LinearClassifier:
    """Train on labelled texts; repeatable under a seed.

    Raises:
        UsageError: If there are no texts of one of the two labels, or a label or weight lies outside its range.
    """
    check_labels(texts, side)
    torch.manual_seed(seed)
    rng = random.Random(seed)
    kept = [t for t in texts if t.text.strip()]
    bags = [_bags(t.text) for t in kept]
    contexts = [_bags(input_text(t.context), CONTEXT_WORDS) for t in kept] if side == "exchange" else None
    labels = torch.tensor([t.label for t in kept])
    model = _Model(config, bags, contexts)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, betas=(0.9, 0.99))
    lengths = [len(bag.starts) for bag in bags]
    weights = [t.weight for t in kept]
    strength = 0.5 / (config.inverse_penalty * len(kept))
    for epoch in range(config.epochs):
        done = (epoch + 1) / config.epochs
        progress(f"training linear {side}", epoch, config.epochs)
        for batch in bucketed(draw_epoch(weights, rng), lengths, config.batch, rng):
            chosen = [contexts[i] for i in batch] if contexts is not None else None
            logits, mask = model([bags[i] for i in batch], chosen)
            loss = streaming_loss(config.objective, logits, mask, labels[batch], omega=done)
            optimizer.zero_grad()
            total = loss + strength * model.penalty()
            total.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        for group in optimizer.param_groups:
            group["lr"] = max(1e-3, config.learning_rate * (1 - done))
    settings = LinearSettings(side=side, window=config.window, kappa=config.kappa, bias=model.bias.item())
    return LinearClassifier(
        settings, model.response.table(), model.context.table() if model.context is not None else None
    )
