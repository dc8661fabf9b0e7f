"""Whatever order documents arrive in, the tables are those of `exported_at`, and those that a plain model gives."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from clari_pipeline.config.settings import EXPORT_TYPES
from tests.helpers.house import MERGED, House, Json, document, entry, moment, person

EAST = ("ann", "bob")
EVERYONE = (*EAST, "cy")
QUARTERS = {
    "2026_Q3": {"W01": moment(7, 1).date(), "W02": moment(7, 8).date()},
    "2026_Q4": {"W01": moment(10, 1).date(), "W02": moment(10, 8).date()},
}
YEAR = {"timePeriodId": "2026", "type": "YEAR", "startDate": "2026-01-01", "endDate": "2026-12-31"}
MOMENTS = (moment(10, 2), moment(10, 3), moment(10, 9), moment(10, 11), moment(10, 20))
FIGURE_TYPES = {
    "forecast_value": "forecast",
    "quota_value": "quota",
    "adjustment_value": "adjustment",
    "crm_total": "crm_total",
    "crm_closed": "crm_closed",
}
DETAIL_TYPES = {"is_updated": "forecast_updated", "adjusted_by": "adjustment"}
WRITTEN = {
    "forecast_value": "forecastValue",
    "quota_value": "quotaValue",
    "adjustment_value": "adjustmentValue",
    "crm_total": "crmTotal",
    "crm_closed": "crmClosed",
    "is_updated": "isUpdated",
    "adjusted_by": "adjustedBy",
}
_WRITTEN_KEY = ("timePeriodId", "timeFrameId", "userId", "fieldId")
TABLES = (*MERGED, "forecast_swing_summary")


@dataclass(frozen=True)
class Export:
    """One export: what was asked for, when, and what came."""

    forecast: str
    quarter: str
    at: datetime
    types: tuple[str, ...]
    scope: str | None
    history: bool
    entries: tuple[Json, ...]
    label: str
    team: str
    has_year: bool = False
    number: int = 0

    @property
    def submitted(self) -> datetime:
        return self.at - timedelta(minutes=5) + timedelta(seconds=self.number)

    @property
    def written(self) -> Json:
        shown = sorted({one["userId"] for one in self.entries})
        return document(
            *self.entries,
            people=[person(name, role=f"{self.team}-{name}") for name in shown],
            weeks=QUARTERS[self.quarter],
            fields={"commit": f"Commit {self.label}", "plan": "Quota"},
            periods=[{"timePeriodId": self.quarter, "label": f"{self.label} {self.quarter}"}, *[YEAR] * self.has_year],
        )

    def delivered(self, house: House) -> str:
        """Land it there; its request id."""
        return house.deliver(
            self.written,
            self.at,
            forecast=self.forecast,
            quarter=self.quarter,
            types=self.types,
            scope=self.scope,
            history=self.history,
            submitted=self.submitted,
        )


_AMOUNT = st.sampled_from([None, 0, 100, 120, -50])


@st.composite
def exports(draw: st.DrawFn) -> Export:
    """A full or partial export of one forecast's quarter; now and then an empty one, which the gate refuses."""
    scope = draw(st.sampled_from([None, None, "east"]))
    history = draw(st.sampled_from([True, True, False]))
    quarter = draw(st.sampled_from(["2026_Q4", "2026_Q4", "2026_Q3"]))
    types = draw(
        st.sampled_from(
            [EXPORT_TYPES, EXPORT_TYPES, ("crm_closed", "forecast", "quota"), ("forecast",), ("crm_closed", "quota")]
        )
    )
    weeks = tuple(QUARTERS[quarter]) if history else (draw(st.sampled_from(["W01", "W02"])),)
    has_year = draw(st.booleans())
    people = draw(st.sets(st.sampled_from(EVERYONE if scope is None else EAST), min_size=1))
    shown = []
    for name in sorted(people):
        for week in weeks:
            for period, field_id in ((quarter, "commit"), (quarter, "plan"), *[("2026", "plan")] * has_year):
                if draw(st.sampled_from([True, True, False])):
                    figures = {WRITTEN[one]: draw(_AMOUNT) for one, kind in FIGURE_TYPES.items() if kind in types}
                    if "forecast_updated" in types:
                        figures["isUpdated"] = draw(st.booleans())
                    if "adjustment" in types:
                        figures["adjustedBy"] = draw(st.sampled_from([None, "boss"]))
                    currency = draw(st.sampled_from(["USD", "USD", "USD", "EUR"]))
                    shown.append(entry(name, week, field_id, period=period, currency=currency) | figures)
    return Export(
        forecast=draw(st.sampled_from(["north", "north", "south"])),
        quarter=quarter,
        at=draw(st.sampled_from(MOMENTS)),
        types=types,
        scope=scope,
        history=history,
        entries=tuple(shown),
        label=draw(st.sampled_from(["old", "new"])),
        team=draw(st.sampled_from(["red", "blue"])),
        has_year=has_year,
    )


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[Export], list[int]]:
    """Exports, some documents twice, and the order in which they arrive."""
    drawn = draw(st.lists(exports(), min_size=2, max_size=5))
    again = [
        replace(draw(st.sampled_from(drawn)), at=at) for at in draw(st.lists(st.sampled_from(MOMENTS), max_size=2))
    ]
    made = [replace(one, number=number) for number, one in enumerate(drawn + again)]
    return made, draw(st.permutations(range(len(made))))


