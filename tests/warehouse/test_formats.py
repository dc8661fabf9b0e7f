"""A quarter whose exports change between JSON and CSV keeps its people, fields, weeks and currencies."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.csv_lines import csv_line, csv_of
from tests.helpers.each_case import try_each
from tests.helpers.forecast import Forecast, broken
from tests.helpers.house import WEEKS, House, Json, document, entry, moment

TYPES = {"forecastValue": "Forecast Value", "quotaValue": "Quota Value", "crmClosed": "CRM Closed"}
PEOPLE = {"1:1": ("boss", "", ""), "1:2": ("ann", "005A0000001aaaa", "boss"), "1:3": ("ben", "005A0000001aaaA", "boss")}


def people(**changes: dict[str, str]) -> list[Json]:
    return [
        {
            "userId": user,
            "name": name.title(),
            "email": f"{name}@corp.test",
            "crmId": crm,
            "scopeId": f"{user}::MGR",
            "hierarchyId": f"00E-{name}",
            "hierarchyName": f"Role of {name}",
            "parentHierarchyId": f"00E-{parent}" if parent else "",
            "parentHierarchyName": f"Role of {parent}" if parent else "",
        }
        | changes.get(name, {})
        for user, (name, crm, parent) in PEOPLE.items()
    ]


def as_json(call: int = 100, *, listed: list[Json] | None = None, **more: Any) -> Json:
    """Three people's calls and quotas in two weeks, with Clari's ids; weeks are counted from 0."""
    weeks = {f"W{number:02d}": day for number, day in enumerate(list(WEEKS.values())[:4])}
    entries = [
        entry(user, week, field, **{figure: call + int(user[2:]) if figure == "call" else 1000}, **more)
        for user in PEOPLE
        for week in ("W02", "W03")
        for field, figure in (("fc_net_commit", "call"), ("q1", "quota"))
    ]
    fields = {"fc_net_commit": "Net Commit", "q1": "Quota"}
    return document(*entries, people=people() if listed is None else listed, weeks=weeks, fields=fields)


def as_csv(content: Json, *, sign: str = "$", first: int = 1, **other: Any) -> bytes:
    """The same as a CSV; weeks are counted from `first`. `other` changes a field's or a person's spelling."""
    listed = {one["userId"]: one for one in content["users"]}
    names = {one["fieldId"]: one["fieldName"] for one in content["fields"]}
    weeks = {one["timeFrameId"]: one for one in content["timeFrames"]}
    lines = []
    for one in content["entries"]:
        who, week = listed[one["userId"]], weeks[one["timeFrameId"]]
        start, end = ("{1}/{2}/{0}".format(*week[day].split("-")) for day in ("startDate", "endDate"))
        lines += [
            csv_line(
                f"{sign}{one[key]:,}",
                name=who["name"],
                email=other.get("email", str)(who["email"]),
                crm=other.get("crmId", str)(who["crmId"]),
                roles=f"{who['hierarchyName']},{who['parentHierarchyName']}",
                field=other.get("field", str)(names[one["fieldId"]]),
                week=int(one["timeFrameId"][1:]) + first,
                days=(start, end),
                measure=measure,
            )
            for key, measure in TYPES.items()
            if key in one
        ]
    return csv_of(*lines)


def standing(forecast: Forecast) -> dict[str, tuple[Any, ...]]:
    """Of each person the call, quota, currency and presence."""
    columns = ("forecast_value", "quota_value", "currency_code", "in_latest_export")
    return forecast.by("user_id", "forecast_vs_quota", *columns, field_id="fc_net_commit")


SPELLINGS: dict[str, dict[str, Any]] = {
    "weeks from 0 and a code": {"first": 0, "sign": "USD "},
    "email in capitals, field name, no sign": {
        "email": str.upper,
        "field": lambda name: name.upper().replace(" ", "_"),
        "sign": "",
    },
    "CRM id of 18": {"email": lambda _: "", "crmId": lambda crm: crm and crm + ("IAQ" if crm[-1] == "A" else "IAA")},
    "as it is": {},
}


def test_a_csv_after_json_shows_the_same_people_fields_and_weeks(house: House) -> None:
    """However it spells them; and what moves then is compared, in either format."""
    listed = people(boss={"crmId": "005A0000001aaab"})

    def check(spelling: str) -> None:
        forecast = Forecast(house, spelling)
        forecast.bring(as_json(listed=listed), moment(10, 24))
        before = standing(forecast)
        outcome = forecast.bring(as_csv(as_json(listed=listed), **SPELLINGS[spelling]), moment(10, 25))
        assert broken(outcome) == {}
        changed = [getattr(outcome.export, f"rows_{how}") for how in ("updated", "inserted", "disappeared")]
        assert (changed, standing(forecast)) == ([0, 0, 0], before)

    try_each(SPELLINGS, check)
    forecast = Forecast(house, "as it is")
    swung = forecast.bring(as_csv(as_json(200, listed=listed)), moment(10, 26)).export.job_id
    reasons = {row["reason"] for row in forecast.rows("forecast_swing", job_id=swung, baseline="sync")}
    assert reasons == {"above_threshold"}
    back = forecast.bring(as_json(200, listed=listed), moment(10, 27))
    assert (broken(back), back.export.rows_unchanged) == ({}, 12)
    assert len(forecast.rows("forecast_user_history")) == len(PEOPLE)


def test_json_after_a_csv_keeps_the_ids_of_the_csv_and_gives_its_sign_a_code(forecast: Forecast) -> None:
    forecast.bring(as_csv(as_json(), first=0), moment(10, 24))
    assert {row["currency_code"] for row in forecast.rows("forecast_entry")} == {"$"}
    outcome = forecast.bring(as_json(), moment(10, 25))
    assert broken(outcome) == {}
    assert (outcome.export.rows_inserted, outcome.export.rows_disappeared) == (0, 0)
    entries = forecast.rows("forecast_entry")
    assert {row["user_id"] for row in entries} == {f"{name}@corp.test" for name in ("boss", "ann", "ben")}
    assert {row["field_id"] for row in entries} == {"Net Commit", "Quota"}
    assert {row["currency_code"] for row in entries} == {"USD"}
    assert {row["reason"] for row in forecast.rows("forecast_swing", baseline="sync")} == {None}
    again = forecast.bring(as_csv(as_json(), first=1), moment(10, 26))
    assert (broken(again), again.export.rows_unchanged) == ({}, 12)


def test_formats_are_known_when_the_verdicts_on_the_older_exports_are_gone(forecast: Forecast) -> None:
    """Verdicts that passed may be forgotten after `CLARI_VERDICT_DAYS`; only the newest export's stay."""
    forecast.bring(as_json(), moment(10, 24))
    before = standing(forecast)
    forecast.bring(as_csv(as_json()), moment(10, 25))
    first = forecast.jobs[0].replace("job-", "request-")
    forecast.house.execute(f"delete from clari.export_check where request_id = '{first}' and passed")
    outcome = forecast.bring(as_csv(as_json(), first=0), moment(10, 26))
    assert (broken(outcome), outcome.export.rows_unchanged) == ({}, 12)
    assert standing(forecast) == before


