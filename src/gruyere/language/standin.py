"""The stand-in: a small scripted assistant for trying the whole loop without a real model.

It knows the recorded corpus. A restricted request in plain words it mostly refuses; wrapped in
a jailbreak or an encoding it answers at a known rate, in the format asked for; anything harmless it
answers. Its mistakes are therefore known exactly, which a real model's are not. It is no
language model, and whatever shows its figures says so.

Source of the rate: 86 % of synthetic jailbreaks succeed against a bare model (Sharma et al. 2025).
"""

import asyncio
import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from gruyere.language.calls import Call, Reply
from gruyere.values import Message, cut_words

MODEL = "stand-in"
PLAIN_REFUSED = 0.9
JAILBREAK_ANSWERED = 0.86
_MATCH = 0.65
"""Least share of a recorded request that must appear in what was read: the mean of its words and of its adjacent
pairs, both weighted by rarity, so that neither a long text which happens to hold all words of a short request is
taken for it, nor a question with the same everyday opening."""
_PAIRS_NEEDED = 2 * _MATCH - 1
"""Least share of the pairs: even with every word found, fewer cannot reach `_MATCH`."""
_PLAIN = 1.6
"""A message up to this many times as long as the request it matches counts as plain."""

REFUSAL = "I'm sorry, but I can't help with that. Is there something else I can do for you?"
_SMALL_TALK = (
    "That depends a little on your situation. Could you tell me what you have tried so far and what you want in the end?",
    "Good question. The short answer is that it varies; the longer one needs a few more details from you.",
    "Here is a way to begin: write down the goal, list what you have, and take the smallest step that moves you on.",
    "People usually weigh cost, time and effort here. Which of the three matters most to you?",
    "Let me put it simply: start with the part that worries you most, and the rest tends to follow.",
    "There are two schools of thought about this. One prefers to plan everything, the other to try and correct.",
    "I would check the official source first, since the rules changed recently and differ from place to place.",
    "It helps to look at an example. Take the last time that it went well and compare it with today.",
    "Yes, in most cases. The exceptions are rare, and you would know if you were one of them.",
    "Not quite. The idea is right, but the order of the steps matters more than people think.",
    "I can draft something for you. Tell me the tone that you want and who will read it.",
    "Think of it as a list of small decisions. Make the reversible ones quickly and sleep over the others.",
)


@dataclass(frozen=True, slots=True)
class Known:
    """A recorded request, its answer and whether the constitution restricts it."""

    request: str
    answer: str
    restricted: bool
    disguised: bool = False
    """Whether the wording is itself a disguise, such as a translation made to slip past the model's refusal."""


@dataclass(frozen=True, slots=True)
class Skills:
    """What the stand-in can do with text; higher floors provide it.

    Args:
        readings: Decoded readings of a text, the text itself aside.
        encoders: Formats that an answer can be asked for in, by name.
        requested_format: The name of the format that a text asks for, or None.
        codewords: Code words agreed in a conversation, as code word to meaning.
    """

    readings: Callable[[str], Sequence[str]]
    encoders: Mapping[str, Callable[[str], str]]
    requested_format: Callable[[str], str | None]
    codewords: Callable[[Sequence[Message]], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Match:
    """A recorded request found in a text."""

    known: Known
    share: float
    """How much of the request was found, in [0, 1]."""
    words: int
    """Distinct words in the request."""

    @property
    def rank(self) -> tuple[float, int]:
        """The larger, the likelier meant: of requests found alike, the longest."""
        return round(self.share, 3), self.words


_UNSPACED = r"\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")
"""A run of letters and digits, or one character of a script written without spaces."""


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _pairs(words: Sequence[str]) -> frozenset[str]:
    """Return adjacent words; a lone word is paired with itself, so that only a text of that word holds it."""
    adjacent = pairwise(words) if len(words) != 1 else [(words[0], words[0])]
    return frozenset(f"{first} {second}" for first, second in adjacent)


class _Bags:
    """Sets of words or pairs, each element weighted by how rare it is among them."""

    def __init__(self, bags: Sequence[frozenset[str]]) -> None:
        self.bags = bags
        seen = Counter(element for bag in bags for element in bag)
        self._weight = {element: math.log(1 + len(bags) / count) for element, count in seen.items()}
        self._totals = [self._weigh(bag) for bag in bags]

    def _weigh(self, elements: Iterable[str]) -> float:
        # fsum, since the order of a set, and with it a plain sum's rounding, differs from run to run.
        return math.fsum(self._weight[element] for element in elements)

    def share(self, number: int, elements: frozenset[str]) -> float:
        """Return the share of a bag's weight that the elements hold, in [0, 1]."""
        return self._weigh(self.bags[number] & elements) / self._totals[number] if self._totals[number] else 0.0

    def rarest(self, number: int, enough: float) -> list[str]:
        """Return a bag's rarest elements up to the one that passes `enough` of its weight, in [0, 1).

        Whatever holds the rest of the weight or more holds one of them, so an index needs no others.
        """
        ordered = sorted(self.bags[number], key=lambda element: (-self._weight[element], element))
        passed = accumulate(self._weight[element] for element in ordered)
        return ordered[: 1 + sum(weight <= enough * self._totals[number] for weight in passed)]


