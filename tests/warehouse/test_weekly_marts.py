"""The weekly marts against a model in plain Python, row for row, over random histories; and what a rebuild makes."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from clari_pipeline.store.mart_registry import MARTS
from tests.helpers.forecast import verdict
from tests.helpers.house import House, document, entry, moment, person
from tests.helpers.weekly_model import QUARTERS, Weekly, deliver, fraction, random_history

NOBODY_SAYS = {"closed": None, "currency": None}
_KEY = ("time_period_id", "time_frame_id", "user_id", "field_id")
_TABLES = (
    "forecast_call_week",
    "forecast_movement",
    "forecast_accuracy",
    "attainment_pacing",
    "pipeline_coverage",
    "call_submission",
)


def found(house: House, mart: str, columns: Mapping[str, str] | list[str]) -> dict[tuple[str, ...], dict[str, Any]]:
    """A mart's rows by key, of these columns, under the names that the model has for them."""
    named = columns if isinstance(columns, Mapping) else {name: name for name in columns}
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in house.rows(f"from clari.{mart}"):
        key = tuple(row[name] for name in _KEY)
        assert key not in rows, f"{mart}: {key} twice"
        rows[key] = {known: row[column] for column, known in named.items()}
    return rows


# Two exports of each of two quarters that are over, one still provisional, some weeks backfilled, a team that changes,
# two currencies, overrides; they come in no order, and the marts are refreshed after each.
_DENSE = (311, 2)
_LONG = [(seed, 6) for seed in range(1, 30)]


@pytest.mark.parametrize(("seed", "most"), [_DENSE, *(pytest.param(*one, marks=pytest.mark.soak) for one in _LONG)])
def test_the_marts_hold_what_the_model_says(open_house: Callable[..., House], seed: int, most: int) -> None:
    """Refreshed after every export, or once; in order, or as they come; and rebuilt from the landed documents."""
    chance = Random(seed)
    model = Weekly(random_history(chance, most=most), use_adjusted=seed % 2 == 1, close=timedelta(hours=5))
    settings: dict[str, Any] = {"week_close": "05:00"} | ({"call": "adjusted"} if model.use_adjusted else {})
    house = open_house(**settings)
    order = list(range(len(model.history.exports)))
    if seed >= 3:
        chance.shuffle(order)
    deliver(house, model.history, order, between=house.refresh_marts if seed % 3 else None)
    house.refresh_marts()

    calls = model.calls()
    assert found(house, "forecast_call_week", _CALL_COLUMNS) == calls
    _check_movement(house, model)
    _check_accuracy(house, model, calls)
    _check_pacing(house, model, calls)
    _check_coverage(house, calls)
    _check_submission(house, model, calls)
    for mart in (mart.name for mart in MARTS.values() if mart.is_weekly):
        named = house.rows(
            f"select mart.field_name, field.field_name as known from clari.{mart} as mart "
            "join clari.forecast_field as field using (forecast_id, field_id)"
        )
        assert named, mart
        assert all(row["field_name"] == row["known"] is not None for row in named), mart

    again = open_house(warehouse="rebuilt", **settings)
    again.replay([], [])
    for table in (*_TABLES, "forecast_entry_history"):
        query = f"from clari.{table} order by all"
        assert again.rows(query) == house.rows(query), table


_SAME = (
    "week_number week_end_date week_closes_at weeks_to_end as_of is_week_over is_backfilled call_value is_submitted "
    "currency_code crm_closed crm_total quota_value adjustment_value is_top role_name"
)
_CALL_COLUMNS = {name: name for name in _SAME.split()} | {"parent_role_id": "parent"}


