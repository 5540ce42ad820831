"""One self-contained HTML page with everything an evaluation found. It opens offline and prints well."""

from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from gruyere.evaluation.intervals import Interval
from gruyere.evaluation.metrics import BlockRate
from gruyere.evaluation.plots import AnyChart, AttackRow, to_svg
from gruyere.evaluation.scoreboard import Scoreboard, figure, interval_text
from gruyere.values import Threshold


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot as SVG with what it shows."""

    title: str
    caption: str
    svg: str
    """Markup made by `to_svg`; it goes into the page as it is, so never put foreign text here."""

    @classmethod
    def of(cls, title: str, caption: str, chart: AnyChart) -> "Figure":
        """Render a chart in the page's own text colour."""
        return cls(title, caption, to_svg(chart, inherit_colour=True))


@dataclass(frozen=True, slots=True)
class RateTable:
    """Block rates per category, family, language or pool."""

    title: str
    note: str
    """What a blocked row means here: a false positive, or an attack stopped."""
    rates: tuple[BlockRate, ...]


@dataclass(frozen=True, slots=True)
class Backbone:
    """One candidate in the comparison of classifiers, at equal false-positive rate."""

    name: str
    side: str
    auroc: float
    recall: float
    """At the false-positive rate named in the report's note on backbones."""
    us_per_token: float
    megabytes: float
    shipped: bool


@dataclass(frozen=True, slots=True)
class Case:
    """A single text worth reading: a harmless one that was blocked, or an attack that was not."""

    text: str
    score: float | None
    about: str
    """Where it comes from: category, pool, family, language, layer."""


@dataclass(frozen=True, slots=True)
class ReportData:
    """All that a report shows. Empty parts are left out of the page."""

    title: str
    summary: str
    scoreboard: Scoreboard
    figures: tuple[Figure, ...] = ()
    attacks: tuple[AttackRow, ...] = ()
    tables: tuple[RateTable, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    backbones: tuple[Backbone, ...] = ()
    backbones_note: str = ""
    false_positives: tuple[Case, ...] = ()
    misses: tuple[Case, ...] = ()
    provenance: tuple[tuple[str, str], ...] = ()
    """Name and value: release, digests, data. Commit, machine and command come from the scoreboard."""
    notes: tuple[str, ...] = ()
    """What a reader must know to read the figures right, such as that a stand-in model answered."""


def render_report(data: ReportData) -> str:
    """Return the page. Every text in it is escaped; it loads nothing from anywhere."""
    judged = [row for row in data.scoreboard.rows if row.target or not row.met]
    unmet = [row for row in judged if not row.met]
    environment = Environment(
        loader=PackageLoader("gruyere.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        figure=figure,
        interval=interval_text,
        percent=percent,
        span=lambda interval: span(interval),
        svg=lambda svg: Markup(svg),
        breakable=lambda name: escape(name).replace("_", Markup("_<wbr>")),
    )
    return environment.get_template("report.html.j2").render(
        data=data, board=data.scoreboard, judged=judged, unmet=unmet
    )


def percent(share: float | None) -> str:
    """Write a share in percent, finer where it is small."""
    if share is None:
        return "–"
    digits = 2 if 0 < share < 0.1 else 1
    return f"{100 * share:.{digits}f} %"


def span(interval: Interval) -> str:
    """Write an interval of shares in percent."""
    return f"{percent(interval.low)} – {percent(interval.high)}"
