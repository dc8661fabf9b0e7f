"""What documents that came without a job do to entries, calls and swings, beside exports."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pydantic import SecretStr

from clari_pipeline.core.periods import Quarter
from clari_pipeline.sandbox import Sandbox
from clari_pipeline.store import alert_rows
from clari_pipeline.sync.loading import Loader
from tests.helpers.direct_steps import exported
from tests.helpers.fake_clock import FakeClock
from tests.helpers.forecast import Forecast, broken, shared_house
from tests.helpers.house import QUARTER, WEEKS, House, Json, document, entry, moment

CRM = ("crm_total", "crm_closed")
EXPORTED = ("forecast", "forecast_updated", "quota", "adjustment")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with shared_house(tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.fixture
def forecast(house: House, request: pytest.FixtureRequest) -> Forecast:
    return Forecast(house, request.node.name)


def now(*entries: Json, week: str = "W02", **more: Any) -> Json:
    """The newest week alone, as the call without a job delivers it."""
    return document(*entries, weeks={week: WEEKS[week]}, **more)


def bring_now(forecast: Forecast, content: Json, at: datetime, **request: Any) -> Any:
    return forecast.bring(content, at, history=False, source="CURRENT", **request)


def test_a_row_disappears_only_where_the_call_could_have_shown_it(forecast: Forecast) -> None:
    """A row of the call's own week, where the call was asked for calls."""
    weeks = ("W01", "W02")
    people = [entry(who, week, call=100, closed=7) for who in ("ann", "bob") for week in weeks]
    forecast.bring(document(*people, entry("cy", "W02", call=5), entry("dee", "W02")), moment(10, 9))
    bring_now(forecast, now(entry("ann", "W02", closed=8), people=[{"userId": "ann"}]), moment(10, 9, 7), types=CRM)
    shown = {(row["user_id"], row["time_frame_id"]): row["in_latest_export"] for row in forecast.rows("forecast_entry")}
    assert all(shown.values())  # of what exports refuse: the export beside it says who is there
    assert forecast.standing("ann")["crm_closed"] == 8
    assert forecast.standing("ann")["forecast_value"] == 100
    bring_now(forecast, now(entry("ann", "W02", call=100, closed=8)), moment(10, 9, 8))
    shown = {(row["user_id"], row["time_frame_id"]): row["in_latest_export"] for row in forecast.rows("forecast_entry")}
    assert {key for key, is_shown in shown.items() if not is_shown} == {(who, "W02") for who in ("bob", "cy", "dee")}


def test_nothing_of_what_exports_refuse_is_no_failure(forecast: Forecast) -> None:
    """A quarter may have no closed-won yet. Calls that are missing altogether are another matter."""
    forecast.bring(document(entry(call=100)), moment(10, 20), types=EXPORTED)
    assert not bring_now(forecast, now(), moment(10, 20, 1), types=CRM).is_failure
    assert bring_now(forecast, now(), moment(10, 20, 2)).is_failure
    assert forecast.row("forecast_entry")["in_latest_export"]


def test_figures_of_the_crm_alone_are_no_baseline_and_swing_nothing(forecast: Forecast) -> None:
    """Whether they come after an export or as of its very moment; the newest comparison keeps all of its rows."""
    at = moment(10, 2)
    forecast.bring(document(entry(call=100), entry("bob", call=50)), at, types=EXPORTED)
    bring_now(forecast, now(entry(week="W01", closed=1), week="W01"), at + timedelta(hours=1), types=CRM)
    assert forecast.rows("forecast_swing") == []
    forecast.bring(document(entry(call=130), entry("bob", call=50)), at + timedelta(hours=2), types=EXPORTED)
    bring_now(forecast, now(entry(week="W01", closed=2), week="W01"), at + timedelta(hours=2), types=CRM)
    swings = forecast.by("user_id", "forecast_swing", "previous_job_id", "job_id", "reason")
    pair = (forecast.jobs[0], forecast.jobs[2])
    assert swings == {"ann": (*pair, "above_threshold"), "bob": (*pair, None)}
    assert forecast.standing("ann")["crm_closed"] == 2


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ({"types": EXPORTED}, {"source": "CURRENT", "history": False}, "above_threshold"),
        ({"source": "CURRENT", "history": False}, {"types": EXPORTED}, "above_threshold"),
        ({}, {"source": "CURRENT", "history": False}, "above_threshold"),
        ({}, {"source": "CURRENT", "history": False, "types": ("forecast", *CRM)}, "request_changed"),
        ({"scope": "a team"}, {"source": "CURRENT", "history": False}, "request_changed"),
        ({"types": EXPORTED}, {}, "request_changed"),
    ],
)  # fmt: skip
def test_calls_of_both_sources_are_compared_unless_the_request_differs(
    forecast: Forecast, first: Json, second: Json, reason: str
) -> None:
    forecast.bring(now(entry(call=100, week="W02")), moment(10, 9), **first)
    forecast.bring(now(entry(call=130, week="W02")), moment(10, 10), **second)
    assert forecast.swing()["reason"] == reason


