"""The Typer application: parses options, calls the command, maps errors to exit codes.

Docstrings of commands are their help texts.
"""

from __future__ import annotations

import gc
import sys
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from pydantic import ValidationError
from typer.exceptions import TyperException

from clari_pipeline.cli import alerts
from clari_pipeline.cli.options import AsJson, Forecasts, Output, Periods, Quiet, Sandbox, settings_of
from clari_pipeline.cli.working import working
from clari_pipeline.config.rules import RulesError
from clari_pipeline.config.settings import Settings, mistyped, read_settings
from clari_pipeline.config.values import faults_of
from clari_pipeline.core.periods import Quarter, UnknownPeriod
from clari_pipeline.core.runbook import ExitCode, PipelineError, RunbookSection, section_of
from clari_pipeline.core.setting_errors import SettingsError, UsageError

if TYPE_CHECKING:
    from clari_pipeline.sync.log_lines import Level
    from clari_pipeline.sync.run import OpenSteps
_INTERRUPTED = 130  # typer's exit code after Ctrl-C

app = typer.Typer(
    help="Clari's forecast calls, quotas and closed-won figures in a warehouse that never forgets.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.add_typer(alerts.app, name="alerts")


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"clari-pipeline {metadata.version('clari-pipeline')}")
        raise typer.Exit


@app.callback()
def program(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version, and nothing else."),
    ] = False,
) -> None:
    """Options that stand before a command."""
    for name, meant in mistyped().items():
        _say(f"{name} is no setting, and is ignored: did you mean {meant}?", RunbookSection.SETTING_UNKNOWN, "warning")


