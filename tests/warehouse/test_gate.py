"""The gate: what each check lets through, what it stops, and what it says about it.

What the labelled histories and the mutations of tests/checks hold of verdicts stands there.
"""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from clari_pipeline.documents import json_shapes
from clari_pipeline.sync.outcomes import Outcome
from tests.helpers.csv_lines import csv_line, csv_of
from tests.helpers.each_case import try_each
from tests.helpers.forecast import Forecast, broken, verdict
from tests.helpers.house import MERGED, QUARTER, House, Json, document, entry, moment, person

GOOD = document(entry(call=100, closed=40), entry(field="quota", quota=200), people=[person("ann", parent=None)])
EMPTY = document(periods=[{"timePeriodId": QUARTER}])
UNREADABLE = ["123456789012345", "many", "1,200", "$5", "#1200", "1e400"]
KEY = ("fieldId", "timeFrameId", "userId", "timePeriodId")


def _of_period(period: Json) -> Json:
    return document(entry(period=period["timePeriodId"], call=1), periods=[period])


def _wrong_by_their_error(content: bytes, said: str) -> tuple[bytes, str, list[str]]:
    return content, "export_is_readable", [f"Clari sent an error in place of the document: {said}"]


# By what is wrong with a document: the document, the check that keeps it out, and what the evidence names.
REFUSED: dict[str, tuple[Json | bytes, str, list[str]]] = {
    "nothing": (b"", "export_is_readable", []),
    "a page": (b"<html>502 Bad Gateway</html>", "export_is_readable", []),
    "half of one": (b'{"entries": [', "export_is_readable", []),
    "no entries in it": (b'{"users": []}', "export_is_readable", []),
    "entries that are none": (b'{"entries": "none"}', "export_is_readable", []),
    "no text": (b"\xff\xfe", "export_is_readable", []),
    "a list": (b"[]", "export_is_readable", []),
    "errors": _wrong_by_their_error(
        b'{"errors": [{"status": "500", "code": "E1", "message": "No report"}]}', "No report"
    ),
    "an error with details": _wrong_by_their_error(
        b'[{"statusCode": 500, "description": "Broken", "details": "try later"}]', "Broken (try later)"
    ),
    "an error with an id": _wrong_by_their_error(
        b'{"code": "SWW", "errorId": "c16a", "message": "Wrong", "orgId": 1}', "Wrong (error id c16a)"
    ),
    "errors beside entries": _wrong_by_their_error(
        b'{"entries": null, "errors": [{"message": "The report is late"}]}', "The report is late"
    ),
    "empty": (EMPTY, "export_is_not_empty", [QUARTER]),
    "of the quarter before": (_of_period({"timePeriodId": "2026_Q3"}), "export_period_matches_request", ["2026_Q3"]),
    "of another year": (_of_period({"timePeriodId": "2027_Q4"}), "export_period_matches_request", ["2027_Q4"]),
    "of a month elsewhere by its days": (
        _of_period({"timePeriodId": "july", "type": "MONTH", "startDate": "2026-07-01", "endDate": "2026-07-31"}),
        "export_period_matches_request",
        ["july"],
    ),
    "of a month elsewhere by its name": (
        _of_period({"timePeriodId": "july", "type": "MONTH", "label": "July FY 2026"}),
        "export_period_matches_request",
        ["july"],
    ),
    "of an unknown period": (_of_period({"timePeriodId": "somewhen"}), "export_period_matches_request", ["somewhen"]),
    "entries of one key that differ": (
        document(entry(call=1), *(entry("bob", "W05", "best_case", call=call) for call in (2, 3))),
        "entry_keys_are_unique",
        ["bob", "W05", "best_case"],
    ),
    "amounts that are none": (
        document(entry(call=1), *(entry(f"bob {one}", "W05", "best_case", closed=one) for one in UNREADABLE)),
        "amounts_are_readable",
        ["W05", "best_case", "crm_closed", *UNREADABLE, *(f"bob {one}" for one in UNREADABLE)],
    ),
}
for _missing in KEY:
    for _written in (None, ""):
        _named = {"userId": "ann", "timeFrameId": "W07", "fieldId": "best_case"}
        REFUSED[f"{_missing} is {_written!r}"] = (
            document(
                entry(call=1),
                entry("ann", "W07", "best_case", call=1) | {_missing: _written},
                periods=[{"timePeriodId": QUARTER}],
                people=[person("ann")],
            ),
            "entry_keys_are_complete",
            [part for key, part in _named.items() if key != _missing],
        )


