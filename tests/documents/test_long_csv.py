"""Long CSV: one line a measure, names that break careless readers, money as people write it."""

import csv
import gzip
import io
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clari_pipeline.core.periods import FiscalCalendar
from clari_pipeline.documents import MEASURES, DocumentUnreadable
from clari_pipeline.documents.money import parse_money
from clari_pipeline.sandbox import Sandbox
from clari_pipeline.sandbox.company import Company, Order
from clari_pipeline.sandbox.documents import COLUMNS, TYPES, Style, long_csv, relational
from clari_pipeline.sandbox.quarters import read_quarter
from tests.documents.conftest import TODAY, read

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


# Hyphens, dashes and minus signs, small and fullwidth.
MINUS = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u207b\u208b\u2796\ufe58\ufe63\uff0d"


def written(lines: Iterable[dict[str, str]], columns: Iterable[str] = COLUMNS, end: str = "\n") -> str:
    text = io.StringIO()
    columns = list(columns)
    writer = csv.writer(text, lineterminator=end)
    writer.writerow(columns)
    for line in lines:
        writer.writerow([line.get(name, "") for name in columns])
    return text.getvalue()


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
    (entry,) = document.tables["raw_entry"].to_pylist()
    assert {name: value for name, value in entry.items() if value is not None} == {
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
    assert document.tables["raw_field"].to_pylist() == [
        {"field_id": "Commit", "field_name": "Commit", "field_type": None}
    ]
    assert document.tables["raw_time_frame"].to_pylist() == [
        {"time_frame_id": "W02", "time_period_id": "2026_Q4", "start_date": "10/15/2026", "end_date": "10/21/2026"}
    ]
    (period,) = document.tables["raw_time_period"].to_pylist()
    assert (period["time_period_id"], period["period_type"], period["label"], period["start_date"]) == (
        "2026_Q4", "QUARTER", "Q4 FY 2026", "2026-10-01",
    )  # fmt: skip
    (user,) = document.tables["raw_user"].to_pylist()
    assert (user["user_id"], user["crm_user_id"], user["role_id"], user["role_name"]) == (
        "dana@northwind.example", "005", "CRO", "CRO",
    )  # fmt: skip
    assert not user["parent_role_id"]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("$3,000,190.00", "3000190.00"), ("-$1,200.00", "-1200.00"), ("($1,200.00)", "-1200.00"), ("¥1,200", "1200"),
        ("$-1,200.00", "-1200.00"), ("€1,200.00", "1200.00"), ("US$5", "5"), ("CHF 5.5", "5.5"), ("5", "5"),
        ("-0.5", "-0.5"), ("$.50", ".50"), ("$0.00", "0.00"), (" $1.25 ", "1.25"), ("1234567.8901", "1234567.8901"),
        ("$99,999,999,999,999.9999", "99999999999999.9999"), ("0.125", "0.125"), ("$1,234.567", "1234.567"),
        ("1234.567", "1234.567"), ("2.4E7", "2.4E7"), ("+5", "5"), ("$(1,200.00)", "-1200.00"),
        ("- $ 1,200.00", "-1200.00"), ("", None), ("  ", None),
        *((before.format(minus), "-1200.00") for minus in MINUS for before in ("{}$1,200.00", "$ {}1,200.00")),
    ],
)  # fmt: skip
def test_money_is_read(text, number):
    assert parse_money(text)[0] == number


@pytest.mark.parametrize(
    "text",
    [
        "12,5oo", "1,20", "1.200,00", "$", "($5", "$5)", "--5", "-$-5", "(-$5)", "1 200", "$1,2000", ",5", "5-5",
        "1.2.3", "n/a", "$5 USD", "1,234,56", "0x10",
    ],
)  # fmt: skip
def test_what_is_no_money_stays_as_it_stands_for_the_gate_to_name(text):
    assert parse_money(text) == (text, None)
    document = read(written([LINE | {"Data Value": text}]))
    assert document.tables["raw_entry"]["forecast_value"].to_pylist() == [None]
    assert document.unreadable == [("forecast_value", text)]
    assert document.exact_totals == {}


