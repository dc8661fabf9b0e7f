"""forecast_swing: what has moved, by how much, and whether people must be notified.

What the labelled histories of tests/checks hold stands there: each reason, its order, requests, weeks and baselines.
A document costs as much whatever it holds: where cases do not touch each other, each is a person in the same two.
"""

from decimal import Decimal
from typing import Any

from clari_pipeline.store import alert_rows, marts
from tests.helpers.each_case import try_each
from tests.helpers.forecast import Forecast, broken, picked
from tests.helpers.house import QUARTER, Json, document, entry, moment, person


def brought(forecast: Forecast, moves: dict[str, tuple[Any, Any]]) -> Forecast:
    """Calls of these people on two days that follow each other."""
    for number, day in enumerate((2, 3)):
        shown = (entry(who, call=calls[number]) for who, calls in moves.items())
        forecast.bring(document(*shown), moment(10, day))
    return forecast


MOST = "99999999999999.9999"
# Before, after, the reason, and what else must stand in the row.
MOVES: list[tuple[str, str, str | None, Json]] = [
    ("100", "120", None, {}),
    ("100", "120.0001", "above_threshold", {}),
    ("10000", "12001", "above_threshold", {"change_pct": Decimal("0.2001")}),
    ("100", "80", None, {}),
    ("100", "79", "above_threshold", {}),
    ("-100", "-120", None, {}),
    ("-100", "-121", "above_threshold", {}),
    ("-100", "-150", "above_threshold", {"change_pct": Decimal("-0.5")}),  # measured by its size
    ("100", "100", None, {}),
    ("0", "5", "from_zero", {"change_pct": None}),
    ("5", "0", "to_zero", {}),
    ("0", "0", None, {}),
    ("100", "-1", "sign_flip", {}),
    ("-1", "100", "sign_flip", {}),
    # One ten-thousandth beyond a fifth of fourteen digits and four decimals, and exactly a fifth of them.
    ("80000000000000.0000", "96000000000000.0001", "above_threshold", {"change_pct": Decimal("0.2")}),
    ("80000000000000.0005", "96000000000000.0006", None, {}),
    ("3", "1000000000002.9999", "above_threshold", {"change_pct": Decimal("333333333333.333300")}),
    # A share too large to be written, and a difference of fifteen digits, stop no sync.
    ("0.0001", "5000000000", "above_threshold", {}),
    (f"-{MOST}", MOST, "sign_flip", {}),
]


def test_a_call_swings_beyond_twenty_percent(forecast: Forecast) -> None:
    """20.00 % exactly is none; zero and a changed sign are swings whatever their size. Every call has a row."""
    brought(forecast, {f"{before} to {after}": (before, after) for before, after, *_ in MOVES})

    def check(case: tuple[str, str, str | None, Json]) -> None:
        before, after, reason, more = case
        row = forecast.swing(f"{before} to {after}")
        change = Decimal(after) - Decimal(before)
        expected = {"is_swing": reason is not None, "reason": reason} | more
        if change < 10**14:
            expected["change_amount"] = change
        assert picked(row, expected) == expected

    try_each(MOVES, check)
    assert len(forecast.rows("forecast_swing")) == len(MOVES)


def test_the_settings_say_which_call_is_compared_and_what_swings(open_house: Any) -> None:
    """The threshold is decimal: a tenth of 500.2 is 50.02. Of the least amount the amount itself counts."""
    house = open_house(swing_threshold=Decimal("0.1"), swing_min_amount=Decimal(50), call="adjusted")
    forecast = Forecast(house, "north")
    moves = {
        "a tenth": ("500.2", "550.22"),
        "below": ("100", "149"),
        "at": ("100", "150"),
        "from zero": (0, 5),
        "adjusted": (100, 100),
    }
    adjustments = {"adjusted": {"adjustment": 50, "adjusted_by": "boss"}}
    for number, day in enumerate((2, 3)):
        given = adjustments if number else {}
        shown = (entry(who, call=calls[number], **given.get(who, {})) for who, calls in moves.items())
        forecast.bring(document(*shown), moment(10, day))
    assert forecast.by("user_id", "forecast_swing", "is_swing") == {
        "a tenth": False,
        "below": False,
        "at": True,
        "from zero": False,
        "adjusted": True,
    }
    assert (forecast.swing("adjusted")["current_value"], forecast.swing("at")["threshold"]) == (50, Decimal("0.1"))


