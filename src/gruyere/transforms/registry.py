"""All transforms by name, and their composition."""

import random
from collections.abc import Iterable, Mapping, Sequence

from gruyere.transforms.codewords import keyword_swap
from gruyere.transforms.encodings import ENCODINGS
from gruyere.transforms.fiction import FICTION
from gruyere.transforms.injection import PROMPT_INJECTION
from gruyere.transforms.override import SYSTEM_OVERRIDE
from gruyere.transforms.roleplay import ROLE_PLAY
from gruyere.transforms.transform import Transform
from gruyere.values import Exchange, UsageError

DEEPEST = 3
"""Longest chain of transforms."""
LONGEST = 200_000
"""Longest exchange that a chain may make, in characters of all messages together."""


def register(transforms: Iterable[Transform]) -> dict[str, Transform]:
    """Index transforms by name; a name that is taken is an error.

    Raises:
        UsageError: If two transforms share a name.
    """
    known: dict[str, Transform] = {}
    for transform in transforms:
        if transform.name in known:
            raise UsageError(f"two transforms are called {transform.name!r}; rename one")
        known[transform.name] = transform
    return known


TRANSFORMS: Mapping[str, Transform] = register(
    (*ENCODINGS, ROLE_PLAY, FICTION, PROMPT_INJECTION, SYSTEM_OVERRIDE, keyword_swap())
)
"""Every transform that needs no recorded data; `translation` is made from a table and added to a copy."""


def find(name: str, transforms: Mapping[str, Transform] = TRANSFORMS) -> Transform:
    """Return a transform by name.

    Raises:
        UsageError: If there is none of that name.
    """
    if name not in transforms:
        raise UsageError(f"unknown transform {name!r}; known: {', '.join(sorted(transforms))}")
    return transforms[name]


def apply_chain(
    names: Sequence[str],
    exchange: Exchange,
    rng: random.Random,
    transforms: Mapping[str, Transform] = TRANSFORMS,
) -> Exchange:
    """Apply transforms in order, the first one innermost.

    Raises:
        UsageError: If a name is unknown, the chain is deeper than 3, a transform does not apply,
            or the result is longer than `LONGEST` characters.
    """
    if len(names) > DEEPEST:
        raise UsageError(f"chain {' + '.join(names)}: {len(names)} transforms; use at most {DEEPEST}")
    for transform in [find(name, transforms) for name in names]:
        if not transform.applies(exchange):
            raise UsageError(f"transform {transform.name!r} does not apply to this exchange; leave it out")
        exchange = transform.apply(exchange, rng)
        length = sum(len(m.content) for m in exchange.messages)
        if length > LONGEST:
            raise UsageError(
                f"transform {transform.name!r} made {length} characters; at most {LONGEST}, use a shorter text"
            )
    return exchange


def families(transforms: Mapping[str, Transform] = TRANSFORMS) -> dict[str, tuple[str, ...]]:
    """Return the names of the transforms of every family, both sorted."""
    names = sorted({t.family for t in transforms.values()})
    return {family: tuple(sorted(n for n, t in transforms.items() if t.family == family)) for family in names}
