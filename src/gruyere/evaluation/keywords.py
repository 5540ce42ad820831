"""The bag-of-words baseline: if keywords alone separate a test set, the test set is too easy."""

from collections.abc import Sequence
from dataclasses import dataclass

from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from gruyere.evaluation.intervals import Interval
from gruyere.evaluation.metrics import auroc, auroc_interval
from gruyere.values import UsageError


@dataclass(frozen=True, slots=True)
class KeywordBaseline:
    """How far single words get, and which words carry it."""

    auroc: float
    interval: Interval
    n: int
    """Test texts."""
    strongest: tuple[str, ...]
    """The words that speak most for harm, strongest first."""


def keyword_baseline(
    train: Sequence[str],
    train_labels: Sequence[bool],
    test: Sequence[str],
    test_labels: Sequence[bool],
    *,
    shown: int = 10,
) -> KeywordBaseline:
    """Train logistic regression on which words occur, and rank the test texts with it.

    Presence, not counts: long answers would otherwise be told apart by length. Classes are
    weighted equally.

    Args:
        train, train_labels: Texts and whether each is harmful.
        test, test_labels: Texts never trained on.
        shown: How many words to name.

    Raises:
        UsageError: If either set lacks a class or the training texts hold no word.
    """
    if len(set(train_labels)) != 2:
        raise UsageError("the keyword baseline needs harmful and harmless training texts")
    vectorizer = CountVectorizer(binary=True, token_pattern=r"(?u)\w\w+", max_features=50_000)
    try:
        counts = vectorizer.fit_transform(train)
    except ValueError as error:
        raise UsageError(f"the keyword baseline cannot read its {len(train)} training texts: {error}") from None
    model = LogisticRegression(max_iter=1000, class_weight="balanced")
    model.fit(counts, [int(label) for label in train_labels])
    scores = model.predict_proba(vectorizer.transform(test))[:, 1]
    names = vectorizer.get_feature_names_out()
    strongest = tuple(str(names[i]) for i in model.coef_[0].argsort()[::-1][:shown])
    area = auroc(test_labels, scores)
    return KeywordBaseline(area, auroc_interval(test_labels, scores), len(test), strongest)
