"""Long CSV: one line per measure, names that break careless readers, money as people write it."""

import csv
import gzip
import io
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from clari_pipeline.core.periods import FiscalCalendar, Quarter
from clari_pipeline.documents import MEASURES, DocumentUnreadable
from clari_pipeline.documents.dates import day_of
from clari_pipeline.sandbox.documents import COLUMNS, TYPES, Style, long_csv, relational
from tests.documents.conftest import Read, exported, only, read
from tests.helpers.each_case import try_each

LINE = {
    "User": "Dana",
    "Email": "dana@northwind.example",
    "CRM User ID": "005",
    "Role": "CRO",
    "Parent Role": "",
    "Timeframe": "Q4 FY 2026",
    "Field": "Commit",
    "Week": "2",
    "Start Day": "10/15/2026",
    "End Day": "10/21/2026",
    "Data Type": "Forecast Value",
    "Data Value": "$575,504.71",
}


def written(lines: Iterable[dict[str, str]], columns: Iterable[str] = COLUMNS, end: str = "\n") -> str:
    text = io.StringIO()
    columns = list(columns)
    writer = csv.writer(text, lineterminator=end)
    writer.writerow(columns)
    for line in lines:
        writer.writerow([line.get(name, "") for name in columns])
    return text.getvalue()


def read_line(**more: str) -> Read:
    """A document of one line, whose column Data Value is the argument Data_Value."""
    return read(written([LINE | {name.replace("_", " "): value for name, value in more.items()}]))


def entry_of(document: Read, column: str) -> Any:
    return only(document, "raw_entry")[column]


def measures(**values: str) -> list[dict[str, str]]:
    return [LINE | {"Data Type": name.replace("_", " "), "Data Value": value} for name, value in values.items()]


def test_lines_of_one_person_field_and_week_become_one_entry():
    lines = measures(
        Forecast_Value="$575,504.71",
        Forecast_Updated="Yes",
        Quota_Value="$729,000.00",
        Adjustment_Value="",
        CRM_Total="-$1,200.00",
        CRM_Closed="($0.50)",
    )
    document = read(written(lines))
    assert (document.shape, document.entry_count, document.unknown_keys) == ("long_csv", 1, {})
    assert {name: value for name, value in only(document, "raw_entry").items() if value is not None} == {
        "field_id": "Commit",
        "time_frame_id": "W02",
        "time_period_id": "2026_Q4",
        "user_id": "dana@northwind.example",
        "currency_code": "$",
        "forecast_value": Decimal("575504.71"),
        "is_updated": True,
        "quota_value": Decimal(729000),
        "crm_total": Decimal(-1200),
        "crm_closed": Decimal("-0.5"),
    }
    assert document.unreadable == []
    assert document.control_totals == document.exact_totals
    assert only(document, "raw_field") == {"field_id": "Commit", "field_name": "Commit", "field_type": None}
    assert only(document, "raw_time_frame") == {
        "time_frame_id": "W02", "time_period_id": "2026_Q4", "start_date": "10/15/2026", "end_date": "10/21/2026",
    }  # fmt: skip
    period, user = only(document, "raw_time_period"), only(document, "raw_user")
    expected = ["2026_Q4", "QUARTER", "Q4 FY 2026", "2026-10-01"]
    assert [period[name] for name in ("time_period_id", "period_type", "label", "start_date")] == expected
    expected = ["dana@northwind.example", "005", "CRO", "CRO"]
    assert [user[name] for name in ("user_id", "crm_user_id", "role_id", "role_name")] == expected
    assert not user["parent_role_id"]


def test_an_amount_without_a_currency_stands_beside_one_with_and_not_one_in_another():
    """Two currencies in one entry are two entries of its key, which the gate refuses by name."""
    document = read(written(measures(Forecast_Value="$5", Quota_Value="9", CRM_Closed="€7")))
    rows = document.tables["raw_entry"].to_pylist()
    assert [(row["currency_code"], row["forecast_value"], row["quota_value"], row["crm_closed"]) for row in rows] == [
        ("$", 5, 9, None),
        ("€", None, None, 7),
    ]


