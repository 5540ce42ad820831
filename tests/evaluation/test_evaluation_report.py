"""The report is one safe, self-contained page, and plots render without any network."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from gruyere.evaluation import BlockRate, Proportion, Row, Scoreboard, SuccessRate, roc
from gruyere.evaluation.plots import (
    INK,
    AnyChart,
    AttackRow,
    attack_chart,
    block_chart,
    first_alarm_chart,
    histogram_chart,
    roc_chart,
    to_html,
    to_png,
    to_svg,
)
from gruyere.evaluation.report import Backbone, Case, Figure, RateTable, ReportData, percent, render_report
from gruyere.values import Calibration, PoolRecord, Threshold

HOSTILE = "</p><script>alert('x')</script><img src=x onerror=alert(1)> {{ 7*7 }} \" & مرحبا"
RATES = (BlockRate("general", Proportion(0, 900)), BlockRate("near_domain", Proportion(7, 520)))
ATTACKS = (
    AttackRow("encoding", False, SuccessRate(80, 2, 100), SuccessRate(1, 0, 100)),
    AttackRow("cipher", True, SuccessRate(70, 0, 90), SuccessRate(3, 1, 90)),
)
LABELS, SCORES = [True, True, False, False, False], [0.9, 0.6, 0.7, 0.1, 1.0]


def charts() -> dict[str, AnyChart]:
    return {
        "roc": roc_chart({"input": roc(LABELS, SCORES), "output": roc(LABELS, np.array(SCORES) ** 2)}),
        "histogram": histogram_chart(LABELS, SCORES, threshold=0.8),
        "attacks": attack_chart(ATTACKS),
        "blocks": block_chart(RATES, title="false positives"),
        "alarm": first_alarm_chart([3, 10, None, 400]),
    }


def report() -> ReportData:
    rows = (
        Row.of_share("false_positive_general", Proportion(0, 900), target="<= 0.005"),
        Row.missing("streaming_leak", HOSTILE, target="<= 0.002"),
        Row.of("added_us_per_token", 183.2),
    )
    board = Scoreboard(made="2026-11-21T10:00:00Z", commit="abc", machine="2 cores", command="make demo", rows=rows)
    pools = (PoolRecord(pool="general", n=900, blocked=0, budget=0.005, upper=0.0033),)
    evidence = Calibration(pools=pools, recall=0.98, attacks=400, data_digest="v1-ab")
    return ReportData(
        title="Guard of the Cake constitution",
        summary=HOSTILE,
        scoreboard=board,
        figures=tuple(Figure.of(name, "What it shows.", chart) for name, chart in charts().items()),
        attacks=ATTACKS,
        tables=(RateTable("Pools", "False positives.", RATES),),
        thresholds=(Threshold(side="input", value=0.71, calibration=evidence),),
        backbones=(Backbone("linear", "input", 0.987, 0.91, 31, 4.2, True),),
        backbones_note="Recall at 0.5 % false positives.",
        false_positives=(Case(HOSTILE, 0.83, HOSTILE),),
        misses=(Case("Grandma dictates", None, "fiction"),),
        provenance=(("release", "cake-8a1b"),),
        notes=("Attack figures come from the stand-in.",),
    )


class _Page(HTMLParser):
    """Collects tags, attributes and the text of headings."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.headings: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside in ("h1", "h2", "h3") and data.strip():
            self.headings.append(data.strip())


def test_every_part_has_its_heading_in_order() -> None:
    assert _Page(render_report(report())).headings == [
        "Guard of the Cake constitution",
        "Scoreboard",
        "Plots",
        "Attacks by family",
        "Rates by group",
        "Pools",
        "Calibration",
        "Backbones",
        "Worst false positives",
        "Worst misses",
        "Provenance",
    ]


def test_empty_parts_are_left_out() -> None:
    board = Scoreboard(made="now", commit="abc", machine="m", command="c", rows=())
    page = _Page(render_report(ReportData("Title", "Summary", board)))
    assert page.headings == ["Title", "Scoreboard", "Provenance"]


def test_the_page_loads_nothing_and_links_only_within_itself() -> None:
    text = render_report(report())
    page = _Page(text)
    links = [value for name, value in page.attributes if name in ("href", "src", "xlink:href", "action")]
    ids = {value for name, value in page.attributes if name == "id"}
    assert links
    assert all(link.startswith("#") and link[1:] in ids for link in links)
    assert not {"script", "link", "iframe", "img", "object"} & set(page.tags)
    assert set(re.findall(r"https?://[^\"'\s<)]+", text)) <= {
        "http://www.w3.org/2000/svg",  # names of XML vocabularies, never fetched
        "http://www.w3.org/1999/xlink",
    }
    assert "@import" not in text
    assert "url(" not in re.sub(r"url\(#[^)]*\)", "", text)


def test_hostile_text_is_shown_as_text() -> None:
    text = render_report(report())
    assert "<script" not in text
    assert "<img" not in text
    assert text.count("&lt;script&gt;") == 4
    assert "{{ 7*7 }}" in text


def test_figures_say_whether_their_targets_are_met() -> None:
    text = render_report(report())
    assert "1 of 2 figures with a target miss it" in text
    assert "0.71" in text
    assert "7 / 520" in text
    assert "held out" in text
    assert "0.33 %" in text


@pytest.mark.parametrize("name", list(charts()))
def test_each_chart_renders_in_every_form(name: str) -> None:
    chart = charts()[name]
    svg = to_svg(chart)
    assert svg.startswith("<svg")
    assert INK in svg
    assert "currentColor" in to_svg(chart, inherit_colour=True)
    assert to_png(chart).startswith(b"\x89PNG")


def test_the_interactive_page_holds_its_own_scripts() -> None:
    page = to_html(charts()["roc"])
    assert "<html" in page
    assert not re.search(r"<(script|link)[^>]+(src|href)=", page)


def test_hostile_names_stay_text_inside_charts() -> None:
    svg = to_svg(block_chart((BlockRate(HOSTILE, Proportion(1, 2)),)))
    assert "<script" not in svg
    assert "<img" not in svg


@pytest.mark.parametrize(("share", "text"), [(None, "–"), (0.0, "0.0 %"), (0.0042, "0.42 %"), (0.986, "98.6 %")])
def test_shares_are_written_in_percent(share: float | None, text: str) -> None:
    assert percent(share) == text