def test_the_baseline_of_a_week_ago_is_the_newest_figure_of_either_source(forecast: Forecast) -> None:
    forecast.bring(document(entry(call=100)), moment(10, 2))
    bring_now(forecast, now(entry(call=200, week="W01"), week="W01"), moment(10, 2, 12))
    bring_now(forecast, now(entry(call=300)), moment(10, 9, 12))
    assert forecast.swing(baseline="week", export=3)["previous_value"] == 200


def test_weeks_before_the_first_figures_are_backfilled_from_the_first_export_with_history(forecast: Forecast) -> None:
    bring_now(forecast, now(entry(call=120)), moment(10, 10))
    forecast.bring(document(entry(call=100), entry(call=121, week="W02")), moment(10, 10, 9))
    forecast.house.refresh_marts()
    weeks = forecast.by("time_frame_id", "forecast_call_week", "call_value", "is_backfilled")
    assert weeks == {"W01": (100, True), "W02": (121, False)}


def test_the_newest_week_makes_no_quarter_fresh(forecast: Forecast) -> None:
    """Exports with history are stale all the same: for alerts and for the check of coverage."""
    forecast.bring(document(entry(call=100)), moment(12, 20))
    outcome = bring_now(forecast, now(entry(call=100, week="W12"), week="W12"), moment(12, 29, 20))
    assert "row_count_is_stable" not in broken(outcome)
    forecast.house.refresh_marts()
    covered = broken(forecast.house.outcome(outcome.export.request_id))["periods_are_covered"]
    assert covered["stale"] == [QUARTER]
    with forecast.house.context.warehouse.session() as session:
        stale = alert_rows.stale(session, quarters=[QUARTER], forecasts=[forecast.name], not_before=moment(12, 28))
    assert [one.exported_at for one in stale] == [moment(12, 20)]


DAYS = [datetime(2026, 10, 26, 18, tzinfo=UTC) + timedelta(days=2 * number) for number in range(8)]
Known = dict[tuple[str, str], tuple[Any, ...]]


def brought(folder: Path, sandbox: Sandbox, clock: FakeClock, is_current: list[bool]) -> tuple[list[Known], Known]:
    """The submitted calls as of each day and of each week's end; each day brings an export or the call."""
    given = {"base_url": sandbox.base_url, "api_key": SecretStr(sandbox.api_key), "poll_interval_s": 0.01}
    house, known = House(folder, **given), []
    folder.mkdir(exist_ok=True)
    figures = "crm_closed, quota_value"
    call = f"select user_id, field_id, forecast_value, {figures} from clari.forecast_vs_quota where is_submitted"
    with house.held_open():
        for number, (day, without_job) in enumerate(zip(DAYS, is_current, strict=True)):
            clock.seconds = (day - DAYS[0]).total_seconds()
            exported(house.context, [Quarter.parse(QUARTER)], ["total_new"], run_id=f"{number}", is_current=without_job)
            assert Loader(house.context).merge_landed(QUARTER)
            known.append({tuple(row.values())[:2]: tuple(row.values())[2:] for row in house.rows(call)})
        house.refresh_marts()
        weeks = house.rows(
            f"select time_frame_id, user_id, field_id, call_value, {figures} from clari.forecast_call_week "
            "where is_submitted and is_week_over and not is_backfilled"
        )
    return known, {tuple(row.values())[:3]: tuple(row.values())[3:] for row in weeks}


def test_the_same_history_gives_the_same_calls_however_it_was_brought(tmp_path: Path) -> None:
    """By exports alone, by the call alone, and mixed: as of each day, and of each week's end, where both know them."""
    clock, chance = FakeClock(DAYS[0]), Random(20)
    with Sandbox(people=6, now=clock.now, job_seconds=0.01) as sandbox:
        ways = {
            "exports": [False] * len(DAYS),
            "calls": [True] * len(DAYS),
            "mixed": [chance.random() < 0.5 for _ in DAYS],
        }
        found = {name: brought(tmp_path / name, sandbox, clock, way) for name, way in ways.items()}
    days, weeks = found["exports"]
    for other in ("calls", "mixed"):
        for known, there in zip(days, found[other][0], strict=True):
            assert len(there) == len(known) > 8
            assert there == known
        both = weeks.keys() & found[other][1].keys()
        assert {week for week, *_ in both} >= {"TF:2026-10-28"}
        assert {key: weeks[key] for key in both} == {key: found[other][1][key] for key in both}