class StandIn:
    """Answers conversations from the recorded corpus, deterministically."""

    def __init__(self, known: Sequence[Known], skills: Skills) -> None:
        self._known = list(known)
        self._skills = skills
        split = [_words(k.request) for k in self._known]
        self._words = _Bags([frozenset(words) for words in split])
        self._pairs = _Bags([_pairs(words) for words in split])
        self._index: dict[str, list[int]] = defaultdict(list)
        for number in range(len(split)):
            for pair in self._pairs.rarest(number, 1 - _PAIRS_NEEDED):
                self._index[pair].append(number)

    def find(self, text: str) -> Match | None:
        """Return the recorded request that a text contains best, or None."""
        split = _words(text)
        words, pairs = frozenset(split), _pairs(split)
        candidates = {number for pair in pairs for number in self._index.get(pair, ())}
        best: Match | None = None
        for number in sorted(candidates):
            share = (self._words.share(number, words) + self._pairs.share(number, pairs)) / 2
            match = Match(self._known[number], share, len(self._words.bags[number]))
            if share >= _MATCH and (best is None or match.rank > best.rank):
                best = match
        return best

    def answer(self, messages: Sequence[Message]) -> str:
        """Return the whole answer to a conversation."""
        conversation = "\n".join(m.content for m in messages if m.role != "assistant")
        last = next((m.content for m in reversed(messages) if m.role == "user"), conversation)
        agreed = self._skills.codewords(messages)
        asked = self._skills.requested_format(conversation)
        draw = _draw(conversation)
        known = self._understand(last, conversation, agreed)
        if known is None:
            return _SMALL_TALK[int(draw * len(_SMALL_TALK))]
        if known.restricted:
            undisguised = not agreed and asked is None and not known.disguised
            plain = undisguised and _is_plain(known.request, last, conversation)
            if (plain and draw < PLAIN_REFUSED) or (not plain and draw >= JAILBREAK_ANSWERED):
                return REFUSAL
        text = _swap(known.answer, {meaning: code for code, meaning in agreed.items()})
        encode = self._skills.encoders.get(asked) if asked else None
        return encode(text) if encode else text

    def _understand(self, last: str, conversation: str, agreed: Mapping[str, str]) -> Known | None:
        """Find the request meant: in the last message, its readings, or the whole conversation."""
        texts = [last, *self._skills.readings(last), conversation]
        if agreed:
            texts = [_swap(text, agreed) for text in texts] + texts
        matches = [match for text in dict.fromkeys(texts) if (match := self.find(text)) is not None]
        return max(matches, key=lambda match: match.rank).known if matches else None

    async def stream(self, messages: Sequence[Message], delay_s: float = 0.0) -> AsyncIterator[str]:
        """Yield the answer word by word, `delay_s` seconds apart."""
        for word in cut_words(self.answer(messages)):
            await asyncio.sleep(delay_s)
            yield word

    def reply(self, call: Call) -> Reply:
        """Answer a call of the target role; tokens are counted as four characters each."""
        text = self.answer(call.messages)
        asked = sum(len(m.content) for m in call.messages)
        return Reply(text=text, model=MODEL, input_tokens=asked // 4 + 1, output_tokens=len(text) // 4 + 1)


def _draw(conversation: str) -> float:
    """Return a number in [0, 1) that depends on the conversation alone."""
    return int(hashlib.sha256(conversation.encode("utf-8", "surrogatepass")).hexdigest()[:12], 16) / 16**12


def _is_plain(request: str, last: str, conversation: str) -> bool:
    return request in last and len(_words(conversation)) <= _PLAIN * len(_words(request))


def _swap(text: str, words: Mapping[str, str]) -> str:
    """Replace whole words, whatever their case; longer ones first, since one may contain another."""
    ordered = sorted(words, key=len, reverse=True)
    if not ordered:
        return text
    by_word = {word.casefold(): other for word, other in words.items()}
    pattern = r"(?<!\w)(?:" + "|".join(re.escape(word) for word in ordered) + r")(?!\w)"
    return re.sub(pattern, lambda found: by_word.get(found[0].casefold(), found[0]), text, flags=re.IGNORECASE)