def test_what_came_first_and_a_replay_give_the_same_rows(forecast: Forecast) -> None:
    documents = (as_csv(as_json(90)), as_json(100), as_csv(as_json(110)), as_json(300, currency="CAD"))
    tables = (
        "forecast_entry", "forecast_entry_history", "forecast_user_history", "forecast_swing", "forecast_swing_summary",
    )  # fmt: skip
    for number, content in enumerate(documents):
        assert forecast.bring(content, moment(10, 20 + number)).export.state == "LOADED"
    before = forecast.house.snapshot(*tables, without={"detected_at"})
    forecast.house.replay([], [])
    after = forecast.house.snapshot(*tables, without={"detected_at"})
    assert [table for table in tables if after[table] != before[table]] == []


def test_who_comes_and_who_goes_with_the_change_is_new_and_gone(forecast: Forecast) -> None:
    before, after = as_json(), as_json()
    for name in ("entries", "users"):
        before[name] = [one for one in before[name] if one["userId"] != "1:2"]
    after["entries"] = [one for one in after["entries"] if one["userId"] != "1:3"]
    forecast.bring(before, moment(10, 24))
    outcome = forecast.bring(as_csv(after), moment(10, 25))
    assert {name for name in broken(outcome) if name != "forecast_swings_within_threshold"} == set()
    assert {key: value[3] for key, value in standing(forecast).items()} == {
        "1:1": True,
        "ann@corp.test": True,
        "1:3": False,
    }


