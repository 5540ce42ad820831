"""Train the linear head of MiniLM's causal stream on frozen features.

The features come from the very graph that serving runs, segment by segment. Each text gives the damped
windowed mean of its words' features at every sixteenth word; the head's logits there go to the objective.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor

from gruyere.classifiers.serving.minilm_stream import Cache, prefix_ids
from gruyere.classifiers.serving.wordpieces import Graph, StreamSettings, WordPieces, graph_of
from gruyere.classifiers.training.losses import Objective, streaming_loss
from gruyere.classifiers.training.minilm_graph import BertShape, Weights, stream_graph
from gruyere.classifiers.training.texts import TrainText
from gruyere.values import Side, Value, cut_words

Floats = NDArray[np.float32]

_EVERY = 16
"""Words between two points that the head is trained on; neighbours share nearly all of their window."""


class StreamHead(Value):
    """How a stream's head is trained; fields as in `MinilmConfig`."""

    side: Side
    objective: Objective
    features: tuple[int, ...]
    window: int
    damping: float
    segment: int
    overlap: int
    context_tokens: int
    longest: int
    ridge: float
    steps: int

    def settings(self, shape: BertShape, bias: float = 0.0, shift: float = 0.0, context: float = 0.0) -> StreamSettings:
        """Return what serving needs to know."""
        return StreamSettings(
            side=self.side,
            layers=max(self.features),
            heads=shape.heads,
            size=shape.hidden // shape.heads,
            window=self.window,
            damping=self.damping,
            segment=self.segment,
            overlap=self.overlap,
            context_tokens=self.context_tokens,
            bias=bias,
            shift=shift,
            context_shift=context,
        )


@dataclass(frozen=True, slots=True)
class _Features:
    """One text's features, standardisation aside."""

    windows: Floats
    """Sum over the window / (words + damping), shape (points, columns)."""
    shares: Floats
    """words / (words + damping) of each point, shape (points, 1): how much of the mean is to be taken off."""
    context: Floats
    """Mean over the context's tokens, shape (columns,); zeros without a context."""


def train_stream(
    texts: Sequence[TrainText],
    head: StreamHead,
    shape: BertShape,
    weights: Weights,
    pieces: WordPieces,
    progress: Callable[[str, int, int], None],
) -> tuple[StreamSettings, onnx.ModelProto]:
    """Return the settings and the graph of a stream trained on labelled texts."""
    model = stream_graph(shape, weights, head.features, None)
    graph = graph_of(model.SerializeToString(), torch.get_num_threads())
    features = []
    for number, text in enumerate(texts):
        progress(f"reading minilm features of the {head.side} side", number, len(texts))
        features.append(_features(text, head, head.settings(shape), graph, pieces))
    progress(f"reading minilm features of the {head.side} side", len(texts), len(texts))
    labels = torch.tensor([t.label for t in texts], dtype=torch.float32)
    importance = torch.tensor([t.weight for t in texts], dtype=torch.float32)
    response, context, bias, shifts = _fit(features, labels, importance, head)
    columns = response[None] if not head.context_tokens else np.stack([response, context])
    settings = head.settings(shape, bias, *shifts)
    return settings, stream_graph(shape, weights, head.features, columns)


def _features(
    text: TrainText, head: StreamHead, settings: StreamSettings, graph: Graph, pieces: WordPieces
) -> _Features:
    before, prefix = Cache.empty(settings).read(graph, prefix_ids(pieces, text.context, head.context_tokens))
    words = [ids for word in cut_words(text.text)[: head.longest] if (ids := pieces.of(word))]
    rows = [
        features
        for start, stop, again in segments([len(w) for w in words], head.segment, head.overlap)
        for features in _segment(words, start, stop, again, prefix, graph)
    ]
    count = np.arange(1, len(rows) + 1)
    sums = np.concatenate(
        [np.zeros((1, before.shape[1])), np.cumsum(np.array(rows).reshape(-1, before.shape[1]), axis=0)]
    )
    inside = np.minimum(count, head.window)
    windows = (sums[count] - sums[count - inside]) / (inside + head.damping)[:, None]
    points = sorted({*range(_EVERY - 1, len(rows), _EVERY), len(rows) - 1}) if rows else []
    shares = (inside / (inside + head.damping))[points, None]
    context = before.mean(0) if head.context_tokens else np.zeros(before.shape[1])
    return _Features(windows[points].astype(np.float32), shares.astype(np.float32), context.astype(np.float32))


