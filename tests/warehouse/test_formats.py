"""A quarter whose exports change between JSON and CSV keeps its people, fields, weeks and currencies."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from clari_pipeline.core.periods import Quarter
from clari_pipeline.sync.outcomes import Outcome
from tests.helpers.forecast import Forecast, shared_house
from tests.helpers.house import QUARTER, WEEKS, House, Json, document, entry, moment

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
                roles = f"{who['hierarchyName']},{who['parentHierarchyName']}"
                lines.append(
                    f"{who['name']},{email},{crm},{roles},Q4 FY 2026,{field},"
                    f'{number},{start},{end},{measure},"{sign}{one[key]:,}"'
                )
    return "\n".join(lines).encode()


def broken(outcome: Outcome) -> dict[str, Any]:
    assert outcome.verdicts
    return {one.check_name: one.evidence for one in outcome.verdicts if not one.passed}


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
    assert outcome.export.rows_updated + outcome.export.rows_inserted + outcome.export.rows_disappeared == 0
    assert standing(forecast) == before
    if spelling != "as it is":
        return
    forecast.bring(as_csv(as_json(200, listed=listed), **other), moment(10, 26))
    reasons = {row["reason"] for row in forecast.rows("forecast_swing", job_id=forecast.jobs[2], baseline="sync")}
    assert reasons == {"above_threshold"}
    back = forecast.bring(as_json(200, listed=listed), moment(10, 27))
    assert (broken(back), back.export.rows_unchanged) == ({}, 12)
    versions = forecast.rows("forecast_user_history")
    assert len(versions) == len(PEOPLE)


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

    def rows() -> dict[str, list[str]]:
        return {
            table: sorted(str({key: value for key, value in row.items() if key != "detected_at"}) for row in found)
            for table in tables
            for found in [forecast.rows(table)]
        }

    before = rows()
    forecast.house.replay([Quarter.parse(QUARTER)], [forecast.name])
    after = rows()
    for table in tables:
        assert after[table] == before[table], table


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


@pytest.mark.parametrize("case", UNSURE)
def test_what_cannot_be_told_keeps_the_export_out_and_says_what_to_do(forecast: Forecast, case: str) -> None:
    changes, other, named = UNSURE[case]
    content = as_json(listed=people(**changes))
    forecast.bring(content, moment(10, 24))
    if case == "two people of one email":  # the CSV shows one of them
        content["entries"] = [one for one in content["entries"] if one["userId"] != "1:3"]
    before = standing(forecast)
    outcome = forecast.bring(as_csv(content, **other), moment(10, 25))
    assert outcome.export.state == "REFUSED"
    found = broken(outcome)["ids_are_recognised"]["summary"]
    assert named in found
    assert "CLARI_EXPORT_FORMAT" in found and "clari_pipeline.toml" in found
    assert standing(forecast) == before


def test_a_setting_says_which_field_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clari_pipeline.toml").write_text(
        '[same.fields]\n"Net Commit (USD)" = "Net Commit"\n"Quota (USD)" = "q1"\n', encoding="utf-8"
    )
    house = House(tmp_path)
    with house.held_open():
        forecast = Forecast(house, "north")
        forecast.bring(as_json(), moment(10, 24))
        before = standing(forecast)
        outcome = forecast.bring(as_csv(as_json(), field=lambda name: name + " (USD)"), moment(10, 25))
        assert broken(outcome) == {}
        assert standing(forecast) == before


CURRENCIES = {
    "$ is one that USD may be": ("USD", "$", None),
    "$ is one that CAD may be": ("CAD", "$", None),
    "€ is EUR": ("EUR", "€", None),
    "US$ is USD": ("USD", "US$", None),
    "€ is not USD": ("USD", "€", "€"),
    "CA$ is not USD": ("USD", "CA$", "CA$"),
    "¥ is not USD": ("USD", "¥", "¥"),
    "small letters": (" usd ", "USD ", None),
}


@pytest.mark.parametrize("case", CURRENCIES)
def test_a_sign_that_a_known_code_may_stand_behind_is_no_change(forecast: Forecast, case: str) -> None:
    code, sign, changed = CURRENCIES[case]
    forecast.bring(as_json(currency=code), moment(10, 24))
    outcome = forecast.bring(as_csv(as_json(), sign=sign), moment(10, 25))
    assert set(broken(outcome)) == ({"currency_is_stable"} if changed else set())
    assert {value[2] for value in standing(forecast).values()} == {changed or code.strip().upper()}


def test_a_sign_is_the_currency_of_its_person(forecast: Forecast) -> None:
    content = as_json()
    for one in content["entries"]:
        one["currency"] = {"code": {"1:1": "USD", "1:2": "CAD", "1:3": "AUD"}[one["userId"]]}
    for number, one in enumerate((as_csv(content), content, as_csv(content)), 24):
        outcome = forecast.bring(one, moment(10, number))
        assert broken(outcome) == {}
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
    lines = [HEADER]
    for period, label in months.items():
        for number, week in enumerate(of_month[period]):
            start, end = (f"{day:%m/%d/%Y}" for day in (weeks[week], weeks[week] + timedelta(days=6)))
            lines.append(
                f"Ann,ann@corp.test,,Role of ann,Role of boss,{label} FY 2026,Net Commit,{number + 1},{start},{end},"
                f"Forecast Value,${10 + number}"
            )
    forecast.bring(content, moment(11, 24))
    outcome = forecast.bring("\n".join(lines).encode(), moment(11, 25))
    assert {name for name in broken(outcome) if name != "row_count_is_stable"} == set()
    assert outcome.export.rows_unchanged == 9
    assert Decimal(0) == outcome.export.rows_inserted == outcome.export.rows_disappeared
