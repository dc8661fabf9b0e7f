"""What each command does, once its words are understood. Each returns the exit code."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from clari_pipeline.config.settings import Settings
from clari_pipeline.core.interrupts import run_interruptibly
from clari_pipeline.core.periods import Quarter
from clari_pipeline.core.runbook import ExitCode, Remark, section_of, see
from clari_pipeline.core.setting_errors import DataFolderUnwritable, SettingsError, UsageError
from clari_pipeline.core.shown import PlainConsole, print_json
from clari_pipeline.landing import Arriving, LandingError
from clari_pipeline.sync.log_lines import say
from clari_pipeline.sync.outcomes import Outcome
from clari_pipeline.sync.pipeline import Pipeline
from clari_pipeline.sync.runners import Runners, StepRunner
from clari_pipeline.warehouse.errors import WrongEnvironment

if TYPE_CHECKING:
    from clari_pipeline.sync.events import Hooks

_WIDE = 120
_SANDBOX_FORECASTS = ("total_new",)


@contextmanager
def sandbox_or_clari(settings: Settings, *, scenario: str | None) -> Iterator[Settings]:
    """The settings as they stand, or those of a sandbox that runs meanwhile, with a warehouse of its own."""
    if scenario is None:
        yield settings
        return
    from clari_pipeline.sandbox import SCENARIOS, Sandbox  # noqa: PLC0415

    _check_scenario(scenario)
    progress = PlainConsole(stderr=True, highlight=False, quiet=settings.log_format == "json")
    progress.print(f"Starting a Clari sandbox on this machine ({scenario}: {SCENARIOS[scenario]})", soft_wrap=True)
    with Sandbox(scenario=scenario, fiscal_year_start_month=settings.fiscal_year_start_month) as running:
        yield settings.model_copy(
            update={
                "env": None,  # invented figures belong to none
                "api_key": _secret(running.api_key),
                "api_key_file": None,
                "base_url": running.base_url,
                "auth_scheme": "apikey",
                "fiscal_year_named_by": "end",  # as the sandbox names them
                "forecast_ids": _SANDBOX_FORECASTS,
                "scope_id": None,
                "currency": None,
                "alert_urls": None,  # nobody is to be woken by figures that are invented
                "poll_interval_s": min(settings.poll_interval_s, 0.2),
                **of_sandbox(settings),
            }
        )


def of_sandbox(settings: Settings) -> dict[str, Any]:
    """Where the sandbox's figures are kept, apart from the real ones."""
    folder = settings.data_dir / "sandbox"
    return {"data_dir": folder, "warehouse_url": _secret(f"duckdb:///{folder / 'warehouse.duckdb'}")}


def sync(
    settings: Settings,
    *,
    quarters: Sequence[Quarter],
    forecasts: tuple[str, ...],
    last: int | None,
    as_json: bool,
    is_sandbox: bool,
    hooks: Hooks | None = None,
    runners: Runners | None = None,
) -> int:
    """The main job; a run that cannot be made at all is told to people, too. `runners` are Dagster's, unless given."""
    from clari_pipeline.alerts import raising as alerts  # noqa: PLC0415
    from clari_pipeline.notify import open_channels  # noqa: PLC0415

    settings.required_key()
    is_part = bool(quarters or forecasts)  # who names what to export wants that, and no export of activity beside it
    if is_part and not settings.brings_forecasts:
        raise UsageError(
            "--period and --forecast are of forecasts, and forecast is not in CLARI_PRODUCTS: leave them out, or add it"
        )
    if settings.brings_forecasts:
        forecasts = forecasts or settings.required_forecasts()
    open_channels(settings.alert_urls)  # an address that is none is found before Clari is asked
    pipeline, run_id = Pipeline(settings, hooks=hooks), uuid.uuid4().hex
    others = () if is_part else settings.other_products
    work = partial(
        _sync,
        pipeline,
        run_id,
        quarters,
        forecasts,
        others,
        last=last,
        as_json=as_json,
        is_sandbox=is_sandbox,
        runners=runners,
    )
    try:
        return run_interruptibly(work, stop=partial(_stop, pipeline))
    except (SettingsError, WrongEnvironment):
        raise
    except Exception as error:
        from clari_pipeline.sync.masking import masked_line  # noqa: PLC0415

        reason = masked_line(str(error), settings).strip().partition("\n")[0] or type(error).__name__
        for trouble in alerts.tell_of_crash(pipeline, see(reason, section_of(error)), run_id=run_id).troubles:
            say(trouble, settings, section=None)
        raise


