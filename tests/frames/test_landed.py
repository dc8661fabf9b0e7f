"""`landed`: the document as Clari delivered it, each number by its digits, each shape."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from clari_pipeline import Clari, FrameError, PipelineError, connect
from clari_pipeline.landing import LandingError
from tests.helpers.each_case import try_each
from tests.helpers.house import House, document, entry, moment

_HEADER = "User,Email,CRM User ID,Role,Parent Role,Timeframe,Field,Week,Start Day,End Day,Data Type,Data Value,Région"
_BEGIN = "Zoë,z@x.example,7,CRO,,Q4 FY 2026,Commit,1,10/01/2026,10/07/2026"


def csv_of(*lines: str) -> bytes:
    return "\r\n".join([_HEADER, *(f"{_BEGIN},{line},Süd" for line in lines)]).encode()


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def clari(tmp_path: Path) -> Clari:
    return connect(data_dir=tmp_path)


def deliver(house: House, content: Any, day: int = 1, **request: Any) -> str:
    house.deliver(content, moment(10, day), **request)
    house.publish()
    return f"job-{request.get('forecast', 'north')}-2026_Q4-{house.exports}"


def plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Each row's values that are there."""
    return [{key: value for key, value in row.items() if value is not None} for row in frame.to_dict("records")]


_DIGITS = ("12345678901234.5678", "0.1", "-0.0", "1.20000", "99999999999999.99999", "1E+2", "0", "1e-7")


def test_an_amount_has_the_digits_that_are_written(house: House, clari: Clari) -> None:
    """Also such as a float or four decimals cannot hold, and entries of one key twice: nothing is merged."""
    entries = ",".join(
        f'{{"fieldId": "f", "crmClosed": {digits}, "n": {number}}}' for number, digits in enumerate(_DIGITS)
    )
    deliver(house, f'{{"entries": [{entries}], "users": []}}'.encode())
    frame = clari.landed("2026_Q4", "north")
    assert list(frame["crmClosed"]) == [Decimal(digits) for digits in _DIGITS]
    assert str(frame["crmClosed"].dtype) == "decimal128(21, 7)[pyarrow]"
    assert frame["crmClosed"].sum() == sum(map(Decimal, _DIGITS))
    assert list(frame["fieldId"]) == ["f"] * len(_DIGITS)


SHAPES: list[tuple[str, Any, list[dict[str, Any]], dict[str, str]]] = [
    (
        "relational",
        document(
            entry(call=1.5, quota=7, submitted=True) | {"updatedOn": 1760918098260, "new": {"by": ["x"], "n": 2}},
            entry("bob", currency=None, closed=-3),
        ),
        [
            {
                "fieldId": "commit", "timeFrameId": "W01", "timePeriodId": "2026_Q4", "userId": "ann",
                "currency.code": "USD", "currency.symbol": "$", "forecastValue": Decimal("1.5"), "isUpdated": True,
                "quotaValue": 7, "updatedOn": 1760918098260, "new.by": ["x"], "new.n": 2,
            },
            {
                "fieldId": "commit", "timeFrameId": "W01", "timePeriodId": "2026_Q4", "userId": "bob", "crmClosed": -3,
            },
        ],
        {"forecastValue": "decimal128(2, 1)[pyarrow]", "isUpdated": "bool[pyarrow]", "new.by": "object"},
    ),
    (
        "flat",
        {"entries": [{"ownerName": "Ann", "ownerEmail": "a@x.example", "forecastAmount": 0.1, "crmTotal": None}]},
        [{"ownerName": "Ann", "ownerEmail": "a@x.example", "forecastAmount": Decimal("0.1")}],
        {"ownerName": "string[pyarrow]", "crmTotal": "null[pyarrow]"},
    ),
    (
        "long CSV",
        csv_of("Forecast Value,\"$12,345,678,901,234.5678\"", "Forecast Updated,Yes", "CRM Closed,(€0.10)"),
        [
            dict(
                zip(
                    [*_HEADER.split(","), "amount", "currency"],
                    [*_BEGIN.split(","), *more],
                    strict=False,
                )
            )
            for more in (
                ["Forecast Value", "$12,345,678,901,234.5678", "Süd", Decimal("12345678901234.5678"), "$"],
                ["Forecast Updated", "Yes", "Süd"],
                ["CRM Closed", "(€0.10)", "Süd", Decimal("-0.10"), "€"],
            )
        ],
        {"Data Value": "string[pyarrow]", "amount": "decimal128(18, 4)[pyarrow]"},
    ),
    (
        "a key with values of several kinds",
        {"entries": [{"fieldId": "a", "crmClosed": 0.1}, {"fieldId": "b", "crmClosed": "12,5"}, {"crmClosed": True}]},
        [{"fieldId": "a", "crmClosed": Decimal("0.1")}, {"fieldId": "b", "crmClosed": "12,5"}, {"crmClosed": True}],
        {"crmClosed": "object", "fieldId": "string[pyarrow]"},
    ),
    (
        "numbers that no decimal holds",
        b'{"entries": [{"a": 1e400, "crmClosed": NaN}, {"a": 1e99999999999, "crmClosed": NaN}]}',
        [{"a": Decimal("1e400"), "crmClosed": "NaN"}, {"a": "1e99999999999", "crmClosed": "NaN"}],
        {"a": "object"},
    ),
    ("no entry", document(), [], {}),
]  # fmt: skip


