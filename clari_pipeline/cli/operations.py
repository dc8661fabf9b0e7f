"""The commands that operate the pipeline: backup, restore, retention, preflight, ... Each returns the exit code."""

from __future__ import annotations

import webbrowser
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from clari_pipeline.cli.working import working
from clari_pipeline.config.settings import Settings
from clari_pipeline.core.interrupts import run_interruptibly
from clari_pipeline.core.runbook import ExitCode, Problem, RunbookSection
from clari_pipeline.core.safe_text import print_json, print_line
from clari_pipeline.store.opening import open_warehouse
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.log_lines import CommandLog
from clari_pipeline.sync.publishing import publish
from clari_pipeline.warehouse import environment as environments
from clari_pipeline.warehouse.errors import WrongEnvironment

if TYPE_CHECKING:
    from clari_pipeline.ops.retention import OldQuarter


def board(settings: Settings, *, is_opened: bool) -> int:
    """Write the board, print its path, and report it to Dagster's instance, if there is one."""
    with working("Drawing the board"):
        from clari_pipeline.board import write_board  # noqa: PLC0415 - what it is made with takes a moment

        warehouse = open_warehouse(settings.warehouse_url, data_dir=settings.data_dir, env=settings.env)
        file, shown = write_board(warehouse, settings.data_dir)
    print_line(str(file))
    if is_opened and not webbrowser.open(file.resolve().as_uri()):
        CommandLog(settings).say("no browser could be opened: open the file yourself", level="warning")
    if (settings.dagster_dir / "dagster.yaml").exists():
        with working("Telling Dagster of the board"):
            from clari_pipeline.defs.running import DagsterUnavailable, report_board  # noqa: PLC0415 - takes a second

            try:
                report_board(settings, file, shown)
            except DagsterUnavailable as error:
                said = f"the board is written, but does not stand in Dagster: {error}"
                CommandLog(settings).say(said, section=error.section, level="warning")
    return ExitCode.DONE


def environment(settings: Settings, *, take_over: bool) -> int:
    """Print the environment of the warehouse; with `take_over` change it to `CLARI_ENV`."""
    warehouse = open_warehouse(settings.warehouse_url, data_dir=settings.data_dir, env=settings.env)
    remembered = None
    if warehouse.exists() or take_over:
        try:
            with warehouse.session() as session:
                remembered = environments.belongs_to(session)
        except WrongEnvironment as other:
            remembered = other.remembered
    if take_over and remembered != settings.env:
        theirs = open_warehouse(settings.warehouse_url, data_dir=settings.data_dir, env=remembered)
        with theirs.session() as session:
            environments.give(session, settings.env)
        print_line(f"{warehouse.place} belonged to {_named(remembered)}, and to {_named(settings.env)} from now on")
        return ExitCode.DONE
    print_line(f"{warehouse.place} belongs to {_named(remembered)}; CLARI_ENV names {_named(settings.env)}")
    return ExitCode.DONE


def backup(settings: Settings, folder: Path, *, is_quiet: bool = False) -> int:
    """Save the warehouse and landed documents; exit code 1 where a document could not be saved."""
    from clari_pipeline.ops.backup import take  # noqa: PLC0415

    context = Context.of(settings)
    with working("Saving the warehouse and the landed documents", is_quiet=is_quiet):
        taken = take(context.warehouse, context.landing, folder, env=settings.env, now=context.now)
    log = CommandLog(settings)
    files = taken.manifest.files
    size = sum(found.size for found in files.values()) / 1e6
    rows = sum(taken.manifest.rows.values())
    said = (
        f"{folder}: {taken.documents} landed documents, {taken.copied} of them new, and "
        + (f"{context.warehouse.place} with {rows:,} rows" if taken.manifest.warehouse else "no warehouse")
        + f"; {size:,.1f} MB"
    )
    if not is_quiet:
        print_line(said)
    if taken.manifest.warehouse is None and not context.warehouse.kind.capabilities.is_copied:
        log.say(
            f"the tables in {context.warehouse.place} are not in it: save them there (pg_dump --schema clari, or a "
            "clone in Snowflake), before this; from the documents alone clari-pipeline replay makes them again",
            section=RunbookSection.SERVER_TABLES_NOT_SAVED,
            level="warning",
        )
    log.say(*taken.troubles, section=RunbookSection.DOCUMENT_NOT_SAVED)
    return ExitCode.NOT_DONE if taken.troubles else ExitCode.DONE


