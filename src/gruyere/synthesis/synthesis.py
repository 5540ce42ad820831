"""The whole way from a constitution to labelled, split, provenance-carrying examples."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gruyere.constitution import Constitution
from gruyere.store import Store, read_records
from gruyere.synthesis import stages
from gruyere.synthesis.asking import Ask
from gruyere.synthesis.config import SynthesisConfig
from gruyere.synthesis.filters import drop_near_duplicates, split_topics
from gruyere.synthesis.records import Draft, Problem, Topic, Translation
from gruyere.values import Example, Exchange, Provenance, Value, digest_of

VERSION = 1
"""Bump when the meaning of any stage's output changes."""


@dataclass(frozen=True, slots=True)
class Synthesis:
    """Where the results of a synthesis lie."""

    examples: Path
    translations: Path
    problems: tuple[Path, ...]
    topics: Path

    def read_examples(self) -> list[Example]:
        """Return all examples, before transforms."""
        return list(read_records(self.examples, Example))

    def read_translations(self) -> list[Translation]:
        """Return the recorded translations."""
        return list(read_records(self.translations, Translation))

    def read_problems(self) -> list[Problem]:
        """Return everything that was dropped or disagreed about."""
        return [problem for path in self.problems for problem in read_records(path, Problem)]


def synthesize(constitution: Constitution, config: SynthesisConfig, ask: Ask, store: Store) -> Synthesis:
    """Run all stages, reusing every artifact whose inputs are unchanged.

    Raises:
        UsageError: If the configuration does not fit the constitution.
        UpstreamError: If a model fails or answers nonsense too often; finished stages are kept.
    """
    config.check_against(constitution.categories)
    run = _Run(store)
    content = constitution.content
    rules = [[c.name, c.polarity, r.id] for c, r in content.rules]
    topics = run.stage(
        "topics",
        [content.title, rules, config.digest, ask.fingerprint],
        Topic,
        lambda: stages.write_topics(constitution, config, ask),
    )
    requests = run.stage(
        "requests",
        [topics.key],
        Draft,
        lambda: stages.write_requests(constitution, config, topics.read(), ask),
    )
    answers = run.stage("answers", [requests.key], Draft, lambda: stages.write_answers(config, requests.read(), ask))
    twins = run.stage(
        "twins", [requests.key], Draft, lambda: stages.write_twins(constitution, config, requests.read(), ask)
    )
    translations = run.stage(
        "translations",
        [requests.key],
        Translation,
        lambda: stages.write_translations(config, requests.read(), ask),
    )
    conversations = run.stage(
        "conversations",
        [topics.key],
        Draft,
        lambda: stages.write_conversations(constitution, config, topics.read(), ask),
    )
    judged = run.stage(
        "judged",
        [answers.key, twins.key, conversations.key],
        Draft,
        lambda: stages.judge_drafts(constitution, config, [*answers.read(), *twins.read(), *conversations.read()], ask),
    )
    distinct = run.stage(
        "distinct", [judged.key], Draft, lambda: drop_near_duplicates(judged.read(), config.near_duplicate)
    )
    examples = run.stage(
        "examples", [distinct.key], Example, lambda: (to_examples(distinct.read(), topics.read(), config), [])
    )
    return Synthesis(examples.path, translations.path, tuple(run.problems), topics.path)


def to_examples(drafts: Sequence[Draft], topics: Sequence[Topic], config: SynthesisConfig) -> list[Example]:
    """Turn drafts into examples: provenance from topic, kind and models; split from the topic."""
    splits = split_topics(topics, config)
    return [
        Example(
            exchange=Exchange(transcript=draft.messages, response=draft.response),
            provenance=_provenance(draft),
            split=splits[draft.topic.id],
        )
        for draft in drafts
    ]


def _provenance(draft: Draft) -> Provenance:
    topic = draft.topic
    polarity = "harmless" if draft.kind == "twin" else topic.polarity
    pool = None
    if polarity != "harmful":
        pool = "multi_turn" if draft.kind == "conversation" else topic.pool or "near_domain"
    responder = None
    if draft.response is not None:
        written = "helpful_only" if polarity == "harmful" else "generator"
        responder = "target" if draft.from_target else written
    return Provenance.model_validate(
        {
            "polarity": polarity,
            "kind": draft.kind,
            "category": topic.category,
            "rules": (topic.rule,),
            "topic": topic.title,
            "language": draft.language,
            "model": draft.model
            if draft.response_model in (None, draft.model)
            else f"{draft.model}+{draft.response_model}",
            "responder": responder,
            "parents": () if draft.parent is None else (digest_of(draft.parent),),
            "pool": pool,
        }
    )


@dataclass(frozen=True, slots=True)
class _Stage:
    key: str
    path: Path
    kind: type[Value]

    def read(self) -> list:  # type: ignore[type-arg]
        return list(read_records(self.path, self.kind))


class _Run:
    """Chains stages by key, and keeps each stage's problems beside its records."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.problems: list[Path] = []

    def stage(
        self,
        name: str,
        inputs: Iterable[object],
        kind: type[Value],
        make: Callable[[], tuple[Sequence[Value], Sequence[Problem]]],
    ) -> _Stage:
        key = self.store.key(name, VERSION, *inputs)
        made: list[Problem] = []

        def records() -> Sequence[Value]:
            out, problems = make()
            made.extend(problems)
            self.store.records(f"{name}-problems", key, lambda: made)
            return out

        path, _ = self.store.records(name, key, records)
        problems_path, _ = self.store.records(f"{name}-problems", key, lambda: made)
        self.problems.append(problems_path)
        return _Stage(key, path, kind)
