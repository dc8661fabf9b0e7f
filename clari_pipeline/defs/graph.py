"""Build the Dagster definitions from the settings."""

import warnings

import dagster as dg

from clari_pipeline.config.settings import Settings
from clari_pipeline.store.opening import engine_of

warnings.filterwarnings("ignore", category=dg.PreviewWarning)
warnings.filterwarnings("ignore", category=dg.BetaWarning)

from clari_pipeline.defs.assets import (  # noqa: E402 - warnings are off
    OWNERS,
    PREFIX,
    mart_assets,
    quarter_assets,
    read_copy_asset,
    retention_asset,
    verified_tables_asset,
    writers_pool,
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
from clari_pipeline.defs.data_docs import data_docs_asset, data_docs_job, data_docs_sensor  # noqa: E402
from clari_pipeline.defs.products import daily_products_schedule, product_assets, sync_products  # noqa: E402
from clari_pipeline.defs.quality import own_rules_at_load, quality_asset, rule_check_keys, rule_checks  # noqa: E402
from clari_pipeline.defs.resources import context_resource, exports_resource  # noqa: E402


def build(settings: Settings, *, board_follows: bool = True) -> dg.Definitions:
    """All definitions, without a key of Clari's.

    `board_follows`: `refresh_marts` writes the board, too. That takes two seconds: a sync on a terminal leaves it out.
    """
    engine = engine_of(settings.warehouse_url)
    own = own_rules_at_load(settings)
    checks, of_rules = rule_checks(own), rule_check_keys(own)
    sync_quarter, refresh_marts, apply_retention = jobs(
        settings, board_follows=board_follows, own_rules=None if own.are_none else of_rules
    )
    verify_tables = verify_tables_job(settings)
    data_docs = data_docs_job(PREFIX, env=settings.env)
    products = [sync_products(settings, without=of_rules)] if settings.other_products else []
    return dg.Definitions(
        assets=[
            *quarter_assets(engine=engine),
            *mart_assets(engine=engine),
            *([] if own.are_none else [quality_asset(engine=engine)]),
            read_copy_asset(engine=engine, has_rules=not own.are_none),
            retention_asset(engine=engine),
            data_docs_asset(PREFIX, owners=OWNERS, pool=writers_pool(engine)),
            verified_tables_asset(engine=engine),
            *product_assets(settings, engine=engine),
        ],
        asset_checks=checks,
        jobs=[sync_quarter, refresh_marts, apply_retention, data_docs, verify_tables, *products],
        schedules=[
            daily_sync_schedule(sync_quarter, settings),
            hourly_current_schedule(sync_quarter, settings),
            monthly_retention_schedule(apply_retention, settings),
            daily_verify_schedule(verify_tables, settings),
            *(daily_products_schedule(job, settings) for job in products),
        ],
        sensors=[
            *sensors(sync_quarter, refresh_marts, apply_retention, verify_tables, *products),
            data_docs_sensor(refresh_marts, data_docs),
        ],
        resources={"sync_context": context_resource, "exports": exports_resource},
    )
