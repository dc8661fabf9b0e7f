"""The contract of a forecast's documents: keys that are new, gone or of another kind are named, and no others."""

import json
from collections.abc import Callable
from itertools import count, permutations
from pathlib import Path
from typing import Any

from clari_pipeline.alerts.raising import Alerts
from clari_pipeline.sync.outcomes import Outcome
from tests.helpers.each_case import try_each
from tests.helpers.forecast import Forecast, broken, verdict
from tests.helpers.house import House, Json, document, entry, moment, person

CHECK = "contract_is_stable"
COLUMNS = "User,Email,CRM User ID,Role,Parent Role,Timeframe,Field,Week,Start Day,End Day,Data Type,Data Value"


def relational(**more: Any) -> Json:
    """Two calls of two people, each entry with these keys as well; `...` leaves a key out."""
    figures = {"forecastValue": 100, "crmClosed": 10, **more}
    entries = [entry(who, "W01") | figures for who in ("ann", "bob")]
    return document(*({key: value for key, value in one.items() if value is not Ellipsis} for one in entries))


def flat(**more: Any) -> Json:
    row = {"ownerName": "Ann", "ownerEmail": "ann@example.com", "forecastAmount": 5, "timePeriod": "2026_Q4", **more}
    return {"entries": [{key: value for key, value in row.items() if value is not Ellipsis}]}


def csv(*types: str, also: str = "") -> bytes:
    line = "Ann,ann@example.com,1,Rep,,Q4 FY 2026,Commit,1,10/01/2026,10/07/2026"
    lines = [f"{line},{kind},5{',x' if also else ''}" for kind in types]
    return "\n".join([f"{COLUMNS},{also}" if also else COLUMNS, *lines, ""]).encode()


def listed(name: str, change: Callable[[Json], Json | None]) -> Json:
    """The relational document with each element of a list changed, or without the list."""
    content = relational()
    items = [change(one) for one in content.pop(name)]
    return content if None in items else content | {name: items}


def without(key: str) -> Callable[[Json], Json]:
    return lambda one: {name: value for name, value in one.items() if name != key}


BOTH = ("Forecast Value", "CRM Closed")
CHANGES: dict[str, tuple[Any, Any, str]] = {
    "a new key": (relational(), relational(likelihood=5), "new: entries[].likelihood (number)"),
    "a new key without a value": (relational(), relational(note=None), "new: entries[].note (null)"),
    "a new list": (relational(), relational() | {"teams": [1]}, "new: teams (list)"),
    "a new key of people": (
        relational(),
        listed("users", lambda one: one | {"phone": {"home": "1"}}),
        "new: users[].phone (object)",
    ),
    "a measure is gone": (relational(), relational(crmClosed=...), "gone: entries[].crmClosed"),
    "a key that had no value in some": (
        document(entry("ann", call=1, adjustment=5), entry("bob", call=1, adjustment=None)),
        document(entry("ann", call=1), entry("bob", call=1)),
        "gone: entries[].adjustmentValue",
    ),
    "a key of people is gone": (relational(), listed("users", without("email")), "gone: users[].email"),
    "a list is gone": (relational(), listed("fields", lambda _: None), "gone: fields"),
    "an unknown key is gone": (relational(likelihood=5), relational(), "gone: entries[].likelihood"),
    "a number becomes a text": (
        relational(),
        relational(forecastValue="100.00"),
        "of another kind: entries[].forecastValue (number before, text now)",
    ),
    "an object becomes a text": (
        relational(),
        relational(currency="USD"),
        "of another kind: entries[].currency (object before, text now)",
    ),
    "an unknown key becomes a list": (
        relational(tags="a"),
        relational(tags=["a"]),
        "of another kind: entries[].tags (text before, list now)",
    ),
    "all of them": (
        relational(),
        relational(crmClosed=..., closedWon=10, forecastValue="100"),
        "new: entries[].closedWon (number); gone: entries[].crmClosed; "
        "of another kind: entries[].forecastValue (number before, text now)",
    ),
    "a new key of flat JSON": (flat(), flat(region="EMEA"), "new: entries[].region (text)"),
    "a measure of flat JSON": (flat(quotaAmount=5), flat(), "gone: entries[].quotaAmount"),
    "flat JSON's kind": (flat(), flat(forecastAmount="5"), "entries[].forecastAmount (number before, text now)"),
    "a new column": (csv(*BOTH), csv(*BOTH, also="Segment"), "new: Segment (text)"),
    "a new word": (csv(*BOTH), csv(*BOTH, "Pipeline Value"), "new: Data Type[].Pipeline Value (text)"),
    "a word is gone": (csv(*BOTH), csv("Forecast Value"), "gone: Data Type[].CRM Closed"),
}