def assert_refused(forecast: Forecast, outcome: Outcome, check: str) -> None:
    """Refused for this reason alone, named in the ledger, landed, and in no table."""
    assert (outcome.export.state, outcome.is_failure) == ("REFUSED", True)
    assert list(broken(outcome)) == [check]
    assert verdict(outcome, check).severity == "ERROR"
    assert outcome.export.error.startswith(check)
    assert check in outcome.sentence
    assert outcome.export.landing_path
    for table in ("forecast_entry", "forecast_entry_history", "forecast_user", "forecast_swing"):
        assert forecast.rows(table) == []
    assert forecast.house.rows("from clari.time_period") == [], "what a refused document says of periods"


def test_a_document_that_is_not_what_was_asked_for_is_refused_by_name(house: House) -> None:
    """Nothing is guessed, and nothing becomes null that was written. Clari's own errors are told in its words."""

    def check(name: str) -> None:
        content, reason, named = REFUSED[name]
        forecast = Forecast(house, name)
        outcome = forecast.bring(content, moment(10, 20))
        assert_refused(forecast, outcome, reason)
        found = json.dumps(verdict(outcome, reason).evidence, default=str)
        assert [part for part in named if part not in found] == []
        evidence = verdict(outcome, reason).evidence
        assert evidence["summary"]
        if reason == "export_period_matches_request":
            assert (evidence["requested"], evidence["delivered"]) == (QUARTER, named)
        if named and named[0].startswith("Clari sent an error"):
            assert outcome.export.error.endswith(named[0])

    try_each(REFUSED, check)
    counted = house.row("from clari.export_job where forecast_id = 'amounts that are none'")
    assert (counted["rows_exported"], counted["document_period_id"], counted["rows_inserted"]) == (7, QUARTER, None)


def test_what_clari_or_the_download_says_of_a_document_keeps_it_out(house: House) -> None:
    """Complete by all that can be counted, and yet cut off: Clari's flag decides. Of a download of which nothing shows
    the end the manifest says so: a warehouse that is made anew knows it, too. Releases before did not ask.
    """
    outcome = house.bring(GOOD, moment(10, 19), is_truncated=True)
    assert_refused(Forecast(house, "north"), outcome, "export_is_not_truncated")
    outcome = house.bring(GOOD, moment(10, 20), is_whole=False)
    assert_refused(Forecast(house, "north"), outcome, "export_is_complete")
    assert "CLARI_EXPORT_FORMAT=JSON" in verdict(outcome, "export_is_complete").evidence["summary"]
    house.execute("delete from clari.export_job")
    house.bring(GOOD, moment(10, 21), is_whole=True)
    house.replay([], [])
    states = Forecast(house, "north").by("job_id", "export_job", "state")
    assert [states[f"job-north-2026_Q4-{number}"] for number in (1, 2, 3)] == ["REFUSED", "REFUSED", "LOADED"]


def test_a_good_document_passes_every_check(forecast: Forecast) -> None:
    """All that an export can be judged by is judged, once, and written down."""
    outcome = forecast.bring(GOOD, moment(10, 20))
    assert (outcome.export.state, outcome.is_failure, outcome.export.error) == ("LOADED", False, None)
    assert broken(outcome) == {}
    judged = [one.check_name for one in outcome.verdicts]
    assert len(set(judged)) == len(judged)
    assert set(judged) >= {
        "export_is_readable",
        "export_is_complete",
        "export_is_not_empty",
        "export_is_not_truncated",
        "export_period_matches_request",
        "entry_keys_are_complete",
        "entry_keys_are_unique",
        "amounts_are_readable",
        "amounts_are_exact",
        "row_counts_reconcile",
        "control_totals_reconcile",
        "currency_is_stable",
        "people_are_distinct",
        "totals_have_one_top",
        "quota_field_is_unambiguous",
        "forecast_swings_within_threshold",
    }


def test_the_quarter_and_the_months_in_it_pass(forecast: Forecast) -> None:
    periods = [
        {"timePeriodId": QUARTER},
        {"timePeriodId": "november", "type": "MONTH", "startDate": "2026-11-01", "endDate": "2026-11-30"},
        {"timePeriodId": "december", "type": "MONTH", "label": "December FY 2026"},
    ]
    shown = [entry(period=period["timePeriodId"], call=1) for period in periods]
    outcome = forecast.bring(document(*shown, periods=periods), moment(10, 20))
    assert (outcome.export.state, verdict(outcome, "export_period_matches_request").passed) == ("LOADED", True)


