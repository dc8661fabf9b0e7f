"""Build the Dagster definitions from the settings."""

import warnings
from collections.abc import Iterable
from datetime import UTC, datetime

import dagster as dg

from clari_pipeline.config.settings import Settings
from clari_pipeline.core.periods import Quarter
from clari_pipeline.store.opening import engine_of

warnings.filterwarnings("ignore", category=dg.PreviewWarning)
warnings.filterwarnings("ignore", category=dg.BetaWarning)

from clari_pipeline.defs.assets import (  # noqa: E402 - warnings are off
    mart_assets,
    quarter_assets,
    read_copy_asset,
    retention_asset,
    verified_tables_asset,
)
from clari_pipeline.defs.automation import (  # noqa: E402
    daily_sync_schedule,
    daily_verify_schedule,
    hourly_current_schedule,
    jobs,
    monthly_retention_schedule,
    sensors,
    verify_tables_job,
)
from clari_pipeline.defs.partitions import quarters  # noqa: E402
from clari_pipeline.defs.products import daily_products_schedule, product_assets, sync_products  # noqa: E402
from clari_pipeline.defs.resources import context_resource, exports_resource  # noqa: E402


def build(settings: Settings, more_quarters: Iterable[Quarter] = (), *, board_follows: bool = True) -> dg.Definitions:
    """All definitions, without a key of Clari's. `more_quarters` are partitions beyond the usual ones.

    `board_follows`: `refresh_marts` writes the board, too. That takes two seconds: a sync on a terminal leaves it out.
    """
    calendar = settings.calendar
    today = calendar.day_of(datetime.now(UTC))
    # One more on either side: by the quarters' days in the warehouse, a neighbour may be the current one.
    synced = calendar.around(today, before=settings.historical_periods + 1, after=settings.future_periods + 1)
    partitions = quarters(calendar, [*synced, *more_quarters])
    engine = engine_of(settings.warehouse_url)
    sync_quarter, refresh_marts, apply_retention = jobs(settings, board_follows=board_follows)
    verify_tables = verify_tables_job(settings)
    products = [sync_products(settings)] if settings.other_products else []
    return dg.Definitions(
        assets=[
            *quarter_assets(partitions, engine=engine),
            *mart_assets(engine=engine),
            read_copy_asset(engine=engine),
            retention_asset(engine=engine),
            verified_tables_asset(engine=engine),
            *product_assets(settings, engine=engine),
        ],
        jobs=[sync_quarter, refresh_marts, apply_retention, verify_tables, *products],
        schedules=[
            daily_sync_schedule(sync_quarter, settings),
            hourly_current_schedule(sync_quarter, settings),
            monthly_retention_schedule(apply_retention, settings),
            daily_verify_schedule(verify_tables, settings),
            *(daily_products_schedule(job, settings) for job in products),
        ],
        sensors=sensors(sync_quarter, refresh_marts, apply_retention, verify_tables, *products),
        resources={"sync_context": context_resource, "exports": exports_resource},
    )
