"""What the torch backbones share: label checks, and batches of texts of like length."""

import math
import random
from collections.abc import Sequence

from gruyere.classifiers.training.texts import TrainText
from gruyere.values import Side, UsageError


def check_labels(texts: Sequence[TrainText], side: Side) -> None:
    """Check that there is something to learn.

    Raises:
        UsageError: If one of the two labels is absent, a label lies outside [0, 1] or a weight is not positive.
    """
    harmful = sum(t.label > 0.5 for t in texts)
    if harmful == 0 or harmful == len(texts):
        raise UsageError(
            f"training the {side} classifier needs harmful and harmless texts, got {harmful} of {len(texts)} harmful; "
            "check the constitution's two sides and the splits"
        )
    if not all(math.isfinite(t.label) and 0 <= t.label <= 1 for t in texts):
        raise UsageError(f"training the {side} classifier: a label lies outside [0, 1]")
    if not all(math.isfinite(t.weight) and t.weight > 0 for t in texts):
        raise UsageError(f"training the {side} classifier: a weight is not greater than 0; leave such texts out")


def draw_epoch(weights: Sequence[float], rng: random.Random) -> list[int]:
    """Return the texts of one epoch: each once where all weigh the same, else drawn by weight."""
    everyone = range(len(weights))
    if min(weights) == max(weights):
        return rng.sample(everyone, len(weights))
    return rng.choices(everyone, weights=weights, k=len(weights))


def bucketed(order: Sequence[int], lengths: Sequence[int], size: int, rng: random.Random) -> list[list[int]]:
    """Cut an epoch into batches of like length, in random order; ties keep the epoch's order."""
    ranked = sorted(order, key=lambda i: lengths[i])
    batches = [ranked[start : start + size] for start in range(0, len(ranked), size)]
    rng.shuffle(batches)
    return batches
