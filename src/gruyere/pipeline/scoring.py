"""Scores of many exchanges, views included, exactly as the guard would see them."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from gruyere.classifiers.serving.sessions import Classifier
from gruyere.classifiers.training.calibration import SIDES, Scores
from gruyere.guard import score_exchange
from gruyere.values import Exchange, Side


def score_all(
    classifiers: Mapping[Side, Classifier],
    exchanges: Sequence[Exchange],
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Scores:
    """Return scores of shape (exchanges, 3) in the order of SIDES; -1 where a side is absent."""
    rows = np.full((len(exchanges), len(SIDES)), -1.0)
    for number, exchange in enumerate(exchanges):
        scores = score_exchange(classifiers, exchange)
        for column, value in enumerate((scores.input, scores.output, scores.exchange)):
            if value is not None:
                rows[number, column] = value
        progress(number + 1, len(exchanges))
    return rows