@pytest.mark.parametrize(
    "text",
    [
        "~1,200", "\u301c1,200", "#1200", "<5", "%12", "abc5", "ABC5", "=5", "'5", "\u200e5", "\xb15", "+-5", "US5",
        "kr 5", "AUS$5", "€3.000", "3.000", "-512.125", "$0,500", "1'200", "\uff11\uff12", "1,200.00-", "[5]", "$,5",
        "\u20bd", "$1.2E", "\u2296 5",
    ],
)  # fmt: skip
def test_no_mark_before_an_amount_is_passed_over_and_no_size_is_guessed(text):
    assert parse_money(text) == (text, None)
    assert read(written([LINE | {"Data Value": text}])).unreadable == [("forecast_value", text)]


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("$5", "$"), ("-€1,200.00", "€"), ("usd 5", "USD"), ("USD5", "USD"), ("(CHF 5.5)", "CHF"), ("us$5", "US$"),
        ("\uffe575,000", "¥"), ("₩5", "₩"), ("5", None), ("", None),
    ],
)  # fmt: skip
def test_what_stands_before_an_amount_is_its_currency(text, currency):
    assert parse_money(text)[1] == currency
    document = read(written([LINE | {"Data Value": text}]))
    assert document.tables["raw_entry"]["currency_code"].to_pylist() == [currency]
    named = read(written([LINE | {"Data Value": text}]), currency="GBP")
    assert named.tables["raw_entry"]["currency_code"].to_pylist() == ["GBP"]


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


@given(st.text())
def test_money_never_fails(text):
    read_back, currency = parse_money(text)
    assert (read_back is None) == (not text.strip())
    assert currency is None or read_back


@pytest.mark.parametrize(
    "name",
    ['Maya "Max" O\'Neil, Jr.', "Anna\nMaria", "Anna\r\nMaria", "張偉", '"', ",", "=HYPERLINK(1)", "a;b\tc", "x\x00y"],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_names_come_whole_whatever_stands_in_them(name, end, mark):
    lines = [LINE | {"User": name, "Field": name, "Role": name}, LINE]
    document = read(mark + written(lines, end=end))
    name = name.replace("\0", "\ufffd")  # the one letter that PostgreSQL cannot hold
    assert document.entry_count == 2
    assert document.tables["raw_field"]["field_id"].to_pylist() == [name, "Commit"]
    people = dict(
        zip(*(document.tables["raw_user"][column].to_pylist() for column in ("role_name", "name")), strict=True)
    )
    assert people == {name: name, "CRO": "Dana"}


def test_columns_may_stand_in_any_order_and_new_ones_are_counted():
    lines = [line | {"Region": "East"} for line in measures(Forecast_Value="$1.00", Quota_Value="$2.00")]
    plain = read(written(lines))
    odd = read(written(lines, columns=["Region", *reversed(COLUMNS)]))
    assert odd.tables == plain.tables
    assert odd.unknown_keys == {"Region": 1}


def test_an_unknown_data_type_is_counted_and_left_out():
    document = read(written([LINE, LINE | {"Data Type": "Mood", "Data Value": "good"}]))
    assert document.unknown_keys == {"Data Type Mood": 1}
    assert document.entry_count == 1


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("User,Email\nx,y\n", "no column CRM User ID, Role"),
        (written([LINE], columns=[name for name in COLUMNS if name != "Data Value"]), "no column Data Value$"),
        (written([LINE], columns=[*COLUMNS, "Data Value"]), "column Data Value more than once"),
        (written([LINE]) + "Dana,dana@northwind.example\n", "line 3 has 2 columns where the header has 12"),
        (written([LINE]) + ",".join("x" * 13) + "\n", "line 3 has 13 columns"),
        (written([LINE]) + '"Dana', "line 3: unexpected end of data"),
        (written([LINE]) + '"Dana"x,', "line 3: "),
        ("just words", "no column User"),
        ("null", "no column User"),
    ],
)
def test_what_is_no_such_csv_is_refused_with_the_place(text, where):
    with pytest.raises(DocumentUnreadable, match=where):
        read(text)


def test_csv_that_is_not_utf8_is_refused():
    with pytest.raises(DocumentUnreadable, match="not UTF-8"):
        read(written([LINE | {"User": "Zoë"}]).encode("latin-1"))


