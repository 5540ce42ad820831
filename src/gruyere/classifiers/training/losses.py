"""The three training objectives for streaming heads, over per-word logits.

All take `logits` of shape (texts, words), `mask` of the same shape (True on response words)
and `labels` of shape (texts,) in [0, 1] (soft labels allowed), and return a scalar.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Objective = Literal["token", "cumulative_max", "sliding_softmax"]


def token_loss(logits: Tensor, mask: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of every word against its text's label; each text weighs the same."""
    losses = functional.binary_cross_entropy_with_logits(logits, labels[:, None].expand_as(logits), reduction="none")
    weights = mask / mask.sum(1, keepdim=True).clamp(min=1)
    return (losses * weights).sum() / len(labels)


def cumulative_max_loss(logits: Tensor, mask: Tensor, labels: Tensor, *, omega: float) -> Tensor:
    """Cross-entropy of p̂_t = (1−ω)·σ(z_t) + ω·max_{τ≤t} σ(z_τ), ω ramped from 0 to 1 by the caller.

    Source: Sharma et al. 2025 (arXiv 2501.18837).
    """
    scores = torch.sigmoid(logits.masked_fill(~mask, -30.0))
    running = scores.cummax(dim=1).values
    mixed = ((1 - omega) * scores + omega * running).clamp(1e-6, 1 - 1e-6)
    losses = functional.binary_cross_entropy(mixed, labels[:, None].expand_as(mixed), reduction="none")
    weights = mask / mask.sum(1, keepdim=True).clamp(min=1)
    return (losses * weights).sum() / len(labels)


def sliding_softmax_loss(logits: Tensor, mask: Tensor, labels: Tensor, *, temperature: float = 1.0) -> Tensor:
    """Cross-entropy of windowed logits, weighted over the words by softmax(z̄/τ).

    The caller passes logits that are already means over a sliding window of M words, so the
    loss falls where the evidence is: a harmful text needs one harmful window, a harmless one
    must have none.

    Source: Cunningham et al. 2026 (arXiv 2601.04603).
    """
    weights = torch.softmax(logits.detach().masked_fill(~mask, -torch.inf) / temperature, dim=1)
    losses = functional.binary_cross_entropy_with_logits(logits, labels[:, None].expand_as(logits), reduction="none")
    return (losses * torch.nan_to_num(weights)).sum() / len(labels)


def streaming_loss(objective: Objective, logits: Tensor, mask: Tensor, labels: Tensor, *, omega: float) -> Tensor:
    """Dispatch on the objective; `omega` in [0, 1] is the progress of training."""
    match objective:
        case "token":
            return token_loss(logits, mask, labels)
        case "cumulative_max":
            return cumulative_max_loss(logits, mask, labels, omega=omega)
        case "sliding_softmax":
            return sliding_softmax_loss(logits, mask, labels)
