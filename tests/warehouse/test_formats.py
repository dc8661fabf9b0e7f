"""A quarter whose exports change between JSON and CSV keeps its people, fields, weeks and currencies."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from clari_pipeline.outcomes import Outcome
from tests.helpers.forecast import Forecast, shared_house
from tests.helpers.house import WEEKS, House, Json, document, entry, moment

HEADER = "User,Email,CRM User ID,Role,Parent Role,Timeframe,Field,Week,Start Day,End Day,Data Type,Data Value"
TYPES = {"forecastValue": "Forecast Value", "quotaValue": "Quota Value", "crmClosed": "CRM Closed"}
PEOPLE = {"1:1": ("boss", "", ""), "1:2": ("ann", "005A0000001aaaa", "boss"), "1:3": ("ben", "005A0000001aaaA", "boss")}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One warehouse for this module, each test a forecast of its own in it."""
    with shared_house(tmp_path_factory.mktemp("formats")) as house:
        yield house


@pytest.fixture
def forecast(shared: House) -> Forecast:
    return Forecast(shared, f"forecast-{shared.exports}")


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
    lines = [HEADER]
    for one in content["entries"]:
        who, week = listed[one["userId"]], weeks[one["timeFrameId"]]
        start, end = ("{1}/{2}/{0}".format(*week[day].split("-")) for day in ("startDate", "endDate"))
        email, crm = (other.get(key, str)(who[key]) for key in ("email", "crmId"))
        field = other.get("field", str)(names[one["fieldId"]])
        number = int(one["timeFrameId"][1:]) + first
        for key, measure in TYPES.items():
            if key in one:
                lines.append(
                    f"{who['name']},{email},{crm},{who['hierarchyName']},{who['parentHierarchyName']},Q4 FY 2026,{field},"
                    f'{number},{start},{end},{measure},"{sign}{one[key]:,}"'
                )
    return "\n".join(lines).encode()


def broken(outcome: Outcome) -> dict[str, Any]:
    assert outcome.verdicts
    return {one["check_name"]: one["evidence"] for one in outcome.verdicts if not one["passed"]}


def standing(forecast: Forecast) -> dict[str, tuple[Any, ...]]:
    """Call, quota and currency of each person."""
    return {
        row["user_id"]: (row["forecast_value"], row["quota_value"], row["currency_code"], row["in_latest_export"])
        for row in forecast.rows("forecast_vs_quota", field_id="fc_net_commit")
    }


SPELLINGS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "weeks from 0": {"first": 0},
    "email in capitals": {"email": str.upper},
    "CRM id of 18": {"email": lambda _: "", "crmId": lambda crm: crm and crm + ("IAQ" if crm[-1] == "A" else "IAA")},
    "field name": {"field": lambda name: name.upper().replace(" ", "_")},
    "code": {"sign": "USD "},
    "no sign": {"sign": ""},
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_csv_after_json_shows_the_same_people_fields_and_weeks(forecast: Forecast, spelling: str) -> None:
    other = SPELLINGS[spelling]
    listed = people(boss={"crmId": "005A0000001aaab"})
    forecast.bring(as_json(listed=listed), moment(10, 24))
    before = standing(forecast)
    outcome = forecast.bring(as_csv(as_json(listed=listed), **other), moment(10, 25))
    assert broken(outcome) == {}
    assert outcome.export["rows_updated"] + outcome.export["rows_inserted"] + outcome.export["rows_disappeared"] == 0
    assert standing(forecast) == before
    forecast.bring(as_csv(as_json(200, listed=listed), **other), moment(10, 26))
    reasons = {row["reason"] for row in forecast.rows("forecast_swing", job_id=forecast.jobs[2], baseline="sync")}
    assert reasons == {"above_threshold"}
    back = forecast.bring(as_json(200, listed=listed), moment(10, 27))
    assert (broken(back), back.export["rows_unchanged"]) == ({}, 12)
    versions = forecast.rows("forecast_user_history")
    assert len(versions) == len(PEOPLE)