@app.command(epilog="Example: clari-pipeline sync --period 2026_Q4 --period 2026_Q3")
def sync(
    context: typer.Context,
    period: Periods = None,
    forecast: Forecasts = None,
    last: Annotated[
        int | None,
        typer.Option(
            "--last", metavar="N", min=1, max=41, help="The current quarter and those before it, so many in all."
        ),
    ] = None,
    current: Annotated[
        bool,
        typer.Option(
            "--current", help="The newest week alone, without an export job: nothing counts against the quota."
        ),
    ] = False,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Try it without a Clari account.")] = False,
    scenario: Annotated[
        str | None,
        typer.Option("--scenario", metavar="NAME", help="With --sandbox: what its company does; see sandbox --help."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Export, land, judge, merge, compare: the main job.

    Without --period: the current quarter and CLARI_HISTORICAL_PERIODS before it; with --current the current quarter
    alone. What CLARI_PRODUCTS names beside the forecast comes after it, unless --period, --forecast or --current is
    given. Exits with 1 where an export was not merged.
    """
    from clari_pipeline.cli import commands  # noqa: PLC0415 - --help is not to wait for it

    quarters = [Quarter.parse(text) for text in period or []]
    if quarters and last:
        raise UsageError("--period and --last exclude each other: give one of them")
    if current and last:
        raise UsageError("--current and --last exclude each other: give one of them")
    if scenario and not sandbox:
        raise UsageError("--scenario belongs to --sandbox: give both, or neither")
    name = (scenario or "calm") if sandbox else None
    with commands.sandbox_or_clari(read_settings(), scenario=name, is_quiet=quiet) as settings:
        code = commands.sync(
            settings,
            quarters=quarters,
            forecasts=tuple(forecast or ()),
            last=last,
            as_json=as_json,
            is_sandbox=sandbox,
            is_current=current,
            is_quiet=quiet,
            open_steps=context.obj,
        )
    raise typer.Exit(code)


@app.command(epilog="Example: clari-pipeline replay --document q4.json --forecast total_new --period 2026_Q4")
def replay(
    period: Periods = None,
    forecast: Forecasts = None,
    document: Annotated[
        Path | None,
        typer.Option("--document", metavar="FILE", help="One file from elsewhere; needs --forecast and --period."),
    ] = None,
    inbox: Annotated[
        Path | None,
        typer.Option(
            "--inbox",
            metavar="DIR",
            help="A folder of files from elsewhere: each new one is merged once, nothing is moved; needs --forecast,"
            " and --period for files that name no quarter.",
        ),
    ] = None,
    exported_at: Annotated[
        str | None,
        typer.Option(
            "--exported-at",
            metavar="MOMENT",
            help="What the file is as of, ISO 8601: a time without a zone is UTC, a day alone begins in"
            " CLARI_ORG_TIMEZONE; else the file's modification time.",
        ),
    ] = None,
    sandbox: Sandbox = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Merge landed documents again, without a call to Clari.

    They are merged in the order in which they were exported.
    """
    quarters = [Quarter.parse(text) for text in period or []]
    settings = settings_of(sandbox=sandbox)
    if inbox is not None:
        if document is not None or exported_at is not None:
            raise UsageError(
                "--inbox excludes --document and --exported-at: leave them out; a file's figures are as of its "
                "modification time"
            )
        raise typer.Exit(_replay_inbox(settings, inbox, forecast or [], quarters, as_json=as_json, is_quiet=quiet))
    if document is not None:
        raise typer.Exit(
            _replay_document(
                settings,
                document,
                forecast or [],
                quarters,
                exported_at=exported_at,
                as_json=as_json,
                is_quiet=quiet,
            )
        )
    if exported_at is not None:
        raise UsageError("--exported-at belongs to --document: name the file too")
    from clari_pipeline.cli import commands  # noqa: PLC0415

    code = commands.replay(
        settings, quarters=quarters, forecasts=tuple(forecast or ()), as_json=as_json, is_quiet=quiet
    )
    raise typer.Exit(code)


def _replay_inbox(
    settings: Settings, folder: Path, forecasts: list[str], quarters: list[Quarter], *, as_json: bool, is_quiet: bool
) -> int:
    if len(forecasts) != 1 or len(quarters) > 1:
        raise UsageError(
            "--inbox takes one --forecast and at most one --period: give one forecast, and the quarter of files that "
            "name none"
        )
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder: name the folder that holds the files")
    from clari_pipeline.cli import commands  # noqa: PLC0415

    quarter = quarters[0] if quarters else None
    return commands.replay_inbox(
        settings, folder, forecast_id=forecasts[0], quarter=quarter, as_json=as_json, is_quiet=is_quiet
    )


def _replay_document(
    settings: Settings,
    document: Path,
    forecasts: list[str],
    quarters: list[Quarter],
    *,
    exported_at: str | None,
    as_json: bool,
    is_quiet: bool,
) -> int:
    if len(quarters) != 1 or len(forecasts) != 1:
        raise UsageError("--document needs one --forecast and one --period: say what the file holds")
    if not document.is_file():
        raise UsageError(f"{document} is no file: name the document to merge")
    as_of = None if exported_at is None else _moment(exported_at, settings, name="--exported-at")
    from clari_pipeline.checks.export_gate import warm_up  # noqa: PLC0415
    from clari_pipeline.landing import Landing  # noqa: PLC0415

    landing = Landing(settings.landing_dir)
    with landing.arriving(document) as arriving:
        from clari_pipeline.cli import commands  # noqa: PLC0415 - takes most of a second, and a large document lands in it

        if not landing.holds(forecasts[0], str(quarters[0]), document.stat().st_size):
            warm_up()  # it will be read
        return commands.replay_document(
            settings,
            arriving,
            forecast_id=forecasts[0],
            quarter=quarters[0],
            exported_at=as_of,
            as_json=as_json,
            is_quiet=is_quiet,
        )


@app.command(epilog="Example: clari-pipeline verify --period 2026_Q4 --repair")
def verify(
    period: Periods = None,
    forecast: Annotated[
        list[str] | None, typer.Option("--forecast", metavar="ID", help="A forecast id; all unless given; repeatable.")
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Rebuild what differs from the landed documents, and the marts.")
    ] = False,
    sandbox: Sandbox = False,
    as_json: AsJson = False,
) -> None:
    """Compare the tables with the landed documents.

    Every quarter, row by row; each row that differs is named. Clari is not called. Without --repair nothing is changed.
    Exits with 1 where something differs and was not repaired, or a document is missing or damaged.
    """
    from clari_pipeline.cli import operations  # noqa: PLC0415

    quarters = [str(Quarter.parse(text)) for text in period or []]
    settings = settings_of(sandbox=sandbox)
    raise typer.Exit(
        operations.verify(settings, quarters=quarters, forecasts=forecast or (), is_repaired=repair, as_json=as_json)
    )


@app.command(epilog="Example: clari-pipeline status --json")
def status(sandbox: Sandbox = False, as_json: AsJson = False) -> None:
    """Show each quarter's newest export, and the quota left.

    Each forecast and quarter with the age of its figures; how many exports are left; alerts that are not sent yet.
    """
    from clari_pipeline.cli import commands  # noqa: PLC0415

    raise typer.Exit(commands.status(settings_of(sandbox=sandbox), as_json=as_json))


@app.command(epilog="Example: clari-pipeline board --open")
def board(
    is_opened: Annotated[bool, typer.Option("--open", help="Show it in the browser, too.")] = False,
    sandbox: Sandbox = False,
) -> None:
    """Write the revenue board, an HTML file; print its path.

    The file needs no network. Clari is not called.
    """
    from clari_pipeline.cli import operations  # noqa: PLC0415

    raise typer.Exit(operations.board(settings_of(sandbox=sandbox), is_opened=is_opened))


@app.command(epilog="Example: clari-pipeline quality --open")
def quality(
    is_opened: Annotated[bool, typer.Option("--open", help="Show it in the browser, too.")] = False,
    sandbox: Sandbox = False,
) -> None:
    """Write Data Docs of the newest checks; print the path.

    Great Expectations' own pages, of the newest runs. Clari is not called.
    """
    with working("Writing Data Docs"):
        from clari_pipeline.ops.quality import show  # noqa: PLC0415 - what it is made with takes a moment

        code = show(settings_of(sandbox=sandbox), is_opened=is_opened)
    raise typer.Exit(code)


@app.command(epilog="Example: clari-pipeline as-of 2026-10-31T09:00 --period 2026_Q4 --format csv --output then.csv")
def as_of(
    moment: Annotated[
        str, typer.Argument(metavar="MOMENT", help="ISO 8601, such as 2026-10-31T09:00; UTC where it names no zone.")
    ],
    period: Periods = None,
    forecast: Annotated[
        list[str] | None, typer.Option("--forecast", metavar="ID", help="A forecast id; all unless given; repeatable.")
    ] = None,
    form: Annotated[
        Literal["table", "csv", "parquet"] | None,
        typer.Option("--format", help="What to write; by the file's suffix (.csv, .parquet, .txt), or a table."),
    ] = None,
    output: Output = None,
    sandbox: Sandbox = False,
) -> None:
    """Show every entry as it stood at a moment.

    That is what was known then, whatever came later. Names are the newest. Clari is not called.
    """
    from clari_pipeline.ops import as_of as known  # noqa: PLC0415

    quarters = [Quarter.parse(text) for text in period or []]
    settings = settings_of(sandbox=sandbox)
    then = _moment(moment, settings, name="MOMENT")
    wanted = known.format_of(output, form)
    with working("Reading the warehouse"):
        code = known.show(settings, then, quarters=quarters, forecasts=forecast or (), form=wanted, output=output)
    raise typer.Exit(code)


@app.command(epilog="Example: clari-pipeline serve-health --port 9464, then curl -f http://127.0.0.1:9464/health")
def serve_health(
    host: Annotated[
        str,
        typer.Option("--host", metavar="ADDRESS", help="Where to listen; 0.0.0.0 is every address of this machine."),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="0 takes any that is free.")
    ] = 9464,
) -> None:
    """Serve /health and /metrics from the ledger.

    It answers until it is interrupted.
    /health says 503 where CLARI_SYNC_CRON should have brought newer figures. Clari is not asked.
    """
    from clari_pipeline.ops import health  # noqa: PLC0415 - nobody else waits for uvicorn

    raise typer.Exit(health.serve(read_settings(), host=host, port=port))


@app.command(epilog="Example: clari-pipeline sandbox --port 8765 --scenario swings")
def sandbox(
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="0 takes any that is free.")
    ] = 8765,
    scenario: Annotated[
        str, typer.Option("--scenario", metavar="NAME", help="What its company does; 'list' names them all.")
    ] = "calm",
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Another seed is another company.")] = 7,
    people: Annotated[
        int, typer.Option("--people", metavar="N", min=1, max=20000, help="How many people it has.")
    ] = 40,
    screen: Annotated[
        Path | None,
        typer.Option(
            "--screen", metavar="FILE", help="Write the CSV that a manager exports from Clari's screen, and exit."
        ),
    ] = None,
) -> None:
    """A Clari API on this machine, until it is interrupted."""
    from clari_pipeline.cli import commands  # noqa: PLC0415

    settings = read_settings()
    raise typer.Exit(commands.sandbox(settings, port=port, scenario=scenario, seed=seed, people=people, screen=screen))