def test_one_email_under_several_roles_is_several_people():
    roles = ("VP East", "VP West")
    lines = [LINE | {"Role": role, "Data Value": "$5"} for role in roles]
    other = LINE | {"Email": "eli@northwind.example", "CRM User ID": "006"}
    document = read(written([*lines, other, other | {"Role": "", "Data Type": "Quota Value"}]))
    users = [f"{LINE['Email']} ({role})" for role in roles]
    assert document.entries["user_id"].to_pylist() == [*users, "eli@northwind.example"]
    assert document.tables["raw_user"]["user_id"].to_pylist() == [*users, "eli@northwind.example"]
    assert document.tables["raw_user"]["email"].to_pylist()[:2] == [LINE["Email"]] * 2
    assert document.control_totals == document.exact_totals
    assert document.exact_totals["Commit", "forecast_value"].count == 3


def test_names_come_whole_whatever_stands_in_them():
    names = [
        'Maya "Max" O\'Neil, Jr.',
        "Anna\nMaria",
        "Anna\r\nMaria",
        "張偉",
        '"',
        ",",
        "=HYPERLINK(1)",
        "a;b\tc",
        "x\0y",
    ]

    def check(case: tuple[str, str, str]) -> None:
        name, end, mark = case
        document = read(mark + written([LINE | {"User": name, "Field": name, "Role": name}, LINE], end=end))
        name = name.replace("\0", "\ufffd")  # the one letter that PostgreSQL cannot hold
        assert document.entry_count == 2
        assert document.tables["raw_field"]["field_id"].to_pylist() == [name, "Commit"]
        people = {row["role_name"]: row["name"] for row in document.tables["raw_user"].to_pylist()}
        assert people == {name: name, "CRO": "Dana"}

    try_each(product(names, ("\n", "\r\n"), ("", "\ufeff")), check)


def test_columns_may_stand_in_any_order_and_new_ones_are_counted():
    lines = [line | {"Region": "East"} for line in measures(Forecast_Value="$1.00", Quota_Value="$2.00")]
    odd = read(written(lines, columns=["Region", *reversed(COLUMNS)]))
    assert odd.tables == read(written(lines)).tables
    assert odd.unknown_keys == {"Region": 1}


def test_an_unknown_data_type_is_counted_and_left_out():
    document = read(written([LINE, LINE | {"Data Type": "Mood", "Data Value": "good"}]))
    assert document.unknown_keys == {"Data Type Mood": 1}
    assert document.entry_count == 1


def test_what_is_no_such_csv_is_refused_with_the_place_or_the_remedy():
    text = written([LINE])
    cases: dict[str | bytes, str] = {
        "User,Email\nx,y\n": "no column CRM User ID, Role",
        written([LINE], columns=[name for name in COLUMNS if name != "Data Value"]): "no column Data Value$",
        written([LINE], columns=[*COLUMNS, "Data Value"]): "column Data Value more than once",
        text + "Dana,dana@northwind.example\n": "line 3 has 2 columns where the header has 12",
        text + ",".join("x" * 13) + "\n": "line 3 has 13 columns",
        text + '"Dana': "line 3: unexpected end of data",
        text + '"Dana"x,': "line 3: ",
        "just words": "no column User",
        "null": "no column User",
        written([LINE | {"User": "Zoë"}]).encode("latin-1"): "not UTF-8",
        gzip.compress(text.encode()): "not UTF-8: .*gzip -d",
        gzip.compress(text.encode())[:-8]: "not UTF-8: .*gzip -d",
        text.encode("utf-16"): "not UTF-8: .*it is UTF-16, and is to be saved as CSV UTF-8",
        b"PK\x03\x04\xff": "not UTF-8: .*Excel workbook",
    }

    def check(content: str | bytes) -> None:
        with pytest.raises(DocumentUnreadable, match=cases[content]):
            read(content)

    try_each(cases, check)


def test_a_csv_cut_within_a_line_is_refused():
    text = written([LINE | {"Data Value": "5"}])
    for end in range(text.index("\n") + 2, len(text) - 2):
        with pytest.raises(DocumentUnreadable):
            read(text[:end])