def test_a_week_of_thousands_of_digits_stops_nothing(forecast: Forecast) -> None:
    """It is a number that Python does not convert. A week's id is a text, and this one is as good as any."""
    line = csv_line("$5.00", week="9" * 5000, days=("10/15/2026", "10/21/2026"))
    assert forecast.bring(csv_of(line), moment(10, 20)).export.state == "LOADED"
    after = csv_of(csv_line("$6.00", days=("10/15/2026", "10/21/2026")))
    assert forecast.bring(after, moment(10, 21)).export.state == "LOADED"


def test_a_document_whose_row_has_lost_its_moment_is_refused_by_name(house: House) -> None:
    """It stops no other."""
    lost = house.deliver(GOOD, moment(10, 19))
    house.execute("update clari.export_job set exported_at = null")
    house.merge()
    export = house.outcome(lost).export
    assert (export.state, export.error.partition(":")[0]) == ("REFUSED", "export_is_readable")
    assert f"no exported_at of {lost}" in export.error
    assert house.bring(GOOD, moment(10, 20)).export.state == "LOADED"


def test_one_crm_person_under_two_ids_is_named_with_both(forecast: Forecast) -> None:
    twins = [person(who, crm="crm-1") for who in ("ann", "bob")]
    outcome = forecast.bring(document(entry("ann", call=1), entry("bob", call=2), people=twins), moment(10, 20))
    assert _warned(outcome, "people_are_distinct")
    assert all(name in str(broken(outcome)["people_are_distinct"]) for name in ("ann", "bob", "crm-1"))


def test_equal_entries_are_dropped_and_counted(forecast: Forecast) -> None:
    """However their amounts are written."""
    alike = [entry("bob", call=call) for call in (1200000, "1200000.00", 1.2e6)]
    outcome = forecast.bring(document(*[entry(call=1)] * 3, *alike), moment(10, 20))
    counts = [getattr(outcome.export, name) for name in ("state", "rows_exported", "rows_staged", "rows_inserted")]
    assert counts == ["LOADED", 6, 2, 2]
    assert verdict(outcome, "entry_keys_are_unique").evidence["exact_duplicates_dropped"] == 4
    assert verdict(outcome, "control_totals_reconcile").passed is True


def _errors(outcome: Outcome) -> list[str]:
    return [one.check_name for one in outcome.verdicts if not one.passed and one.severity == "ERROR"]


def _warned(outcome: Outcome, check: str) -> bool:
    """Whether the check warns; the export is merged all the same."""
    assert (outcome.export.state, outcome.is_failure) == ("LOADED", False)
    assert verdict(outcome, check).severity == "WARN"
    return check in broken(outcome)


def test_amounts_with_more_decimals_than_are_kept_are_rounded_and_counted(forecast: Forecast) -> None:
    """Those that can be kept exactly are."""
    exact = ("99999999999999.9999", "-0.0001", "1.2E6", "+5", "1.50000000", " 7 ")
    rounded = (entry("ann", call="178406.46000000002"), entry("bob", call=1, closed="0.00005"))
    outcome = forecast.bring(document(*rounded, *(entry(f"calls {one}", call=one) for one in exact)), moment(10, 20))
    assert _warned(outcome, "amounts_are_exact")
    found = verdict(outcome, "amounts_are_exact").evidence
    assert (found["amounts_changed"], Decimal(found["rounded_by_at_most"])) == (2, Decimal("0.00005"))
    assert {(one["field_id"], one["measure"], one["amounts"]) for one in found["rounded"]} == {
        ("commit", "forecast_value", 1), ("commit", "crm_closed", 1),
    }  # fmt: skip
    assert "crm_closed of commit" in found["summary"]
    kept = {f"calls {one}": (Decimal(one.strip()), None) for one in exact}
    kept |= {"ann": (Decimal("178406.46"), None), "bob": (1, 0)}
    assert forecast.by("user_id", "forecast_entry", "forecast_value", "crm_closed") == kept
    assert verdict(outcome, "control_totals_reconcile").passed is True