def _check_movement(house: House, model: Weekly) -> None:
    backfilled = {key[:2] for key, row in model.calls().items() if row["is_backfilled"]}
    everything = model.movements()
    expected = {key: row for key, row in everything.items() if key[:2] not in backfilled}
    columns = list(next(iter(everything.values())))
    rows = found(house, "forecast_movement", columns)
    assert rows == expected
    for row in rows.values():
        if row["change_amount"] is not None:
            parts = [row[f"{part}_amount"] for part in ("raised", "lowered", "new", "gone", "judgement")]
            assert (row["end_value"] or 0) - (row["start_value"] or 0) == sum(parts)
    verdicts = house.rows("from clari.export_check where check_name = 'forecast_movement_adds_up'")
    assert verdicts
    assert all(verdict["passed"] for verdict in verdicts)


def _check_accuracy(house: House, model: Weekly, calls: dict[Any, dict[str, Any]]) -> None:
    finals = model.finals()
    errors: dict[Any, tuple[Decimal, Decimal]] = {}
    for key, call in calls.items():
        final = finals.get((key[0], key[2], key[3]), NOBODY_SAYS)
        if None not in {call["call_value"], final["closed"]} and call["currency_code"] == final["currency"]:
            errors[key] = (call["call_value"] - final["closed"], abs(final["closed"]))
    expected = {}
    for key in calls:
        if model.is_finished(key[0]):
            mine = {one: pair for one, pair in errors.items() if (one[0], *one[2:]) == (key[0], *key[2:])}
            weight = sum((actual for _, actual in mine.values()), Decimal(0))
            expected[key] = {
                "error_amount": errors[key][0] if key in errors else None,
                "absolute_error": abs(errors[key][0]) if key in errors else None,
                "absolute_actual": errors[key][1] if key in errors else None,
                "wape": fraction(sum((abs(error) for error, _ in mine.values()), Decimal(0)), weight),
                "bias": fraction(sum((error for error, _ in mine.values()), Decimal(0)), weight),
                "weeks_compared": len(mine),
                "weeks_backfilled": sum(calls[one]["is_backfilled"] for one in mine),
                "is_provisional": model.is_provisional(key[0]),
            }
    columns = list(next(iter(expected.values()))) if expected else ["error_amount"]
    assert found(house, "forecast_accuracy", columns) == expected


def _check_pacing(house: House, model: Weekly, calls: dict[Any, dict[str, Any]]) -> None:
    finals = model.finals()

    def days_to_end(quarter: str, day: date) -> int:
        return (QUARTERS[quarter][1] - day).days

    def pace(key: Any) -> dict[str, Any]:
        call, final = calls[key], finals.get((key[0], key[2], key[3]), NOBODY_SAYS)
        is_known = model.is_finished(key[0]) and final["currency"] == call["currency_code"]
        return {
            "attainment_pct": fraction(call["crm_closed"], call["quota_value"]),
            "final_closed": final["closed"] if is_known else None,
            "closed_to_final_pct": fraction(call["crm_closed"], final["closed"]) if is_known else None,
        }

    expected = {}
    for key, call in calls.items():
        then = None
        if key[0] == "2026_Q4":
            apart = {  # by week, how much farther from its quarter's end it ends
                one[1]: abs(days_to_end("2026_Q3", row["week_end_date"]) - days_to_end(key[0], call["week_end_date"]))
                for one, row in calls.items()
                if one[0] == "2026_Q3"
            }
            nearest = min((week for week, days in apart.items() if days <= 4), key=apart.__getitem__, default="")
            then = next((one for one in calls if one == ("2026_Q3", nearest, *key[2:])), None)
        before = pace(then) if then else dict.fromkeys(("attainment_pct", "closed_to_final_pct"))
        expected[key] = pace(key) | {
            "previous_period_id": "2026_Q3" if key[0] == "2026_Q4" else None,
            "previous_attainment_pct": before["attainment_pct"],
            "previous_closed_to_final_pct": before["closed_to_final_pct"],
            "year_ago_period_id": None,
        }
    assert found(house, "attainment_pacing", list(next(iter(expected.values())))) == expected


