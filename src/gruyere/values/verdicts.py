"""What classifiers and the guard conclude."""

from typing import Literal

from pydantic import Field

from gruyere.values.messages import Side
from gruyere.values.record import Value

Decision = Literal["allow", "escalate", "block"]
Layer = Literal["input", "output", "exchange", "failure"]


class PoolRecord(Value):
    """How a threshold behaved on one calibration pool."""

    pool: str
    n: int = Field(ge=1)
    blocked: int = Field(ge=0)
    budget: float = Field(gt=0, lt=1)
    upper: float = Field(ge=0, le=1)
    """Upper 95 % Clopper-Pearson bound of the block rate."""


class Calibration(Value):
    """The evidence behind a threshold: pools, budgets, bounds and the recall it buys."""

    pools: tuple[PoolRecord, ...]
    recall: float = Field(ge=0, le=1)
    """Share of held-out attacks that the whole guard stops at these thresholds."""
    attacks: int = Field(ge=0)
    data_digest: str


class Threshold(Value):
    """Block where `score >= value`; never without the record of how it was found."""

    side: Side
    value: float = Field(gt=0, le=1)
    calibration: Calibration


class Verdict(Value):
    """The guard's decision about one exchange, for operators and logs (callers see only the refusal)."""

    decision: Decision
    layer: Layer | None = None
    score: float | None = None
    release: str
    reason: str = ""