def test_calculated_measures_are_left_out_named_and_keep_what_they_had(forecast: Forecast) -> None:
    """One cell of a ratio without a number keeps no quarter out, and not one figure of another measure or field."""
    cells = [float("nan"), "NaN", "N/A", "n/a", "-Infinity", "#DIV/0!", "\u2013", "87.5 %"]
    ratios = {f"ratio {number}": cell for number, cell in enumerate(cells)}
    forecast.bring(document(*(entry(field=ratio, total=3) for ratio in ratios), entry(call=1, total=5)), moment(10, 19))
    content = document(
        *(entry(field=ratio, total=4, closed=9) for ratio in ratios),
        *(entry("bob", field=ratio, total=cell, closed=8) for ratio, cell in ratios.items()),
        entry(call=2, total=6),
    )
    outcome = forecast.bring(content, moment(10, 20))
    assert _warned(outcome, "amounts_are_exact")
    found = verdict(outcome, "amounts_are_exact").evidence
    assert found["left_out"] == [
        {"field_id": ratio, "measure": "crm_total", "cells": 1, "written": str(cell).replace("nan", "NaN")}
        for ratio, cell in ratios.items()
    ]
    assert all(f"crm_total of {ratio}" in found["summary"] for ratio in ratios)
    rows = forecast.rows("forecast_entry")
    kept = {(row["user_id"], row["field_id"]): (row["crm_total"], row["crm_closed"]) for row in rows}
    assert kept == {("ann", "commit"): (6, None)} | {
        (who, ratio): figures for ratio in ratios for who, figures in (("ann", (3, 9)), ("bob", (None, 8)))
    }
    assert verdict(outcome, "control_totals_reconcile").passed is True


def test_a_document_that_is_kept_out_leaves_every_table_as_it_was(house: House) -> None:
    """Read or half merged, newest or late, of which the rebuild is done once more without it; the ledger says why. A
    replay judges it anew, and merges it where the reason has gone. Somebody has narrowed a column by hand: cents would
    be lost in every row.
    """
    house.bring(document(entry("ann", call=1, closed=10)), moment(10, 18))
    house.bring(document(entry("ann", call=3, closed=30)), moment(10, 20))
    house.execute("alter table clari.forecast_entry_state alter crm_closed type decimal(18, 0)")
    before = house.snapshot(*MERGED)
    unreadable = house.bring(document(entry(call="many")), moment(10, 21))
    assert house.snapshot(*MERGED) == before
    newest = house.bring(document(entry("ann", call=2, closed="10.75"), entry("bob", call=7)), moment(10, 22))
    assert house.snapshot(*MERGED) == before
    late = house.bring(document(entry("ann", call=2, closed="10.75")), moment(10, 19))
    assert house.snapshot(*MERGED) == before
    for refused in (newest, late):
        assert (refused.export.state, refused.export.loaded_at) == ("REFUSED", None)
        assert _errors(refused) == ["control_totals_reconcile"]
        assert "control_totals_reconcile" in refused.export.error
        (differing,) = broken(refused)["control_totals_reconcile"]["unexpected_rows"]
        assert (differing["field_id"], differing["measure"]) == ("commit", "crm_closed")

    house.execute("alter table clari.forecast_entry_state alter crm_closed type decimal(18, 4)")
    house.replay([], [])
    again = [house.outcome(one.export.request_id).export for one in (unreadable, newest, late)]
    assert [one.state for one in again] == ["REFUSED", "LOADED", "LOADED"]
    assert [one.error for one in again[1:]] == [None, None]


def test_rows_that_the_document_does_not_explain_are_found_by_the_row_counts(house: House) -> None:
    """A row that claims to come from this export, put there by hand, in a week that the export does not speak of, after
    an earlier release, which has left no totals.
    """
    house.bring(document(entry(call=1)), moment(10, 19))
    house.execute(
        "insert into clari.forecast_entry_state by name select * replace "
        "('W05' as time_frame_id, 'job-north-2026_Q4-2' as job_id, timestamptz '2026-10-20 06:00Z' as exported_at) "
        "from clari.forecast_entry_state"
    )
    house.execute("delete from clari.merged_total")
    before = house.snapshot(*MERGED)
    outcome = house.bring(document(entry(call=2)), moment(10, 20), history=False)
    assert (outcome.export.state, outcome.is_failure) == ("REFUSED", True)
    assert _errors(outcome) == ["row_counts_reconcile"]
    found = verdict(outcome, "row_counts_reconcile").evidence
    assert (found["document"], found["staged"], found["merged"]) == (1, 1, 2)
    assert house.snapshot(*MERGED) == before