def test_each_shape_is_what_was_delivered(house: House, clari: Clari) -> None:
    def check(case: tuple[str, Any, list[dict[str, Any]], dict[str, str]]) -> None:
        _, content, expected, kinds = case
        frame = clari.landed(job_id=deliver(house, content))
        assert plain(frame) == expected
        assert {name: str(frame.dtypes[name]) for name in kinds} == kinds

    try_each(SHAPES, check)


def test_a_long_document_is_read_in_parts_and_keys_may_come_late(house: House, clari: Clari) -> None:
    """A column that begins in the middle, one that changes its kind there, widening digits."""
    entries = [{"userId": str(number), "crmClosed": number / 4} for number in range(40_000)]
    entries[30_000] |= {"late": "x", "crmClosed": 10**20, "mixed": 1}
    entries[0]["mixed"] = "text"
    deliver(house, {"entries": entries})
    frame = clari.landed("2026_Q4")
    assert len(frame) == len(entries)
    assert frame["crmClosed"].sum() == sum(Decimal(str(one["crmClosed"])) for one in entries)
    assert (frame["late"].count(), frame["late"][30_000]) == (1, "x")
    assert [frame["mixed"][0], frame["mixed"][1], frame["mixed"][30_000]] == ["text", None, 1]


def test_the_newest_is_read_or_that_of_a_job(house: House, clari: Clari, tmp_path: Path) -> None:
    """Whatever became of it; the frame says which export it is."""
    jobs = [deliver(house, document(entry(call=day)), day) for day in (3, 5, 4)]
    deliver(house, document(entry(call=9)), 9, forecast="south")
    assert list(clari.landed("2026_Q4", "north")["forecastValue"]) == [5]
    frame = clari.landed(job_id=jobs[0])
    assert list(frame["forecastValue"]) == [3]
    assert frame.attrs == {
        "forecast_id": "north",
        "time_period_id": "2026_Q4",
        "job_id": jobs[0],
        "exported_at": moment(10, 3),
        "source": "EXPORT",
        "state": "LANDED",
    }
    house.merge()
    house.publish()
    assert clari.landed("2026_Q4", "north").attrs["state"] == "LOADED"


def test_what_cannot_be_read_says_where_it_is(house: House, clari: Clari, tmp_path: Path) -> None:
    for content, said in ((b"<html>", "web page"), (b'{"entries": [{"a": 1', "',' delimiter"), (b"\xff\xfeU", "UTF-8")):
        job = deliver(house, content)
        with pytest.raises(FrameError) as unreadable:
            clari.landed(job_id=job)
        assert f"landed document {tmp_path / 'landing/north/2026_Q4' / job}: " in str(unreadable.value)
        assert said in str(unreadable.value)
    file = tmp_path / "landing/north/2026_Q4" / job / "document.zst"
    file.unlink()
    with pytest.raises(LandingError) as missing:
        clari.landed(job_id=job)
    assert isinstance(missing.value, PipelineError)
    assert len(str(missing.value).splitlines()) == 1
    assert json.loads((file.parent / "manifest.json").read_text(encoding="utf-8"))["job_id"] == job
