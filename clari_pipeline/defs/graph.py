"""The graph, put together from its parts."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from datetime import UTC, datetime

import dagster as dg

from clari_pipeline.periods import FiscalCalendar, Quarter
from clari_pipeline.settings import Settings

warnings.filterwarnings("ignore", category=dg.PreviewWarning)
warnings.filterwarnings("ignore", category=dg.BetaWarning)

from clari_pipeline.defs.assets import WAREHOUSE_POOL, mart_assets, quarter_assets  # noqa: E402 - warnings are off
from clari_pipeline.defs.automation import daily_sync_schedule, jobs, sensors  # noqa: E402
from clari_pipeline.defs.partitions import quarters  # noqa: E402
from clari_pipeline.defs.resources import exports_resource, pipeline_resource  # noqa: E402


def build(settings: Settings, more_quarters: Iterable[Quarter] = ()) -> dg.Definitions:
    """Everything that Dagster shows; needs no key. `more_quarters` are partitions beyond the usual ones."""
    calendar = FiscalCalendar(settings.fiscal_year_start_month)
    synced = calendar.around(
        datetime.now(UTC).date(), before=settings.historical_periods, after=settings.future_periods
    )
    partitions = quarters(calendar, [*synced, *more_quarters])
    is_file = settings.warehouse_url.get_secret_value().startswith("duckdb:")
    writers = WAREHOUSE_POOL if is_file else None
    sync_quarter, refresh_marts = jobs()
    return dg.Definitions(
        assets=[*quarter_assets(partitions, writers=writers), *mart_assets(writers=writers)],
        jobs=[sync_quarter, refresh_marts],
        schedules=[daily_sync_schedule(sync_quarter, settings)],
        sensors=sensors(sync_quarter, refresh_marts),
        resources={"pipeline": pipeline_resource, "exports": exports_resource},
    )
