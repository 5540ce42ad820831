"""The three objectives against what one can work out by hand."""

import math

import pytest
import torch
from torch import Tensor

from gruyere.classifiers.training.losses import (
    Objective,
    cumulative_max_loss,
    sliding_softmax_loss,
    streaming_loss,
    token_loss,
)

ALL = torch.ones(1, 3, dtype=torch.bool)
HARMFUL, HARMLESS = torch.tensor([1.0]), torch.tensor([0.0])
OBJECTIVES: tuple[Objective, ...] = ("token", "cumulative_max", "sliding_softmax")


def logits(*values: float) -> Tensor:
    """Return one text's logits, shape (1, words)."""
    return torch.tensor([values], dtype=torch.float32, requires_grad=True)


def entropy(logit: float, label: float) -> float:
    """Return the cross-entropy of one logit."""
    p = 1 / (1 + math.exp(-logit))
    return -label * math.log(p) - (1 - label) * math.log(1 - p)


def test_token_loss_is_the_mean_over_words() -> None:
    expected = (entropy(-1, 1) + entropy(0, 1) + entropy(2, 1)) / 3
    assert token_loss(logits(-1, 0, 2), ALL, HARMFUL).item() == pytest.approx(expected, rel=1e-5)


def test_a_long_text_weighs_as_much_as_a_short_one() -> None:
    mask = torch.tensor([[True, True, True], [True, False, False]])
    values = torch.tensor([[1.0, 1.0, 1.0], [-1.0, 9.0, 9.0]])
    expected = (entropy(1, 0) + entropy(-1, 0)) / 2
    assert token_loss(values, mask, torch.zeros(2)).item() == pytest.approx(expected, rel=1e-5)


def test_cumulative_max_at_its_start_is_the_token_loss_and_at_its_end_follows_the_peak() -> None:
    start = cumulative_max_loss(logits(2, -1, 0), ALL, HARMLESS, omega=0.0)
    assert start.item() == pytest.approx(token_loss(logits(2, -1, 0), ALL, HARMLESS).item(), rel=1e-5)
    end = cumulative_max_loss(logits(2, -1, 0), ALL, HARMLESS, omega=1.0)
    assert end.item() == pytest.approx(entropy(2, 0), rel=1e-5)


def test_a_later_word_cannot_undo_a_peak() -> None:
    calm = cumulative_max_loss(logits(3, -20, -20), ALL, HARMFUL, omega=1.0)
    steady = cumulative_max_loss(logits(3, 3, 3), ALL, HARMFUL, omega=1.0)
    assert calm.item() == pytest.approx(steady.item(), rel=1e-5)


def test_sliding_softmax_looks_where_the_evidence_is() -> None:
    weights = torch.softmax(torch.tensor([4.0, 0.0, 0.0]), 0)
    expected = sum(w * entropy(z, 1) for w, z in zip(weights.tolist(), (4, 0, 0), strict=True))
    assert sliding_softmax_loss(logits(4, 0, 0), ALL, HARMFUL).item() == pytest.approx(expected, rel=1e-5)


def test_sliding_softmax_pushes_the_strongest_window_of_a_harmless_text_most() -> None:
    values = logits(4, 0, -4)
    sliding_softmax_loss(values, ALL, HARMLESS).backward()  # type: ignore[no-untyped-call]
    assert values.grad is not None
    gradient = values.grad[0]
    assert gradient[0] > gradient[1] > gradient[2] > 0


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_padding_changes_nothing(objective: Objective) -> None:
    mask = torch.tensor([[True, True, False]])
    losses = {
        streaming_loss(objective, logits(1, -2, padding), mask, HARMFUL, omega=0.5).item()
        for padding in (-50.0, 0.0, 50.0)
    }
    assert len(losses) == 1


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_soft_labels_lie_between_the_hard_ones(objective: Objective) -> None:
    def loss(label: float) -> float:
        return streaming_loss(objective, logits(1, 2, 3), ALL, torch.tensor([label]), omega=0.5).item()

    assert loss(1.0) < loss(0.7) < loss(0.0)
    assert loss(0.5) == pytest.approx((loss(0.0) + loss(1.0)) / 2, rel=1e-5)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_certain_and_wrong_stays_finite(objective: Objective) -> None:
    values = logits(90, 90, 90)
    loss = streaming_loss(objective, values, ALL, HARMLESS, omega=1.0)
    loss.backward()  # type: ignore[no-untyped-call]
    assert values.grad is not None
    assert torch.isfinite(loss)
    assert torch.isfinite(values.grad).all()
