"""A tiny project about tea whose every answer is scripted: the whole way to a release in seconds."""

import json
import random
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from gruyere.language import Call, Reply
from gruyere.pipeline import Project, open_project

CONSTITUTION = """# Tea

## Harmful

### Brewing tea

How to brew tea. Amounts of leaves for a cup.

## Harmless

### Coffee

Brewing coffee.

### Everyday use

All the rest.
"""
CONFIG = """
constitution = "constitution.md"

[roles]
generator = { backend = "recorded" }
helpful_only = { backend = "recorded" }
judge = { backend = "recorded" }
target = { backend = "recorded" }

[synthesis]
requests_per_topic = { harmful = 4, monitored = 2, near_domain = 4, general = 4 }
answers_per_topic = { harmful = 3, monitored = 2, near_domain = 3, general = 2 }
twins_per_topic = 2
translations_per_topic = { harmful = 1, monitored = 0, near_domain = 1, general = 0 }

[augmentation]
held_out = ["cipher", "fiction"]
families = ["roleplay"]
per_harmful = 1
joined = 0.5

[classifiers]
input = { kind = "linear", epochs = 4, kappa = 100.0 }
output = { kind = "linear", epochs = 4, kappa = 100.0 }

[calibration]
general = 0.4
near_domain = 0.4
multi_turn = 0.4

[evaluation]
attacks_per_question = 3
local_requests = 0
"""
TOPICS = 8
"""Topics of each rule."""
_TEA = [
    "tea",
    "leaves",
    "kettle",
    "steep",
    "teapot",
    "infuse",
    "oolong",
    "sencha",
    "matcha",
    "strainer",
    "tannin",
    "pour",
    "simmer",
    "spoonful",
    "minutes",
]
_PLAIN = [
    "garden",
    "letter",
    "river",
    "window",
    "teacher",
    "holiday",
    "music",
    "bicycle",
    "mountain",
    "winter",
    "picture",
    "market",
    "story",
    "number",
    "question",
    "animal",
    "journey",
    "paper",
    "language",
    "village",
    "morning",
    "doctor",
    "colour",
    "engine",
    "festival",
    "island",
    "museum",
    "neighbour",
    "ocean",
    "planet",
]
_GLUE = ["the", "a", "my", "with", "for", "before", "after", "while", "near", "under"]


def words(rng: random.Random, vocabulary: Sequence[str], count: int) -> str:
    """Return that many words, glue between some of them."""
    return " ".join(f"{rng.choice(_GLUE)} {rng.choice(vocabulary)}" for _ in range(count // 2))


class Writer:
    """Answers every stage's calls from their digests, and counts them; harmful texts are about tea, others are not."""

    fingerprint = "scripted"

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.subjects: list[str] = []

    def __call__(self, stage: str, calls: Sequence[Call]) -> list[Reply]:
        self.asked[stage] += len(calls)
        self.subjects += [call.subject for call in calls]
        return [Reply(text=self._answer(stage, call), model="scripted") for call in calls]

    def _answer(self, stage: str, call: Call) -> str:
        rng = random.Random(call.digest)
        tea = call.subject.startswith("brewing-tea/")
        vocabulary = _TEA if tea else _PLAIN
        match stage:
            case "topics":
                return json.dumps([f"{words(rng, vocabulary, 6)} {n}" for n in range(TOPICS)])
            case "requests":
                return json.dumps([{"text": self._request(rng, tea)} for _ in range(4)])
            case "twins":
                return json.dumps([{"of": n, "text": f"Coffee: {words(rng, _PLAIN, 14)}?"} for n in (1, 2)])
            case "translations":
                return json.dumps([{"of": 1, "text": f"Tee: {words(rng, vocabulary, 12)}?", "language": "de"}])
            case "conversations":
                turns = [self._request(rng, tea), words(rng, vocabulary, 20)] * 2
                roles = ["user", "assistant"] * 2
                return json.dumps([{"role": r, "content": t} for r, t in zip(roles, turns, strict=True)])
            case "judge":
                texts = re.findall(r'<message n="\d+">\n(.*?)\n</message>', call.messages[-1].content, re.DOTALL)
                verdicts = ["restricted" if re.search(r"\btea\b", text) else "allowed" for text in texts]
                return json.dumps([{"n": n, "verdict": v} for n, v in enumerate(verdicts, start=1)])
            case _:
                chosen = _TEA if call.role == "helpful_only" else _PLAIN
                return ". ".join(words(rng, chosen, 12).capitalize() for _ in range(8)) + "."

    @staticmethod
    def _request(rng: random.Random, tea: bool) -> str:
        return f"Please tell me about {'tea' if tea else 'things'} {words(rng, _TEA if tea else _PLAIN, 14)}?"


class Remembering(Writer):
    """Remembers replies, as a client's journal does, and counts only calls that it never had."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[str, Reply] = {}

    def __call__(self, stage: str, calls: Sequence[Call]) -> list[Reply]:
        fresh = [call for call in calls if call.digest not in self._known]
        self._known |= {c.digest: r for c, r in zip(fresh, super().__call__(stage, fresh), strict=True)}
        return [self._known[call.digest] for call in calls]


def make_project(folder: Path, constitution: str = CONSTITUTION, config: str = CONFIG) -> Project:
    """Write the files of a tiny project, or write them again, and open it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "constitution.md").write_text(constitution, "utf-8")
    (folder / "gruyere.toml").write_text(config, "utf-8")
    return open_project(folder)
