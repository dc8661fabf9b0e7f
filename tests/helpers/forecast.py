"""A forecast in a warehouse that many tests share: its exports change no other forecast's rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from clari_pipeline.checks.export_gate import Verdict
from clari_pipeline.sync.outcomes import Outcome
from tests.helpers.house import QUARTER, House, Json


class Forecast:
    """One forecast; its exports are numbered from 1 in the order of `bring`."""

    def __init__(self, house: House, name: str) -> None:
        self.house = house
        self.name = name
        self.jobs: list[str] = []

    def bring(self, content: Json | bytes, at: datetime, **request: Any) -> Outcome:
        """Land a document and merge it, with `forecast_swing` and `forecast_vs_quota`; returns the outcome."""
        request_id = self.house.deliver(content, at, forecast=self.name, **request)
        self.jobs.append(request_id.replace("request-", "job-"))
        self.house.merge(request.get("quarter", QUARTER))
        return self.house.outcome(request_id)

    def rows(self, table: str, **values: Any) -> list[Json]:
        """The forecast's rows of a table, or those with these values."""
        found = self.house.rows(f"from clari.{table} where forecast_id = $forecast", forecast=self.name)
        return [row for row in found if all(row[name] == value for name, value in values.items())]

    def row(self, table: str, **values: Any) -> Json:
        (only,) = self.rows(table, **values)
        return only

    def by(self, key: str, table: str, *names: str, **values: Any) -> dict[Any, Any]:
        """A dict from column `key` to column `names` (a tuple of several) of the forecast's rows with these values.

        Raises `AssertionError` where two rows have the same key.
        """
        rows = self.rows(table, **values)
        found = {row[key]: row[names[0]] if len(names) == 1 else tuple(row[name] for name in names) for row in rows}
        assert len(found) == len(rows), f"{table}: one {key} in several rows"
        return found

    def swing(self, who: str = "ann", *, baseline: str = "sync", export: int = 2) -> Json:
        """The comparison of a person's call in the numbered export."""
        return self.row("forecast_swing", user_id=who, baseline=baseline, job_id=self.jobs[export - 1])

    def standing(self, who: str = "ann", field: str = "commit") -> Json:
        """The row of a person and field in forecast_vs_quota."""
        return self.row("forecast_vs_quota", user_id=who, field_id=field, time_period_id=QUARTER)


def verdict(outcome: Outcome, check: str) -> Verdict:
    """The verdict of a check on an export."""
    (found,) = [one for one in outcome.verdicts if one.check_name == check]
    return found


def broken(outcome: Outcome) -> dict[str, Any]:
    """The evidence of each failed check of an export, by name."""
    assert outcome.verdicts
    return {one.check_name: one.evidence for one in outcome.verdicts if not one.passed}


def picked(row: Json, like: Json) -> Json:
    """The row reduced to the columns of `like`."""
    return {name: row[name] for name in like}


@contextmanager
def shared_house(folder: Path) -> Iterator[House]:
    """A `House` whose warehouse file stays open."""
    house = House(folder)
    with house.held_open():
        yield house
