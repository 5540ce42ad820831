"""From raw examples to training data and benign pools: augmentations, joined conversations.

Augmentations go on harmful and harmless examples alike, so that a framing by itself tells
nothing about the label. Held-out families are never used here.
"""

import random
from collections.abc import Iterable, Mapping, Sequence

from pydantic import Field

from gruyere.transforms import Transform, apply_chain
from gruyere.values import Example, Exchange, Message, Value, digest_of


class AugmentationConfig(Value):
    """The `[augmentation]` table of gruyere.toml."""

    held_out: tuple[str, ...] = ("cipher", "fiction", "injection")
    """Families kept from training and calibration, to measure the guard on what it has not met."""
    per_harmful: int = Field(default=2, ge=0)
    per_harmless: int = Field(default=1, ge=0)
    families: tuple[str, ...] = ("roleplay", "override", "codeword", "translation", "lookalike")
    """Families trained on. Encodings that the views decode need no training data of their own."""
    joined: float = Field(default=0.25, ge=0)
    """Conversations made by joining unrelated exchanges, as a share of single-turn examples."""


def rng_for(*parts: object) -> random.Random:
    """Return a generator that depends on the parts alone, so that examples are independent of order."""
    return random.Random(digest_of([str(part) for part in parts]))


def transformed(
    example: Example, names: Sequence[str], seed: int, transforms: Mapping[str, Transform]
) -> Example | None:
    """Apply a chain of transforms; None where one of them does not apply to this example."""
    if not all(transforms[name].applies(example.exchange) for name in names):
        return None
    rng = rng_for(seed, example.id, *names)
    exchange = apply_chain(names, example.exchange, rng, transforms)
    return derive(example, exchange, transforms=names)


def derive(
    example: Example, exchange: Exchange, *, transforms: Sequence[str] = (), parents: Iterable[str] = ()
) -> Example:
    """Return an example made from another: same label by derivation, provenance extended."""
    provenance = example.provenance
    return example.model_copy(
        update={
            "exchange": exchange,
            "provenance": provenance.model_copy(
                update={
                    "transforms": (*provenance.transforms, *transforms),
                    "parents": (*provenance.parents, example.id, *parents),
                }
            ),
        }
    )


def augment(
    examples: Sequence[Example], config: AugmentationConfig, seed: int, transforms: Mapping[str, Transform]
) -> list[Example]:
    """Return the examples followed by their augmentations."""
    names = sorted(
        name for name, t in transforms.items() if t.family in config.families and t.family not in config.held_out
    )
    out = list(examples)
    for example in examples:
        count = config.per_harmful if example.provenance.polarity == "harmful" else config.per_harmless
        rng = rng_for(seed, "augment", example.id)
        chosen = rng.sample(names, k=min(len(names), 2 * count))
        made = [e for name in chosen if (e := transformed(example, [name], seed, transforms)) is not None]
        out += made[:count]
    return out + join_conversations(out, config.joined, seed)


def join_conversations(examples: Sequence[Example], share: float, seed: int) -> list[Example]:
    """Put a benign exchange before another example, as when one person asks two unrelated things.

    The label is the second example's: its request is the one that is judged. Joined
    harmless exchanges form the multi-turn pool.
    """
    single = [e for e in examples if not e.multi_turn]
    openers = [e for e in single if e.provenance.polarity != "harmful" and e.exchange.response is not None]
    joined = []
    if not openers:
        return []
    for example in single:
        rng = rng_for(seed, "join", example.id)
        if rng.random() >= share:
            continue
        opener = rng.choice(openers)
        turns = (*opener.exchange.transcript, Message(role="assistant", content=opener.exchange.response or ""))
        exchange = Exchange(transcript=(*turns, *example.exchange.transcript), response=example.exchange.response)
        made = derive(example, exchange, transforms=["joined"], parents=[opener.id])
        if example.provenance.pool is not None:
            made = made.model_copy(update={"provenance": made.provenance.model_copy(update={"pool": "multi_turn"})})
        joined.append(made)
    return joined