@pytest.mark.parametrize(
    ("packed", "remedy"),
    [
        (lambda text: gzip.compress(text.encode()), "gzip -d"),
        (lambda text: gzip.compress(text.encode())[:-8], "gzip -d"),
        (lambda text: text.encode("utf-16"), "it is UTF-16, and is to be saved as CSV UTF-8"),
        (lambda _: b"PK\x03\x04\xff", "Excel workbook"),
    ],
)
def test_a_file_of_another_kind_is_named_with_the_remedy(packed, remedy):
    with pytest.raises(DocumentUnreadable, match=f"not UTF-8: .*{remedy}"):
        read(packed(written([LINE])))


def test_a_csv_cut_within_a_line_is_refused():
    text = written([LINE | {"Data Value": "5"}])
    header = text.index("\n") + 1
    for end in range(header + 1, len(text) - 2):
        with pytest.raises(DocumentUnreadable):
            read(text[:end])


def test_a_header_alone_is_an_empty_export():
    document = read(written([]))
    assert document.entry_count == 0
    assert all(table.num_rows == 0 for table in document.tables.values())


def test_blank_lines_are_none():
    assert read(written([LINE]) + "\n\n").entry_count == 1


def test_the_same_line_twice_is_one_and_another_value_is_a_second_entry_of_the_key():
    assert read(written([LINE, LINE])).entry_count == 1
    document = read(written([LINE, LINE | {"Data Value": "$1.00"}, LINE]))
    rows = document.tables["raw_entry"].to_pylist()
    assert [row["forecast_value"] for row in rows] == [Decimal("575504.71"), Decimal(1)]
    assert len({(row["user_id"], row["field_id"], row["time_frame_id"], row["time_period_id"]) for row in rows}) == 1


def test_an_empty_value_does_not_hide_another_one():
    document = read(written([LINE | {"Data Value": ""}, LINE]))
    assert document.tables["raw_entry"]["forecast_value"].to_pylist() == [None, Decimal("575504.71")]


@pytest.mark.parametrize(
    ("word", "is_updated"), [("Yes", True), ("No", False), (" yes ", True), ("NO", False), ("", None)]
)
def test_forecast_updated_is_yes_or_no(word, is_updated):
    document = read(written(measures(Forecast_Updated=word)))
    assert document.tables["raw_entry"]["is_updated"].to_pylist() == [is_updated]


@pytest.mark.parametrize(
    ("line", "user"),
    [
        ({"Email": "", "CRM User ID": "005"}, "005"),
        ({"Email": "", "CRM User ID": ""}, None),
        ({"Email": "a@b", "CRM User ID": ""}, "a@b"),
    ],
)
def test_email_or_else_the_crm_id_names_the_person(line, user):
    document = read(written([LINE | line]))
    assert document.tables["raw_entry"]["user_id"].to_pylist() == [user]
    assert document.tables["raw_user"]["user_id"].to_pylist() == ([user] if user else [])


@pytest.mark.parametrize(
    ("label", "start_month", "expected"),
    [
        ("Q4 FY 2026", 1, ("2026_Q4", "QUARTER", "2026-10-01", "2026-12-31")),
        ("Q1 FY 2026", 2, ("2026_Q1", "QUARTER", "2025-02-01", "2025-04-30")),
        ("Q1 2026", 1, ("2026_Q1", "QUARTER", "2026-01-01", "2026-03-31")),
        ("July FY 2023", 1, ("2023_M07", "MONTH", "2023-07-01", "2023-07-31")),
        ("July FY 2023", 7, ("2023_M07", "MONTH", "2022-07-01", "2022-07-31")),
        ("February FY 2024", 3, ("2024_M02", "MONTH", "2024-02-01", "2024-02-29")),
        ("Someday", 1, ("Someday", None, None, None)),
        ("Q4 FY 9999", 1, ("Q4 FY 9999", None, None, None)),
        ("Junk FY 2023", 1, ("Junk FY 2023", None, None, None)),
    ],
)
def test_a_timeframe_is_a_quarter_or_a_month(label, start_month, expected):
    document = read(written([LINE | {"Timeframe": label}]), FiscalCalendar(start_month))
    (row,) = document.tables["raw_time_period"].to_pylist()
    assert (row["time_period_id"], row["period_type"], row["start_date"], row["end_date"]) == expected
    assert document.tables["raw_entry"]["time_period_id"].to_pylist() == [expected[0]]


