"""Near-duplicates out, topics into splits."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from gruyere.synthesis.config import SynthesisConfig
from gruyere.synthesis.records import Draft, Problem, Topic
from gruyere.values import Split, digest_of

_GOLDEN = 0.6180339887498949
_COMMON = 200  # trigrams in more drafts than this tell nothing and would make the search quadratic


def _shingles(text: str) -> frozenset[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    if len(words) < 3:
        return frozenset({tuple(words)})
    return frozenset(zip(words, words[1:], words[2:], strict=False))


def drop_near_duplicates(drafts: Sequence[Draft], limit: float) -> tuple[list[Draft], list[Problem]]:
    """Drop the later of two drafts whose word-trigram Jaccard similarity reaches the limit.

    A twin may resemble its original (that is its purpose), so drafts of different
    label are not compared.
    """
    kept: list[Draft] = []
    problems: list[Problem] = []
    shingles: list[frozenset[tuple[str, ...]]] = []
    index: dict[tuple[bool, tuple[str, ...]], list[int]] = defaultdict(list)
    for draft in drafts:
        harmful = draft.topic.polarity == "harmful" and draft.kind != "twin"
        mine = _shingles(" ".join(m.content for m in draft.messages if m.role == "user"))
        shared: Counter[int] = Counter()
        for shingle in mine:
            places = index[harmful, shingle]
            if len(places) <= _COMMON:
                shared.update(places)
        double = next((i for i, n in shared.items() if n / len(mine | shingles[i]) >= limit), None)
        if double is not None:
            reason = f"near-duplicate of {kept[double].text[:80]!r}"
            problems.append(Problem(stage="near_duplicates", subject=draft.text[:160], reason=reason))
            continue
        for shingle in mine:
            index[harmful, shingle].append(len(kept))
        kept.append(draft)
        shingles.append(mine)
    return kept, problems


def split_topics(topics: Sequence[Topic], config: SynthesisConfig) -> dict[str, Split]:
    """Assign whole topics to splits, evenly over categories, repeatably under the seed.

    Topics of a group (harmful, near-domain, general) are ordered by category and digest
    and dealt out by a golden-ratio sequence, whose every stretch has nearly the configured shares.
    """
    groups: dict[str, list[Topic]] = defaultdict(list)
    for topic in topics:
        groups[topic.pool or "harmful"].append(topic)
    shares_of = {"harmful": config.split, "near_domain": config.split_near_domain, "general": config.split_general}
    splits: dict[str, Split] = {}
    for name, group in groups.items():
        shares = shares_of[name]
        ordered = sorted(group, key=lambda t: (t.category, digest_of([config.seed, t.id])))
        for position, topic in enumerate(ordered):
            place = (position + 0.5) * _GOLDEN % 1.0
            if place < shares.train:
                splits[topic.id] = "train"
            elif place < shares.train + shares.calibration:
                splits[topic.id] = "calibration"
            else:
                splits[topic.id] = "test"
    return splits