ADJUSTED = {"adjustmentValue": 5, "adjustedBy": "ann", "adjustedOn": 1790000000000}
UPDATED = {"isUpdated": True, "updatedBy": "ann", "updatedOn": 1790000000000}
SOME = document(entry("ann", call=5, closed=1, quota=9), entry("bob", call=5))
ONE_WEEK = {"history": False}
BY_DATA_ALONE: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "the same": (relational(), relational(), {}),
    "nobody adjusts any more": (relational(**ADJUSTED), relational(), {}),
    "somebody adjusts": (relational(), relational(**ADJUSTED), {}),
    "nobody has updated": (relational(**UPDATED), relational(isUpdated=False), {}),
    "all null": (relational(crmClosed=5), relational(crmClosed=None), {}),
    "from null": (relational(crmClosed=None), relational(crmClosed=5), {}),
    "nothing closed, where that key is then left out": (SOME, document(entry("ann", call=5, quota=9)), {}),
    "numbers written in another way": (relational(), relational(forecastValue=1.2e6), {}),
    "no number in a calculated column": (relational(), relational(crmClosed="N/A"), {}),
    "an empty text": (relational(), relational(crmClosed=""), {}),
    "people without a team": (
        document(entry("ann"), people=[person("ann")]),
        document(entry("ann"), people=[person("ann") | {"parentHierarchyId": None}]),
        {},
    ),
    "a week without days": (relational(), relational() | {"timeFrames": []}, {}),
    "a measure that is not asked for": (relational(), relational(crmClosed=...), {"types": ("forecast", "quota")}),
    "a new week in which nobody has called": (relational(), relational(forecastValue=...), ONE_WEEK),
    "another shape": (relational(), csv("Forecast Value", also="Segment"), {}),
    "no adjustments in a CSV": (csv(*BOTH, "Adjustment Value"), csv(*BOTH), {}),
    "an unknown key that not every element has": (
        document(entry("ann") | {"note": "x"}, entry("bob")),
        document(entry("ann"), entry("bob")),
        {},
    ),
}


def brought(house: House, name: str, *contents: Any, **request: Any) -> list[Outcome]:
    """The outcomes of documents, brought a day apart; of `request` the first has the history alone."""
    of_first = {key: value for key, value in request.items() if key == "history"}
    forecast = Forecast(house, name)
    return [
        forecast.bring(
            content if isinstance(content, bytes) else json.dumps(content).encode(),
            moment(10, 2 + day),
            **(request if day else of_first),
        )
        for day, content in enumerate(contents)
    ]


def test_a_change_is_named_once(house: House) -> None:
    """JSON, flat and CSV: the document is merged with a warning; the next of the same contract passes."""

    def check(name: str) -> None:
        before, after, summary = CHANGES[name]
        first, second, third = brought(house, name, before, after, after)
        assert verdict(first, CHECK).passed, "nothing to compare with"
        found = broken(second)[CHECK]
        assert summary in found["summary"]
        assert found["keys_changed"] == sum(len(found[part]) for part in ("new", "gone", "of_another_kind"))
        assert second.export.state == "LOADED" or CHECK not in second.reason
        assert first.export.contract != second.export.contract == third.export.contract == found["contract"]
        if second.export.state == "LOADED":
            assert CHECK not in broken(third)

    try_each(CHANGES, check)


def test_what_the_data_alone_changes_is_no_change(house: House) -> None:
    def check(name: str) -> None:
        before, after, request = BY_DATA_ALONE[name]
        first, second, third = brought(house, name, before, after, before, **request)
        assert [CHECK in broken(one) for one in (first, second, third)] == [False] * 3, broken(second).get(CHECK)

    try_each(BY_DATA_ALONE, check)


def keys(house: House) -> dict[str, tuple[Any, ...]]:
    found = house.tuples(
        "select path, kind, example_kind, first_seen_at, last_seen_at from clari.document_key "
        "where not is_known or path = 'entries[].crmClosed'"
    )
    return {path: row for path, *row in found}