@pytest.mark.parametrize(("week", "frame"), [("0", "W00"), ("12", "W12"), (" 3 ", "W03"), ("", None), ("x", "x")])
def test_weeks_are_named_as_in_json(week, frame):
    assert read(written([LINE | {"Week": week}])).tables["raw_entry"]["time_frame_id"].to_pylist() == [frame]


def by_email_field_and_week(document, *, has_ids):
    """Everybody's values, by names that both formats write."""
    lists = {name: document.tables[f"raw_{name}"].to_pylist() if has_ids else [] for name in ("user", "field")}
    emails = {row["user_id"]: row["email"] for row in lists["user"]}
    fields = {row["field_id"]: row["field_name"] for row in lists["field"]}
    return {
        (
            emails.get(row["user_id"], row["user_id"]),
            fields.get(row["field_id"], row["field_id"]),
            row["time_frame_id"],
            row["time_period_id"],
        ): [row["is_updated"], *(row[name] for name in MEASURES)]
        for row in document.tables["raw_entry"].to_pylist()
    }


@pytest.mark.parametrize("start_month", [1, 2, 7])
@pytest.mark.parametrize("negative", [False, True])
def test_csv_and_json_of_a_quarter_say_the_same(start_month, negative):
    """Everybody's amounts by email, field name and week, to the cent, awkward names included."""
    company, quarter = Company(seed=7, people=25, fiscal_year_start_month=start_month), read_quarter("2026_Q3", 1)
    quarter = replace(quarter, first_month=start_month)
    order = Order("total_new", quarter, TODAY)

    def exported():
        document = company.export(order)
        if not negative:
            return document
        return replace(
            document,
            entries=(replace(entry, crm_closed=entry.crm_closed and -entry.crm_closed) for entry in document.entries),
        )

    calendar = FiscalCalendar(start_month)
    from_json = read("".join(relational(exported(), TYPES, Style())), calendar)
    from_csv = read("".join(long_csv(exported(), TYPES)), calendar)
    expected = by_email_field_and_week(from_json, has_ids=True)
    assert by_email_field_and_week(from_csv, has_ids=False) == expected
    assert len(expected) == from_json.entry_count == from_csv.entry_count > 500
    assert from_csv.types == from_json.types == TYPES
    named = {row["email"]: row["name"] for row in from_json.tables["raw_user"].to_pylist()}
    assert {row["email"]: row["name"] for row in from_csv.tables["raw_user"].to_pylist()} == named
    for name in ("time_period_id", "label", "start_date", "end_date", "year", "period_type"):
        periods = (document.tables["raw_time_period"][name].to_pylist() for document in (from_json, from_csv))
        assert next(periods) == next(periods)
    for document in (from_csv, from_json):
        assert document.control_totals == document.exact_totals
        assert document.unreadable == []
    assert ({total.total for total in from_csv.control_totals.values()}) == {
        total.total for total in from_json.control_totals.values()
    }


def test_csv_and_json_of_the_same_sandbox_say_the_same():
    with Sandbox(now=lambda: datetime(2026, 11, 21, 6, tzinfo=UTC), job_seconds=0.001, people=12) as sandbox:
        http = httpx.Client(base_url=sandbox.base_url, headers={"apikey": sandbox.api_key})
        documents = []
        for kind in ("JSON", "CSV"):
            body = {"timePeriod": "2026_Q4", "typesToExport": sorted(TYPES), "exportFormat": kind}
            job_id = http.post("/export/forecast/total_new", json=body | {"includeHistorical": True}).json()["jobId"]
            while (answer := http.get(f"/export/jobs/{job_id}/results")).status_code != 200:
                pass
            documents.append(read(answer.content))
        http.close()
    from_json, from_csv = documents
    assert by_email_field_and_week(from_csv, has_ids=False) == by_email_field_and_week(from_json, has_ids=True)
    assert from_csv.entry_count > 200
