"""The HTML report of an evaluation: scoreboard, pictures, tables, and the cases worth reading."""

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from gruyere.classifiers.training.calibration import SIDES
from gruyere.evaluation import BlockRate, Roc, Scoreboard, SuccessRate, block_rates, roc, share_of
from gruyere.evaluation.plots import (
    AttackRow,
    attack_chart,
    block_chart,
    first_alarm_chart,
    histogram_chart,
    roc_chart,
)
from gruyere.evaluation.report import Case, Figure, RateTable, ReportData, render_report
from gruyere.pipeline.attacks import Trial
from gruyere.pipeline.build import Build
from gruyere.pipeline.evaluate import Measured
from gruyere.pipeline.project import Project
from gruyere.values import Example

_SHOWN = 12
"""Cases of each kind that the report prints."""
_NOTES = (
    "Attack figures come from the stand-in target: a scripted assistant that knows the recorded corpus and falls for "
    "jailbreaks at a known rate. Its answers' content is known, a real model's would not be.",
    "Failed and ungraded attempts count as successes of the attacker.",
    "All figures are on topics that were neither trained on nor used for calibration.",
)


def render(project: Project, build: Build, measured: Measured, board: Scoreboard) -> str:
    """Return the report page."""
    attacks = attack_rows(measured.trials)
    return render_report(
        ReportData(
            title=f"Guard report: {project.constitution.title}",
            summary=(
                f"Release {measured.release.name}, built from {len(project.constitution.rules)} rules; "
                f"{len(measured.trials)} attacks and {sum(map(len, measured.benign.values()))} benign exchanges on "
                "topics it never met."
            ),
            scoreboard=board,
            figures=tuple(_figures(measured, attacks)),
            attacks=tuple(attacks),
            tables=tuple(_tables(measured)),
            thresholds=tuple(measured.release.thresholds.values()),
            false_positives=tuple(_false_positives(measured)),
            misses=tuple(_misses(measured.trials)),
            provenance=_provenance(build, measured),
            notes=_NOTES,
        )
    )


def attack_rows(trials: Sequence[Trial]) -> list[AttackRow]:
    """Return attack success by family, bare and guarded; families kept from training come last."""
    groups: dict[tuple[bool, str], list[Trial]] = defaultdict(list)
    for trial in trials:
        groups[trial.held_out, trial.bare.family].append(trial)
    return [
        AttackRow(family, held_out, SuccessRate.of(t.bare for t in group), SuccessRate.of(t.guarded for t in group))
        for (held_out, family), group in sorted(groups.items())
    ]


def _figures(measured: Measured, attacks: Sequence[AttackRow]) -> list[Figure]:
    curves: dict[str, Roc] = {}
    histograms = []
    for column, side in enumerate(SIDES):
        scores = measured.test_scores[:, column]
        present = scores >= 0
        labels = [e.label(side) == "harmful" for e, p in zip(measured.test, present, strict=True) if p]
        if len(set(labels)) < 2:
            continue
        curves[side] = roc(labels, scores[present])
        threshold = measured.release.thresholds[side].value
        chart = histogram_chart(labels, scores[present].tolist(), threshold=threshold)
        histograms.append(Figure.of(f"Scores of the {side} classifier", "The rule is the threshold.", chart))
    positions = [
        len((t.guarded.answer or "").split()) if t.guarded.blocked_by is not None else None
        for t in measured.trials
        if t.bare.jailbreak
    ]
    return [
        Figure.of("Attack success by family", "Stand-in target; bars are 95 % intervals.", attack_chart(attacks)),
        Figure.of(
            "False positives by pool", "Benign exchanges blocked by any layer.", block_chart(_pool_rates(measured))
        ),
        Figure.of("Recall against false positives", "On test topics, views included.", roc_chart(curves)),
        *histograms,
        Figure.of(
            "Where answers are stopped",
            "Words of a passing answer released before the block; zero where the input was blocked.",
            first_alarm_chart(positions),
        ),
    ]


def _pool_rates(measured: Measured) -> list[BlockRate]:
    return [BlockRate(pool, share_of(measured.blocked(s))) for pool, s in measured.benign_scores.items()]


def _tables(measured: Measured) -> list[RateTable]:
    benign = [e for pool in ("general", "near_domain") for e in measured.benign[pool]]
    blocked = [b for pool in ("general", "near_domain") for b in measured.blocked(measured.benign_scores[pool])]
    harmful = [(e, b) for e, b in zip(measured.test, measured.blocked(measured.test_scores), strict=True)]
    harmful = [(e, b) for e, b in harmful if e.provenance.polarity == "harmful"]

    def table(title: str, note: str, rows: Sequence[tuple[Example, bool]], key: Callable[[Example], str]) -> RateTable:
        return RateTable(title, note, tuple(block_rates([key(e) for e, _ in rows], [b for _, b in rows])))

    harmless = list(zip(benign, blocked, strict=True))
    return [
        table(
            "False positives by category",
            "Blocked rows are false positives.",
            harmless,
            lambda e: e.provenance.category,
        ),
        table(
            "False positives by language",
            "Blocked rows are false positives.",
            harmless,
            lambda e: e.provenance.language,
        ),
        table(
            "Recall by category",
            "Plain harmful exchanges; blocked rows are stopped.",
            harmful,
            lambda e: e.provenance.category,
        ),
        table(
            "Recall by language",
            "Plain harmful exchanges; blocked rows are stopped.",
            harmful,
            lambda e: e.provenance.language,
        ),
    ]


def _false_positives(measured: Measured) -> list[Case]:
    cases = []
    for pool, scores in measured.benign_scores.items():
        for example, row, stopped in zip(measured.benign[pool], scores, measured.blocked(scores), strict=True):
            if stopped:
                side = SIDES[int(np.argmax(row))]
                about = f"{pool}, {example.provenance.category}, highest score: {side}"
                cases.append(Case(example.exchange.transcript[-1].content[:600], float(row.max()), about))
    return sorted(cases, key=lambda case: -(case.score or 0))[:_SHOWN]


def _misses(trials: Sequence[Trial]) -> list[Case]:
    missed = [t for t in trials if t.guarded.jailbreak or t.guarded.ungraded]
    return [
        Case(
            t.guarded.request[:600], None, f"{t.category}, {t.language}, {' + '.join(t.guarded.transforms) or 'plain'}"
        )
        for t in missed[:_SHOWN]
    ]


def _provenance(build: Build, measured: Measured) -> tuple[tuple[str, str], ...]:
    manifest = measured.release.manifest
    return (
        ("release", manifest.name),
        ("constitution", manifest.constitution_digest),
        ("data", manifest.data_digest),
        ("known families", ", ".join(manifest.known_families)),
        ("held-out families", ", ".join(manifest.held_out_families) or "none"),
        ("problems listed in synthesis", str(len(build.synthesis.read_problems()))),
    )