def _stop(pipeline: Pipeline) -> None:
    say("stopping once the quarter at hand is merged; Ctrl-C once more leaves at once", pipeline.settings, section=None)
    pipeline.stop()


def _sync(
    pipeline: Pipeline,
    run_id: str,
    quarters: Sequence[Quarter],
    forecasts: Sequence[str],
    others: Sequence[str],
    *,
    last: int | None,
    as_json: bool,
    is_sandbox: bool,
    runners: Runners | None,
) -> int:
    """Exports of all quarters behind, one Dagster run a quarter before them, and one for each of the other products."""
    from clari_pipeline.alerts import raising as alerts  # noqa: PLC0415
    from clari_pipeline.checks import export_gate  # noqa: PLC0415
    from clari_pipeline.cli.progress import SyncProgress  # noqa: PLC0415
    from clari_pipeline.cli.reporting import Report  # noqa: PLC0415
    from clari_pipeline.sync.planning import by_urgency  # noqa: PLC0415

    if runners is None:
        from clari_pipeline.defs.running import job_runners  # noqa: PLC0415 - dagster takes a second

        runners = job_runners
    with_forecast, products = pipeline.settings.brings_forecasts, []
    current = pipeline.calendar.quarter_of(pipeline.today())
    wanted = by_urgency(quarters or _current(pipeline, last), current=current) if with_forecast else []
    _prepare(pipeline)
    export_gate.warm_up()
    started_at = pipeline.now()
    troubles: list[str] = []
    console = PlainConsole(stderr=True, quiet=pipeline.settings.log_format == "json")
    with (
        runners(pipeline.settings) as make_runner,
        SyncProgress(console, pipeline.hooks) as progress,
        pipeline.exporting(run_id, wanted, forecasts, everywhere=with_forecast) as desk,
    ):
        progress.expect(desk.plan, products=len(others))
        wanted += [quarter for quarter in desk.plan.recovered_quarters if quarter not in wanted]
        runner = make_runner(pipeline, desk, wanted, {"clari/source": "sandbox"} if is_sandbox else {})
        for quarter in wanted:
            pipeline.go_on()
            if trouble := _sync_quarter(runner, quarter):
                troubles.append(f"{quarter}: {trouble}")
        pipeline.go_on()
        with pipeline.warehouse.kept_open():
            if with_forecast and (trouble := runner.refresh_marts()):
                troubles.append(f"marts: {trouble}")
            outcomes = pipeline.outcomes(pipeline.requests_of_run(run_id))
        for name in others:  # these wait for Clari
            pipeline.go_on()
            products.append(runner.bring(name))
            troubles += products[-1].failures
            pipeline.remarks += products[-1].remarks
    if products:
        pipeline.publish()
    sent = alerts.tell_of_sync(
        pipeline, outcomes, run_id=run_id, troubles=troubles, killed=desk.plan.killed, quarters=map(str, wanted)
    )
    report = Report(
        run_id, started_at, pipeline.now(), outcomes, pipeline.swings_of(outcomes), sent.alerts, sent.troubles, products
    )
    return _finish(pipeline, report, as_json=as_json, troubles=troubles)


def _sync_quarter(runner: StepRunner, quarter: Quarter) -> str | None:
    """One quarter's run; what went wrong with it, unless an export's own state says it already."""
    trouble, outcomes = runner.sync_quarter(quarter)
    is_told = any(outcome.is_failure and outcome.export["error"] for outcome in outcomes)
    return None if is_told else trouble


