"""Every plot of a report. One chart definition gives SVG, PNG and an interactive page, without any network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import vl_convert
from altair import Chart, LayerChart

from gruyere.evaluation.metrics import BlockRate, Roc
from gruyere.evaluation.outcomes import SuccessRate

AnyChart = Any  # altair's chart classes share no typed base
INK = "#31363b"
"""Colour of text and axes; `to_svg` can turn it into the colour of the surrounding text."""
GOOD, BAD, THIRD = "#0072b2", "#d55e00", "#009e73"
"""Okabe and Ito's palette: told apart under every common colour blindness."""
_FONT = "Arial, Helvetica, 'Liberation Sans', 'DejaVu Sans', sans-serif"
"""Plain faces: the widths measured when a chart is laid out must fit the face that a browser takes."""
_WIDTH, _HEIGHT = 560, 300
_ROW = 26
"""Height of one bar row, in pixels."""


@dataclass(frozen=True, slots=True)
class AttackRow:
    """Attack success for one transform family, without and with the guard."""

    family: str
    held_out: bool
    unguarded: SuccessRate
    guarded: SuccessRate


def roc_chart(curves: Mapping[str, Roc]) -> AnyChart:
    """Draw ROC curves over false-positive rates from 0.01 % up, on a logarithmic axis.

    Guards work at the left end, which a linear axis hides. Rates below the axis are drawn at its edge.
    """
    floor = 1e-4
    rows = [
        {"curve": name, "fpr": max(float(x), floor), "recall": float(y)}
        for name, curve in curves.items()
        for x, y in zip(curve.false_positive_rate, curve.recall, strict=True)
    ]
    x = alt.X("fpr:Q", title="false-positive rate", axis=alt.Axis(format="~%", values=[1e-4, 1e-3, 1e-2, 1e-1, 1]))
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(
            x=x.scale(type="log", domain=[floor, 1]),
            y=alt.Y("recall:Q", title="recall", axis=alt.Axis(format="%")).scale(domain=[0, 1]),
            color=alt.Color("curve:N", title=None).scale(range=[GOOD, BAD, THIRD, "#cc79a7", "#e69f00"]),
            strokeDash=alt.StrokeDash("curve:N", title=None),
            tooltip=["curve:N", alt.Tooltip("fpr:Q", format=".3%"), alt.Tooltip("recall:Q", format=".1%")],
        )
    )
    return _themed(chart.properties(width=_WIDTH, height=_HEIGHT))


def histogram_chart(
    labels: Sequence[bool], scores: Sequence[float], *, threshold: float | None = None, bins: int = 40
) -> AnyChart:
    """Draw how scores of harmful and harmless rows spread; each label's bars add up to 100 %."""
    counts: dict[tuple[bool, int], int] = {}
    for label, score in zip(labels, scores, strict=True):
        key = (label, min(int(score * bins), bins - 1))
        counts[key] = counts.get(key, 0) + 1
    totals = {True: sum(labels) or 1, False: (len(labels) - sum(labels)) or 1}
    rows = [
        {
            "label": "harmful" if label else "harmless",
            "low": number / bins,
            "high": (number + 1) / bins,
            "share": count / totals[label],
        }
        for (label, number), count in sorted(counts.items())
    ]
    bars = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar(opacity=0.6, binSpacing=0)
        .encode(
            x=alt.X("low:Q", title="score", bin="binned").scale(domain=[0, 1]),
            x2="high:Q",
            y=alt.Y("share:Q", title="share of rows", axis=alt.Axis(format="%"), stack=None),
            color=_label_colour(),
            tooltip=["label:N", "low:Q", "high:Q", alt.Tooltip("share:Q", format=".1%")],
        )
    )
    layers = [bars] if threshold is None else [bars, _rule(threshold)]
    return _themed(alt.layer(*layers).properties(width=_WIDTH, height=220))


def attack_chart(rows: Sequence[AttackRow]) -> AnyChart:
    """Draw attack success per family without and with the guard, with 95 % intervals."""
    values = [
        {
            "group": f"{row.family} (held out)" if row.held_out else row.family,
            "guard": name,
            **_interval_fields(rate.rate, rate.interval.low, rate.interval.high, rate.attempts),
        }
        for row in rows
        for name, rate in (("without guard", row.unguarded), ("with guard", row.guarded))
    ]
    colour = alt.Color("guard:N", title=None, sort=["without guard", "with guard"])
    return _intervals(
        values,
        title="attack success",
        colour=colour.scale(domain=["without guard", "with guard"], range=[BAD, GOOD]),
        offset="guard:N",
        order=["without guard", "with guard"],
    )


def block_chart(rates: Sequence[BlockRate], *, title: str = "blocked") -> AnyChart:
    """Draw the block rate of each group with its 95 % interval."""
    values = [
        {
            "group": rate.group,
            **_interval_fields(rate.share.rate, rate.share.interval.low, rate.share.interval.high, rate.share.n),
        }
        for rate in rates
    ]
    return _intervals(values, title=title, colour=alt.value(GOOD))


