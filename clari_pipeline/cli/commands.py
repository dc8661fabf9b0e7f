"""The commands, with parsed options: sync, replay, status, sandbox. Each returns the exit code."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from clari_pipeline.cli.working import working
from clari_pipeline.config.settings import Settings, of_sandbox
from clari_pipeline.core.interrupts import run_interruptibly
from clari_pipeline.core.periods import Quarter
from clari_pipeline.core.runbook import AlertKind, ExitCode, Problem, RunbookSection, section_of
from clari_pipeline.core.safe_text import PlainConsole, print_json
from clari_pipeline.core.setting_errors import SettingsError, UsageError
from clari_pipeline.landing import Arriving
from clari_pipeline.sync.context import Context, StartedBy, StopSignal, clari_client
from clari_pipeline.sync.log_lines import CommandLog
from clari_pipeline.sync.run import OpenSteps, SyncRequest, SyncResult
from clari_pipeline.warehouse.errors import WrongEnvironment

if TYPE_CHECKING:
    from clari_pipeline.alerts.sending import Sent
    from clari_pipeline.sync.events import Hooks
    from clari_pipeline.sync.products.replaying import ReplayedProducts
    from clari_pipeline.sync.replaying import InboxFile, Replayed

_WIDE = 120
_SANDBOX_FORECASTS = ("total_new",)


@contextmanager
def sandbox_or_clari(settings: Settings, *, scenario: str | None, is_quiet: bool = False) -> Iterator[Settings]:
    """Yield the settings, or with a `scenario` those of a sandbox that runs in the block, with its own warehouse."""
    if scenario is None:
        yield settings
        return
    from clari_pipeline.sandbox import SCENARIOS, Sandbox  # noqa: PLC0415

    _check_scenario(scenario)
    progress = PlainConsole(stderr=True, highlight=False, quiet=is_quiet or settings.log_format == "json")
    progress.print(f"Starting a Clari sandbox on this machine ({scenario}: {SCENARIOS[scenario]})", soft_wrap=True)
    own = of_sandbox(settings)
    with Sandbox(scenario=scenario, fiscal_year_start_month=own["fiscal_year_start_month"]) as running:
        yield settings.model_copy(
            update={
                "env": None,  # invented figures belong to no environment
                "api_key": SecretStr(running.api_key),
                "api_key_file": None,
                "base_url": running.base_url,
                "auth_scheme": "apikey",
                "status_url": running.status_url,
                "forecast_ids": _SANDBOX_FORECASTS,
                "scope_id": None,
                "currency": None,
                "alert_urls": None,  # no alerts on invented figures
                "poll_interval_s": min(settings.poll_interval_s, 0.2),
                **own,
            }
        )


def sync(
    settings: Settings,
    *,
    quarters: Sequence[Quarter],
    forecasts: tuple[str, ...],
    last: int | None,
    as_json: bool,
    is_sandbox: bool,
    is_current: bool = False,
    is_quiet: bool = False,
    hooks: Hooks | None = None,
    open_steps: OpenSteps | None = None,
) -> int:
    """Run a sync; a crash raises the alert `run_failed`, and is re-raised. Each step is a Dagster run, unless
    `open_steps` opens others. Raises `SettingsError`, and `WrongEnvironment` without an alert.

    `is_current`: the newest week alone, of the current quarter unless `quarters` names others, without export jobs.
    `is_quiet`: only warnings and errors are printed.
    """
    from clari_pipeline.notify import open_channels  # noqa: PLC0415

    settings.required_key()
    is_part = bool(quarters or forecasts or is_current)  # then other products are not fetched
    if is_part and not settings.brings_forecasts:
        raise UsageError(
            "--period, --forecast and --current are of forecasts, and forecast is not in CLARI_PRODUCTS: leave them "
            "out, or add forecast"
        )
    if settings.brings_forecasts:
        forecasts = forecasts or settings.required_forecasts()
    open_channels(settings.alert_urls)  # raises for an invalid address before any request to Clari
    started_by: StartedBy = "person" if sys.stdin is not None and sys.stdin.isatty() else "schedule"
    context, run_id = Context.of(settings, hooks=hooks, started_by=started_by), uuid.uuid4().hex
    log = CommandLog(settings)
    try:
        request = SyncRequest(
            run_id=run_id,
            current=context.current_quarter(),
            quarters=(quarters or context.current_quarters(1 if is_current else last))
            if settings.brings_forecasts
            else (),
            forecasts=forecasts,
            products=() if is_part else settings.other_products,
            is_current=is_current,
            tags=({"clari/source": "sandbox"} if is_sandbox else {})
            | ({"clari/current": "true"} if is_current else {}),
        )
        work = partial(_sync, context, request, log, as_json=as_json, is_quiet=is_quiet, open_steps=open_steps)
        return run_interruptibly(work, stop=partial(_stop, context.stop, log))
    except (SettingsError, WrongEnvironment):
        raise
    except Exception as error:
        from clari_pipeline.alerts.raising import Alerts  # noqa: PLC0415

        reason = log.masked(str(error)).strip().partition("\n")[0] or type(error).__name__
        subject = type(error).__name__  # so that two causes with one section are two alerts
        failure = Problem(AlertKind.RUN_FAILED, None, reason, section_of(error), subject=subject)
        log.say(*Alerts(context).notify_of_crash([failure], run_id=run_id).problems)
        raise


def _stop(signal: StopSignal, log: CommandLog) -> None:
    log.say("stopping once the quarter at hand is merged; Ctrl-C once more leaves at once", level="info")
    signal.set()


def _sync(
    context: Context,
    request: SyncRequest,
    log: CommandLog,
    *,
    as_json: bool,
    is_quiet: bool,
    open_steps: OpenSteps | None,
) -> int:
    """Run the sync, send its alerts, print the result."""
    from clari_pipeline.cli.progress import SyncProgress, announcing  # noqa: PLC0415

    console = PlainConsole(stderr=True, quiet=is_quiet or context.settings.log_format == "json")
    with SyncProgress(console, context.hooks) as progress:
        progress.doing("Loading Dagster and the checks")
        from clari_pipeline.alerts.raising import Alerts  # noqa: PLC0415
        from clari_pipeline.sync.run import run_sync  # noqa: PLC0415

        if open_steps is None:
            from clari_pipeline.defs.running import job_steps  # noqa: PLC0415 - dagster takes a second

            open_steps = job_steps
        progress.doing("Opening the warehouse")
        context.prepare()
        result = run_sync(context, request, announcing(open_steps, progress.doing), on_plan=progress.expect)
        progress.doing("Raising and sending alerts")
        sent = Alerts(context).notify_of_sync(result)
    result = replace(result, finished_at=context.now())
    return _finish(context, result, log, as_json=as_json, is_quiet=is_quiet, sent=sent)


def replay(
    settings: Settings,
    *,
    quarters: Sequence[Quarter],
    forecasts: tuple[str, ...],
    as_json: bool,
    is_quiet: bool = False,
) -> int:
    """Merge landed documents again; an export that was refused before and is again does not count as failed."""
    from clari_pipeline.sync.products.replaying import ReplayedProducts, replay_products  # noqa: PLC0415
    from clari_pipeline.sync.replaying import Replay  # noqa: PLC0415

    def merge(context: Context, _run_id: str) -> tuple[Replayed, ReplayedProducts]:
        replayed = Replay(context).documents(quarters, forecasts)
        return replayed, ReplayedProducts() if quarters or forecasts else replay_products(context)

    return _replay(settings, merge, as_json=as_json, is_quiet=is_quiet)


def replay_document(
    settings: Settings,
    arriving: Arriving,
    *,
    forecast_id: str,
    quarter: Quarter,
    exported_at: datetime | None,
    as_json: bool,
    is_quiet: bool = False,
) -> int:
    """Land and merge one document from a file."""
    from clari_pipeline.sync.products.replaying import ReplayedProducts  # noqa: PLC0415
    from clari_pipeline.sync.replaying import Replay  # noqa: PLC0415

    def merge(context: Context, run_id: str) -> tuple[Replayed, ReplayedProducts]:
        replayed = Replay(context).document(
            arriving, forecast_id=forecast_id, quarter=quarter, exported_at=exported_at, run_id=run_id
        )
        return replayed, ReplayedProducts()

    return _replay(settings, merge, as_json=as_json, is_quiet=is_quiet)


def replay_inbox(
    settings: Settings,
    folder: Path,
    *,
    forecast_id: str,
    quarter: Quarter | None,
    as_json: bool,
    is_quiet: bool = False,
) -> int:
    """Land and merge every new document of a folder; exit code 1 where one of them was not merged."""
    from clari_pipeline.sync.inbox import Inbox  # noqa: PLC0415
    from clari_pipeline.sync.products.replaying import ReplayedProducts  # noqa: PLC0415

    return _replay(
        settings,
        lambda context, run_id: (Inbox(context, forecast_id, quarter, run_id).merge(folder), ReplayedProducts()),
        as_json=as_json,
        is_quiet=is_quiet,
        is_inbox=True,
    )


def _replay(
    settings: Settings,
    merge: Callable[[Context, str], tuple[Replayed, ReplayedProducts]],
    *,
    as_json: bool,
    is_quiet: bool,
    is_inbox: bool = False,
) -> int:
    from clari_pipeline.sync.outcomes import outcomes_of, swings_of  # noqa: PLC0415
    from clari_pipeline.sync.publishing import publish  # noqa: PLC0415
    from clari_pipeline.sync.quality import judge_own_rules, results_of_run  # noqa: PLC0415

    context, log = Context.of(settings), CommandLog(settings)

    def work() -> int:
        with working("Opening the warehouse", is_quiet=is_quiet) as now:
            context.prepare()
            run_id, started_at = uuid.uuid4().hex, context.now()
            now("Merging documents")
            replayed, products = merge(context, run_id)
            now("Judging your own rules")
            judged = judge_own_rules(context, run_id)
            now("Publishing tables and marts to readers")
            published = publish(context.warehouse, context.places)
            with context.warehouse.kept_open():
                outcomes = outcomes_of(context.warehouse, replayed.request_ids)
                with context.warehouse.session() as session:
                    swings = swings_of(session, outcomes)
        result = SyncResult(
            run_id=run_id,
            started_at=started_at,
            finished_at=context.now(),
            outcomes=outcomes,
            swings=swings,
            products=products.products,
            failures=[
                *products.failures,
                *(Problem(None, None, file.line, file.section) for file in replayed.files if file.is_failure),
            ],
            warnings=[*products.damaged, *replayed.problems, *judged, *published.problems],
            expectations=results_of_run(context, run_id),
        )
        excused = replayed.request_ids if is_inbox else replayed.refused_before  # a refused file is a failure already
        files = replayed.files if is_inbox else None
        return _finish(context, result, log, as_json=as_json, is_quiet=is_quiet, excused=excused, files=files)

    return run_interruptibly(work, stop=partial(_stop, context.stop, log))


def status(settings: Settings, *, as_json: bool) -> int:
    """Print the newest export of each quarter, the quota left, and alerts not sent."""
    from clari_pipeline.cli import reporting  # noqa: PLC0415
    from clari_pipeline.store import ledger  # noqa: PLC0415

    warehouse = Context.of(settings).warehouse
    exports: list[ledger.QuarterStatus] = []
    products = reporting.products_document(None, settings)
    alerts_unsent = 0
    with working("Reading the warehouse", is_quiet=as_json) as now:
        if warehouse.exists():
            with warehouse.session() as session:
                exports, alerts_unsent = ledger.status(session), ledger.alerts_pending(session)
                products = reporting.products_document(session, settings)
        now("Asking Clari for the export quota")
        quota = _quota(settings)
    document = reporting.status_document(exports, quota, alerts_unsent) | products
    if as_json:
        print_json(document)
    else:
        reporting.show_status(console_of_output(), document, has_channels=settings.alert_urls is not None)
    return ExitCode.DONE


def sandbox(settings: Settings, *, port: int, scenario: str, seed: int, people: int, screen: Path | None) -> int:
    """Run the sandbox until it is interrupted; with `screen`, write to that file what a manager exports, and return."""
    from clari_pipeline.sandbox import SCENARIOS, Sandbox  # noqa: PLC0415

    console = PlainConsole(highlight=False, soft_wrap=True)
    if scenario == "list":
        for name, description in SCENARIOS.items():
            console.print(f"{name:20} {description}")
        return ExitCode.DONE
    _check_scenario(scenario)
    start_month = of_sandbox(settings)["fiscal_year_start_month"]
    running = Sandbox(scenario=scenario, seed=seed, people=people, port=port, fiscal_year_start_month=start_month)
    if screen is not None:
        screen.parent.mkdir(parents=True, exist_ok=True)
        with screen.open("wb") as file:
            file.writelines(running.screen(_SANDBOX_FORECASTS[0]))
        console.print(f"Wrote what a manager exports of forecast {_SANDBOX_FORECASTS[0]} from Clari's screen: {screen}")
        return ExitCode.DONE
    running.start()
    console.print(f"A Clari sandbox ({scenario}: {SCENARIOS[scenario]}) answers at {running.base_url}")
    console.print("In another terminal:")
    console.print(f"  export CLARI_BASE_URL={running.base_url} CLARI_API_KEY={running.api_key}")
    console.print("  export CLARI_FORECAST_IDS=total_new CLARI_DATA_DIR=data/sandbox")
    console.print("  export CLARI_WAREHOUSE_URL=duckdb:///data/sandbox/warehouse.duckdb CLARI_ALERT_URLS=")
    console.print(f"  export CLARI_FISCAL_YEAR_START_MONTH={start_month}")
    console.print("  clari-pipeline sync")
    console.print("Ctrl-C ends it.")
    running.run_forever()
    return ExitCode.DONE


def _finish(
    context: Context,
    result: SyncResult,
    log: CommandLog,
    *,
    as_json: bool,
    is_quiet: bool,
    sent: Sent | None = None,
    excused: Collection[str] = (),
    files: Sequence[InboxFile] | None = None,
) -> int:
    """Print the result; exit code 1 where anything failed except the exports in `excused` (request ids), and where
    tables were found damaged, though they are repaired.

    `files` are those of an inbox, where one was read.
    """
    from clari_pipeline.cli import reporting  # noqa: PLC0415

    if as_json:
        print(reporting.report_json(result, alerts_sent=sent.alerts if sent else 0, files=files))  # noqa: T201
    elif not is_quiet:
        console = console_of_output()
        if files is not None:
            reporting.show_files(console, files)
        if files is None or result.outcomes:
            reporting.show_report(console, result, files)
        warehouse, places = context.warehouse, context.places
        console.print(f"Warehouse: {warehouse.place} (schema clari)", highlight=False, soft_wrap=True)
        if (copy := places.copy).exists() and warehouse.kind.capabilities.is_copied:
            console.print(f"Read-only copy: {copy}, {places.marts}/", highlight=False, soft_wrap=True)
    failed = [outcome for outcome in result.outcomes if outcome.is_failure and outcome.export.request_id not in excused]
    problems = [*reporting.failures(failed), *reporting.repaired(result.outcomes), *result.failures]
    warnings = [*reporting.warnings(result), *(sent.problems if sent else ()), *result.warnings]
    log.say(*warnings, level="warning")
    log.say(*problems)
    return ExitCode.NOT_DONE if problems else ExitCode.DONE


def console_of_output() -> PlainConsole:
    """A console on standard output, 120 columns wide where that is no terminal."""
    return PlainConsole(width=None if sys.stdout.isatty() else _WIDE)


def _quota(settings: Settings) -> dict[str, Any] | None:
    """The quota in exports (`monthly`, `available`, `concurrent`); None without a key or a response from Clari."""
    if not settings.has_key:
        return None
    from clari_pipeline.clari import ClariError, Limits, Retry  # noqa: PLC0415

    async def ask() -> Limits:
        async with clari_client(settings, Retry(attempts=2)) as client:
            return await client.limits()

    try:
        limits = asyncio.run(ask())
    except (ClariError, ValueError) as error:
        said = f"export quota unknown: {error}"
        CommandLog(settings).say(said, section=RunbookSection.QUOTA_UNKNOWN, level="warning")
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
