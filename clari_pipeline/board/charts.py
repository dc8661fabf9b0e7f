"""The board's three charts in Vega-Altair, and the rows that they draw.

A specification contains no data: the page passes it the rows of the selected view. Amounts are passed as text, so that
they stay exact until they are drawn; labels are formatted by `notify.rendering`. Colours are CSS variables of the page
(`var(--accent)`), so that charts follow its light, dark and print styles.
"""

import json
from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from typing import Any

from clari_pipeline.board.figures import Line, View
from clari_pipeline.core.safe_text import one_line
from clari_pipeline.notify.rendering import money, percent

ACCENT, INK, MUTED, FAINT = "var(--accent)", "var(--ink)", "var(--muted)", "var(--rule)"
_PAPER = {ACCENT: "#1a56b0", INK: "#1c2530", MUTED: "#5a6573", FAINT: "#d9dee5"}
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"
_STEPS = {
    "raised_amount": "Raised",
    "lowered_amount": "Lowered",
    "new_amount": "New",
    "gone_amount": "Gone",
    "judgement_amount": "Judgement",
}
_START, _ENDS = "Week's start", ("So far", "Week's end")
VEGA_LITE = "6.4"  # what Altair 6 writes
_PICTURE_WIDTH = 640
BAR_HEIGHT = 28  # pixels a row, for a chart without a height
_MOST_BARS = 12
_SLACK = 18  # pixels: tabular figures are wider than the library computes its labels to be
_LABELS_APART = Decimal("0.07")  # of the chart's height: a line of text

Rows = list[dict[str, Any]]


def rows_of(view: View) -> dict[str, Rows]:
    """The rows of each chart of a view; charts without rows are left out."""
    drawn = {"movement": _movement(view), "pacing": _pacing(view.lines), "accuracy": _accuracy(view)}
    return {name: found for name, found in drawn.items() if found}


@cache
def specifications() -> dict[str, dict[str, Any]]:
    """Each chart in Vega-Lite, without data: it reads a data set named `rows`."""
    import altair as alt  # noqa: PLC0415 - half a second, which only a board needs

    rows = alt.NamedData(name="rows")

    def numbers(*names: str) -> Any:
        chart = alt.Chart(rows)
        for name in names:
            chart = chart.transform_calculate(**{name: f"datum.{name} === null ? null : toNumber(datum.{name})"})
        return chart

    quiet = alt.Axis(title=None, labelLimit=130, ticks=False, domain=False, labelPadding=8)
    in_order = [_START, *_STEPS.values(), *_ENDS]
    steps = numbers("begin", "end", "right").encode(y=alt.Y("step:N", sort=in_order, axis=quiet))
    amount = alt.Scale(zero=False)
    across = alt.X("begin:Q", scale=amount, axis=alt.Axis(title=None, tickCount=4, format="~s", domain=False))
    moved = steps.transform_filter("datum.kind !== 'total'").mark_bar(height={"band": 0.62})
    movement = alt.layer(
        moved.encode(x=across, x2="end:Q", color=_by_kind(alt, {"up": ACCENT, "down": MUTED})),
        steps.transform_filter("datum.kind === 'total'")
        .mark_tick(thickness=3, height={"band": 0.8}, color=INK)
        .encode(x=alt.X("end:Q", scale=amount)),
        steps.mark_text(align="left", dx=7, color=INK, fontSize=12).encode(x="right:Q", text="text:N"),
    ).properties(height=7 * BAR_HEIGHT)

    weeks = alt.X(
        "weeks:Q",
        scale=alt.Scale(reverse=True, nice=False),
        axis=alt.Axis(title="weeks to the end", tickMinStep=1, format="d", grid=False, domain=False, labelSeparation=6),
    )
    part = alt.Y(
        "value:Q",
        axis=alt.Axis(title=None, format=".0%", tickCount=5, domain=False, ticks=False),
        scale=alt.Scale(zero=True),
    )
    paced = numbers("value", "label_at")
    kind = {"this": ACCENT, "previous": MUTED, "year_ago": MUTED}
    dashes = alt.StrokeDash("kind:N", legend=None, scale=alt.Scale(domain=list(kind), range=[[1, 0], [1, 0], [4, 4]]))
    lines = paced.mark_line(strokeWidth=2.25, interpolate="linear").encode(
        x=weeks, y=part, color=_by_kind(alt, kind), strokeDash=dashes
    )
    ends = paced.transform_filter("datum.label !== ''")
    pacing = alt.layer(
        lines,
        ends.mark_point(filled=True, size=42, opacity=1).encode(x=weeks, y=part, color=_by_kind(alt, kind)),
        ends.mark_text(align="left", dx=8, fontSize=12, color=INK).encode(x=weeks, y="label_at:Q", text="label:N"),
    ).properties(height=230)

    people = numbers("wape").encode(y=alt.Y("name:N", sort=None, axis=quiet))
    off = alt.X(
        "wape:Q", scale=alt.Scale(zero=True), axis=alt.Axis(title=None, format=".0%", tickCount=4, domain=False)
    )
    accuracy = alt.layer(
        people.mark_bar(height={"band": 0.55}, color=ACCENT).encode(x=off),
        people.mark_text(align="left", dx=6, color=INK, fontSize=12).encode(x=off, text="text:N"),
    )
    charts = {"movement": movement, "pacing": pacing, "accuracy": accuracy}
    return {name: _plain(alt, chart).to_dict() for name, chart in charts.items()}