def first_alarm_chart(positions: Sequence[int | None], *, longest: int = 250) -> AnyChart:
    """Draw how many harmful answers are stopped by the time a number of words is out.

    Args:
        positions: Words released before the first alarm, per answer; None where none came.
        longest: Right end of the axis, in words.
    """
    stopped = sorted(p for p in positions if p is not None)
    total = len(positions) or 1
    rows = [{"words": 0, "share": 0.0}]
    rows += [{"words": p, "share": (i + 1) / total} for i, p in enumerate(stopped) if p <= longest]
    rows.append({"words": longest, "share": sum(p <= longest for p in stopped) / total})
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_line(interpolate="step-after", color=GOOD, strokeWidth=2)
        .encode(
            x=alt.X("words:Q", title="words released before the alarm").scale(domain=[0, longest]),
            y=alt.Y("share:Q", title="harmful answers stopped", axis=alt.Axis(format="%")).scale(domain=[0, 1]),
            tooltip=["words:Q", alt.Tooltip("share:Q", format=".1%")],
        )
    )
    return _themed(chart.properties(width=_WIDTH, height=240))


def to_svg(chart: AnyChart, *, inherit_colour: bool = False) -> str:
    """Render to SVG; with `inherit_colour` text and axes take the colour of the page, light or dark."""
    svg = str(vl_convert.vegalite_to_svg(chart.to_dict()))
    return svg.replace(INK, "currentColor") if inherit_colour else svg


def to_png(chart: AnyChart, *, scale: float = 2.0) -> bytes:
    """Render to PNG on white."""
    return bytes(vl_convert.vegalite_to_png({**chart.to_dict(), "background": "white"}, scale=scale))


def to_html(chart: AnyChart) -> str:
    """Return an interactive page that holds its own scripts and opens offline."""
    return str(vl_convert.vegalite_to_html(chart.to_dict(), bundle=True))


def _interval_fields(rate: float | None, low: float, high: float, n: int) -> dict[str, object]:
    return {"rate": rate, "low": low, "high": high, "n": n}


def _intervals(
    values: Sequence[Mapping[str, object]],
    *,
    title: str,
    colour: Any,
    offset: str | None = None,
    order: Sequence[str] | None = None,
) -> LayerChart:
    """Draw a point with a whisker per row, grouped by name, in the order given."""
    groups = list(dict.fromkeys(str(v["group"]) for v in values))
    y = {"y": alt.Y("group:N", title=None, sort=groups)}
    if offset:
        y["yOffset"] = alt.YOffset(offset, sort=list(order or ()))
    base = alt.Chart(alt.Data(values=list(values))).encode(
        color=colour,
        tooltip=["group:N", *(alt.Tooltip(f"{f}:Q", format=".2%") for f in ("rate", "low", "high")), "n:Q"],
        **y,
    )
    top = max((float(str(v["high"])) for v in values), default=1.0)
    x = alt.X("low:Q", title=f"{title}, with 95 % interval", axis=alt.Axis(format="~%")).scale(
        domain=[0, min(1.0, top * 1.05) or 1.0]
    )
    whiskers = base.mark_rule(strokeWidth=2, opacity=0.55).encode(x=x, x2="high:Q")
    points = base.mark_point(filled=True, size=70, opacity=1).encode(x="rate:Q")
    height = max(80, _ROW * len(groups) * (2 if offset else 1) * 0.8)
    return _themed(alt.layer(whiskers, points).properties(width=_WIDTH - 110, height=height))


def _label_colour() -> Any:
    scale = alt.Scale(domain=["harmful", "harmless"], range=[BAD, GOOD])
    return alt.Color("label:N", title=None, scale=scale)


def _rule(threshold: float) -> Chart:
    data = alt.Data(values=[{"at": threshold, "text": "threshold"}])
    return alt.Chart(data).mark_rule(color=INK, strokeDash=[4, 3]).encode(x="at:Q")


def _themed(chart: AnyChart) -> AnyChart:
    """Apply the one look of all charts: no frame, faint grid, the page's own text colour."""
    axis = {
        "labelColor": INK,
        "titleColor": INK,
        "gridColor": INK,
        "gridOpacity": 0.12,
        "domainColor": INK,
        "domainOpacity": 0.4,
        "tickColor": INK,
        "tickOpacity": 0.4,
        "titleFontWeight": "normal",
        "labelFontSize": 11,
        "titleFontSize": 12,
        "labelLimit": 260,
    }
    return (
        chart.configure(background="transparent", font=_FONT, padding={"left": 16, "right": 16, "top": 5, "bottom": 5})
        .configure_view(stroke=None)
        .configure_axis(**axis)
        .configure_legend(
            orient="top", columnPadding=28, labelColor=INK, labelFontSize=12, symbolStrokeWidth=2.5, symbolOpacity=1
        )
    )