@app.command(epilog="Example: clari-pipeline backup /mnt/backup/clari")
def backup(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Empty at first; the same one each time.")],
    quiet: Quiet = False,
) -> None:
    """Save the warehouse and the landed documents.

    A sync may run at the same time.
    What DIR holds already, byte by byte, is not copied again. Exits with 1 where a document could not be saved.
    """
    from clari_pipeline.cli import operations  # noqa: PLC0415

    raise typer.Exit(operations.backup(read_settings(), folder, is_quiet=quiet))


@app.command(epilog="Example: clari-pipeline restore /mnt/backup/clari --dry-run")
def restore(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What clari-pipeline backup has written.")],
    force: Annotated[
        bool, typer.Option("--force", help="Put what was saved in the place of what is there and differs.")
    ] = False,
    documents_only: Annotated[
        bool, typer.Option("--documents-only", help="The landed documents that are missing; not the warehouse.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Prove the backup, and say what would be done.")] = False,
    quiet: Quiet = False,
) -> None:
    """Put a backup back, once every byte of it is proved.

    Nothing is overwritten without --force.
    """
    from clari_pipeline.cli import operations  # noqa: PLC0415

    raise typer.Exit(
        operations.restore(
            read_settings(),
            folder,
            force=force,
            documents_only=documents_only,
            dry_run=dry_run,
            is_quiet=quiet,
        )
    )


