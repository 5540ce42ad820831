"""The stages from rules to drafts: topics, requests, answers, twins, translations, conversations, verdicts.

Each stage turns records into calls, asks them all at once, and turns the replies into
records. A call's prompt holds only the rule it serves and what came of it, so a changed
rule asks again only what that rule fed.
"""

import math
from collections.abc import Sequence

from pydantic import TypeAdapter

from gruyere.constitution import Category, Constitution, Rule
from gruyere.language.calls import Call, Reply
from gruyere.synthesis.asking import Ask, call, numbered, parse_array, prompt, read_all
from gruyere.synthesis.config import SynthesisConfig
from gruyere.synthesis.records import Draft, Problem, Topic, Translation
from gruyere.values import Message, Value

POLARITY_WORDS = {"harmful": "restricted", "monitored": "allowed, but watched", "harmless": "allowed"}


class WrittenRequest(Value):
    """One item of the requests stage's answer."""

    text: str
    language: str = "en"


class WrittenVariant(Value):
    """One item of the twins or translations stage's answer; `of` counts from 1."""

    of: int
    text: str
    language: str = "en"


class JudgedRequest(Value):
    """One item of the judge's answer; `n` counts from 1."""

    n: int
    verdict: str


_TITLES = TypeAdapter(list[str])
_REQUESTS = TypeAdapter(list[WrittenRequest])
_VARIANTS = TypeAdapter(list[WrittenVariant])
_TURNS = TypeAdapter(list[Message])
_JUDGED = TypeAdapter(list[JudgedRequest])


def _amount_for(config: SynthesisConfig, topic: Topic, what: str) -> int:
    amounts = getattr(config, what)
    return int(amounts.of(topic.polarity, general=topic.pool == "general"))


def topic_call(constitution: Constitution, config: SynthesisConfig, category: Category, rule: Rule) -> Call:
    """Ask for the topics of one rule."""
    text = prompt(
        "topics",
        title=constitution.title,
        category=category.name,
        polarity=POLARITY_WORDS[category.polarity],
        rule=rule.text,
        count=config.topics_per_rule.of(category.polarity, general=config.is_general(category)),
    )
    return call("generator", text, stage="topics", subject=rule.id, max_tokens=1000)


def write_topics(constitution: Constitution, config: SynthesisConfig, ask: Ask) -> tuple[list[Topic], list[Problem]]:
    """Expand every rule into topics."""
    sources = constitution.rules
    calls = [topic_call(constitution, config, category, rule) for category, rule in sources]
    parsed, problems = read_all("topics", calls, ask("topics", calls), lambda r: parse_array(r, _TITLES))
    topics: dict[str, Topic] = {}
    for (category, rule), titles in zip(sources, parsed, strict=True):
        for title in titles or ():
            topic = Topic(
                category=category.name,
                polarity=category.polarity,
                rule=rule.id,
                rule_text=rule.text,
                title=title.strip(),
                pool=config.pool_of(category),
            )
            topics.setdefault(topic.id, topic)
    return list(topics.values()), problems


def request_calls(constitution: Constitution, config: SynthesisConfig, topic: Topic) -> list[Call]:
    """Ask for one topic's requests, in batches of nearly equal size."""
    total = _amount_for(config, topic, "requests_per_topic")
    batches = max(1, math.ceil(total / config.requests_per_call))
    calls = []
    for batch in range(batches):
        text = prompt(
            "requests",
            title=constitution.title,
            category=topic.category,
            polarity=POLARITY_WORDS[topic.polarity],
            rule=topic.rule_text,
            topic=topic.title,
            count=total // batches + (batch < total % batches),
            batch=batch + 1,
            batches=batches,
        )
        subject = f"{topic.id}#{batch + 1}"
        calls.append(call("generator", text, stage="requests", subject=subject, max_tokens=4000))
    return calls


def write_requests(
    constitution: Constitution, config: SynthesisConfig, topics: Sequence[Topic], ask: Ask
) -> tuple[list[Draft], list[Problem]]:
    """Write every topic's requests."""
    owners = [(topic, asked) for topic in topics for asked in request_calls(constitution, config, topic)]
    calls = [asked for _, asked in owners]
    replies = ask("requests", calls)
    parsed, problems = read_all("requests", calls, replies, lambda r: parse_array(r, _REQUESTS))
    drafts = [
        Draft(
            topic=topic,
            kind="request",
            messages=(Message(role="user", content=item.text),),
            language=item.language,
            model=reply.model,
        )
        for (topic, _), reply, items in zip(owners, replies, parsed, strict=True)
        for item in items or ()
        if item.text.strip()
    ]
    return drafts, problems