def test_fewer_entries_of_another_request_are_no_loss(forecast: Forecast) -> None:
    """One week's entries are fewer than the whole quarter's."""
    forecast.bring(document(*(entry(week=f"W0{number}", call=1) for number in range(1, 8))), moment(10, 19))
    outcome = forecast.bring(document(entry(week="W03", call=1)), moment(10, 20), history=False)
    assert "row_count_is_stable" not in broken(outcome)


# How many quarters are synced, how many hours ago the newest was exported, and which are missing or stale.
COVERED: list[tuple[int, int, list[str], list[str]]] = [
    (0, 26, [], []),
    (0, 27, [], [QUARTER]),
    (1, 2, ["2026_Q3"], []),
]


def test_a_quarter_that_was_never_loaded_or_has_gone_stale_warns(open_house: Any) -> None:
    """Stale after 26 hours unless set: a daily sync, and two hours in which it may run late."""

    def check(case: tuple[int, int, list[str], list[str]]) -> None:
        historical, hours, missing, stale = case
        now = moment(10, 20) + timedelta(hours=hours)
        house = open_house(historical_periods=historical, now=now, warehouse=f"{historical}-{hours}")
        request_id = house.bring(GOOD, moment(10, 20)).export.request_id
        house.refresh_marts()
        outcome = house.outcome(request_id)
        assert _warned(outcome, "periods_are_covered") is bool(missing or stale)
        found = verdict(outcome, "periods_are_covered").evidence
        assert (found["missing"], found["stale"]) == (missing, stale)

    try_each(COVERED, check)


ECHO = _of_period({"timePeriodId": "2026_Q3"})
NOTHING, OTHER = "export_is_not_empty", "export_period_matches_request"
# A document, when it was exported, what its request is, which check keeps it out, and whether it is excused.
IN_GRACE: list[tuple[Json | bytes, datetime, Json, str, bool]] = [
    (EMPTY, moment(10, 1, 0), {}, NOTHING, True),
    (EMPTY, moment(10, 7, 23), {}, NOTHING, True),
    (EMPTY, moment(10, 8, 0), {}, NOTHING, False),
    (EMPTY, moment(11, 1), {}, NOTHING, False),
    (ECHO, moment(10, 1, 0), {}, OTHER, True),
    (ECHO, moment(10, 7, 23), {}, OTHER, True),
    (ECHO, moment(10, 8, 0), {}, OTHER, False),
    (ECHO, moment(11, 1), {}, OTHER, False),
    # Nothing else is excused by the first days.
    (EMPTY, moment(10, 1), {"is_truncated": True}, "export_is_not_truncated", False),
    (document(entry(call="many")), moment(10, 1), {}, "amounts_are_readable", False),
    (b"{", moment(10, 1), {}, "export_is_readable", False),
]


def test_a_new_quarters_first_seven_days_are_excused(house: House, open_house: Any) -> None:
    """Clari may have nothing yet, or give the quarter before: kept out all the same, with a warning."""

    def check(number: int) -> None:
        content, at, request, name, is_excused = IN_GRACE[number]
        forecast = Forecast(house, f"case {number}")
        outcome = forecast.bring(content, at, **request)
        assert (outcome.export.state, outcome.is_failure) == ("REFUSED", not is_excused)
        assert (_errors(outcome) == []) is is_excused
        assert verdict(outcome, name).severity == ("WARN" if is_excused else "ERROR")
        assert name in broken(outcome)
        assert forecast.rows("forecast_entry") == []

    try_each(range(len(IN_GRACE)), check)
    assert open_house(quarter_grace_days=0).bring(EMPTY, moment(10, 1)).is_failure is True


def test_control_totals_are_taken_from_the_document_not_from_what_was_staged(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A measure that the reader puts into the wrong column is noticed, though it is merged as it was staged."""
    monkeypatch.setitem(json_shapes.ENTRY_KEYS, "crmClosed", "crm_total")
    outcome = house.bring(document(entry(call=100, closed=40)), moment(10, 20))
    assert outcome.export.state == "REFUSED"
    assert not verdict(outcome, "control_totals_reconcile").passed
