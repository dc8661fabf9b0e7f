"""`as-of`: what was known at a moment, on a terminal, as CSV and as Parquet, against a model over random histories."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq
import pytest

from clari_pipeline.cli import app as cli
from tests.helpers import forked
from tests.helpers.forecast import shared_house
from tests.helpers.house import House, document, entry, moment
from tests.helpers.weekly_model import QUARTERS, History, deliver, random_history

_KEY = ("time_period_id", "time_frame_id", "user_id", "field_id")


@pytest.fixture
def open_house(folder: Path) -> Iterator[House]:
    """Its file stays open, for the commands of this process as well."""
    with shared_house(folder) as house:
        yield house


def _expected(history: History, at: datetime) -> dict[tuple[str, ...], tuple[Any, ...]]:
    """The rows as of a moment, by the model."""
    known = {}
    for quarter in QUARTERS:
        values, present = history.known(quarter, at)
        for key, row in values.items():
            figures = [row.get(name) for name in ("call", "quota", "adjustment", "total", "closed")]
            known[(quarter, *key)] = (*figures, row["currency"], key in present)
    return known


_AMOUNTS = ("forecast_value", "quota_value", "adjustment_value", "crm_total", "crm_closed")


def _answered(at: datetime, capsys: pytest.CaptureFixture[str]) -> dict[tuple[str, ...], tuple[Any, ...]]:
    """The rows as of a moment, by the command."""
    capsys.readouterr()
    assert cli.run(["as-of", at.isoformat(), "--format", "csv"]) == 0
    return {
        tuple(row[name] for name in _KEY): (
            *(Decimal(row[name]) if row[name] else None for name in _AMOUNTS),
            row["currency_code"],
            row["is_present"] == "true",
        )
        for row in csv.DictReader(io.StringIO(capsys.readouterr().out))
    }


@pytest.mark.parametrize(
    ("seed", "most"),
    [(11, 3), pytest.param(11, 6, marks=pytest.mark.soak), pytest.param(12, 6, marks=pytest.mark.soak)],
)
def test_the_entries_as_of_any_moment_are_the_models(
    open_house: House, seed: int, most: int, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """At each export and just before it, by the command and by the table macro."""
    chance = Random(seed)
    history = random_history(chance, most=most)
    order = list(range(len(history.exports)))
    chance.shuffle(order)
    deliver(open_house, history, order)
    instants = {export.at - timedelta(microseconds=gap) for export in history.exports for gap in (0, 1)}
    for at in sorted(instants):
        expected = _expected(history, at)
        assert _answered(at, capsys) == expected
        columns = ", ".join((*_KEY, *_AMOUNTS, "currency_code", "is_present"))
        found = open_house.rows(f"select {columns} from clari.forecast_entry_as_of($at)", at=at)
        assert {tuple(row.values())[:4]: tuple(row.values())[4:] for row in found} == expected
    file = tmp_path / "then.parquet"
    assert cli.run(["as-of", max(instants).isoformat(), "--format", "parquet", "--output", str(file)]) == 0
    table = pq.read_table(file)
    assert str(table.schema.field("forecast_value").type) == "decimal128(18, 4)"
    assert str(table.schema.field("valid_from").type) == "timestamp[us, tz=UTC]"
    by_key = {tuple(row[name] for name in _KEY): row["forecast_value"] for row in table.to_pylist()}
    assert by_key == {key: row[0] for key, row in expected.items()}


def test_a_moment_without_a_zone_is_in_utc(open_house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """As everywhere; another zone is named in the text."""
    open_house.bring(document(entry(call=100)), moment(10, 5, 6))
    for text, rows in (("2026-10-05T05:59", 0), ("2026-10-05T06:00", 1), ("2026-10-05T07:59+02:00", 0)):
        capsys.readouterr()
        assert cli.run(["as-of", text, "--format", "csv"]) == 0
        told = capsys.readouterr()
        assert len(told.out.splitlines()) - 1 == rows, text
        assert ("nothing was known" in told.err) == (rows == 0)


def test_the_table_shows_the_figures_of_the_quarters_and_forecasts_named(
    open_house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    open_house.bring(document(entry(call=1234.5)), moment(10, 5))
    open_house.bring(document(entry(call=77)), moment(10, 5), forecast="south")
    open_house.bring(document(entry(call=55, period="2026_Q3")), moment(9, 29), quarter="2026_Q3")
    capsys.readouterr()
    assert cli.run(["as-of", "2026-10-05T06:00", "--period", "2026_Q4", "--forecast", "north"]) == 0
    shown = capsys.readouterr().out
    assert "1,234.50" in shown
    assert "77.00" not in shown
    assert "55.00" not in shown


def test_a_file_holds_what_its_name_says(open_house: House, tmp_path: Path) -> None:
    """A table of the first thousand would be no CSV."""
    open_house.bring(document(*(entry(f"rep {number}", call=number) for number in range(1100))), moment(10, 1))
    for name, magic, lines in (("known.csv", b"forecast_id,", 1101), ("known.PARQUET", b"PAR1", None)):
        assert cli.run(["as-of", "2026-10-01T06:00", "--output", str(tmp_path / name)]) == 0
        content = (tmp_path / name).read_bytes()
        assert content.startswith(magic)
        assert lines is None or content.count(b"\n") == lines


def test_names_stand_beside_ids(open_house: House, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """In the table, where it is wide enough, in CSV and in Parquet; on a narrow terminal names alone."""
    open_house.bring(document(entry("rep 1", call=100)), moment(10, 1))
    ((person, person_id, field, field_id),) = (
        open_house.rows(
            "select person.name, person.user_id, field.field_name, field.field_id from clari.forecast_entry "
            "join clari.forecast_user as person using (forecast_id, user_id) "
            "join clari.forecast_field as field using (forecast_id, field_id) limit 1"
        )[0].values(),
    )
    files = [tmp_path / "known.csv", tmp_path / "known.parquet", tmp_path / "known.txt"]
    for file in files:
        assert cli.run(["as-of", "2026-10-01T06:00", "--output", str(file)]) == 0
    with files[0].open(newline="") as lines:
        from_csv = next(csv.DictReader(lines))
    from_parquet = pq.read_table(files[1]).to_pylist()[0]
    for known in (from_csv, from_parquet):
        assert [known[name] for name in ("user_id", "user_name", "field_id", "field_name")] == [
            person_id,
            person,
            field_id,
            field,
        ]
    assert all(text in files[2].read_text(encoding="utf-8") for text in (person, person_id, field, field_id))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--output", "known.xlsx"], "name a file that ends in .csv, .parquet, .txt"),
        (["--output", "known"], "name a file that ends in"),
        (["--output", "known.csv", "--format", "parquet"], "is a csv by its name, and --format says parquet"),
    ],
)
def test_a_file_whose_name_says_something_else_is_refused_and_stays(
    open_house: House, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    open_house.bring(document(entry(call=100)), moment(10, 1))
    file = Path(words[1])
    file.write_text("mine")
    assert cli.run(["as-of", "2026-10-01T06:00", *words]) == 2
    assert said in capsys.readouterr().err
    assert file.read_text() == "mine"


def test_a_file_stays_whole_where_the_disk_is_full(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What was there stays, and nothing is left lying beside it."""
    with shared_house(folder) as house:
        house.bring(document(*(entry(f"rep {number}", call=number) for number in range(20_000))), moment(10, 1))
    file = folder / "known.csv"
    file.write_text("mine")
    full = forked.run(forked.command_on_a_full_disk, "as-of", "2026-10-01T06:00", "--output", str(file))
    assert full.code == 1, full.err
    assert file.read_text() == "mine"
    assert not list(folder.glob(".known*"))


def test_a_moment_ahead_of_the_clock_is_refused(open_house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is known of it. That of an export is not ahead, though Clari's clock may be."""
    ahead = datetime.now(UTC) + timedelta(days=1)
    for at, code in ((ahead, 2), (moment(10, 1), 0)):
        assert cli.run(["as-of", at.isoformat()]) == code
    assert "is ahead of this machine's clock" in capsys.readouterr().err
    open_house.bring(document(entry(call=100)), ahead)
    for at, code in ((ahead, 0), (ahead + timedelta(seconds=1), 2)):
        assert cli.run(["as-of", at.isoformat()]) == code, at


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["noon"], 2, "MOMENT 'noon' is no moment: write 2026-10-31T09:00:00+00:00"),
        (["2026-10-31", "--format", "xml"], 2, "--format"),
        (["2026-10-31", "--period", "soon"], 2, "soon"),
        (["2026-10-31"], 1, "there is no warehouse yet: run clari-pipeline sync"),
    ],
)
def test_a_usage_error_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    assert not list(folder.iterdir())
    assert cli.run(["as-of", *words]) == code
    told = capsys.readouterr()
    assert said in told.err
    assert len(told.err.strip().splitlines()) == 1
    assert told.out == ""