def test_a_header_alone_is_an_empty_export_and_blank_lines_are_none():
    document = read(written([]))
    assert document.entry_count == 0
    assert all(table.num_rows == 0 for table in document.tables.values())
    assert read(written([LINE]) + "\n\n").entry_count == 1


def test_the_same_line_twice_is_one_and_another_value_is_a_second_entry_of_the_key():
    """An empty one is another, too: it hides none."""
    assert read(written([LINE, LINE])).entry_count == 1
    document = read(written([LINE, LINE | {"Data Value": "$1.00"}, LINE]))
    rows = document.tables["raw_entry"].to_pylist()
    assert [row["forecast_value"] for row in rows] == [Decimal("575504.71"), Decimal(1)]
    assert len({(row["user_id"], row["field_id"], row["time_frame_id"], row["time_period_id"]) for row in rows}) == 1
    document = read(written([LINE | {"Data Value": ""}, LINE]))
    assert document.tables["raw_entry"]["forecast_value"].to_pylist() == [None, Decimal("575504.71")]


def test_flags_weeks_and_people_are_read_as_json_names_them():
    """Email or else the CRM id names the person."""
    for word, is_updated in (("Yes", True), ("No", False), (" yes ", True), ("NO", False), ("", None)):
        assert entry_of(read(written(measures(Forecast_Updated=word))), "is_updated") is is_updated
    for week, frame in (("0", "W00"), ("12", "W12"), (" 3 ", "W03"), ("", None), ("x", "x")):
        assert entry_of(read_line(Week=week), "time_frame_id") == frame
    for email, crm_id, user in (("", "005", "005"), ("", "", None), ("a@b", "", "a@b")):
        document = read_line(Email=email, CRM_User_ID=crm_id)
        assert entry_of(document, "user_id") == user
        assert document.tables["raw_user"]["user_id"].to_pylist() == ([user] if user else [])


def test_a_timeframe_is_a_quarter_a_month_or_a_year():
    cases = {
        ("Q4 FY 2026", 1): ("2026_Q4", "QUARTER", "2026-10-01", "2026-12-31"),
        ("Q1 FY 2026", 2): ("2026_Q1", "QUARTER", "2025-02-01", "2025-04-30"),
        ("Q1 2026", 1): ("2026_Q1", "QUARTER", "2026-01-01", "2026-03-31"),
        ("July FY 2023", 1): ("2023_M7", "MONTH", "2023-07-01", "2023-07-31"),
        ("July FY 2023", 7): ("2023_M7", "MONTH", "2022-07-01", "2022-07-31"),
        ("February FY 2024", 3): ("2024_M2", "MONTH", "2024-02-01", "2024-02-29"),
        ("FY27 Q2", 2): ("2027_Q2", "QUARTER", "2026-05-01", "2026-07-31"),  # [mdas]
        ("FY27", 2): ("2027", "YEAR", "2026-02-01", "2027-01-31"),
        ("Q2", 1): ("2026_Q2", "QUARTER", "2026-04-01", "2026-06-30"),  # its week is of October: that is the nearest
        **{(label, 1): (label, None, None, None) for label in ("Someday", "Q4 FY 9999", "Junk FY 2023", "H1 FY27")},
    }

    def check(case: tuple[str, int]) -> None:
        label, start_month = case
        document = read(written([LINE | {"Timeframe": label}]), FiscalCalendar(start_month))
        row = only(document, "raw_time_period")
        names = ("time_period_id", "period_type", "start_date", "end_date")
        assert tuple(row[name] for name in names) == cases[case]
        assert entry_of(document, "time_period_id") == cases[case][0]

    try_each(cases, check)


