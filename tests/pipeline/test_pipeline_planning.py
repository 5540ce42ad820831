"""What a build would ask, before it asks: nothing known, all known, one rule reworded."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tiny_project import CONSTITUTION, Remembering, Writer, make_project

from gruyere.language import Call, Client, Plan, Reply
from gruyere.pipeline import Project, plan_project
from gruyere.pipeline.operations import open_client
from gruyere.pipeline.planning import plan
from gruyere.synthesis import synthesize

STAGES = ["topics", "requests", "answers", "traffic", "twins", "translations", "conversations", "judge"]


class Answered(Client):
    """A client whose finished calls are those that a writer was asked."""

    def __init__(self, project: Project, replies: dict[str, Reply]) -> None:
        super().__init__(project.config.roles, project.journal)
        self._replies = replies

    def __call__(self, stage: str, calls: Sequence[Call]) -> list[Reply]:
        del stage
        return [self._replies[call.digest] for call in calls]

    def plan(self, stage: str, calls: Sequence[Call]) -> Plan:
        distinct = {call.digest for call in calls}
        known = len(distinct & set(self._replies))
        return Plan(stage, len(distinct) - known, known, 10 * (len(distinct) - known), 20)


class Keeping(Writer):
    """A writer that keeps what it answered, by call."""

    def __init__(self) -> None:
        super().__init__()
        self.replies: dict[str, Reply] = {}

    def __call__(self, stage: str, calls: Sequence[Call]) -> list[Reply]:
        replies = super().__call__(stage, calls)
        self.replies |= {c.digest: r for c, r in zip(calls, replies, strict=True)}
        return replies


def write(project: Project, writer: Writer) -> None:
    """Run the synthesis with a writer; nothing is trained."""
    synthesize(project.constitution, project.config.synthesis, writer, project.store)


def test_with_nothing_known_the_first_stage_is_exact_and_the_rest_as_many_as_are_asked_for(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    rows = plan_project(project)
    assert [row["stage"] for row in rows] == STAGES
    assert rows[0]["calls"] == 4
    assert rows[0]["note"] == "exact; output is an upper bound"
    assert {row["note"] for row in rows[1:]} == {"estimate"}
    amounts = project.config.synthesis.topics_per_rule
    topics = 2 * amounts.harmful + amounts.near_domain + amounts.general
    by_stage = {str(row["stage"]): row["calls"] for row in rows}
    assert by_stage["requests"] == topics
    assert by_stage["twins"] == 2 * amounts.harmful
    assert by_stage["traffic"] == 2 * amounts.general
    assert all(row["answered"] == 0 for row in rows)
    assert not project.folder.exists()  # planning leaves nothing behind


def test_with_all_known_nothing_is_to_be_asked(tmp_path: Path) -> None:
    project, writer = make_project(tmp_path), Keeping()
    write(project, writer)
    rows = plan(project, Answered(project, writer.replies))
    assert {str(row["stage"]): row["answered"] for row in rows} == dict(writer.asked)
    assert all(row["calls"] == 0 and row["note"] == "exact; output is an upper bound" for row in rows)


def test_a_reworded_rule_is_planned_as_the_calls_that_it_feeds(tmp_path: Path) -> None:
    writer = Keeping()
    write(make_project(tmp_path), writer)
    edited = make_project(tmp_path, CONSTITUTION.replace("Amounts of leaves for a cup.", "Leaves for a big pot."))
    planned = {str(r["stage"]): r["calls"] for r in plan(edited, Answered(edited, writer.replies))}
    actual = Remembering()
    write(make_project(tmp_path / "other"), actual)
    actual.asked.clear()
    write(edited, actual)
    assert planned["topics"] == actual.asked["topics"] == 1
    per_topic = {stage: planned[stage] for stage in ("requests", "twins", "translations", "conversations", "judge")}
    assert set(per_topic.values()) == {edited.config.synthesis.topics_per_rule.harmful}
    assert planned["traffic"] == 0


def test_the_shipped_project_is_fully_recorded(small_project: Project) -> None:
    rows = plan(small_project, open_client(small_project))
    assert Counter(row["calls"] for row in rows) == {0: len(STAGES)}
    assert all(isinstance(row["answered"], int) and row["answered"] > 0 for row in rows)