def test_a_quarter_that_ended_more_than_three_days_ago_is_restated(forecast: Forecast) -> None:
    """The quarter ends with the 31st of December: until the 4th at midnight, calls are still calls."""
    moments = [moment(12, 31), *(moment(1, 4, hour, year=2027) for hour in (0, 1))]
    for number, at in enumerate(moments):
        forecast.bring(document(entry(week="W13", call=100 * 2**number)), at)
    found = [forecast.swing(export=export) for export in (2, 3)]
    assert [(one["reason"], one["is_swing"]) for one in found] == [("above_threshold", True), ("restated", False)]


def test_between_two_currencies_there_is_no_change_and_no_sum(forecast: Forecast) -> None:
    """Each call stands beside its own currency; a yen less a dollar is no amount, and a yen to a dollar no ratio."""
    forecast.bring(document(entry("ann", call=100), entry("bob", call=7)), moment(10, 2))
    now = document(entry("ann", call=100), entry("bob", call=15_000, currency="JPY"))
    found = str(broken(forecast.bring(now, moment(10, 3)))["currency_is_stable"])
    assert "USD" in found and "JPY" in found
    expected: Json = {
        "previous_value": 7,
        "previous_currency_code": "USD",
        "current_value": 15_000,
        "currency_code": "JPY",
        "change_amount": None,
        "change_pct": None,
    }
    assert picked(forecast.swing("bob"), expected) == expected
    summary: Json = {
        "compared": 2,
        "judged": 1,
        "sum_before": 107,
        "previous_currency_code": "USD",
        "sum_after": None,
        "currency_code": None,
    }
    assert picked(forecast.row("forecast_swing_summary"), summary) == summary


def test_who_comes_or_goes_is_named_once_and_rows_of_calls_that_did_not_move_go(forecast: Forecast) -> None:
    """How many were compared stands in the summary, for ever."""
    calls = [{"bob": 500, "dee": 7, "eve": 100}, {"cy": 500, "eve": 110}, {"cy": 500, "bob": 500, "eve": 110}]
    for day, shown in enumerate(calls, 2):
        forecast.bring(document(entry("ann", call=100), *(entry(who, call=call) for who, call in shown.items())),
                       moment(10, day))  # fmt: skip
    _, second, third = forecast.jobs
    found = forecast.rows("forecast_swing")
    columns = ("job_id", "user_id", "reason", "previous_value", "current_value", "previous_time_frame_id")
    assert {tuple(row[name] for name in columns) for row in found} == {
        (second, "cy", "new", None, 500, None),
        (second, "bob", "disappeared", 500, None, "W01"),
        (second, "dee", "disappeared", 7, None, "W01"),
        (second, "eve", None, 100, 110, "W01"),
        (third, "ann", None, 100, 100, "W01"),
        (third, "bob", "new", None, 500, None),
        (third, "cy", None, 500, 500, "W01"),
        (third, "eve", None, 110, 110, "W01"),
    }
    assert not any(row["is_swing"] for row in found)
    counted = ("compared", "moved", "swung", "kept", "judged", "sum_before", "sum_after", "currency_code")
    assert forecast.by("job_id", "forecast_swing_summary", *counted) == {
        second: (5, 4, 0, 4, 2, 707, 710, "USD"),
        third: (4, 1, 0, 1, 3, 710, 1210, "USD"),
    }