@app.command(epilog="Example: clari-pipeline preflight --send --json")
def preflight(
    send: Annotated[bool, typer.Option("--send", help="Send a message to each alert channel, too.")] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Make one export, of the smallest quarter: it counts against the quota.")
    ] = False,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Look at a sandbox, and at the warehouse that sync --sandbox fills.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run the go-live checklist: what is ready, what is not.

    A line each, PASS, WARN, FAIL or SKIP, and what to do. Exits with 1 where one fails. SKIP is what cannot be checked
    before another line passes. Without --deep nothing counts against Clari's quota. In the warehouse it notes whether
    this organisation has Clari's call without a job, and changes nothing else.
    """
    from clari_pipeline.cli import commands, operations  # noqa: PLC0415

    if not sandbox:
        raise typer.Exit(operations.preflight(is_sent=send, is_deep=deep, as_json=as_json))
    with commands.sandbox_or_clari(read_settings(), scenario="calm", is_quiet=as_json) as settings:
        code = operations.preflight(settings, is_sent=send, is_deep=deep, as_json=as_json)
    raise typer.Exit(code)


@app.command(epilog="Example: clari-pipeline debug-bundle --output clari-debug.tar.gz")
def debug_bundle(
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="The file to write; else clari-debug-….tar.gz here.")
    ] = None,
    with_people: Annotated[
        bool, typer.Option("--with-people", help="People's names and addresses, and the texts of alerts, too.")
    ] = False,
) -> None:
    """Write one archive to send to support.

    Versions, settings, ledger, recent events, checks. No secret, and no person:
    it names people by Clari's ids alone, and holds no amounts but those in the evidence of checks.
    """
    from clari_pipeline.cli import operations  # noqa: PLC0415

    raise typer.Exit(operations.debug_bundle(output, with_people=with_people))


@app.command(epilog="Example: clari-pipeline retention --dry-run")
def retention(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say which quarters, rows and runs would go.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Delete quarters beyond CLARI_RETENTION_PERIODS.

    They leave the tables; never the current one and the seven before it.
    Runs older than CLARI_RUN_RETENTION_DAYS leave Dagster, but for the newest of each job and quarter.

    Landed documents stay, and replay brings a quarter back. Exits with 1 where one has to stay, for lack of a document.
    """
    from clari_pipeline.cli import operations  # noqa: PLC0415

    raise typer.Exit(operations.retention(read_settings(), dry_run=dry_run, as_json=as_json, is_quiet=quiet))