UNSURE: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a field of another name": ({}, {"field": lambda name: name + " (USD)"}, "field Net Commit (USD)"),
    "two people of one email": (
        {name: {"email": "team@corp.test", "hierarchyName": "Rep"} for name in ("ann", "ben")},
        {"crmId": lambda _: "", "email": str},
        "person team@corp.test",
    ),
    "nobody of those known": ({}, {"email": "new.{}".format, "crmId": lambda _: ""}, "person new."),
    "neither email nor CRM id in JSON": (
        {name: {"email": "", "crmId": ""} for name in ("boss", "ann", "ben")},
        {"email": "x@corp.test{}".format, "crmId": "005{}".format},
        "person ",
    ),
}


def test_what_cannot_be_told_keeps_the_export_out_and_says_what_to_do(house: House) -> None:
    def check(case: str) -> None:
        changes, other, named = UNSURE[case]
        forecast = Forecast(house, case)
        content = as_json(listed=people(**changes))
        forecast.bring(content, moment(10, 24))
        if case == "two people of one email":  # the CSV shows one of them
            content["entries"] = [one for one in content["entries"] if one["userId"] != "1:3"]
        before = standing(forecast)
        outcome = forecast.bring(as_csv(content, **other), moment(10, 25))
        assert outcome.export.state == "REFUSED"
        found = broken(outcome)["ids_are_recognised"]["summary"]
        assert [part for part in (named, "CLARI_EXPORT_FORMAT", "clari_pipeline.toml") if part not in found] == []
        assert standing(forecast) == before

    try_each(UNSURE, check)


def test_a_setting_says_which_field_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_house: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clari_pipeline.toml").write_text(
        '[same.fields]\n"Net Commit (USD)" = "Net Commit"\n"Quota (USD)" = "q1"\n', encoding="utf-8"
    )
    forecast = Forecast(open_house(), "north")
    forecast.bring(as_json(), moment(10, 24))
    before = standing(forecast)
    outcome = forecast.bring(as_csv(as_json(), field=lambda name: name + " (USD)"), moment(10, 25))
    assert broken(outcome) == {}
    assert standing(forecast) == before


def test_a_sign_is_the_currency_of_its_person(forecast: Forecast) -> None:
    content = as_json()
    for one in content["entries"]:
        one["currency"] = {"code": {"1:1": "USD", "1:2": "CAD", "1:3": "AUD"}[one["userId"]]}
    for number, shown in enumerate((as_csv(content), content, as_csv(content)), 24):
        assert broken(forecast.bring(shown, moment(10, number))) == {}
    found = {row["user_id"]: row["currency_code"] for row in forecast.rows("forecast_entry")}
    assert found == {"boss@corp.test": "USD", "ann@corp.test": "CAD", "ben@corp.test": "AUD"}


def test_weeks_numbered_within_months_are_known_by_their_days(forecast: Forecast) -> None:
    """JSON's weeks have ids of their own in every month; a CSV counts them anew in each."""
    months = {"2026_M10": "October", "2026_M11": "November"}
    weeks = {f"TF:{day}": day for day in (WEEKS["W01"] + timedelta(weeks=n) for n in range(9))}
    of_month = {period: [week for week, day in weeks.items() if day.month == int(period[-2:])] for period in months}
    content = document(
        *(
            entry("1:2", week, "fc_net_commit", period=period, call=10 + number)
            for period in months
            for number, week in enumerate(of_month[period])
        ),
        people=people()[1:2],
        weeks=dict(weeks),
        fields={"fc_net_commit": "Net Commit"},
        periods=[
            {"timePeriodId": one, "type": "MONTH", "startDate": f"{one[:4]}-{one[-2:]}-01", "endDate": last}
            for one, last in (("2026_M10", "2026-10-31"), ("2026_M11", "2026-11-30"))
        ],
    )
    lines = [
        csv_line(
            f"${10 + number}",
            crm="",
            roles="Role of ann,Role of boss",
            period=f"{label} FY 2026",
            field="Net Commit",
            week=number + 1,
            days=(f"{weeks[week]:%m/%d/%Y}", f"{weeks[week] + timedelta(days=6):%m/%d/%Y}"),
        )
        for period, label in months.items()
        for number, week in enumerate(of_month[period])
    ]
    forecast.bring(content, moment(11, 24))
    outcome = forecast.bring(csv_of(*lines), moment(11, 25))
    assert {name for name in broken(outcome) if name != "row_count_is_stable"} == set()
    assert outcome.export.rows_unchanged == 9
    assert Decimal(0) == outcome.export.rows_inserted == outcome.export.rows_disappeared