def segments(lengths: Sequence[int], segment: int, overlap: int) -> list[tuple[int, int, int]]:
    """Return (first word, word after the last, tokens read again) of each fresh cache, as serving begins them."""
    spans = []
    start = held = again = seen = 0
    for number, length in enumerate(lengths):
        if held and held + length > segment:
            spans.append((start, number, again))
            start = number
            held = again = min(overlap, seen)
        held += length
        seen += length
    if lengths:
        spans.append((start, len(lengths), again))
    return spans


def _segment(
    words: Sequence[Sequence[int]], start: int, stop: int, again: int, prefix: Cache, graph: Graph
) -> list[Floats]:
    """Return the mean features of each word of one segment, read in one call."""
    recent: list[int] = []
    for word in reversed(words[:start]):
        if len(recent) >= again:
            break
        recent[:0] = word
    recent = recent[len(recent) - again :]
    ids = [token for word in words[start:stop] for token in word]
    features = prefix.read(graph, [*recent, *ids])[0][again:]
    bounds = np.cumsum([0, *(len(w) for w in words[start:stop])])
    return [features[low:high].mean(0) for low, high in zip(bounds[:-1], bounds[1:], strict=True)]


def _fit(
    features: Sequence[_Features], labels: Tensor, importance: Tensor, head: StreamHead
) -> tuple[Floats, Floats, float, tuple[float, float]]:
    """Return response and context weights on raw features, the bias, and the two shifts."""
    known = [f for f in features if len(f.windows)]
    kept = torch.tensor([bool(len(f.windows)) for f in features])
    mean, deviation = _moments(known)
    points = torch.from_numpy(np.concatenate([(f.windows - f.shares * mean) / deviation for f in known]))
    contexts = torch.from_numpy(np.stack([f.context for f in known]))
    middle, spread = contexts.mean(0), contexts.std(0, correction=0) + 1e-3
    weight, beside, bias = _descend(
        points,
        (contexts - middle) / spread if head.context_tokens else None,
        torch.tensor([len(f.windows) for f in known]),
        labels[kept],
        importance[kept],
        head,
    )
    response: Floats = (weight.numpy() / deviation).astype(np.float32)
    context: Floats = (beside / spread).numpy().astype(np.float32)
    return response, context, bias, (float(response @ mean), float(context @ middle.numpy()))


def _moments(features: Sequence[_Features]) -> tuple[Floats, Floats]:
    """Return mean and deviation of a word's features, judged by the texts' last full windows."""
    last = np.stack([f.windows[-1] / f.shares[-1] for f in features])
    return last.mean(0), last.std(0) + 1e-3


def _descend(
    points: Tensor, contexts: Tensor | None, lengths: Tensor, labels: Tensor, importance: Tensor, head: StreamHead
) -> tuple[Tensor, Tensor, float]:
    """Minimise objective and ridge by full-batch Adam; return response and context weights and the bias.

    Args:
        points: Standardised windows of all texts, one after another, shape (points, columns).
        contexts: Standardised contexts, shape (texts, columns), or None.
        lengths: Points of each text, shape (texts,).
        labels: Shape (texts,), in [0, 1].
        importance: Shape (texts,); where it differs, each step draws texts by it.
        head: The settings.
    """
    weight = torch.zeros(points.shape[1], requires_grad=True)
    beside = torch.zeros(points.shape[1], requires_grad=True)
    bias = torch.tensor(-1.0, requires_grad=True)
    optimizer = torch.optim.Adam([weight, beside, bias], lr=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, head.steps)
    mask = torch.arange(int(lengths.max()))[None, :] < lengths[:, None]
    even = bool((importance == importance[0]).all())
    for step in range(head.steps):
        logits = torch.zeros(mask.shape).masked_scatter(mask, points @ weight) + bias
        if contexts is not None:
            logits = logits + (contexts @ beside)[:, None]
        chosen = torch.arange(len(labels)) if even else torch.multinomial(importance, len(labels), replacement=True)
        omega = (step + 1) / head.steps
        loss = streaming_loss(head.objective, logits[chosen], mask[chosen], labels[chosen], omega=omega)
        total = loss + head.ridge * (weight.square().sum() + beside.square().sum())
        optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return weight.detach(), beside.detach(), float(bias.item())
