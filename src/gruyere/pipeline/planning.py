"""What a build would ask of models and pay for, before anything is asked."""

import json
import math
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from gruyere.constitution import Constitution
from gruyere.language import Call, Client, Reply
from gruyere.pipeline.project import Project
from gruyere.store import Store
from gruyere.synthesis import Amounts, SynthesisConfig, synthesize

_TYPICAL_INPUT = {
    "requests": 220,
    "answers": 110,
    "traffic": 40,
    "twins": 1100,
    "translations": 900,
    "conversations": 220,
    "judge": 1300,
}
"""Input tokens of one call, measured on the cake corpus; for calls whose text is not known yet."""
_TYPICAL_OUTPUT = {
    "requests": 900,
    "answers": 200,
    "traffic": 120,
    "twins": 550,
    "translations": 250,
    "conversations": 300,
    "judge": 500,
}


class _Placeholders:
    """Stand for answers that nobody gave yet: as many items as would be asked for, so that later stages can be counted."""

    def __init__(self, constitution: Constitution, config: SynthesisConfig) -> None:
        self._config = config
        self._categories = {rule.id: category for category, rule in constitution.rules}

    def reply(self, stage: str, call: Call) -> Reply:
        """Return a reply of the right form; its text is unlike any other, so that what follows from it is new too."""
        match stage:
            case "topics":
                count = self._amount(self._config.topics_per_rule, call)
                content: object = [f"to be written {n}" for n in range(count)]
            case "requests":
                content = [{"text": f"{call.subject} {n}"} for n in range(self._batch_size(call))]
            case "twins" | "translations":
                content = [{"of": 1, "text": f"{stage} {call.subject}"}]
            case "conversations":
                content = [{"role": role, "content": call.subject} for role in ("user", "assistant") * 2]
            case "judge":
                count = len(re.findall(r'^<message n="', call.messages[-1].content, re.MULTILINE))
                content = [{"n": n, "verdict": "allowed"} for n in range(1, count + 1)]
            case _:
                content = call.subject
        return Reply(text=json.dumps(content), model="not asked yet")

    def _amount(self, amounts: Amounts, call: Call) -> int:
        category = self._categories["/".join(call.subject.split("/", 2)[:2])]
        return amounts.of(category.polarity, general=self._config.is_general(category))

    def _batch_size(self, call: Call) -> int:
        total = self._amount(self._config.requests_per_topic, call)
        return math.ceil(total / max(1, math.ceil(total / self._config.requests_per_call)))


class _Planner:
    """Answers what is known already with what is known, the rest with placeholders, and counts both."""

    def __init__(self, client: Client, placeholders: _Placeholders) -> None:
        self.client = client
        self.rows: list[dict[str, object]] = []
        self._placeholders = placeholders
        self._guessing = False

    @property
    def fingerprint(self) -> str:
        """Name of the models behind the roles."""
        return self.client.fingerprint

    def __call__(self, stage: str, calls: Sequence[Call]) -> list[Reply]:
        """Answer every call without asking anybody; exact until the first stage that lacks an answer, that one included."""
        plan = self.client.plan(stage, calls)
        typical = self._guessing and stage in _TYPICAL_INPUT
        self.rows.append(
            {
                "stage": stage,
                "calls": plan.calls,
                "answered": plan.answered,
                "input_tokens": plan.calls * _TYPICAL_INPUT[stage] if typical else plan.input_tokens,
                "output_tokens": plan.calls * _TYPICAL_OUTPUT[stage] if typical else plan.output_tokens,
                "note": "estimate" if self._guessing else "exact; output is an upper bound",
            }
        )
        if plan.calls == 0:
            return self.client(stage, calls)
        # The answers to one stage do not decide what its neighbours ask of the same requests.
        self._guessing = self._guessing or stage in ("topics", "requests")
        return [self._known(stage, call) or self._placeholders.reply(stage, call) for call in calls]

    def _known(self, stage: str, call: Call) -> Reply | None:
        return self.client(stage, [call])[0] if self.client.plan(stage, [call]).calls == 0 else None


def plan(project: Project, client: Client) -> list[dict[str, object]]:
    """Return one row per stage: calls to make, calls answered already, tokens; nothing is asked and nothing kept.

    A stage whose calls follow from answers that are not there yet is an estimate: as many as were asked for.
    """
    config = project.config.synthesis
    planner = _Planner(client, _Placeholders(project.constitution, config))
    with tempfile.TemporaryDirectory() as scratch:
        synthesize(project.constitution, config, planner, Store(Path(scratch)))
    return planner.rows