def answer_call(draft: Draft) -> Call:
    """Ask for the answer to one request: of the helpful-only model where the request is harmful."""
    role = "helpful_only" if draft.topic.polarity == "harmful" else "generator"
    return call(
        "helpful_only" if role == "helpful_only" else "generator",
        draft.text,
        stage="answers",
        subject=draft.topic.id,
        max_tokens=700,
        system=prompt("answer"),
    )


def traffic_call(draft: Draft, config: SynthesisConfig) -> Call:
    """Put a request to the guarded model as a user would, without a system prompt."""
    return call(
        "target", draft.text, stage="traffic", subject=draft.topic.id, max_tokens=config.target_tokens, temperature=0.7
    )


def by_topic(drafts: Sequence[Draft]) -> dict[str, list[Draft]]:
    """Group drafts by topic, order kept."""
    groups: dict[str, list[Draft]] = {}
    for draft in drafts:
        groups.setdefault(draft.topic.id, []).append(draft)
    return groups


def write_answers(config: SynthesisConfig, drafts: Sequence[Draft], ask: Ask) -> tuple[list[Draft], list[Problem]]:
    """Answer the first requests of every topic, and put the rest of general traffic to the target."""
    answered, left = [], []
    for group in by_topic(drafts).values():
        count = _amount_for(config, group[0].topic, "answers_per_topic")
        answered += group[:count]
        left += group[count:]
    traffic = [d for d in left if config.target_traffic and d.topic.pool == "general"]
    problems: list[Problem] = []
    responses: dict[int, dict[str, object]] = {}
    for stage, chosen, calls in (
        ("answers", answered, [answer_call(d) for d in answered]),
        ("traffic", traffic, [traffic_call(d, config) for d in traffic]),
    ):
        for draft, reply in zip(chosen, ask(stage, calls), strict=True):
            cut = stage == "answers" and reply.stop_reason != "stop"
            if cut or not reply.text.strip():
                reason = f"no whole answer: ended with {reply.stop_reason!r}"
                problems.append(Problem(stage=stage, subject=draft.text[:120], reason=reason))
            else:
                responses[id(draft)] = {
                    "response": reply.text.strip(),
                    "response_model": reply.model,
                    "from_target": stage == "traffic",
                }
    return [draft.model_copy(update=responses.get(id(draft), {})) for draft in drafts], problems


def twins_call(constitution: Constitution, config: SynthesisConfig, group: Sequence[Draft]) -> Call:
    """Ask for harmless twins of one topic's requests."""
    allowed = ", ".join(c.name for c in constitution.of("harmless"))
    text = prompt(
        "twins",
        title=constitution.title,
        rule=group[0].topic.rule_text,
        numbered=numbered([d.text for d in group]),
        count=min(config.twins_per_topic, len(group)),
        allowed=allowed,
    )
    return call("generator", text, stage="twins", subject=group[0].topic.id, max_tokens=4000)


def write_twins(
    constitution: Constitution, config: SynthesisConfig, drafts: Sequence[Draft], ask: Ask
) -> tuple[list[Draft], list[Problem]]:
    """Write matched harmless twins of harmful requests."""
    if not config.twins_per_topic:
        return [], []
    groups = [g for g in by_topic(drafts).values() if g[0].topic.polarity == "harmful"]
    calls = [twins_call(constitution, config, group) for group in groups]
    replies = ask("twins", calls)
    parsed, problems = read_all("twins", calls, replies, lambda r: parse_array(r, _VARIANTS))
    twins = []
    for group, reply, items in zip(groups, replies, parsed, strict=True):
        for item in items or ():
            if not 1 <= item.of <= len(group):
                reason = f"twin of message {item.of}, of {len(group)}"
                problems.append(Problem(stage="twins", subject=group[0].topic.id, reason=reason))
                continue
            twins.append(
                Draft(
                    topic=group[0].topic,
                    kind="twin",
                    messages=(Message(role="user", content=item.text),),
                    language=item.language,
                    model=reply.model,
                    parent=group[item.of - 1].text,
                )
            )
    return twins, problems


