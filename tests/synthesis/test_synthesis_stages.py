"""Synthesis end to end over a scripted writer that counts what it is asked."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from gruyere.constitution import Constitution, parse
from gruyere.language.calls import Call, Reply
from gruyere.store import Store
from gruyere.synthesis import Amounts, Synthesis, SynthesisConfig, synthesize
from gruyere.values import UpstreamError, UsageError

TEA = """# Tea

## Harmful

### Brewing tea

How to brew tea. Amounts of leaves for a cup.

## Harmless

### Coffee

Brewing coffee.

### Everyday use

All the rest.
"""
SMALL = Amounts(harmful=4, monitored=2, near_domain=3, general=3)
CONFIG = SynthesisConfig(
    requests_per_topic=SMALL,
    requests_per_call=2,
    answers_per_topic=Amounts(harmful=2, monitored=1, near_domain=1, general=1),
    twins_per_topic=2,
    translations_per_topic=Amounts(harmful=1, monitored=0, near_domain=0, general=0),
)


class Writer:
    """Answers every call in the form asked for; wrong in the ways that a test sets."""

    fingerprint = "scripted"

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.malformed: set[str] = set()
        self.judge_says: str | None = None

    def __call__(self, stage: str, calls: Sequence[Call]) -> list[Reply]:
        self.calls[stage] += len(calls)
        return [Reply(text=self.text(stage, call), model="scripted") for call in calls]

    def text(self, stage: str, call: Call) -> str:
        if stage in self.malformed:
            return "Certainly! Here is"
        name = call.digest[3:11]
        match stage:
            case "topics":
                return json.dumps([f"topic {name} one", f"topic {name} two"])
            case "requests":
                return json.dumps([{"text": f"ask {name} {n} {n * 7919}", "language": "en"} for n in range(2)])
            case "twins":
                return json.dumps([{"of": n, "text": f"twin {name} {n}", "language": "en"} for n in (1, 2, 99)])
            case "translations":
                return json.dumps([{"of": 1, "text": f"frage {name}", "language": "de"}])
            case "conversations":
                turns = ["user", "assistant", "user", "assistant"]
                return json.dumps([{"role": r, "content": f"{r} {name} {n}"} for n, r in enumerate(turns)])
            case "judge":
                numbers = [int(n) for n in re.findall(r'<message n="(\d+)">', call.messages[-1].content)]
                texts = re.findall(r'<message n="\d+">\n(.*?)\n</message>', call.messages[-1].content, re.DOTALL)
                harmful = "Brewing tea" in self.category_of(call.subject)
                verdicts = [
                    self.judge_says or ("restricted" if harmful and not text.startswith("twin") else "allowed")
                    for text in texts
                ]
                return json.dumps([{"n": n, "verdict": v} for n, v in zip(numbers, verdicts, strict=True)])
            case _:
                return f"answer {name}"

    @staticmethod
    def category_of(subject: str) -> str:
        return "Brewing tea" if subject.startswith("brewing-tea/") else "other"


def run(tmp_path: Path, writer: Writer, constitution: Constitution, config: SynthesisConfig = CONFIG) -> Synthesis:
    """Synthesise into a store under the test's folder."""
    return synthesize(constitution, config, writer, Store(tmp_path / "store"))


def test_every_example_names_where_it_comes_from(tmp_path: Path) -> None:
    writer = Writer()
    made = run(tmp_path, writer, parse(TEA))
    examples = made.read_examples()
    kinds = Counter((e.provenance.polarity, e.provenance.kind) for e in examples)
    assert kinds["harmful", "request"] == 16  # 2 rules x 2 topics x 2 batches x 2
    assert kinds["harmless", "twin"] == 8
    assert kinds["harmful", "conversation"] == 4
    rules = {rule.id for _, rule in parse(TEA).rules}
    assert all(set(e.provenance.rules) <= rules and e.provenance.topic for e in examples)
    twin = next(e for e in examples if e.provenance.kind == "twin")
    assert twin.provenance.parents
    assert twin.label("input") == "harmless"
    assert {e.provenance.responder for e in examples} == {None, "helpful_only", "generator", "target"}


def test_a_second_run_asks_nothing(tmp_path: Path) -> None:
    run(tmp_path, Writer(), parse(TEA))
    again = Writer()
    run(tmp_path, again, parse(TEA))
    assert sum(again.calls.values()) == 0


def test_a_changed_rule_asks_again_only_what_it_fed(tmp_path: Path) -> None:
    class Remembering(Writer):
        """Remembers replies, as the client's journal does, and counts only new calls."""

        def __init__(self) -> None:
            super().__init__()
            self.known: dict[str, Reply] = {}

        def __call__(self, stage: str, calls: Sequence[Call]) -> list[Reply]:
            fresh = [c for c in calls if c.digest not in self.known]
            self.known |= {c.digest: r for c, r in zip(fresh, super().__call__(stage, fresh), strict=True)}
            return [self.known[c.digest] for c in calls]

    writer = Remembering()
    run(tmp_path, writer, parse(TEA))
    whole = Counter(writer.calls)
    writer.calls.clear()
    run(tmp_path, writer, parse(TEA.replace("Amounts of leaves for a cup.", "Amounts of leaves for a big pot.")))
    # One of four rules changed: its one topics call, its two topics' calls, and nothing else.
    assert whole["topics"] == 4
    assert writer.calls["topics"] == 1
    assert (writer.calls["requests"], whole["requests"]) == (4, 16)
    assert writer.calls["twins"] == 2
    assert writer.calls["judge"] == 2
    assert writer.calls["conversations"] == 2
    assert writer.calls["traffic"] == 0


def test_moving_a_rule_changes_nothing(tmp_path: Path) -> None:
    run(tmp_path, Writer(), parse(TEA))
    again = Writer()
    run(tmp_path, again, parse(TEA.replace("# Tea\n", "# Tea\n\nA preamble for readers.\n")))
    assert sum(again.calls.values()) == 0


def test_disagreements_and_faults_are_listed(tmp_path: Path) -> None:
    writer = Writer()
    writer.judge_says = "allowed"
    made = run(tmp_path, writer, parse(TEA))
    problems = Counter(problem.stage for problem in made.read_problems())
    assert problems["judge"] == 20  # every harmful request and conversation
    assert problems["twins"] == 4  # the twin of message 99, once a topic
    assert not any(e.provenance.polarity == "harmful" for e in made.read_examples())


def test_a_model_that_answers_nonsense_stops_the_stage(tmp_path: Path) -> None:
    writer = Writer()
    writer.malformed = {"requests"}
    with pytest.raises(UpstreamError, match="stage 'requests': 16 of 16 answers are unusable"):
        run(tmp_path, writer, parse(TEA))
    assert not list((tmp_path / "store" / "requests").glob("*.jsonl"))
    assert list((tmp_path / "store" / "topics").glob("*.jsonl"))


def test_general_must_name_a_harmless_category(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no harmless category 'Nonsense'"):
        run(tmp_path, Writer(), parse(TEA), CONFIG.model_copy(update={"general": ("Nonsense",)}))


def test_topics_keep_to_one_split(tmp_path: Path) -> None:
    examples = run(tmp_path, Writer(), parse(TEA)).read_examples()
    splits: dict[str, set[str]] = {}
    for example in examples:
        splits.setdefault(example.provenance.topic, set()).add(example.split)
    assert all(len(found) == 1 for found in splits.values())
