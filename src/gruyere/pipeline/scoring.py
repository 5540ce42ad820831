"""Scores of many exchanges, views included, exactly as the guard would see them."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from gruyere.classifiers.serving.sessions import Classifier
from gruyere.classifiers.training.calibration import SIDES, Scores
from gruyere.guard import score_exchange
from gruyere.values import Exchange, Side

T = TypeVar("T")
R = TypeVar("R")


def on_all_cores(work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Map over items in order, one thread a core: the encoders compute outside of Python's lock."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(work, items)


def score_all(
    classifiers: Mapping[Side, Classifier],
    exchanges: Sequence[Exchange],
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Scores:
    """Return scores of shape (exchanges, 3) in the order of SIDES; -1 where a side is absent."""
    rows = np.full((len(exchanges), len(SIDES)), -1.0)
    for number, scores in enumerate(on_all_cores(lambda exchange: score_exchange(classifiers, exchange), exchanges)):
        for column, value in enumerate((scores.input, scores.output, scores.exchange)):
            if value is not None:
                rows[number, column] = value
        progress(number + 1, len(exchanges))
    return rows