def _check_coverage(house: House, calls: dict[Any, dict[str, Any]]) -> None:
    expected = {}
    for key, call in calls.items():
        total, closed, quota = call["crm_total"], call["crm_closed"], call["quota_value"]
        is_held = None not in {total, closed} and closed <= total
        open_pipeline = total - closed if is_held else total
        left = None if None in {quota, closed} else quota - closed
        expected[key] = {
            "open_pipeline": open_pipeline,
            "left_to_quota": left,
            "coverage_ratio": fraction(open_pipeline, left) if left is not None and left > 0 else None,
        }
    assert found(house, "pipeline_coverage", list(next(iter(expected.values())))) == expected


def _check_submission(house: House, model: Weekly, calls: dict[Any, dict[str, Any]]) -> None:
    newest = {quarter: model.history.known(quarter, moment(12, 31, year=2027))[0] for quarter in QUARTERS}
    expected = {}
    for key, call in calls.items():
        row = newest[key[0]].get(key[1:])
        is_written = row is not None and row["call"] is not None and not (row["call"] == 0 and not row["submitted"])
        known = row if row is not None else {}
        closed = call["crm_closed"]
        adjustment = known.get("adjustment")
        is_replaced = bool(adjustment) or (adjustment == 0 and bool(known["adjusted_by"]))
        expected[key] = {
            "is_submitted": is_written,
            "submitted_value": known["call"] if is_written and known["currency"] == call["currency_code"] else None,
            "submitted_by": known["by"] if is_written else None,
            "is_submitted_by_other": known["by"] != key[2] if is_written and known["by"] else None,
            "is_overridden": is_replaced,
            "override_value": adjustment if is_replaced and known.get("currency") == call["currency_code"] else None,
            "is_below_closed": None if None in {call["call_value"], closed} else call["call_value"] < closed,
        }
    assert found(house, "call_submission", list(next(iter(expected.values())))) == expected


def test_a_week_that_is_over_or_unchanged_is_not_made_again(house: House) -> None:
    """Shown again by the same document it is as of that; over, as of its end, whatever a later export says of it."""
    shown = document(entry(week="W01", call=100))
    known = "select call_value, user_name, is_week_over, as_of from clari.forecast_call_week order by time_frame_id"
    house.bring(shown, moment(10, 5))
    house.refresh_marts()
    house.execute("update clari.forecast_call_week set user_name = 'left alone'")
    house.bring(shown, moment(10, 6))
    house.refresh_marts()
    assert house.tuples(known) == [(100, "left alone", False, moment(10, 6))]
    house.bring(shown, moment(10, 14))
    house.refresh_marts()
    first, second = house.tuples(known)
    assert (first[:3], second[:3]) == ((100, "Ann", True), (100, "Ann", False))
    assert moment(10, 6) < first[3] < second[3] == moment(10, 14)
    house.execute("update clari.forecast_call_week set call_value = 1 where time_frame_id = 'W01'")
    house.bring(document(entry(week="W01", call=170), entry(week="W02", call=210)), moment(10, 14, 7))
    house.refresh_marts()
    assert [row[0] for row in house.tuples(known)] == [1, 210]


def test_weeks_before_the_first_export_are_as_it_tells_them(house: House) -> None:
    """The call of the week or the one before it, the quota of the next where none is earlier; no movement is known."""
    told = [
        entry(week="W01", call=100, closed=1),
        entry(week="W02", call=0, submitted=False, closed=2),
        entry(week="W04", call=400, closed=4),
        entry(week="W03", field="quota", quota=50),
        entry(week="W04", field="quota", quota=60),
    ]
    house.bring(document(*told), moment(10, 24))
    house.refresh_marts()
    rows = house.tuples(
        "select call_value, is_submitted, crm_closed, quota_value, is_backfilled from clari.forecast_call_week "
        "where field_id = 'commit' order by time_frame_id"
    )
    assert rows == [
        (100, True, 1, 50, True),
        (100, False, 2, 50, True),
        (100, False, 2, 50, True),
        (400, True, 4, 60, False),
    ]
    moved = "select time_frame_id, start_value, end_value, is_backfilled from clari.forecast_movement"
    assert house.tuples(moved) == [("W04", 100, 400, True)]


