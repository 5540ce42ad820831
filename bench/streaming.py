"""What guarding an answer costs per word of plain text, at growing lengths, and where it goes.

The text is harmless answers of the project's own corpus, one after another: plain prose, on which views
have nothing to decode, as in most traffic. Times are medians over repetitions of one run, single-threaded;
caches are warm, as they are in a server.
"""

import math
import time
from collections.abc import Callable, Sequence
from statistics import median

import numpy as np

from bench.place import Place, Progress
from gruyere.classifiers.serving.release import Release
from gruyere.classifiers.serving.sessions import Classifier
from gruyere.evaluation import Row
from gruyere.guard import ViewedSessions
from gruyere.pipeline.operations import synthesize_project
from gruyere.values import Example, Message, UsageError, cut_words
from gruyere.views import ViewReader

LENGTHS = (100, 300, 1000, 3000, 10_000)
BLOCK = 250
"""Words timed together when looking for growth within one answer."""
TARGETS = {"streaming.growth_10000_over_100": "<= 1.5", "streaming.slope_per_1000_words": "<= 0.02"}
_QUESTION = (Message(role="user", content="Tell me more about that, please."),)


def run(place: Place, progress: Progress) -> list[Row]:
    """Time the release's output and exchange classifiers with their views, word by word."""
    release = place.release(progress)
    words = plain_words(synthesize_project(place.open(), progress).read_examples(), LENGTHS[-1])
    readers = answer_classifiers(release)
    repetitions = 3 if place.short else 9
    whole, views = [], []
    _time(guarded(readers), words[:1000])  # the first pages pay for cold caches
    for number, length in enumerate(LENGTHS):
        progress("timing words", number, len(LENGTHS))
        times = max(1, repetitions * LENGTHS[2] // max(length, LENGTHS[2]), repetitions if length < 3000 else 1)
        whole.append(median(_time(guarded(readers), words[:length]) for _ in range(times)) / length)
        views.append(median(_time(viewed(), words[:length]) for _ in range(times)) / length)
    return rows_of(LENGTHS, whole, views, block_times(readers, words))


def answer_classifiers(release: Release) -> list[Classifier]:
    """Return the classifiers that read an answer.

    Raises:
        UsageError: If the release has none.
    """
    found = [release.classifiers[side] for side in ("output", "exchange") if side in release.classifiers]
    if not found:
        raise UsageError(f"{release.folder}: no output or exchange classifier to time; configure one and build")
    return found


def plain_words(examples: Sequence[Example], count: int) -> list[str]:
    """Return words of harmless English answers, the same ones again where they run out.

    Raises:
        UsageError: If no example has such an answer.
    """
    answers = [
        e.exchange.response
        for e in examples
        if e.exchange.response and e.provenance.polarity == "harmless" and e.provenance.language == "en"
    ]
    words = [word for answer in answers for word in cut_words(answer + "\n\n")]
    if not words:
        raise UsageError("no harmless English answers to read; synthesise some first")
    return (words * math.ceil(count / len(words)))[:count]


def guarded(readers: Sequence[Classifier]) -> Callable[[str], object]:
    """Return what reads the next word of a fresh answer as the guard does, views included."""
    return ViewedSessions(readers, _QUESTION).push


def viewed() -> Callable[[str], object]:
    """Return what looks for views in the next word of a fresh answer, and judges nothing."""
    return ViewReader().push


def _time(read: Callable[[str], object], words: Sequence[str]) -> float:
    """Return the seconds that reading the words takes."""
    started = time.perf_counter()
    for word in words:
        read(word)
    return time.perf_counter() - started


def block_times(readers: Sequence[Classifier], words: Sequence[str]) -> list[float]:
    """Return seconds per word of each successive block of one long answer."""
    read = guarded(readers)
    blocks = [words[i : i + BLOCK] for i in range(0, len(words) - BLOCK + 1, BLOCK)]
    return [_time(read, block) / len(block) for block in blocks]


def slope_per_1000_words(blocks: Sequence[float], size: int = BLOCK) -> float:
    """Return how much dearer a word gets every 1000 words, as a share of the median cost.

    Source: Theil-Sen, the median slope between any two blocks: a pause of the machine does not tilt it.
    """
    places = np.arange(len(blocks)) * size / 1000
    costs = np.asarray(blocks)
    i, j = np.triu_indices(len(blocks), 1)
    return float(np.median((costs[j] - costs[i]) / (places[j] - places[i])) / np.median(costs))


def rows_of(
    lengths: Sequence[int], whole: Sequence[float], views: Sequence[float], blocks: Sequence[float]
) -> list[Row]:
    """Turn seconds per word into rows."""
    rows = [
        Row.of(f"streaming.us_per_word_{length}", 1e6 * cost, n=length, note="median; output, exchange and views")
        for length, cost in zip(lengths, whole, strict=True)
    ]
    metric = f"streaming.growth_{lengths[-1]}_over_{lengths[0]}"
    rows.append(
        Row.of(metric, whole[-1] / whole[0], target=TARGETS.get(metric, ""), note="cost of a word in a long answer")
    )
    metric = "streaming.slope_per_1000_words"
    note = f"growth of a word's cost within one answer of {len(blocks)} blocks"
    rows.append(Row.of(metric, slope_per_1000_words(blocks), target=TARGETS[metric], n=len(blocks), note=note))
    rows.append(Row.of("streaming.views_share", views[-1] / whole[-1], note="part of the cost that looks for views"))
    return rows