def restore(
    settings: Settings, folder: Path, *, force: bool, documents_only: bool, dry_run: bool, is_quiet: bool = False
) -> int:
    """Verify a backup, and restore it unless `dry_run`."""
    from clari_pipeline.ops import restoring  # noqa: PLC0415

    context = Context.of(settings)
    warehouse, landing = context.warehouse, context.landing
    with working("Proving the backup, byte by byte", is_quiet=is_quiet) as now:
        work = restoring.plan(warehouse, landing, folder, env=settings.env, documents_only=documents_only, force=force)
        if not dry_run:
            now("Restoring documents and warehouse")
            restoring.restore(work)
    rows = sum(work.manifest.rows.values())
    what = (
        f"{folder} of {work.manifest.taken_at} is whole; {'to be restored' if dry_run else 'restored'}: "
        f"{len(work.missing) + len(work.differing)} landed documents, and "
        + (f"{warehouse.place} with {rows:,} rows" if work.target else "no warehouse")
    )
    if not is_quiet:
        print_line(what)
    if dry_run:
        return ExitCode.DONE
    log = CommandLog(settings)
    if work.unknown and work.target:
        said = f"{work.unknown} documents have landed since: clari-pipeline replay merges them"
        log.say(said, section=RunbookSection.DOCUMENTS_LANDED_SINCE, level="warning")
    if work.target and work.manifest.env not in {None, settings.env}:
        log.say(
            f"the warehouse belongs to {work.manifest.env}, and CLARI_ENV names {_named(settings.env)}: set CLARI_ENV, "
            "or give it away with clari-pipeline environment --take-over",
            section=WrongEnvironment.section,
            level="warning",
        )
    elif work.target:
        with working("Publishing tables and marts to readers", is_quiet=is_quiet):
            published = publish(warehouse, context.places)
        log.say(*published.problems, level="warning")
    return ExitCode.DONE


def retention(settings: Settings, *, dry_run: bool, as_json: bool, is_quiet: bool = False) -> int:
    """Delete old quarters from the tables, or with `dry_run` list them; exit code 1 where one cannot be deleted."""
    from clari_pipeline.ops.retention import Retention  # noqa: PLC0415

    context = Context.of(settings)
    kept = Retention(context)
    found: list[OldQuarter] = []
    verdicts = 0
    problems: list[Problem] = []
    with working("Looking for quarters beyond CLARI_RETENTION_PERIODS", is_quiet=is_quiet) as now:
        if context.warehouse.exists():
            found = kept.old_quarters() if dry_run else kept.retire()
            verdicts = kept.old_verdicts() if dry_run else kept.forget_verdicts()
        if (found or verdicts) and not dry_run:
            now("Publishing tables and marts to readers")
            problems += publish(context.warehouse, context.places).problems
    oldest = str(kept.oldest_kept)
    if as_json:
        quarters = [
            {"quarter_id": one.quarter_id, "rows": dict(one.rows), "exports": one.exports, "obstacle": one.obstacle}
            for one in found
        ]
        print_json({"oldest_kept": oldest, "dry_run": dry_run, "quarters": quarters, "verdicts": verdicts})
    elif not is_quiet:
        for line in _retention_lines(found, oldest, dry_run=dry_run):
            print_line(line)
        if verdicts:
            verb = "would leave" if dry_run else "have left"
            print_line(
                f"{verdicts:,} verdicts that passed, older than {settings.verdict_days} days, {verb} export_check."
            )
    stay = [
        Problem(None, one.quarter_id, f"{one.quarter_id} stays: {one.obstacle}", RunbookSection.QUARTER_STAYS)
        for one in found
        if one.obstacle
    ]
    log = CommandLog(settings)
    log.say(*problems, level="warning")
    log.say(*stay)
    return ExitCode.NOT_DONE if stay else ExitCode.DONE