def replay(settings: Settings, *, quarters: Sequence[Quarter], forecasts: tuple[str, ...], as_json: bool) -> int:
    """Landed documents once more; those that were refused before and still are, are no failure."""
    from clari_pipeline.cli.reporting import Report  # noqa: PLC0415
    from clari_pipeline.sync.products.replaying import replay_products  # noqa: PLC0415

    pipeline = Pipeline(settings)

    def work() -> int:
        _prepare(pipeline)
        started_at = pipeline.now()
        request_ids, refused_before = pipeline.replay(quarters, forecasts)
        products, troubles = ([], []) if quarters or forecasts else replay_products(pipeline)
        pipeline.publish()
        outcomes = pipeline.outcomes(request_ids)
        swings = pipeline.swings_of(outcomes)
        report = Report(uuid.uuid4().hex, started_at, pipeline.now(), outcomes, swings, products=products)
        return _finish(pipeline, report, as_json=as_json, troubles=troubles, excused=refused_before)

    return run_interruptibly(work, stop=partial(_stop, pipeline))


def replay_document(
    settings: Settings,
    arriving: Arriving,
    *,
    forecast_id: str,
    quarter: Quarter,
    exported_at: datetime | None,
    as_json: bool,
) -> int:
    """One document from elsewhere."""
    from clari_pipeline.cli.reporting import Report  # noqa: PLC0415
    from clari_pipeline.store import ledger  # noqa: PLC0415

    pipeline = Pipeline(settings)

    def work() -> int:
        _prepare(pipeline)
        run_id, started_at = uuid.uuid4().hex, pipeline.now()
        with pipeline.warehouse.session() as session:
            refused_before = ledger.refused_requests(session)
        request_id = pipeline.replay_document(
            arriving, forecast_id=forecast_id, quarter=quarter, exported_at=exported_at, run_id=run_id
        )
        pipeline.publish()
        with pipeline.warehouse.kept_open():
            outcomes = pipeline.outcomes([request_id])
            report = Report(run_id, started_at, pipeline.now(), outcomes, pipeline.swings_of(outcomes))
        return _finish(pipeline, report, as_json=as_json, excused=refused_before)

    return run_interruptibly(work, stop=partial(_stop, pipeline))


def status(settings: Settings, *, as_json: bool) -> int:
    """What is in the warehouse, and what Clari leaves free."""
    from clari_pipeline.cli.products import products_document, show_products  # noqa: PLC0415
    from clari_pipeline.cli.reporting import show_status, status_document  # noqa: PLC0415
    from clari_pipeline.store import ledger  # noqa: PLC0415

    pipeline = Pipeline(settings)
    exports: list[dict[str, Any]] = []
    products = products_document(None, settings)
    alerts_unsent = 0
    if pipeline.warehouse.exists():
        with pipeline.warehouse.session() as session:
            exports, alerts_unsent = ledger.status(session), ledger.alerts_unsent(session)
            products = products_document(session, settings)
    document = status_document(exports, _quota(settings), alerts_unsent) | products
    if as_json:
        print_json(document)
    else:
        show_status(console_of_output(), document)
        show_products(console_of_output(), document)
    return ExitCode.DONE


def serve_health(settings: Settings, *, host: str, port: int) -> int:
    """Answer probes and Prometheus until the process is told to end."""
    from clari_pipeline.ops import health  # noqa: PLC0415 - nobody else waits for uvicorn

    return health.serve(settings, host=host, port=port)


