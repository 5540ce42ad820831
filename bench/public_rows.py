"""Rows of the public data sets, and their input scores as the guard would see them."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from gruyere.classifiers.serving.release import Release
from gruyere.guard import score_input
from gruyere.store import read_json_lines
from gruyere.values import ArtifactError, Label, Message

_BATCH = 64


class PublicRow(BaseModel):
    """One row; columns that are not needed here pass unread."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    messages: tuple[Message, ...]
    label: Label


def read_rows(path: Path) -> list[PublicRow]:
    """Read a data set of one JSON object a line, gzipped or not.

    Raises:
        ArtifactError: Naming the line that has another form.
    """
    rows = []
    for number, content in read_json_lines(path):
        try:
            rows.append(PublicRow.model_validate(content))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            raise ArtifactError(f"{path}:{number}: {field}: {first['msg']}; fetch the data set again") from None
    return rows


def input_scores(
    release: Release,
    rows: Sequence[PublicRow],
    *,
    workers: int,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> NDArray[np.float64]:
    """Return the input score of every row, views included, shape (rows,), in order.

    Raises:
        ArtifactError: If the release has no input classifier.
    """
    if "input" not in release.classifiers:
        raise ArtifactError(f"{release.folder}: has no input classifier; build one with a [classifiers.input] table")
    batches = [[row.messages for row in rows[i : i + _BATCH]] for i in range(0, len(rows), _BATCH)]
    scores: list[float] = []
    for batch in _scored(release, batches, workers):
        scores += batch
        progress(len(scores), len(rows))
    return np.array(scores)


_Batch = Sequence[Sequence[Message]]


def _scored(release: Release, batches: Sequence[_Batch], workers: int) -> Iterator[list[float]]:
    if workers < 2:
        yield from (_score(release, batch) for batch in batches)
        return
    # Spawned, not forked: a fork would copy locks that runtime threads hold.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_load, initargs=(release.folder,)) as pool:
        yield from pool.map(_score_here, batches)


def _score(release: Release, batch: _Batch) -> list[float]:
    return [float(score_input(release.classifiers, messages) or 0.0) for messages in batch]


_HERE: list[Release] = []
"""The release of this worker process, loaded once when it starts."""


def _load(folder: Path) -> None:
    _HERE.append(Release.load(folder))


def _score_here(batch: _Batch) -> list[float]:
    return _score(_HERE[0], batch)