def verify(
    settings: Settings, *, quarters: Sequence[str], forecasts: Sequence[str], is_repaired: bool, as_json: bool
) -> int:
    """Compare the tables with the landed documents; exit code 1 where they differ and were not repaired."""
    from clari_pipeline.sync.verifying import Verdict, Verification, Verified  # noqa: PLC0415

    context, log = Context.of(settings), CommandLog(settings)

    def show(one: Verified) -> None:
        if not as_json:
            for line in (one.finding, *(f"   {line}" for line in one.lines)):
                print_line(line)

    def work() -> int:
        found = []
        if context.warehouse.exists():
            verification = Verification(context)
            with working("Comparing the tables with the landed documents"):
                found = verification.verify(quarters, forecasts, is_repaired=is_repaired, on_verified=show)
        if as_json:
            print_json({"quarters": [one.document for one in found]})
        elif not found:
            print_line("Nothing has been merged yet: run clari-pipeline sync")
        problems = [one.problem for one in found if one.is_failure]
        if any(one.verdict is Verdict.REPAIRED for one in found):
            with working("Publishing tables and marts to readers"):
                published = publish(context.warehouse, context.places)
            log.say(*published.problems, level="warning")
        log.say(*problems)
        return ExitCode.NOT_DONE if problems else ExitCode.DONE

    return run_interruptibly(work, stop=context.stop.set)


def preflight(settings: Settings | None = None, *, is_sent: bool, is_deep: bool, as_json: bool) -> int:
    """Print the go-live checklist, of `settings` or those that stand; exit code 1 where a check fails."""
    from clari_pipeline.ops import preflight as checklist  # noqa: PLC0415

    with working("Looking at Clari, the warehouse and this machine"):
        results = checklist.inspect(settings, is_sent=is_sent, is_deep=is_deep)
    if as_json:
        print_json({"checks": [asdict(one) for one in results]})
    else:
        for one in results:
            print_line(f"{one.status}  {one.name}: {one.detail}")
            if one.remedy:
                print_line(f"      {one.remedy}")
    return ExitCode.DONE if checklist.is_well(results) else ExitCode.NOT_DONE


def debug_bundle(output: Path | None, *, with_people: bool) -> int:
    """Write the archive for support; print its path."""
    from clari_pipeline.ops import support  # noqa: PLC0415

    with working("Collecting what support needs"):
        file, troubles = support.bundle(output, with_people=with_people)
    print_line(str(file))
    left_out = (f"not in it: {trouble}" for trouble in troubles)
    CommandLog(None).say(*left_out, section=RunbookSection.PART_LEFT_OUT, level="warning")
    return ExitCode.DONE


def _retention_lines(found: Sequence[OldQuarter], oldest: str, *, dry_run: bool) -> Iterator[str]:
    if not found:
        yield f"No quarter is older than {oldest}, the oldest that is kept."
    for one in found:
        if one.obstacle is None:
            counts = ", ".join(f"{table} {count:,}" for table, count in sorted(one.rows.items()))
            verb = "would leave" if dry_run else "have left"
            yield f"{one.quarter_id}: {sum(one.rows.values()):,} rows {verb} the tables ({counts})"
    if any(one.obstacle is None for one in found):
        yield "Their documents stay landed: clari-pipeline replay --period brings a quarter back."


def _named(env: str | None) -> str:
    return env or "no environment"
