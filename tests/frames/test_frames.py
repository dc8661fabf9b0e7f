"""`connect`: frames equal what SQL answers, exactly and typed, and nothing that is asked of them writes or waits."""

import io
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest

import clari_pipeline
from clari_pipeline import Clari, FrameError, PipelineError, connect
from clari_pipeline.cli import app as cli
from clari_pipeline.core.setting_errors import UsageError
from clari_pipeline.store.mart_registry import MARTS
from clari_pipeline.warehouse.catalogue import key_of, tables
from clari_pipeline.warehouse.duckdb.engine import arrow_schemas
from clari_pipeline.warehouse.errors import QueryRefused, WarehouseMissing
from tests.frames.conftest import Read
from tests.helpers.each_case import try_each
from tests.helpers.house import House, document, entry, moment


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as Python's values: `Decimal`, aware `datetime`, None."""
    found: list[dict[str, Any]] = pa.Table.from_pandas(frame, preserve_index=False).to_pylist()
    return found


def test_every_table_is_what_sql_answers_in_the_order_of_its_key(read: Read) -> None:
    """To the last decimal, each column of the type that the table has, on DuckDB and on a server."""

    def check(table: str) -> None:
        frame = read.clari.frame(table)
        assert rows_of(frame) == in_order(read.house.rows(f"select * from clari.{table}"), table)
        assert [(name, kind.pyarrow_dtype) for name, kind in frame.dtypes.items()] == [
            (field.name, field.type) for field in arrow_schemas()[table]
        ]

    try_each(tables(), check)
    filled = {table for table in tables() if len(read.clari.frame(table))}
    assert {"forecast_vs_quota", "forecast_swing", "forecast_call_week", "opportunity", "export_check"} <= filled
    assert read.clari.frame("forecast_entry")["forecast_value"].max() == Decimal("99999999999999.9999")


def in_order(rows: list[dict[str, Any]], table: str) -> list[dict[str, Any]]:
    """By the key's columns, texts by their bytes, None last."""
    return sorted(rows, key=lambda row: [(row[name] is None, row[name] or "") for name in key_of(table)])


@pytest.mark.parametrize(
    ("table", "asked", "condition"),
    [
        ("forecast_entry", {"quarter": "2026_Q4"}, "quarter_id = '2026_Q4'"),  # a month and a year among them
        ("forecast_vs_quota", {"quarter": "2026_Q4"}, "time_period_id in ('2026_Q4', '2026_M10')"),
        ("forecast_vs_quota", {"quarter": "2026_Q3", "forecast": "north"}, "time_period_id = '2026_Q3'"),
        ("forecast_vs_quota", {"forecast": "south"}, "forecast_id = 'south'"),
        ("export_job", {"quarter": "2026_Q4", "forecast": "south"}, "forecast_id = 'south'"),
        ("forecast_vs_quota", {"quarter": "2031_Q1"}, "1 = 0"),
    ],
)
def test_a_quarter_and_a_forecast_are_filters(read: Read, table: str, asked: dict[str, str], condition: str) -> None:
    expected = in_order(read.house.rows(f"select * from clari.{table} where {condition}"), table)
    assert bool(expected) == (condition != "1 = 0")
    frame = read.clari.frame(table, **asked)
    assert rows_of(frame) == expected
    assert frame.dtypes.equals(read.clari.frame(table).dtypes)  # of no row, too
    columns = ["time_period_id", "forecast_id"]
    assert rows_of(read.clari.frame(table, columns=columns, **asked)) == [
        {name: row[name] for name in columns} for row in expected
    ]


def test_tables_are_listed_with_their_grain(read: Read) -> None:
    listed = read.clari.tables()
    assert sorted(listed["table"]) == sorted(tables())
    assert list(listed["table"][: len(MARTS)]) == list(MARTS)
    grains = dict(zip(listed["table"], listed["grain"], strict=True))
    assert grains["forecast_vs_quota"].startswith("One row per forecast, period, person and forecast field: the call")
    assert all(grains.values())


