"""What a build would ask of models and pay for, before anything is asked."""

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

from gruyere.language import Call, Client, MissingRecordings, Reply
from gruyere.pipeline.project import Project
from gruyere.store import Store
from gruyere.synthesis import Topic, synthesize
from gruyere.synthesis.stages import write_topics

_TYPICAL_INPUT = {
    "requests": 220,
    "answers": 110,
    "traffic": 40,
    "twins": 1100,
    "translations": 900,
    "conversations": 220,
    "judge": 1300,
}
"""Input tokens of one call, measured on the cake corpus; for stages whose calls are not known yet."""
_TYPICAL_OUTPUT = {
    "requests": 900,
    "answers": 200,
    "traffic": 120,
    "twins": 550,
    "translations": 250,
    "conversations": 300,
    "judge": 500,
}


class _Stop(Exception):
    """Raised where planning meets the first call without an answer."""


class _Planner:
    """Answers what is known already and notes what is not."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.rows: list[dict[str, object]] = []

    @property
    def fingerprint(self) -> str:
        """Name of the models behind the roles."""
        return self.client.fingerprint

    def __call__(self, stage: str, calls: Sequence[Call]) -> list[Reply]:
        """Answer from what is known; stop at the first stage that is not."""
        plan = self.client.plan(stage, calls)
        self.rows.append(
            {
                "stage": stage,
                "calls": plan.calls,
                "answered": plan.answered,
                "input_tokens": plan.input_tokens,
                "output_tokens": plan.output_tokens,
                "note": "exact; output is an upper bound",
            }
        )
        if plan.calls:
            raise _Stop
        try:
            return self.client(stage, calls)
        except MissingRecordings:
            raise _Stop from None


def plan(project: Project, client: Client) -> list[dict[str, object]]:
    """Return one row per stage: calls to make, calls answered already, tokens; later stages are estimates."""
    planner = _Planner(client)
    config = project.config.synthesis
    with tempfile.TemporaryDirectory() as scratch:
        try:
            synthesize(project.constitution, config, planner, Store(Path(scratch)))
        except _Stop:
            pass
        else:
            return planner.rows
    known = {str(row["stage"]) for row in planner.rows}
    topics = _topics(project, client)
    return planner.rows + [row for row in _estimates(project, topics) if row["stage"] not in known]


def _topics(project: Project, client: Client) -> list[Topic]:
    """Return the topics if they are known, else as many placeholders as are asked for."""
    config = project.config.synthesis
    try:
        return write_topics(project.constitution, config, _Planner(client))[0]
    except _Stop:
        return [
            Topic(
                category=category.name,
                polarity=category.polarity,
                rule=rule.id,
                rule_text=rule.text,
                title=f"topic {n}",
                pool=config.pool_of(category),
            )
            for category, rule in project.constitution.rules
            for n in range(config.topics_per_rule.of(category.polarity, general=config.is_general(category)))
        ]


def _estimates(project: Project, topics: Sequence[Topic]) -> list[dict[str, object]]:
    config = project.config.synthesis

    def total(name: str) -> int:
        amounts = getattr(config, name)
        return sum(amounts.of(t.polarity, general=t.pool == "general") for t in topics)

    requests = [config.requests_per_topic.of(t.polarity, general=t.pool == "general") for t in topics]
    general = [n for n, t in zip(requests, topics, strict=True) if t.pool == "general"]
    calls = {
        "requests": sum(max(1, math.ceil(n / config.requests_per_call)) for n in requests),
        "answers": total("answers_per_topic"),
        "traffic": sum(max(0, n - config.answers_per_topic.general) for n in general) * config.target_traffic,
        "twins": sum(t.polarity == "harmful" for t in topics) * (config.twins_per_topic > 0),
        "translations": sum(
            config.translations_per_topic.of(t.polarity, general=t.pool == "general") > 0 for t in topics
        ),
        "conversations": len(topics) * config.conversations,
        "judge": len(topics) * config.judge,
    }
    return [
        {
            "stage": stage,
            "calls": count,
            "answered": 0,
            "input_tokens": count * _TYPICAL_INPUT[stage],
            "output_tokens": count * _TYPICAL_OUTPUT[stage],
            "note": "estimate",
        }
        for stage, count in calls.items()
    ]