def sandbox(settings: Settings, *, port: int, scenario: str, seed: int, people: int) -> int:
    """Run the sandbox until it is interrupted."""
    from clari_pipeline.sandbox import SCENARIOS, Sandbox  # noqa: PLC0415

    console = PlainConsole(highlight=False, soft_wrap=True)
    if scenario == "list":
        for name, description in SCENARIOS.items():
            console.print(f"{name:20} {description}")
        return ExitCode.DONE
    _check_scenario(scenario)
    running = Sandbox(
        scenario=scenario,
        seed=seed,
        people=people,
        port=port,
        fiscal_year_start_month=settings.fiscal_year_start_month,
    )
    running.start()
    console.print(f"A Clari sandbox ({scenario}: {SCENARIOS[scenario]}) answers at {running.base_url}")
    console.print("In another terminal:")
    console.print(f"  export CLARI_BASE_URL={running.base_url} CLARI_API_KEY={running.api_key}")
    console.print("  export CLARI_FORECAST_IDS=total_new CLARI_DATA_DIR=data/sandbox")
    console.print("  export CLARI_WAREHOUSE_URL=duckdb:///data/sandbox/warehouse.duckdb CLARI_ALERT_URLS=")
    console.print("  clari-pipeline sync")
    console.print("Ctrl-C ends it.")
    running.run_forever()
    return ExitCode.DONE


def _finish(
    pipeline: Pipeline,
    report: Any,
    *,
    as_json: bool,
    troubles: Sequence[str] = (),
    excused: set[str] = frozenset(),  # type: ignore[assignment]
) -> int:
    from clari_pipeline.cli.reporting import failures  # noqa: PLC0415

    if as_json:
        print(report.as_json())  # noqa: T201
    else:
        console = console_of_output()
        report.show(console)
        console.print(f"Warehouse: {pipeline.warehouse.place} (schema clari)", highlight=False, soft_wrap=True)
        if (copy := pipeline.places.copy).exists() and pipeline.warehouse.kind.capabilities.is_copied:
            console.print(f"To read while it runs: {copy}, {pipeline.places.marts}/", highlight=False, soft_wrap=True)
    failed: list[Outcome] = [
        outcome for outcome in report.outcomes if outcome.is_failure and outcome.export["request_id"] not in excused
    ]
    for line in [*report.remarks, *pipeline.remarks]:
        say(line, pipeline.settings, section=None)
    lines = [*failures(failed), *troubles]
    for line in lines:
        say(line, pipeline.settings, section=None)
    return ExitCode.NOT_DONE if lines else ExitCode.DONE


def console_of_output() -> PlainConsole:
    """Standard output; a file or a pipe has no width to keep to."""
    return PlainConsole(width=None if sys.stdout.isatty() else _WIDE)


def _prepare(pipeline: Pipeline) -> None:
    try:
        pipeline.prepare()
    except LandingError as error:
        raise DataFolderUnwritable(str(error)) from error


def _current(pipeline: Pipeline, last: int | None) -> list[Quarter]:
    if last is None:
        return pipeline.current_quarters()
    return list(pipeline.calendar.around(pipeline.today(), before=last - 1, after=0))


def _quota(settings: Settings) -> dict[str, Any] | None:
    """What Clari leaves of exports; None without a key, or where Clari does not answer."""
    if not settings.has_key:
        return None
    from clari_pipeline.clari import ClariClient, ClariError, Limits, Retry  # noqa: PLC0415

    async def ask() -> Limits:
        client = ClariClient(
            base_url=settings.base_url,
            api_key=settings.key_source(),
            auth_scheme=settings.auth_scheme,
            request_timeout_s=settings.request_timeout_s,
            retry=Retry(attempts=2),
        )
        async with client:
            return await client.limits()

    try:
        limits = asyncio.run(ask())
    except (ClariError, ValueError) as error:
        say(f"export quota unknown: {error}", settings, section=Remark.QUOTA_UNKNOWN)
        return None
    return {
        "monthly": limits.monthly_quota,
        "available": limits.available_monthly_quota,
        "concurrent": limits.concurrent_limit,
    }


def _check_scenario(name: str) -> None:
    from clari_pipeline.sandbox import SCENARIOS  # noqa: PLC0415

    if name not in SCENARIOS:
        raise UsageError(f"no scenario is called {name!r}: the sandbox knows {', '.join(SCENARIOS)}")


def _secret(text: str) -> Any:
    from pydantic import SecretStr  # noqa: PLC0415

    return SecretStr(text)