@pytest.mark.parametrize(
    "at",
    [
        "2026-10-05",
        "2026-10-09T06:00",
        datetime(2026, 10, 9, 7, tzinfo=UTC),
        datetime(2026, 10, 9, 6),  # noqa: DTZ001 - as people write them
        date(2026, 10, 3),
    ],
    ids=str,
)
@pytest.mark.parametrize("narrowed", [{}, {"quarter": "2026_Q4", "forecast": "north"}], ids=str)
def test_a_moment_is_what_the_command_writes(
    read: Read,
    at: Any,
    narrowed: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A naive datetime is UTC, a day begins in the organisation's zone, as on the command line."""
    monkeypatch.setenv("CLARI_WAREHOUSE_URL", read.house.context.settings.warehouse_url.get_secret_value())
    words = [word for name, value in narrowed.items() for word in (f"--{name.replace('quarter', 'period')}", value)]
    capsys.readouterr()
    assert cli.run(["as-of", at if isinstance(at, str) else at.isoformat(), *words, "--format", "csv"]) == 0
    frame = read.clari.as_of(at, **narrowed)
    types = {name: kind.pyarrow_dtype for name, kind in frame.dtypes.items()}
    options = pacsv.ConvertOptions(column_types=types, strings_can_be_null=True, quoted_strings_can_be_null=False)
    written = pacsv.read_csv(io.BytesIO(capsys.readouterr().out.encode()), convert_options=options)
    assert len(frame)
    assert written.to_pylist() == rows_of(frame)


REFUSED: list[tuple[Callable[[Clari], object], type[PipelineError], str]] = [
    (lambda clari: clari.frame("forcast_vs_quota"), FrameError, "did you mean forecast_vs_quota?"),
    (lambda clari: clari.frame("x; drop table y"), FrameError, "there is no table x; drop table y: clari.tables()"),
    (lambda clari: clari.frame("alert", columns=["titel"]), FrameError, "no column titel: did you mean title?"),
    (lambda clari: clari.frame("alert", quarter="2026_Q4"), FrameError, "alert has no quarters: leave quarter out"),
    (lambda clari: clari.frame("alert", forecast="north"), FrameError, "alert has no forecasts: leave forecast out"),
    (lambda clari: clari.frame("alert", quarter="Q4"), PipelineError, "write it as YYYY_QN"),
    (lambda clari: clari.as_of("noon"), FrameError, "'noon' is no moment"),
    (lambda clari: clari.as_of(datetime.now(UTC) + timedelta(days=400)), UsageError, "ahead of this machine's clock"),
    (lambda clari: clari.landed(), FrameError, "name a document: quarter and forecast, or job_id"),
    (lambda clari: clari.landed("2026_Q4"), FrameError, "name one of north, south"),
    (lambda clari: clari.landed("2026_Q4", "east"), FrameError, "no document has landed of 2026_Q4 of east"),
    (lambda clari: clari.landed(job_id="job-0"), FrameError, "no document has landed of job-0"),
    (lambda clari: clari.sql("select 1; select 2"), QueryRefused, ""),
    (lambda clari: clari.sql("selec 1"), QueryRefused, 'syntax error at or near "selec"'),
    (lambda clari: clari.sql("select nope from clari.alert"), QueryRefused, "nope"),
    (lambda clari: clari.sql("select cast('NaN' as decimal) as none"), QueryRefused, ""),
    *(
        (lambda clari, text=text: clari.sql(text), QueryRefused, "")  # type: ignore[misc]
        for text in (
            "delete from clari.alert",
            "with gone as (delete from clari.alert returning 1) select * from gone",
            "create table clari.mine (a int)",
            "select 1; delete from clari.alert",
            "select 1; commit; delete from clari.alert",
            "copy clari.alert to 'stolen.csv'",
            "set default_transaction_read_only = off",
        )
    ),
]


def test_what_cannot_be_answered_is_one_line_and_writes_nothing(read: Read, folder: Path) -> None:
    before = read.house.snapshot(*tables())
    copy = read.house.context.settings.copy_file
    bytes_before = sha256(copy.read_bytes()).digest() if copy.exists() else b""

    def check(case: tuple[Callable[[Clari], object], type[PipelineError], str]) -> None:
        ask, kind, said = case
        with pytest.raises(kind) as refused:
            ask(read.clari)
        assert said in str(refused.value)
        assert len(str(refused.value).splitlines()) == 1

    try_each(REFUSED, check)
    assert read.house.snapshot(*tables()) == before
    assert (sha256(copy.read_bytes()).digest() if copy.exists() else b"") == bytes_before
    assert list(folder.iterdir()) == []
    with connect(data_dir=read.house.context.settings.data_dir) as clari:
        pass
    with pytest.raises(FrameError, match=r"is closed: connect\(\) again"):
        clari.frame("alert")


def test_a_query_of_ones_own_has_the_same_types(read: Read) -> None:
    """What is computed, too: a sum is a decimal, a count a whole number."""
    frame = read.clari.sql(
        "select user_id, forecast_value, sum(forecast_value) over () as added, count(*) over () as counted, "
        "changed_at, in_latest_export, date '2026-10-01' as day, '%' as sign "
        "from clari.forecast_entry where forecast_id = 'north' order by user_id, forecast_value nulls last -- all"
    )
    whole = read.clari.frame("forecast_entry", forecast="north")
    assert frame["forecast_value"].sum() == frame["added"].iloc[0] == whole["forecast_value"].sum()
    kinds = {name: str(kind.pyarrow_dtype) for name, kind in frame.dtypes.items()}
    assert kinds.pop("added").startswith("decimal128(")
    assert kinds == {
        "user_id": "string",
        "forecast_value": "decimal128(18, 4)",
        "counted": "int64",
        "changed_at": "timestamp[us, tz=UTC]",
        "in_latest_export": "bool",
        "day": "date32[day]",
        "sign": "string",
    }


# Where it reads


def test_each_call_reads_what_was_published_last_and_keeps_nobody_waiting(folder: Path) -> None:
    """Opened once, across a sync that holds the warehouse's file, and the publishing of another copy."""
    house = House(folder)
    with connect(data_dir=folder) as clari:
        with pytest.raises(WarehouseMissing, match="run clari-pipeline sync first"):
            clari.frame("forecast_entry")
        house.bring(document(entry(call=1)), moment(10, 1))
        house.publish()
        assert list(clari.frame("forecast_entry")["forecast_value"]) == [Decimal(1)]
        with house.held_open():
            house.bring(document(entry(call=2)), moment(10, 2))
            assert list(clari.frame("forecast_entry")["forecast_value"]) == [Decimal(1)]
        house.publish()
        assert list(clari.frame("forecast_entry")["forecast_value"]) == [Decimal(2)]


READER = """
import sys
from pathlib import Path
from clari_pipeline import connect
enough, seen = Path(sys.argv[1], "enough"), set()
print("reading", flush=True)
with connect(data_dir=sys.argv[1]) as clari:
    while not enough.exists():
        found = clari.sql("select call.forecast_value, job.job_id from clari.forecast_entry as call, "
            "clari.export_job as job where job.exported_at = call.exported_at")
        assert len(found) == 1, found
        seen.add(str(found["forecast_value"].iloc[0]))
print(len(seen))
"""


def test_a_reader_in_a_loop_never_fails_while_copies_are_replaced(folder: Path) -> None:
    house = House(folder)
    house.bring(document(entry(call=1)), moment(10, 1))
    house.publish()
    with subprocess.Popen([sys.executable, "-c", READER, folder], stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "reading\n"
        for number in range(2, 12):
            house.bring(document(entry(call=number)), moment(10, number))
            house.publish()
        (folder / "enough").touch()
        assert int(reader.stdout.read()) >= 1
    assert reader.returncode == 0


def test_settings_say_where_and_no_key_is_needed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment, `.env`, the sandbox's folder below; a working directory that changes later does not matter."""
    monkeypatch.delenv("CLARI_API_KEY", raising=False)
    for place in ("data", "other/sandbox"):
        house = House(folder / place)
        house.bring(document(entry(call=len(place))), moment(10, 1))
        house.publish()
    here = connect()
    Path(".env").write_text("CLARI_DATA_DIR=other\n", encoding="utf-8")
    there = connect(sandbox=True)
    monkeypatch.chdir("/")
    assert [list(clari.frame("forecast_entry")["forecast_value"]) for clari in (here, there)] == [[4], [13]]
    assert list(there.landed("2026_Q4")["forecastValue"]) == [Decimal(13)]
    with pytest.raises(FrameError, match="give data_dir"):
        connect(warehouse_url="duckdb:///data/warehouse.duckdb")
    with pytest.raises(PipelineError, match="CLARI_WAREHOUSE_URL"):
        connect(warehouse_url="mysql://somewhere/else")


def test_the_package_is_imported_without_pandas() -> None:
    """The command line does not wait for what notebooks need; the interface's names are listed, others are none."""
    said = "import sys, clari_pipeline; assert not {'pandas', 'pyarrow', 'duckdb'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", said], check=True)
    assert clari_pipeline.__all__ == ["Clari", "FrameError", "PipelineError", "connect"]
    assert set(clari_pipeline.__all__) <= set(dir(clari_pipeline))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        clari_pipeline.nothing  # noqa: B018
