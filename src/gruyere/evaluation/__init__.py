"""What a guard is worth: grades, rates with intervals, metrics and the scoreboard.

Plots and the HTML report live in `gruyere.evaluation.plots` and `gruyere.evaluation.report`; they are
not imported here, since Altair and its renderer take a second to load and most callers draw nothing.
"""

from gruyere.evaluation.grading import Detail, Grade, Rubric, grade
from gruyere.evaluation.intervals import (
    Interval,
    Proportion,
    clopper_pearson,
    lower_bound,
    needed_sample,
    upper_bound,
    wilson,
)
from gruyere.evaluation.keywords import KeywordBaseline, keyword_baseline
from gruyere.evaluation.metrics import (
    BestF1,
    BlockRate,
    Roc,
    auroc,
    auroc_interval,
    average_precision,
    best_f1,
    block_rates,
    expected_calibration_error,
    recall_at_fpr,
    roc,
    share_of,
)
from gruyere.evaluation.outcomes import Attempt, SuccessRate, streaming_leak, success_by
from gruyere.evaluation.scoreboard import Row, Scoreboard

__all__ = [
    "Attempt",
    "BestF1",
    "BlockRate",
    "Detail",
    "Grade",
    "Interval",
    "KeywordBaseline",
    "Proportion",
    "Roc",
    "Row",
    "Rubric",
    "Scoreboard",
    "SuccessRate",
    "auroc",
    "auroc_interval",
    "average_precision",
    "best_f1",
    "block_rates",
    "clopper_pearson",
    "expected_calibration_error",
    "grade",
    "keyword_baseline",
    "lower_bound",
    "needed_sample",
    "recall_at_fpr",
    "roc",
    "share_of",
    "streaming_leak",
    "success_by",
    "upper_bound",
    "wilson",
]