def test_headers_may_be_in_any_case_and_have_spaces_around_them():
    """As managers export them [mdas]; DuckDB's count of the totals follows, and none of ours is needed."""
    lines = measures(Forecast_Value="-2400000.0", Quota_Value="5", CRM_Closed="($0.50)")
    plain = read(written(lines))
    for change in (str.lower, str.upper, lambda name: f" {name}\u00a0", lambda name: name.replace(" ", "  ")):
        odd = [line | {"Data Type": change(line["Data Type"])} for line in lines]
        head, _, body = written(odd).partition("\n")
        document = read("\ufeff" + ",".join(map(change, head.split(","))) + "\n" + body)
        assert document.tables == plain.tables
        assert document.unknown_keys == {}
        assert document.exact_totals == plain.control_totals
        if change in (str.lower, str.upper):
            assert document.control_totals == plain.control_totals
    with pytest.raises(DocumentUnreadable, match="column Email more than once"):
        read(written([LINE], columns=[*COLUMNS, "EMAIL "]))


def test_two_labels_of_one_period_are_one_period():
    """The same line twice is one, however its period is written; a quarter without a year has that of its weeks."""
    labels = ("Q4 FY 2026", "FY26 Q4", "q4", "2026_Q4")
    document = read(written([LINE | {"Timeframe": label} for label in labels]))
    assert (document.entry_count, entry_of(document, "time_period_id")) == (1, "2026_Q4")
    assert document.exact_totals["Commit", "forecast_value"].count == 1
    no_days = {"Timeframe": "Q4", "Start Day": "", "End Day": ""}
    for asked, period in ((Quarter(2027, 4), "2027_Q4"), (Quarter(2027, 3), "Q4"), (None, "Q4")):
        assert entry_of(read(written([LINE | no_days]), asked=asked), "time_period_id") == period


def by_email_field_and_week(document, *, has_ids):
    """Everybody's values, by names that both formats write, and the first day of the week: a CSV numbers its weeks."""
    lists = {name: document.tables[f"raw_{name}"].to_pylist() if has_ids else [] for name in ("user", "field")}
    emails = {row["user_id"]: row["email"] for row in lists["user"]}
    fields = {row["field_id"]: row["field_name"] for row in lists["field"]}
    weeks = {
        week["time_frame_id"]: day_of(week["start_date"], "UTC")
        for week in document.tables["raw_time_frame"].to_pylist()
    }
    return {
        (
            emails.get(row["user_id"], row["user_id"]),
            fields.get(row["field_id"], row["field_id"]),
            weeks[row["time_frame_id"]],
            row["time_period_id"],
        ): [row["is_updated"], *(row[name] for name in MEASURES)]
        for row in document.tables["raw_entry"].to_pylist()
    }


@pytest.mark.parametrize(
    ("start_month", "negative"),
    [
        (1, True),
        (2, False),
        (7, True),
        *(pytest.param(*other, marks=pytest.mark.soak) for other in ((1, False), (2, True), (7, False))),
    ],
)
def test_csv_and_json_of_a_quarter_say_the_same(start_month, negative):
    """Everybody's amounts by email, field name and week, to the cent, awkward names included."""

    def quarter():
        document = exported("2026_Q3", people=25, start_month=start_month)
        if not negative:
            return document
        return replace(
            document,
            entries=(replace(entry, crm_closed=entry.crm_closed and -entry.crm_closed) for entry in document.entries),
        )

    calendar = FiscalCalendar(start_month)
    from_json = read("".join(relational(quarter(), TYPES, Style())), calendar)
    from_csv = read("".join(long_csv(quarter(), TYPES)), calendar)
    expected = by_email_field_and_week(from_json, has_ids=True)
    assert by_email_field_and_week(from_csv, has_ids=False) == expected
    assert len(expected) == from_json.entry_count == from_csv.entry_count > 500
    assert from_csv.types == from_json.types == TYPES
    tables = {"raw_user": ("email", "name")}
    tables["raw_time_period"] = ("time_period_id", "label", "start_date", "end_date", "year", "period_type")
    for table, columns in tables.items():
        csv_rows, json_rows = (
            sorted(
                str(row)
                for row in document.tables[table].select(columns).to_pylist()
                if row.get("period_type") != "YEAR"
            )
            for document in (from_csv, from_json)
        )
        assert csv_rows == json_rows
    for document in (from_csv, from_json):
        assert document.control_totals == document.exact_totals
        assert document.unreadable == []
    totals = ({total.total for total in document.control_totals.values()} for document in (from_csv, from_json))
    assert next(totals) == next(totals)