@dataclass
class Row:
    """What is known of one key, and every version of it. The model: written from the promise, not from the SQL."""

    values: dict[str, Any] = field(
        default_factory=lambda: dict.fromkeys([*FIGURE_TYPES, *DETAIL_TYPES, "currency_code"])
    )
    is_present: bool = False
    last_export: Export | None = None
    first_seen: datetime | None = None
    changed: datetime | None = None
    versions: list[tuple[datetime, dict[str, Any], bool, int]] = field(default_factory=list)

    def take(self, export: Export, shown: Json | None, weeks: set[tuple[str, str]], week: tuple[str, str]) -> None:
        """One export's word on this key, exports being told in the order in which they count."""
        if shown is not None:
            values = dict(self.values) | {"currency_code": shown["currency"]["code"]}
            if self.values["currency_code"] not in {None, values["currency_code"]}:
                values |= dict.fromkeys(FIGURE_TYPES)  # what was not asked for was in another currency
            for name, kind in (FIGURE_TYPES | DETAIL_TYPES).items():
                if kind in export.types:
                    values[name] = shown.get(WRITTEN[name])
            if values != self.values or not self.versions:
                self.changed = export.at
            if values != self.values or not self.is_present:
                self._open(export, values, is_present=True)
            self.first_seen = self.first_seen or export.at
            self.last_export = export
        elif self.is_present and self._could_be_shown_by(export, weeks, week):
            self._open(export, self.values, is_present=False)

    def _could_be_shown_by(self, export: Export, weeks: set[tuple[str, str]], week: tuple[str, str]) -> bool:
        assert self.last_export is not None
        given = {kind for name, kind in FIGURE_TYPES.items() if self.values[name] is not None}
        return (
            (export.scope is None or export.scope == self.last_export.scope)
            and (export.history or week in weeks)
            and (week[0] == export.quarter or export.has_year)
            and (not given or bool(given & set(export.types)))
        )

    def _open(self, export: Export, values: dict[str, Any], *, is_present: bool) -> None:
        if self.versions and self.versions[-1][0] == export.at:
            self.versions.pop()  # of two exports of one moment the one submitted later stands
        self.versions.append((export.at, values, is_present, export.number))
        self.values, self.is_present = values, is_present


def modelled(made: Sequence[Export]) -> dict[tuple[str, ...], Row]:
    """Rows by forecast, quarter asked for, period, week, person and field."""
    rows: dict[tuple[str, ...], Row] = {}
    for export in sorted(made, key=lambda one: (one.at, one.submitted)):
        if not export.entries:
            continue  # refused
        shown = {
            (export.forecast, export.quarter, *(one[name] for name in _WRITTEN_KEY)): one for one in export.entries
        }
        weeks = {(one["timePeriodId"], one["timeFrameId"]) for one in export.entries}
        for key in shown:
            rows.setdefault(key, Row())
        for key, row in rows.items():
            if key[:2] == (export.forecast, export.quarter):
                row.take(export, shown.get(key), weeks, key[2:4])
    return rows


def expected_entries(rows: dict[tuple[str, ...], Row]) -> list[tuple[Any, ...]]:
    return [
        (*key, row.values, row.is_present, row.first_seen, row.changed, row.last_export.at, row.last_export.number)
        for key, row in sorted(rows.items())
        if row.last_export
    ]


def expected_history(rows: dict[tuple[str, ...], Row]) -> list[tuple[Any, ...]]:
    history = []
    for key, row in sorted(rows.items()):
        ends = [version[0] for version in row.versions[1:]] + [None]
        history += [
            (*key, values, is_present, start, end, number)
            for (start, values, is_present, number), end in zip(row.versions, ends, strict=True)
        ]
    return history


