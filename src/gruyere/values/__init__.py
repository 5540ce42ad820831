"""Records shared by all floors. Knows no file, no network and no model."""

from gruyere.values.errors import (
    ArtifactError,
    CalibrationError,
    GruyereError,
    UpstreamError,
    UsageError,
)
from gruyere.values.messages import (
    Example,
    Exchange,
    Kind,
    Label,
    Message,
    Polarity,
    Pool,
    Provenance,
    Role,
    Side,
    Split,
)
from gruyere.values.record import Value, digest_of
from gruyere.values.verdicts import Calibration, Decision, Layer, PoolRecord, Threshold, Verdict
from gruyere.values.words import WordCutter, cut_words

__all__ = [
    "ArtifactError",
    "Calibration",
    "CalibrationError",
    "Decision",
    "Example",
    "Exchange",
    "GruyereError",
    "Kind",
    "Label",
    "Layer",
    "Message",
    "Polarity",
    "Pool",
    "PoolRecord",
    "Provenance",
    "Role",
    "Side",
    "Split",
    "Threshold",
    "UpstreamError",
    "UsageError",
    "Value",
    "Verdict",
    "WordCutter",
    "cut_words",
    "digest_of",
]
