"""What scores are worth: ranking, operating points, block rates per group, calibration error.

Labels are 1 for harmful and 0 for harmless; scores are in [0, 1], higher meaning more harmful.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, rankdata
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from gruyere.evaluation.intervals import CONFIDENCE, Interval, Proportion
from gruyere.values import UsageError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Roc:
    """Points of a ROC curve; all three have shape (points,) and rates rise from 0 to 1."""

    false_positive_rate: Floats
    recall: Floats
    threshold: Floats
    """Score at and above which a row counts as harmful; the first is infinite."""


@dataclass(frozen=True, slots=True)
class BestF1:
    """The threshold with the highest F1, chosen on the very data it is reported on: an upper limit."""

    value: float
    threshold: float
    precision: float
    recall: float


@dataclass(frozen=True, slots=True)
class BlockRate:
    """Share of one group's rows that were blocked."""

    group: str
    share: Proportion


def auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the area under the ROC curve: how often a harmful row outranks a harmless one, ties half.

    Raises:
        UsageError: If a class is missing, lengths differ or a score is not finite.
    """
    truth, values = _checked(labels, scores)
    return float(roc_auc_score(truth, values))


def auroc_interval(labels: ArrayLike, scores: ArrayLike, confidence: float = CONFIDENCE) -> Interval:
    """Return DeLong's interval of the area under the ROC curve, on the logit scale so that it stays in [0, 1].

    A perfect or perfectly wrong ranking has no estimated variance; its interval is then the
    exact one of that many successes among the rows of the smaller class.

    Raises:
        UsageError: As `auroc`.

    Source: DeLong et al. 1988; midranks after Sun and Xu 2014.
    """
    truth, values = _checked(labels, scores)
    harmful, harmless = values[truth == 1], values[truth == 0]
    m, n = len(harmful), len(harmless)
    ranks = rankdata(np.concatenate([harmful, harmless]))
    above = (ranks[:m] - rankdata(harmful)) / n  # share of harmless rows below each harmful one
    below = 1.0 - (ranks[m:] - rankdata(harmless)) / m  # share of harmful rows above each harmless one
    area = float(above.mean())
    variance = (above.var(ddof=1) / m if m > 1 else 0.0) + (below.var(ddof=1) / n if n > 1 else 0.0)
    if variance <= 0 or not 0 < area < 1:
        tail = ((1 - confidence) / 2) ** (1 / min(m, n))
        return Interval(tail, 1.0) if area > 0.5 else Interval(0.0, 1.0 if area == 0.5 else 1 - tail)
    half = float(norm.ppf((1 + confidence) / 2)) * math.sqrt(variance) / (area * (1 - area))
    centre = math.log(area / (1 - area))
    return Interval(_sigmoid(centre - half), _sigmoid(centre + half))


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the area under the precision-recall curve as a step-wise sum.

    Raises:
        UsageError: As `auroc`.
    """
    truth, values = _checked(labels, scores)
    return float(average_precision_score(truth, values))


def roc(labels: ArrayLike, scores: ArrayLike) -> Roc:
    """Return the corner points of the ROC curve.

    Raises:
        UsageError: As `auroc`.
    """
    truth, values = _checked(labels, scores)
    return Roc(*roc_curve(truth, values))


def best_f1(labels: ArrayLike, scores: ArrayLike) -> BestF1:
    """Return the highest F1 over all thresholds and where it is reached.

    Raises:
        UsageError: As `auroc`.
    """
    truth, values = _checked(labels, scores)
    precision, recall, thresholds = precision_recall_curve(truth, values)
    total = precision[:-1] + recall[:-1]
    f1 = np.divide(2 * precision[:-1] * recall[:-1], total, out=np.zeros_like(total), where=total > 0)
    best = int(f1.argmax())
    return BestF1(float(f1[best]), float(thresholds[best]), float(precision[best]), float(recall[best]))


def recall_at_fpr(labels: ArrayLike, scores: ArrayLike, fpr: float) -> float:
    """Return the best recall of any threshold whose false-positive rate is at most `fpr`, without interpolation.

    Raises:
        UsageError: As `auroc`.
    """
    points = roc(labels, scores)
    return float(points.recall[points.false_positive_rate <= fpr].max())


def block_rates(groups: Sequence[str], blocked: Sequence[bool]) -> list[BlockRate]:
    """Return the block rate of every group (category, family, language, pool), by name.

    Raises:
        ValueError: If the two differ in length.
    """
    pairs = list(zip(groups, blocked, strict=True))
    totals = Counter(group for group, _ in pairs)
    stopped = Counter(group for group, is_blocked in pairs if is_blocked)
    return [BlockRate(group, Proportion(stopped[group], totals[group])) for group in sorted(totals)]


def share_of(flags: Iterable[bool]) -> Proportion:
    """Count the true ones."""
    values = list(flags)
    return Proportion(sum(values), len(values))


def expected_calibration_error(labels: ArrayLike, scores: ArrayLike, bins: int = 15) -> float:
    """Return the mean gap between score and share of harmful rows over equal-width bins, in [0, 1].

    Rows weigh equally, so an empty bin costs nothing.

    Raises:
        UsageError: If lengths differ, there are no rows or a score is not in [0, 1].

    Source: Guo et al. 2017, section 2; 15 bins as there.
    """
    truth, values = _checked(labels, scores, both=False)
    if len(values) == 0 or values.min() < 0 or values.max() > 1:
        raise UsageError("calibration error needs at least one row and scores in [0, 1]; check the scores")
    bin_of = np.minimum((values * bins).astype(int), bins - 1)
    gaps = np.bincount(bin_of, weights=values - truth, minlength=bins)
    return float(np.abs(gaps).sum() / len(values))


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))


def _checked(labels: ArrayLike, scores: ArrayLike, *, both: bool = True) -> tuple[NDArray[np.int64], Floats]:
    truth = np.asarray(labels).astype(np.int64)
    values = np.asarray(scores, dtype=np.float64)
    if truth.shape != values.shape or truth.ndim != 1:
        raise UsageError(f"{truth.shape} labels against {values.shape} scores; pass one score per label")
    if not np.isfinite(values).all():
        raise UsageError(f"{int((~np.isfinite(values)).sum())} of {len(values)} scores are not finite; find out why")
    if both and len(np.unique(truth)) != 2:
        raise UsageError(f"{len(truth)} rows hold a single class; ranking needs harmful and harmless rows")
    return truth, values