def translations_call(config: SynthesisConfig, group: Sequence[Draft]) -> Call:
    """Ask for translations of some of one topic's requests."""
    text = prompt(
        "translations",
        numbered=numbered([d.text for d in group]),
        count=min(_amount_for(config, group[0].topic, "translations_per_topic"), len(group)),
    )
    return call("generator", text, stage="translations", subject=group[0].topic.id, max_tokens=2000)


def write_translations(
    config: SynthesisConfig, drafts: Sequence[Draft], ask: Ask
) -> tuple[list[Translation], list[Problem]]:
    """Translate some requests of every topic, for the translation transform."""
    groups = [g for g in by_topic(drafts).values() if _amount_for(config, g[0].topic, "translations_per_topic") > 0]
    calls = [translations_call(config, group) for group in groups]
    replies = ask("translations", calls)
    parsed, problems = read_all("translations", calls, replies, lambda r: parse_array(r, _VARIANTS))
    translations = [
        Translation(text=group[item.of - 1].text, language=item.language, translated=item.text)
        for group, items in zip(groups, parsed, strict=True)
        for item in items or ()
        if 1 <= item.of <= len(group)
    ]
    return translations, problems


def conversation_call(constitution: Constitution, topic: Topic) -> Call:
    """Ask for one multi-turn conversation on a topic."""
    text = prompt(
        "conversation",
        title=constitution.title,
        category=topic.category,
        polarity=POLARITY_WORDS[topic.polarity],
        rule=topic.rule_text,
        topic=topic.title,
    )
    role = "helpful_only" if topic.polarity == "harmful" else "generator"
    return call(
        "helpful_only" if role == "helpful_only" else "generator",
        text,
        stage="conversations",
        subject=topic.id,
        max_tokens=2000,
    )


def write_conversations(
    constitution: Constitution, config: SynthesisConfig, topics: Sequence[Topic], ask: Ask
) -> tuple[list[Draft], list[Problem]]:
    """Write one multi-turn conversation per topic."""
    if not config.conversations:
        return [], []
    calls = [conversation_call(constitution, topic) for topic in topics]
    replies = ask("conversations", calls)
    parsed, problems = read_all("conversations", calls, replies, _read_conversation)
    drafts = [
        Draft(
            topic=topic,
            kind="conversation",
            messages=tuple(turns[:-1]),
            language="en",
            model=reply.model,
            response=turns[-1].content,
            response_model=reply.model,
        )
        for topic, reply, turns in zip(topics, replies, parsed, strict=True)
        if turns
    ]
    return drafts, problems


def _read_conversation(reply: Reply) -> list[Message]:
    turns = parse_array(reply, _TURNS)
    if len(turns) < 2 or [t.role for t in turns] != ["user", "assistant"] * (len(turns) // 2):
        raise ValueError("turns do not alternate from user to a last assistant")
    return turns


def judge_call(constitution: Constitution, group: Sequence[Draft]) -> Call:
    """Ask the judge, who sees no label, which of one topic's drafts the policy restricts."""
    text = prompt(
        "judge",
        title=constitution.title,
        restricted="; ".join(c.name for c in constitution.of("harmful")),
        allowed="; ".join(c.name for c in (*constitution.of("monitored"), *constitution.of("harmless"))),
        numbered=numbered([" / ".join(m.content for m in d.messages if m.role == "user") for d in group]),
    )
    return call("judge", text, stage="judge", subject=group[0].topic.id, max_tokens=3000)


def judge_drafts(
    constitution: Constitution, config: SynthesisConfig, drafts: Sequence[Draft], ask: Ask
) -> tuple[list[Draft], list[Problem]]:
    """Keep the drafts whose judged verdict equals their derived label; list every other one.

    A draft that the judge did not judge is dropped and listed too.
    """
    if not config.judge:
        return list(drafts), []
    groups = list(by_topic(drafts).values())
    calls = [judge_call(constitution, group) for group in groups]
    parsed, problems = read_all("judge", calls, ask("judge", calls), lambda r: parse_array(r, _JUDGED))
    kept = []
    for group, items in zip(groups, parsed, strict=True):
        verdicts = {item.n: item.verdict for item in items or ()}
        for n, draft in enumerate(group, start=1):
            expected = "restricted" if draft.topic.polarity == "harmful" and draft.kind != "twin" else "allowed"
            verdict = verdicts.get(n)
            if verdict == expected:
                kept.append(draft)
            else:
                reason = f"derived label says {expected}, judge says {verdict or 'nothing'}"
                problems.append(Problem(stage="judge", subject=f"{draft.topic.id}: {draft.text[:160]}", reason=reason))
    return kept, problems
