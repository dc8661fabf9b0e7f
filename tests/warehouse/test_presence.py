"""What an export says about the rows that it does not show: nothing, unless it could have shown them."""

from typing import Any

from tests.helpers.forecast import Forecast
from tests.helpers.house import House, document, entry, moment

# What was asked for, who is shown in which weeks, and who is present in the tables afterwards.
Step = tuple[dict[str, Any], dict[str, str], dict[str, str]]
ALL = {"ann": "W01 W02", "bob": "W01 W02"}
EXPORTS: list[Step] = [
    ({"scope": "east"}, ALL, ALL),
    ({"scope": "west"}, {"cy": "W01"}, ALL | {"cy": "W01"}),
    # Those whom the same scope showed last, and nobody else, have left it.
    ({"scope": "east"}, {"ann": "W01 W02"}, {"ann": "W01 W02", "cy": "W01"}),
    # An export of the whole organisation speaks for every scope.
    ({}, {"bob": "W01 W02"}, {"bob": "W01 W02"}),
    # Without history it speaks for its own weeks.
    ({"history": False}, {"dee": "W02"}, {"bob": "W01", "dee": "W02"}),
    # What the whole showed last no scope takes away.
    ({"scope": "east"}, {"ann": "W01"}, {"ann": "W01", "bob": "W01", "dee": "W02"}),
]


def _present(forecast: Forecast) -> dict[str, str]:
    """The weeks of each person that are still shown; history and the current row agree."""
    key = ("user_id", "time_frame_id", "field_id")
    current = {tuple(row[name] for name in key): row for row in forecast.rows("forecast_entry")}
    open_versions = forecast.rows("forecast_entry_history", valid_to=None)
    assert {tuple(row[name] for name in key): row["is_present"] for row in open_versions} == {
        which: row["in_latest_export"] for which, row in current.items()
    }
    found: dict[str, list[str]] = {}
    for who, week, _ in sorted(one for one, row in current.items() if row["in_latest_export"]):
        found.setdefault(who, []).append(week)
    return {who: " ".join(weeks) for who, weeks in found.items()}


def test_an_export_speaks_for_the_rows_that_it_could_have_shown(house: House) -> None:
    """Nor does one of another forecast or another quarter say anything of them."""
    forecast, other = Forecast(house, "north"), Forecast(house, "south")
    other.bring(document(entry("eve", call=1)), moment(10, 8))
    forecast.bring(document(entry("eve", call=1, period="2026_Q3")), moment(10, 8), quarter="2026_Q3")
    for day, (request, shown, present) in enumerate(EXPORTS, 9):
        entries = [entry(who, week, call=1) for who, weeks in shown.items() for week in weeks.split()]
        forecast.bring(document(*entries), moment(10, day), **request)
        assert _present(forecast) == present | {"eve": "W01"}, request
    assert _present(other) == {"eve": "W01"}


def test_an_export_of_some_types_speaks_for_rows_with_figures_of_those(forecast: Forecast) -> None:
    """A row whose every figure is of types that were not asked for could not have been shown. Values stay."""
    rows = {"other": {"closed": 5}, "both": {"closed": 5, "call": 1}, "none": {"call": None}, "asked": {"call": 7}}
    forecast.bring(document(entry("ann", call=1), *(entry(who, **row) for who, row in rows.items())), moment(10, 2))
    forecast.bring(document(entry("ann", call=1)), moment(10, 3), types=("forecast",))
    assert _present(forecast) == {"ann": "W01", "other": "W01"}
    gone = forecast.row("forecast_entry", user_id="asked")
    assert (gone["forecast_value"], gone["last_seen_at"], gone["changed_at"]) == (7, moment(10, 2), moment(10, 2))


def test_a_version_begins_where_a_value_changes_and_nowhere_else(forecast: Forecast) -> None:
    """The history answers as of any moment."""
    for day, call in ((2, 100), (3, 100), (4, 110), (6, 120)):
        forecast.bring(document(entry(call=call), entry("bob", call=1)), moment(10, day))
    row = forecast.row("forecast_entry", user_id="bob")
    assert [row[name] for name in ("first_seen_at", "changed_at", "last_seen_at")] == [
        moment(10, 2),
        moment(10, 2),
        moment(10, 6),
    ]
    assert len(forecast.rows("forecast_entry_history", user_id="bob")) == 1
    as_of = (
        "select forecast_value from clari.forecast_entry_history where user_id = 'ann' and valid_from <= $t "
        "and (valid_to > $t or valid_to is null)"
    )
    answers = {day: forecast.house.tuples(as_of, t=moment(10, day)) for day in (1, 2, 3, 4, 7)}
    assert answers == {1: [], 2: [(100,)], 3: [(100,)], 4: [(110,)], 7: [(120,)]}


def test_an_export_counts_and_changes_the_rows_of_its_own_forecast_alone(house: House) -> None:
    """Two forecasts have the same people, weeks and fields."""
    both = document(entry("ann", call=1), entry("ben", call=2))
    north, south = Forecast(house, "north"), Forecast(house, "south")
    for forecast in (north, south):
        forecast.bring(both, moment(10, 20))
    changed = south.bring(document(entry("ann", call=5)), moment(10, 21)).export
    assert (changed.state, changed.rows_updated, changed.rows_disappeared) == ("LOADED", 1, 1)
    assert all(row["in_latest_export"] for row in north.rows("forecast_entry"))
    again = north.bring(both, moment(10, 22)).export
    assert (again.state, again.rows_unchanged, again.rows_disappeared) == ("LOADED", 2, 0)