def pictures(view: View) -> dict[str, bytes]:
    """PNG of each chart of the view, on white, by its name, for Dagster's UI."""
    import vl_convert  # noqa: PLC0415 - 80 MB

    drawn = {}
    for name, rows in rows_of(view).items():
        chart = {"height": len(rows) * BAR_HEIGHT, **specifications()[name]}
        text = json.dumps(chart | {"datasets": {"rows": rows}, "width": _PICTURE_WIDTH, "background": "white"})
        for colour, on_paper in _PAPER.items():
            text = text.replace(colour, on_paper)
        drawn[name] = vl_convert.vegalite_to_png(text, vl_version=VEGA_LITE, scale=1.5)
    return drawn


def _by_kind(alt: Any, colours: dict[str, str]) -> Any:
    return alt.Color("kind:N", legend=None, scale=alt.Scale(domain=list(colours), range=list(colours.values())))


def _plain(alt: Any, chart: Any) -> Any:
    axis = {"labelColor": MUTED, "titleColor": MUTED, "gridColor": FAINT, "tickColor": FAINT, "labelFontSize": 12}
    return (
        chart.properties(
            width="container",
            background="transparent",
            padding={"left": 2, "top": 5, "right": _SLACK, "bottom": 2},
            autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
        )
        .configure(font=_FONT, aria=False)
        .configure_view(stroke=None)
        .configure_axis(**axis, titleFontWeight="normal", titleFontSize=12)
    )


def _movement(view: View) -> Rows:
    """The rows of a waterfall of the newest week: start, changes by cause, end."""
    if not view.movement:
        return []
    week = view.movement[0]
    if week["change_amount"] is None:  # in another currency than the week before
        return []
    at = week["start_value"] or Decimal(0)
    rows = [_total(_START, week["start_value"])]
    for name, step in _STEPS.items():
        moved = week[name] or Decimal(0)
        rows.append(
            {
                "step": step,
                "kind": "down" if moved < 0 else "up",
                "begin": str(at),
                "end": str(at + moved),
                "right": str(max(at, at + moved)),
                "text": money(moved, signed=True) if moved else "none",
            }
        )
        at += moved
    return [*rows, _total(_ENDS[week["is_week_over"]], week["end_value"])]


def _total(step: str, value: Decimal | None) -> dict[str, Any]:
    at = str(value or Decimal(0))
    text = "no call" if value is None else money(value)
    return {"step": step, "kind": "total", "begin": at, "end": at, "right": at, "text": text}


def _pacing(lines: Sequence[Line]) -> Rows:
    """A row for each week of each line; the last point has the label, moved up where two would overlap."""
    last = {line.period: [point for point in line.points if point[1] is not None][-1] for line in lines}
    heights = [value for line in lines for _, value in line.points if value is not None]
    apart = _LABELS_APART * max([*heights, Decimal("0.01")])
    label_at: dict[str, Decimal] = {}
    taken: list[tuple[int, Decimal]] = []
    for period, (weeks, value) in sorted(last.items(), key=lambda found: found[1][1] or 0):
        at = value or Decimal(0)
        for other_weeks, other in taken:
            if abs(other_weeks - weeks) <= 4 and at - other < apart:
                at = other + apart
        taken.append((weeks, at))
        label_at[period] = at
    return [
        {
            "period": line.period,
            "kind": line.kind,
            "weeks": weeks,
            "value": None if value is None else str(value),
            "label_at": str(label_at[line.period]),
            "label": f"{line.period} {percent(value, places=0)}"
            if value is not None and (weeks, value) == last[line.period]
            else "",
        }
        for line in lines
        for weeks, value in line.points
    ]


def _accuracy(view: View) -> Rows:
    """A row for each person, those who closed most first: the error of their calls (WAPE)."""
    rows: Rows = []
    for person in view.accuracy:
        if person["wape"] is None or len(rows) == _MOST_BARS:
            continue
        name = one_line(person["user_name"])
        rows.append(
            {
                "name": f"{name} " if any(row["name"] == name for row in rows) else name,
                "wape": str(person["wape"]),
                "text": percent(person["wape"]),
            }
        )
    return rows