def test_a_late_document_of_another_quarter_does_not_say_who_stood_where(house: House) -> None:
    """The quarter's own exports tell of its weeks' teams; only of whom they never listed another quarter's tells."""
    team = {parent: [person("ann", parent=parent)] for parent in ("east", "west")}
    both = [entry(call=100), entry("bob", call=1)]
    house.bring(document(*both, people=team["east"]), moment(10, 5))
    house.bring(document(*both, people=team["east"]), moment(10, 12))
    house.refresh_marts()

    def places() -> list[tuple[str, str | None]]:
        return house.tuples(
            "select user_id, parent_role_id from clari.forecast_call_week where time_frame_id = 'W01' "
            "and time_period_id = '2026_Q4' order by user_id"
        )

    assert places() == [("ann", "east"), ("bob", None)]
    for quarter in ("2026_Q3", "2027_Q1"):
        late = document(entry(call=1, period=quarter), people=[*team["west"], person("bob", parent="west")])
        house.bring(late, moment(10, 6), quarter=quarter)
        house.refresh_marts()
    assert places() == [("ann", "east"), ("bob", "west")]


def test_the_weeks_before_the_first_sync_have_their_own_quarters_team(house: House) -> None:
    """A sync exports the current quarter first: last quarter's head is still its total, seconds later."""
    teams = {
        "2026_Q4": [person("bea", role="cro", parent=None), person("ann", parent="cro")],
        "2026_Q3": [
            person("old", role="cro", parent=None),
            person("bea", parent="cro"),
            person("ann", parent="role-bea"),
        ],
    }
    for second, (quarter, people) in enumerate(teams.items()):
        entries = [entry(one["userId"], call=100, period=quarter) for one in people]
        weeks = {f"W{n:02d}": (moment(7, 1) + timedelta(weeks=n - 1)).date() for n in range(1, 14)}
        content = document(
            *entries,
            people=people,
            periods=[{"timePeriodId": quarter}],
            **({"weeks": weeks} if quarter == "2026_Q3" else {}),
        )
        house.bring(content, moment(10, 5).replace(second=second), quarter=quarter)
    house.refresh_marts()
    found = house.tuples(
        "select distinct user_id, parent_role_id, is_top from clari.forecast_call_week "
        "where time_period_id = '2026_Q3' order by user_id"
    )
    assert found == [
        ("ann", "role-bea", False),
        ("bea", "cro", False),
        ("old", None, True),
    ]


def test_movements_that_do_not_add_up_are_noticed(house: House) -> None:
    """Somebody who writes into the table does not go unseen."""
    request_id = house.bring(document(entry(week="W01", call=100)), moment(10, 5)).export.request_id
    house.refresh_marts()
    house.execute("update clari.forecast_movement set judgement_amount = judgement_amount + 0.0001")
    house.execute("delete from clari.mart_part_version where mart = 'forecast_call_week' and part = ''")
    house.refresh_marts()
    found = verdict(house.outcome(request_id), "forecast_movement_adds_up")
    assert (found.passed, found.severity) == (False, "WARN")
    assert "1 rows of forecast_movement of 2026_Q4" in found.evidence["summary"]


def test_reports_of_a_shared_role_stand_apart(house: House) -> None:
    """They would explain the change of each of the two who make its call."""
    people = [
        person("ann", role="east", parent="vp"),
        person("bob", role="east", parent="vp"),
        person("cy", parent="east"),
    ]
    house.bring(
        document(entry("ann", call=50), entry("bob", call=60), entry("cy", call=40), people=people), moment(10, 5)
    )
    house.refresh_marts()
    rows = house.tuples(
        "select new_amount, judgement_amount, reports, reports_apart from clari.forecast_movement order by user_id"
    )
    assert rows == [(0, 50, 0, 1), (0, 60, 0, 1), (0, 40, 0, 0)]


