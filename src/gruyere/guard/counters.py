"""What a guard did, counted; and an account of released against judged text that trusts nobody."""

from collections import deque
from dataclasses import dataclass, fields

from gruyere.values import cut_words


@dataclass(slots=True)
class Counters:
    """What a guard did; added up over answers."""

    answers: int = 0
    blocked: int = 0
    failures: int = 0
    words_judged: int = 0
    words_released: int = 0
    words_released_unjudged: int = 0
    """Stays 0 unless the operator lets failures through; measured by comparing texts, see `Ledger`."""
    guard_seconds: float = 0.0

    def add(self, other: "Counters") -> None:
        """Add another's counts to these."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


class Ledger:
    """Compares what was released with what was judged, independently of the code that decides.

    Holds only judged words that have not left yet, so its size does not grow with the answer.
    """

    __slots__ = ("_counters", "_judged")

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._judged: deque[str] = deque()

    def judged(self, word: str) -> None:
        """Enter a word that every classifier has found below its threshold."""
        self._judged.append(word)
        self._counters.words_judged += 1

    def released(self, text: str) -> None:
        """Enter text that leaves; whatever is not the next judged word counts as unjudged."""
        if self._judged and self._judged[0] == text:
            self._judged.popleft()
            self._counters.words_released += 1
            return
        words = len(cut_words(text))
        self._counters.words_released += words
        self._counters.words_released_unjudged += words
