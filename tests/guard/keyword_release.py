"""Releases whose classifiers score by keyword, made by hand: what they say of any text is known."""

import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gruyere.classifiers.serving.release import Manifest, Release
from gruyere.classifiers.serving.sessions import Classifier, Session, WordSession, input_text
from gruyere.values import Calibration, Message, Side, Threshold


@dataclass(frozen=True, slots=True)
class KeywordReader:
    """Scores 0.9 on a word that holds `cake`; misbehaves on `nan`, `raise` and `slow`, if told to."""

    misbehaves: bool

    def read(self, word: str) -> float:
        if self.misbehaves and "nan" in word:
            return math.nan
        if self.misbehaves and "raise" in word:
            raise RuntimeError("cannot read this")
        if self.misbehaves and "slow" in word:
            time.sleep(0.6)
        return 0.9 if "cake" in word.casefold() else 0.1


@dataclass(frozen=True, slots=True)
class KeywordClassifier:
    """Blocks on `cake`; an exchange classifier only where the conversation says `oven`."""

    side: Side
    misbehaves: bool = False

    def open(self, context: Sequence[Message]) -> Session:
        if self.side == "exchange" and "oven" not in input_text(context):
            return WordSession(_Harmless())
        return WordSession(KeywordReader(self.misbehaves))


@dataclass(slots=True)
class Gate:
    """A reader that waits until it is let through, and says that it waits."""

    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def read(self, word: str) -> float:
        del word
        self.reached.set()
        return 0.1 if self.opened.wait(10) else math.nan


@dataclass(frozen=True, slots=True)
class GatedClassifier:
    """A classifier that takes as long as its gate is shut."""

    side: Side
    gate: Gate

    def open(self, context: Sequence[Message]) -> Session:
        del context
        return WordSession(self.gate)


class _Harmless:
    def read(self, word: str) -> float:
        del word
        return 0.0


def keyword_release(*sides: Side, misbehaves: bool = False, name: str = "cake-1") -> Release:
    """Return a release with a keyword classifier for each side, thresholds at 0.5."""
    return release_of({side: KeywordClassifier(side, misbehaves) for side in sides}, name)


def gated_release(side: Side) -> tuple[Release, Gate]:
    """Return a release whose only classifier waits at a gate."""
    gate = Gate()
    return release_of({side: GatedClassifier(side, gate)}, "gated"), gate


def release_of(classifiers: Mapping[Side, Classifier], name: str) -> Release:
    """Return a release of these classifiers, thresholds at 0.5."""
    record = Calibration(pools=(), recall=1.0, attacks=0, data_digest="v1-0")
    thresholds: dict[Side, Threshold] = {
        side: Threshold(side=side, value=0.5, calibration=record) for side in classifiers
    }
    manifest = Manifest(
        name=name,
        constitution_title="Cake",
        constitution_digest="v1-0",
        data_digest="v1-0",
        held_out_families=(),
        known_families=(),
        thresholds=thresholds,
        files={},
    )
    return Release(name, Path("release"), manifest, classifiers, thresholds)


def asked(text: str = "How are you?") -> tuple[Message, ...]:
    """Return a conversation of one user turn."""
    return (Message(role="user", content=text),)
