"""The registry of marts: what it says is so, and what it says of versions decides what a warehouse rebuilds."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clari_pipeline.core.project import CHECKOUT, project_file
from clari_pipeline.store import refreshing
from clari_pipeline.store.mart_registry import MARTS, Mart, RetentionRule
from clari_pipeline.warehouse.catalogue import is_view
from clari_pipeline.warehouse.duckdb.engine import describe_tables
from tests.helpers import prepared
from tests.helpers.house import House, document, entry, moment, person

_VERSIONED = [mart for mart in MARTS.values() if mart.version is not None]


def _text(name: str) -> str:
    return (project_file("sql") / f"{name}.sql").read_text(encoding="utf-8")


@pytest.fixture
def filled(tmp_path: Path) -> House:
    """One export of a week ago and one of now, so that each statement has something to do; made once."""

    def make(folder: Path) -> None:
        house = House(folder)
        people = [person("zoë", role="top", parent=None), person("ann")]
        for day, call in ((9, 100), (16, 200)):
            entries = [entry(name, week, call=call, quota=500) for name in ("ann", "zoë") for week in ("W1", "W2")]
            house.bring(document(*entries, people=people), moment(10, day))
        house.refresh_marts()

    shutil.copytree(prepared.made_once("mart-registry", make), tmp_path / "data")
    return House(tmp_path / "data")


class _Listening:
    """A session that keeps the names of the statements that are run in it."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.names: set[str] = set()

    def run(self, name: str, parameters: dict[str, Any]) -> Any:
        self.names.add(name)
        return self._session.run(name, parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


def test_versions_cover_every_statement_that_is_run(filled: House) -> None:
    """A statement that a rebuild runs belongs to a version, unless it only keeps account of what stands."""
    filled.execute("delete from clari.mart_version")
    filled.execute("delete from clari.mart_part_version")
    with filled.context.warehouse.session() as session:
        listening: Any = _Listening(session)
        for mart in ("forecast_vs_quota", "forecast_call_week"):
            refreshing.refresh(listening, MARTS[mart], filled.context.rules)
    accounts = {
        "forecast_vs_quota_orphans",
        "versions",
        "weekly_orphans",
        "part_versions",
        "weekly_forget",
        "part_made",
        "backfilled_places",
    }
    ran = {name.removeprefix("marts/") for name in listening.names if name.startswith("marts/")}
    assert ran - accounts <= {name for mart in _VERSIONED for name in mart.statements}


@pytest.mark.soak
def test_a_comment_rebuilds_nothing_and_a_version_does(filled: House, tmp_path: Path) -> None:
    """Of a warehouse that is there: fingerprints stay under a remark in SQL, and change with a version."""
    release = tmp_path / "release"
    for name in ("clari_pipeline", "sql"):
        shutil.copytree(CHECKOUT / name, release / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "pyproject.toml", release)
    before = _fingerprints(filled)
    for file in (release / "sql/marts").glob("*.sql"):
        file.write_text(f"-- A remark.\n{file.read_text(encoding='utf-8')}", encoding="utf-8")
    _refresh(release, tmp_path / "data")
    assert _fingerprints(filled) == before
    registry = release / "clari_pipeline/store/mart_registry.py"
    registry.write_text(re.sub(r"version=\d+", "version=999", registry.read_text(encoding="utf-8")), encoding="utf-8")
    _refresh(release, tmp_path / "data")
    after = _fingerprints(filled)
    assert after.keys() == before.keys()
    assert all(after[part] != before[part] for part in before)


def _fingerprints(house: House) -> dict[tuple[str, ...], str]:
    known = house.rows(
        "select 'forecast_vs_quota' as mart, quarter_id as part, made_of from clari.mart_version "
        "union all select mart, part, made_of from clari.mart_part_version"
    )
    return {(row["mart"], row["part"]): row["made_of"] for row in known}


def _refresh(release: Path, data: Path) -> None:
    program = f"""
from pathlib import Path
from tests.helpers import prepared
from tests.helpers.house import House
House(Path({str(data)!r})).refresh_marts()
"""
    environment = os.environ | {"PYTHONPATH": f"{release}:{CHECKOUT}", "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, cwd=data, timeout=120)


def test_what_an_earlier_release_made_is_rebuilt_once(filled: House) -> None:
    """Its fingerprints are none of ours: the first refresh replaces them, the second changes nothing."""
    ours = _fingerprints(filled)
    for table in ("mart_version", "mart_part_version"):
        filled.execute(f"update clari.{table} set made_of = 'earlier'")
    filled.execute("update clari.forecast_vs_quota set forecast_value = 1")
    filled.execute("update clari.forecast_call_week set call_value = 1")
    filled.refresh_marts()
    assert _fingerprints(filled) == ours
    for table, amount in (("forecast_vs_quota", "forecast_value"), ("forecast_call_week", "call_value")):
        assert filled.value(f"select count(*) from clari.{table} where {amount} = 1") == 0
    filled.execute("update clari.forecast_vs_quota set forecast_value = 1")
    filled.refresh_marts()
    assert filled.value("select count(*) from clari.forecast_vs_quota where forecast_value <> 1") == 0


@pytest.mark.parametrize("mart", MARTS.values(), ids=lambda mart: mart.name)
def test_what_the_registry_says_is_so(mart: Mart) -> None:
    """It names columns that there are, and what retention does with them."""
    columns = {table: {name for name, *_ in described} for table, described in describe_tables().items()}
    for sources in mart.columns.values():
        assert all(column in columns[table] for table, column in (one.split(".") for one in sources.split()))
    assert mart.unchanged_from is None or mart.unchanged_from in mart.reads
    leaves = mart.retention is RetentionRule.WITH_QUARTER
    assert not leaves or "time_period_id" in columns[mart.name]
    assert not (leaves and is_view(mart.name))


def test_every_mart_of_fields_names_them(filled: House, tmp_path: Path) -> None:
    """Comparisons of an earlier release, too, once it is upgraded: their columns were not there."""
    for mart in MARTS.values():
        columns = {row["column_name"] for row in filled.rows(f"describe clari.{mart.name}")}
        assert ("field_id" in columns) == ("field_name" in columns), mart.name
    _check_names(filled)
    for table, column in (("swing", "user_name"), ("swing", "field_name"), ("swing_summary", "field_name")):
        filled.execute(f"alter table clari.forecast_{table} drop column {column}")
    filled.execute("update clari.warehouse_version set schema_sha256 = 'earlier'")
    _check_names(House(tmp_path / "data"))


def _check_names(house: House) -> None:
    for name in ("forecast_swing", "forecast_swing_summary", "forecast_vs_quota"):
        found = house.rows(
            f"select mart.field_name, field.field_name as known from clari.{name} as mart "
            "join clari.forecast_field as field using (forecast_id, field_id)"
        )
        assert found, name
        assert all(row["field_name"] == row["known"] is not None for row in found), name
    (swings,) = house.rows("select count(*) as all_rows, count(user_name) as named from clari.forecast_swing")
    assert swings["all_rows"] == swings["named"] > 0