def test_the_largest_amounts_do_not_stop_the_marts(house: House) -> None:
    people = [person("boss", role="top", parent=None), *(person(name) for name in ("ann", "bob"))]
    largest = "99999999999999.9999"
    house.bring(
        document(
            *(
                entry(who, call=largest, closed=f"-{largest}", total=largest, quota=largest)
                for who in ("boss", "ann", "bob")
            ),
            people=people,
        ),
        moment(10, 5),
    )
    house.bring(document(entry("boss", "W13", call=1, closed=largest), people=people), moment(1, 5, year=2027))
    house.refresh_marts()
    boss = house.row("from clari.forecast_movement where user_id = 'boss' and time_frame_id = 'W01'")
    assert (boss["end_value"], boss["change_amount"], boss["reports"]) == (Decimal(largest), None, 2)
    assert house.rows("from clari.forecast_accuracy")
    assert house.rows("from clari.pipeline_coverage where left_to_quota is null and coverage_ratio = 1")


def test_a_refused_quarter_leaves_nothing_in_the_marts(house: House) -> None:
    """A document that was good and is judged anew as none takes its calls with it."""
    request_id = house.bring(document(entry(call=100)), moment(10, 20)).export.request_id
    house.refresh_marts()
    assert house.rows("from clari.forecast_call_week")
    house.execute(f"update clari.export_job set rows_truncated = true where request_id = '{request_id}'")
    house.replay([], [])
    assert house.outcome(request_id).export.state == "REFUSED"
    for table in (*_TABLES, "forecast_entry", "forecast_vs_quota"):
        assert house.rows(f"from clari.{table}") == [], table


def test_late_submissions_are_told(house: House) -> None:
    """Written after the week's last day, or by somebody else, or not at all."""
    late = int(moment(10, 8, 0).timestamp() * 1000)
    shown = [
        entry("ann", call=1) | {"updatedOn": late - 1, "updatedBy": "ann"},
        entry("bob", call=2) | {"updatedOn": late, "updatedBy": "boss"},
        entry("cy", call=0, submitted=False),
    ]
    house.bring(document(*shown), moment(10, 12))
    house.refresh_marts()
    rows = house.tuples(
        "select is_submitted, is_late, is_submitted_by_other from clari.call_submission "
        "where time_frame_id = 'W01' order by user_id"
    )
    assert rows == [(True, False, False), (True, True, True), (False, None, None)]


def test_months_have_weeks_of_their_own(house: House) -> None:
    """A week that touches two months stands in both; the first of a month starts from nothing."""
    months = [
        {"type": "MONTH", "timePeriodId": "oct", "startDate": "2026-10-01", "endDate": "2026-10-31"},
        {"type": "MONTH", "timePeriodId": "nov", "startDate": "2026-11-01", "endDate": "2026-11-30"},
    ]
    house.bring(document(entry(week="W04", period="oct", call=20), periods=months), moment(10, 27))
    shown = [entry(week="W05", period=period, call=30, closed=3) for period in ("oct", "nov")]
    house.bring(document(*shown, entry(week="W04", period="oct", call=20), periods=months), moment(11, 3))
    house.refresh_marts()
    rows = house.tuples(
        "select time_period_id, time_frame_id, start_value, end_value from clari.forecast_movement order by all"
    )
    assert rows == [
        ("nov", "W05", None, 30),
        ("oct", "W04", None, 20),
        ("oct", "W05", 20, 30),
    ]
    paced = "select previous_period_id from clari.attainment_pacing where time_period_id = 'nov'"
    assert house.value(paced) == "oct"