@app.command(epilog="Example: CLARI_ENV=staging clari-pipeline environment --take-over")
def environment(
    take_over: Annotated[
        bool, typer.Option("--take-over", help="The warehouse belongs to CLARI_ENV from now on; unset: to none.")
    ] = False,
) -> None:
    """Show which environment the warehouse belongs to.

    Every command refuses a warehouse of another than CLARI_ENV.
    """
    from clari_pipeline.cli import operations  # noqa: PLC0415

    raise typer.Exit(operations.environment(read_settings(), take_over=take_over))


@app.command(epilog="Example: clari-pipeline runbook auth_failed")
def runbook(
    section: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="What an error ends with, such as auth_failed; the whole page unless given."
        ),
    ] = None,
) -> None:
    """Print what to do about an error, an alert or a check.

    Nothing is opened, and Clari is not asked.
    """
    from clari_pipeline.cli import runbook as pages  # noqa: PLC0415

    typer.echo(pages.text(section))


def main() -> None:
    """Run the command line: errors are one line on stderr, with the right exit code."""
    gc.set_threshold(20_000, 20, 20)  # garbage is searched less often: a tenth of a sync's processor time
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str], *, open_steps: OpenSteps | None = None) -> int:
    """Run a command; returns its exit code. Every error becomes one line on stderr, except with `CLARI_DEBUG`.

    `open_steps` opens the steps of a sync in place of Dagster's.
    """
    try:
        code = app(args=arguments or ["--help"], prog_name="clari-pipeline", standalone_mode=False, obj=open_steps)
    except typer.Exit as done:
        code = done.exit_code
    except TyperException as error:
        return _fail(_usage_of(error), UsageError.section, ExitCode.WRONG_SETTINGS)
    except (SettingsError, RulesError, UnknownPeriod) as error:
        return _fail(str(error), error.section, ExitCode.WRONG_SETTINGS)
    except (typer.Abort, KeyboardInterrupt):
        code = _INTERRUPTED
    except BrokenPipeError:
        return ExitCode.NOT_DONE
    except Exception as error:  # noqa: BLE001 - one line on stderr, not a traceback
        return _fail_by_kind(error)
    if code == _INTERRUPTED:
        said = "interrupted: run again, what was submitted or landed is continued"
        return _fail(said, RunbookSection.INTERRUPTED, ExitCode.NOT_DONE)
    return code if isinstance(code, int) else ExitCode.DONE


def _usage_of(error: TyperException) -> str:
    """What is wrong with an option or argument, and the command whose help says what is right."""
    said = error.format_message()
    if isinstance(error.__cause__, ValidationError):  # whose words typer passes on
        remedies = "; ".join(remedy for _, remedy in faults_of(error.__cause__))
        said = f"{said.partition(': ')[0]}: {remedies}"
    context = getattr(error, "ctx", None)
    return f"{said.rstrip('.')}: see {context.command_path if context else 'clari-pipeline'} --help"


def _fail_by_kind(error: Exception) -> int:
    from clari_pipeline.warehouse.errors import WarehouseUnwritable  # noqa: PLC0415

    if (settings := _settings()) is not None and settings.debug:
        raise error
    match error:
        case WarehouseUnwritable():
            said, code = str(error), ExitCode.WRONG_SETTINGS
        case PipelineError():
            said, code = str(error), ExitCode.NOT_DONE
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            said, code = f"{where}{error.strerror or error}", ExitCode.NOT_DONE
        case _:
            first = "".join(str(error).strip().splitlines()[:1])
            said, code = f"{type(error).__name__}: {first}; CLARI_DEBUG=1 shows where", ExitCode.NOT_DONE
    return _fail(said, section_of(error), code)


def _settings() -> Settings | None:
    """The settings, None where they are invalid."""
    try:
        return read_settings()
    except SettingsError:
        return None


def _fail(message: str, section: str, code: ExitCode) -> ExitCode:
    _say(message, section)
    return code


def _say(message: str, section: str, level: Level = "error") -> None:
    from clari_pipeline.sync.log_lines import CommandLog  # noqa: PLC0415

    CommandLog(_settings()).say(" ".join(message.split()), section=section, level=level)


def _moment(text: str, settings: Settings, *, name: str) -> datetime:
    try:
        return settings.calendar.moment(text)
    except (ValueError, OverflowError):
        raise UsageError(f"{name} {text!r} is no moment: write 2026-10-31T09:00:00+00:00") from None