def test_a_new_week_is_compared_with_the_week_before(forecast: Forecast) -> None:
    """The calls are compared, each of its own week, and the row names both; where none is submitted yet none moved."""
    first = [entry("ann", call=100, submitted=True), entry("bob", call=100)]
    following = [entry("ann", "W02", call=0, submitted=False), entry("bob", "W02", call=150)]
    forecast.bring(document(*first), moment(10, 7))
    warned = broken(forecast.bring(document(*first, *following), moment(10, 8)))["forecast_swings_within_threshold"]
    assert "bob" in str(warned) and "commit" in str(warned)
    ann, bob = forecast.swing("ann"), forecast.swing("bob")
    assert (ann["is_swing"], ann["reason"], ann["current_value"]) == (False, "not_submitted", 100)
    assert (bob["is_swing"], bob["change_amount"]) == (True, 50)
    assert (bob["previous_time_frame_id"], bob["time_frame_id"]) == ("W01", "W02")


def test_less_than_six_and_a_half_days_are_no_week(forecast: Forecast) -> None:
    """A weekly schedule jitters by seconds: six and a half days are one."""
    forecast.bring(document(entry(call=100)), moment(10, 2, 6))
    forecast.bring(document(entry(call=500)), moment(10, 8, 17))
    assert [row["baseline"] for row in forecast.rows("forecast_swing")] == ["sync"]
    forecast.bring(document(entry(call=500)), moment(10, 8, 18))
    assert forecast.swing(baseline="week", export=3)["previous_value"] == 100


def test_exports_are_compared_in_the_order_of_export_whenever_they_come(forecast: Forecast) -> None:
    """Of two of one moment the later submitted is the later; what was compared over a late one's head no more is."""
    forecast.bring(document(entry(call=100)), moment(10, 2), submitted=moment(10, 2, 1))
    forecast.bring(document(entry(call=110)), moment(10, 3), submitted=moment(10, 3, 1))
    forecast.bring(document(entry(call=200)), moment(10, 3), submitted=moment(10, 3, 2))
    assert (forecast.swing(export=3)["previous_value"], forecast.swing(export=3)["is_swing"]) == (100, True)
    assert len(forecast.rows("forecast_swing")) == 1

    forecast.bring(document(entry(call=190)), moment(10, 2, 12))
    assert (forecast.swing(export=4)["previous_value"], forecast.swing(export=4)["is_swing"]) == (100, True)
    assert (forecast.swing(export=3)["previous_value"], forecast.swing(export=3)["is_swing"]) == (190, False)
    assert len(forecast.rows("forecast_swing")) == 2
    assert (forecast.standing()["forecast_value"], forecast.standing()["as_of"]) == (200, moment(10, 3))


def test_what_an_export_brought_is_found_alike_once_a_later_one_is_there(forecast: Forecast) -> None:
    """By whoever asks late, since a run was killed: the mass change of so many calls, who is new and who has gone, and
    that the top's call has not changed.
    """
    many = [f"p{number:02d}" for number in range(12)]
    people = [person("boss", parent=None), *(person(who, parent="role-boss") for who in (*many, "new", "gone", "eve"))]

    def shown(call: int, *more: Json) -> Json:
        moving = [entry(who, call=call if number < 6 else Decimal("70.5")) for number, who in enumerate(many)]
        written = [one | {"forecastValue": float(one["forecastValue"])} for one in (*moving, *more)]
        return document(entry("boss", call=1000), entry("eve", call=5), *written, people=people)

    def found() -> tuple[Any, ...]:
        job = forecast.jobs[1]
        with forecast.house.context.warehouse.session() as session:
            where = {"time_period_id": QUARTER, "field_id": "commit"}
            return (
                marts.mass_changes(session, job),
                alert_rows.moved_people(session, job),
                alert_rows.headline(session, job, **where),
            )

    forecast.bring(shown(100, entry("gone", call=3)), moment(10, 2))
    later = shown(200, entry("new", call=4), entry("eve", field="best_case", call=6))
    forecast.bring(later, moment(10, 3))
    at_once = found()
    assert [(mass.compared, mass.swung) for mass in at_once[0]] == [(14, 6)]
    assert {name for names in at_once[1].values() for name in names} == {"New", "Gone"}
    assert (at_once[2]["change"], at_once[2]["baseline"]) == (0, "sync")
    forecast.bring(later, moment(10, 4))
    kept = {row["user_id"] for row in forecast.rows("forecast_swing", job_id=forecast.jobs[1])}
    assert kept == {*many[:6], "new", "gone", "eve"}
    assert found() == at_once
