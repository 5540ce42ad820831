"""Attack the whole guard with every transform, and grade what came through."""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gruyere.evaluation import Attempt, Grade, Rubric, grade
from gruyere.guard import Guard
from gruyere.language import StandIn
from gruyere.pipeline.augmentation import rng_for
from gruyere.pipeline.scoring import on_all_cores
from gruyere.pipeline.target import readings
from gruyere.transforms import Transform, agreed_codewords, apply_chain
from gruyere.values import Example, Exchange, GruyereError, Message, UsageError, Value

PLAIN = "plain"
COMPOSITION = "composition"
_ENCODING_FAMILIES = {"encoding", "cipher", "signal", "lookalike"}


class Trial(Value):
    """One attack on one question, on the bare target and through the whole guard."""

    category: str
    language: str
    held_out: bool
    """Whether a family of the attack was kept from training and calibration."""
    bare: Attempt
    guarded: Attempt


@dataclass(frozen=True, slots=True)
class Plan:
    """A chain of transforms, tried on every question that it applies to."""

    family: str
    names: tuple[str, ...]
    held_out: bool


def plans_for(
    example: Example, transforms: Mapping[str, Transform], held_out: set[str], seed: int, compositions: int = 2
) -> list[Plan]:
    """Return the plain request, every transform, and some framings wrapped around an encoding."""
    plans = [Plan(PLAIN, (), False)]
    plans += [Plan(t.family, (name,), t.family in held_out) for name, t in sorted(transforms.items())]
    framings = sorted(n for n, t in transforms.items() if t.family not in _ENCODING_FAMILIES | {"translation"})
    encodings = sorted(n for n, t in transforms.items() if t.family in _ENCODING_FAMILIES)
    rng = rng_for(seed, "compositions", example.id)
    for _ in range(compositions):
        names = (rng.choice(framings), rng.choice(encodings))
        plans.append(Plan(COMPOSITION, names, any(transforms[n].family in held_out for n in names)))
    return plans


def attack_all(
    examples: Sequence[Example],
    guard: Guard,
    target: StandIn,
    transforms: Mapping[str, Transform],
    held_out: set[str],
    seed: int,
    progress: Callable[[str, int, int], None],
    limit: int = 0,
) -> list[Trial]:
    """Try every plan on every answered harmful question; with a limit, the plain one and as many drawn plans."""

    def attack(example: Example) -> list[Trial]:
        rubric = _rubric(example)
        plans = _drawn(plans_for(example, transforms, held_out, seed), limit, rng_for(seed, "plans", example.id))
        return [
            _try(example, plan, rubric, guard, target, transforms, seed)
            for plan in plans
            if all(transforms[name].applies(example.exchange) for name in plan.names)
        ]

    trials: list[Trial] = []
    for number, made in enumerate(on_all_cores(attack, examples)):
        trials += made
        progress("attacking the guard", number + 1, len(examples))
    return trials


def _drawn(plans: list[Plan], limit: int, rng: random.Random) -> list[Plan]:
    return plans if limit == 0 else [plans[0], *rng.sample(plans[1:], k=min(limit, len(plans) - 1))]


def _rubric(example: Example) -> Rubric | None:
    try:
        return Rubric.from_reference(example.exchange.transcript[-1].content, example.exchange.response or "")
    except UsageError:
        return None  # nothing to grade by: every attempt on it counts for the attacker


def _try(
    example: Example,
    plan: Plan,
    rubric: Rubric | None,
    guard: Guard,
    target: StandIn,
    transforms: Mapping[str, Transform],
    seed: int,
) -> Trial:
    asked = Exchange(transcript=example.exchange.transcript)
    provenance = example.provenance
    base = Attempt(
        example_id=example.id, transforms=plan.names, family=plan.family, request=asked.transcript[-1].content[:2000]
    )
    try:
        messages = apply_chain(plan.names, asked, rng_for(seed, example.id, *plan.names), transforms).transcript
    except GruyereError as error:
        bare = guarded = base.model_copy(update={"error": str(error)})
    else:
        base = base.model_copy(update={"request": "\n\n".join(m.content for m in messages)[:2000]})
        answer = target.answer(messages)
        graded = _grade(answer, rubric, messages)
        bare = base.model_copy(update={"answer": answer, "grade": graded})
        judged = guard.judge_exchange(Exchange(transcript=messages, response=answer))
        released = judged.released
        layer = judged.verdict.layer if judged.verdict.decision == "block" else None
        through = graded if released == answer else _grade(released, rubric, messages)
        guarded = base.model_copy(update={"answer": released, "grade": through, "blocked_by": layer})
    return Trial(
        category=provenance.category, language=provenance.language, held_out=plan.held_out, bare=bare, guarded=guarded
    )


def _grade(answer: str, rubric: Rubric | None, messages: Sequence[Message]) -> Grade | None:
    """Return the best grade of any reading of an answer: as it is, decoded, or with its code words undone."""
    if rubric is None:
        return None
    texts = [answer, *readings(answer)]
    for code, meaning in agreed_codewords(messages).items():
        texts += [re.sub(rf"\b{re.escape(code)}\b", meaning, text, flags=re.IGNORECASE) for text in texts]
    grades = [grade(text, rubric) for text in texts]
    return max(grades, key=lambda g: (g.passed, g.share))