_KEY = ("forecast_id", "quarter_id", "time_period_id", "time_frame_id", "user_id", "field_id")


def found_entries(house: House) -> list[tuple[Any, ...]]:
    columns = ("in_latest_export", "first_seen_at", "changed_at", "last_seen_at")
    return [
        (*_key_and_values(row), *(row[name] for name in columns), _number(row))
        for row in house.rows(f"from clari.forecast_entry order by {', '.join(_KEY)}")
    ]


def found_history(house: House) -> list[tuple[Any, ...]]:
    return [
        (*_key_and_values(row), row["is_present"], row["valid_from"], row["valid_to"], _number(row))
        for row in house.rows(f"from clari.forecast_entry_history order by {', '.join(_KEY)}, valid_from")
    ]


def _number(row: dict[str, Any]) -> int:
    return int(row["job_id"].rsplit("-", 1)[1]) - 1


def _key_and_values(row: dict[str, Any]) -> tuple[Any, ...]:
    values = {name: row[name] for name in (*FIGURE_TYPES, *DETAIL_TYPES, "currency_code")}
    return (*(row[name] for name in _KEY), values)


def everything(house: House) -> dict[str, list[Json]]:
    """Every promised table, the moment of our own noticing aside."""
    states = {"export_job": house.rows("select job_id, state from clari.export_job order by job_id")}
    return house.snapshot(*TABLES, without={"detected_at"}) | states


def check(made: list[Export], arriving: Sequence[int]) -> None:
    """Load the exports in order, in order of arrival, once more, and by replay: always the same tables."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as held_open:
        orderly = House(Path(folder), warehouse="orderly")
        actual = House(Path(folder), warehouse="actual")
        for house in (orderly, actual):
            held_open.enter_context(house.held_open())
        folders = []
        for one in made:
            request_id = one.delivered(orderly)
            path = orderly.outcome(request_id).export.landing_path
            folders.append(orderly.context.landing.root / path)
        for quarter in QUARTERS:
            orderly.merge(quarter)
        for position in arriving:
            actual.know(folders[position])
            actual.merge(made[position].quarter)
        for house in (orderly, actual):
            house.refresh("forecast_vs_quota")

        rows = modelled(made)
        assert found_entries(orderly) == expected_entries(rows)
        assert found_history(orderly) == expected_history(rows)
        in_order = everything(orderly)
        assert everything(actual) == in_order, "another order of arrival, other rows"

        _load_again(actual, made[arriving[0]])
        assert everything(actual) == in_order, "loaded again, other rows"

        actual.replay([], [])
        assert everything(actual) == in_order, "replayed, other rows"
        assert_history_is_whole(actual)


def _load_again(house: House, export: Export) -> None:
    """As after a crash between the ledger's word that a document waits and the merge's own."""
    house.execute(
        "update clari.export_job set state = 'LANDED' "
        f"where job_id = 'job-{export.forecast}-{export.quarter}-{export.number + 1}'"
    )
    house.merge(export.quarter)


def assert_history_is_whole(house: House) -> None:
    """Versions of one key follow each other without overlap or hole; the open one is the current row."""
    key = ", ".join(_KEY)
    assert not house.rows(f"""
        select * from clari.forecast_entry_history
        qualify valid_to is distinct from lead(valid_from) over (partition by {key} order by valid_from)
        or valid_from >= valid_to
    """)
    assert not house.rows(f"""
        select {key}, forecast_value, quota_value, adjustment_value, crm_total, crm_closed, in_latest_export
        from clari.forecast_entry
        except
        select {key}, forecast_value, quota_value, adjustment_value, crm_total, crm_closed, is_present
        from clari.forecast_entry_history where valid_to is null
    """)


def any_order_property(examples: int, *, part: int = 0, is_soak: bool = False) -> Callable[[], None]:
    """The property, for so many examples; those of each part of a soak are others."""

    @seed(part)
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=not is_soak,
        phases=[Phase.reuse, Phase.generate, Phase.shrink] if is_soak else [Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(arrivals())
    def run(arrived: tuple[list[Export], list[int]]) -> None:
        check(*arrived)

    return run


@pytest.mark.soak  # by default: shuffled against a model, in test_as_of.py; late and replayed, in test_swings.py
def test_any_order_of_arrival_gives_the_rows_of_the_order_of_export() -> None:
    """In order, in any order, loaded twice and replayed: the same rows, and those that the model says."""
    any_order_property(2)()