def test_unknown_keys_can_be_read_whatever_the_order_of_arrival(open_house: Callable[..., House]) -> None:
    """One row per forecast and path, as of the exports, never of the clock; the same rebuilt from landing alone."""
    first, second, third = (moment(10, day) for day in (2, 3, 4))
    contents = {
        first: relational(likelihood=5),
        second: relational(likelihood="high", crmClosed=...),
        third: relational() | {"release": None},
    }
    expected = {
        "entries[].crmClosed": ["number", "number", first, third],
        "entries[].likelihood": ["number, text", "text", first, second],
        "release": ["null", "null", third, third],
    }
    for number, order in enumerate(permutations(contents)):
        house = open_house(warehouse=f"warehouse{number}")
        for at in order:
            house.bring(contents[at], at, forecast=f"north{number}")
        assert keys(house) == expected, order
        made = house.snapshot("document_key", "document_contract")
        house.replay([], [f"north{number}"])
        assert house.snapshot("document_key", "document_contract") == made
    rebuilt = open_house(warehouse="rebuilt")
    for document_landed in rebuilt.context.landing:
        rebuilt.know(document_landed.folder)
    rebuilt.merge()
    assert keys(rebuilt) == expected


def test_the_contract_lies_beside_the_manifest_which_stays_as_it_landed(forecast: Forecast) -> None:
    request_id = forecast.house.deliver(relational(likelihood=5), moment(10, 2))
    folder = forecast.house.context.landing.root / forecast.house.outcome(request_id).export.document
    before = (folder / "manifest.json").read_bytes()
    forecast.house.merge()
    assert (folder / "manifest.json").read_bytes() == before
    written = json.loads((folder / "contract.json").read_text())
    assert written["contract"] == forecast.house.outcome(request_id).export.contract
    assert written["keys"]["entries[].likelihood"] == ["number"]


def test_after_an_upgrade_nothing_is_compared_and_the_same_document_has_its_contract(forecast: Forecast) -> None:
    """An earlier release kept no contract, and the lists of another reader."""
    forecast.bring(relational(), moment(10, 2))
    for statement in (
        "update clari.export_job set contract = null",
        "delete from clari.document_contract",
        "update clari.newest_document set read_by = 'earlier'",
    ):
        forecast.house.execute(statement)
    again = forecast.bring(relational(), moment(10, 3))
    assert verdict(again, CHECK).evidence["is_first"]
    assert again.export.contract
    assert CHECK in broken(forecast.bring(relational(likelihood=5), moment(10, 4)))


def test_an_identical_document_has_the_contract_of_the_one_before(forecast: Forecast) -> None:
    first, second = (forecast.bring(relational(likelihood=5), moment(10, day)) for day in (2, 3))
    assert second.export.contract == first.export.contract
    assert verdict(second, CHECK).evidence == {"same_document_as": first.export.job_id}
    assert forecast.row("document_key", path="entries[].likelihood")["last_seen_at"] == moment(10, 3)


def test_people_are_notified_once_of_each_change(tmp_path: Path) -> None:
    """Though every quarter shows it; another change, or the same change once more, is a new alert."""
    exports = count()

    def told(day: int, content: Json, *quarters: str) -> list[str]:
        house = House(tmp_path, now=moment(11, day, 12))
        for quarter in quarters:
            house.exports = next(exports)
            house.bring(content, moment(11, day, 6 + house.exports % 2), quarter=quarter)
        Alerts(house.context).raise_alerts(run_id=f"run {day}")
        found = house.rows("select * from clari.alert where run_id = $run", run=f"run {day}")
        found = [one for one in found if one["kind"] == "contract_changed"]
        assert {(one["severity"], one["alert_class"]) for one in found} <= {("P3", "contract_changed north")}
        return [one["body"] for one in found]

    both, gone = ("2026_Q4", "2026_Q3"), ["gone: entries[].crmClosed"]
    became_text = ["of another kind: entries[].crmClosed (number before, text now)"]
    assert told(2, relational(), *both) == []
    assert told(3, relational(crmClosed=...), *both) == gone
    assert told(4, relational(crmClosed=...), *both) == []
    assert told(5, relational(crmClosed="1"), "2026_Q4") == became_text
    assert told(6, relational(crmClosed=...), "2026_Q4") == gone
