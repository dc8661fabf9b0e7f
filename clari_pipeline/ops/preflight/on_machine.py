"""Checks of this machine: landing folder, disk space, `.env`, alert channels, and the scheduler."""

import shutil
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean
from zoneinfo import ZoneInfo

from cronsim import CronSim

from clari_pipeline.checks.library import LibraryError
from clari_pipeline.config.rules import RulesError
from clari_pipeline.config.schedule import stale_before
from clari_pipeline.config.settings import Settings, point_dagster_at
from clari_pipeline.core.paths import inside
from clari_pipeline.core.setting_errors import SettingsError
from clari_pipeline.landing import PRODUCTS, LandingError
from clari_pipeline.notify import greeting, open_channels
from clari_pipeline.ops.preflight.in_warehouse import folder_of
from clari_pipeline.ops.preflight.probe import CannotCheck, Finding, Probe, failed, passed, warning
from clari_pipeline.store.history_marts import CLOSED_BY
from clari_pipeline.sync.own_rules import check_own_rules, notes_of_rule
from clari_pipeline.sync.products.quota import syncs_a_month

_ENV_FILE = Path(".env")
_SCHEDULE, _PRODUCTS_SCHEDULE = "daily_sync_schedule", "daily_products_schedule"
_SCHEDULER = "SCHEDULER"
_BEATS_WITHIN = timedelta(minutes=5)
_GIT_S = 20
_DAYS_AHEAD, _DAYS_OF_A_WEEK = 371, 7  # 53 weeks: both changes of the clocks
_HOURS = CLOSED_BY / timedelta(hours=1)


def landing_is_writable(probe: Probe) -> Finding:
    """A file can be written into the landing folder; it is deleted at once."""
    landing = probe.context.landing
    try:
        landing.check_writable()
    except LandingError as error:
        return failed(str(error), "give the pipeline's user the right to write, make room, or set CLARI_DATA_DIR")
    return passed(str(landing.root))


def own_rules_are_right(probe: Probe) -> Finding:
    """Every rule of `clari_pipeline.toml` and of the suite files can be judged, and to the cent."""
    settings, rules = probe.settings, probe.context.rules.rules
    try:
        own = check_own_rules(settings, rules)
    except RulesError as error:
        return failed(str(error), "mend what the line names: until then no sync runs")
    except LibraryError as error:
        return failed(str(error), "install what the package asks for: make install")
    said = f"{len(own.rules)} rules"
    if own.broken:
        broken = "; ".join(f"{one.source}: {one.fault}" for one in own.broken)
        return warning(f"{said}, and {broken}", "mend the file: until then none of its rules is judged")
    if notes := [f"{rule.name}: {note}" for rule in own.rules for note in notes_of_rule(rule)]:
        return warning(f"{said}; {'; '.join(notes)}", "nothing, where that is exact enough: docs/quality.md#exactness")
    return passed(said if own.rules else "there are none")


def disk_has_room(probe: Probe) -> Finding:
    """The disk has space for a month of documents as large, compressed, as the newest ones, and of Dagster's runs."""
    free = shutil.disk_usage(folder_of(probe.settings.landing_dir)).free
    syncs = syncs_a_month(probe.settings, probe.now())
    runs, of_runs = _runs(probe, syncs)
    sizes = _sizes(probe, "preflight/newest_landed", probe.settings.landing_dir)
    others = _sizes(probe, "preflight/newest_landed_products", probe.settings.landing_dir / PRODUCTS)
    if not sizes and not others:
        return warning(
            f"{_gigabytes(free)} are free{runs}; how large documents are is not known, as none has landed",
            "run clari-pipeline sync, then look again",
        )
    usual = fmean(sizes.values()) if sizes else 0  # the estimate for quarters that were never exported
    a_sync = sum(sizes.get(export, usual) for export in probe.exports)
    a_sync += sum(others.get((name, ""), 0) for name in probe.settings.other_products)
    documents = int(a_sync * syncs)
    needed = documents + of_runs
    summary = f"a month of documents takes {_gigabytes(documents)}{runs}; {_gigabytes(free)} are free"
    remedy = (
        "make room, or set CLARI_DATA_DIR: landed documents stay for ever; clari-pipeline retention deletes runs that "
        "are older than CLARI_RUN_RETENTION_DAYS"
    )
    if needed > free:
        return failed(summary, remedy)
    return passed(summary) if 2 * needed <= free else warning(summary, remedy)


def _runs(probe: Probe, syncs: int) -> tuple[str, int]:
    """What Dagster's runs take and a month of them will, in words, and the latter in bytes.

    Nothing where they are not in SQLite, or on another disk than the documents. The estimate goes by the bytes of a
    run until now; a sync makes a run a quarter, one of the marts, and one a product.
    """
    home, landing = probe.settings.dagster_dir / "history", folder_of(probe.settings.landing_dir)
    if not home.exists() or home.stat().st_dev != landing.stat().st_dev:
        return "", 0
    sizes = {file: file.stat().st_size for file in home.rglob("*.db*")}
    of_one = [file for file in sizes if file.parent.name == "runs" and file.suffix == ".db" and file.stem != "index"]
    if not of_one:
        return "", 0
    quarters = {quarter for _, quarter in probe.exports}
    a_sync = len(quarters) + bool(quarters) + len(probe.settings.other_products)
    taken = sum(sizes.values())
    needed = taken // len(of_one) * a_sync * syncs
    return f", of Dagster's runs {_gigabytes(needed)}, which take {_gigabytes(taken)} until now", needed


def _sizes(probe: Probe, statement: str, folder: Path) -> dict[tuple[str, str], int]:
    """Bytes on disk of the newest documents, by forecast and quarter, or by product."""
    files = {
        (one["forecast_id"], one["time_period_id"]): inside(folder, one["landing_path"]) / "document.zst"
        for one in probe.rows(statement)
    }
    return {which: file.stat().st_size for which, file in files.items() if file.exists()}


def env_file_is_private(_probe: Probe) -> Finding:
    """Only its owner may read `.env`."""
    if not _ENV_FILE.exists():
        return passed("there is no .env here")
    mode = stat.S_IMODE(_ENV_FILE.stat().st_mode)
    if mode & 0o077:
        return failed(f".env is open to others (mode {mode:o})", "chmod 600 .env")
    return passed(f"mode {mode:o}")


def env_file_is_untracked(_probe: Probe) -> Finding:
    """Git does not track `.env`."""
    if not any((folder / ".git").exists() for folder in (Path.cwd(), *Path.cwd().parents)):
        return passed("this folder is in no git repository")
    git = shutil.which("git")
    if git is None:
        raise CannotCheck("this folder is in a git repository, and git is not installed", "install git")
    words = [git, "-c", "safe.directory=*", "ls-files", "--", str(_ENV_FILE)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=_GIT_S)  # noqa: S603 - constants
    except subprocess.TimeoutExpired as error:
        raise CannotCheck("git does not answer", "try git ls-files .env") from error
    if done.returncode:
        raise CannotCheck(f"git says: {done.stderr.strip().splitlines()[-1:]}", "try git ls-files .env")
    if done.stdout.strip():
        return failed(
            ".env is tracked by git",
            "git rm --cached .env, put it into .gitignore, and make a new key: the old one is in the history",
        )
    return passed("git does not track it")


def alerts_have_channels(probe: Probe, *, is_sent: bool = False) -> Finding:
    """At least one channel is set, and Apprise can parse each address; with `is_sent` each accepts a message."""
    try:
        channels = open_channels(probe.settings.alert_urls)
    except SettingsError as error:
        return failed(str(error), "write it as Apprise does: https://appriseit.com")
    if not channels:
        return failed("CLARI_ALERT_URLS is not set: nobody receives alerts", "name a channel, such as slack://…")
    names = ", ".join(channel.name for channel in channels)
    if not is_sent:
        return passed(f"{names}; --send tries them")
    deliveries = channels.deliver(greeting(probe.settings.env))
    silent = [f"{one.channel}: {one.error}" for one in deliveries if one.error is not None]
    if silent:
        return failed("; ".join(silent), "check the address and whether this machine reaches it")
    return passed(f"{names}: test message delivered")


def schedule_is_alive(probe: Probe) -> Finding:
    """The schedule's last sync is not overdue, or Dagster's daemon and schedules are running.

    A sync that a person started says nothing about the schedule.
    """
    newest = next(iter(probe.rows("preflight/newest_asked")), {"asked_at": None, "scheduled_at": None})
    asked_at, scheduled_at = newest["asked_at"], newest["scheduled_at"]
    if scheduled_at and scheduled_at >= stale_before(probe.settings, probe.now()):
        hours = (probe.now() - scheduled_at).total_seconds() / 3600
        return passed(f"the last sync that no person started asked Clari {hours:.1f} hours ago")
    last = (
        f"the last sync that no person started asked Clari on {scheduled_at:%Y-%m-%d %H:%M} UTC"
        if scheduled_at
        else "no sync ever asked Clari but those that a person started"
        if asked_at
        else "no sync ever asked Clari"
    )
    beat, are_on = _dagster(probe)
    if beat is None or probe.now() - beat > _BEATS_WITHIN:
        daemon = (
            "Dagster's daemon was never there" if beat is None else f"its daemon was last alive {beat:%Y-%m-%d %H:%M}"
        )
        return failed(f"{last}, and {daemon}", "put clari-pipeline sync into cron, or run dagster dev (see the README)")
    wanted = [_SCHEDULE] * probe.settings.brings_forecasts + [_PRODUCTS_SCHEDULE] * bool(probe.settings.other_products)
    if missing := " and ".join(name for name in wanted if name not in are_on):
        return failed(f"{last}, and {missing} is not turned on", f"turn {missing} on in Dagster, under Automation")
    return passed(f"Dagster's daemon is alive, {' and '.join(wanted)} on")


def syncs_follow_the_week(probe: Probe) -> Finding:
    """A sync of `CLARI_SYNC_CRON` runs within four hours after each week's close, for a year to come.

    An export from before the close lacks the last changes; one from long after it is of the next week. Weeks end on the
    days that the newest quarter's documents list. Without any listed, the check passes if weeks that end on one same
    day of the week, whichever, are followed so.
    """
    settings, first_day = probe.settings, probe.calendar.day_of(probe.now())
    ends = {one["end_date"].weekday() for one in probe.rows("calendar/week_ends")}
    coming = [first_day + timedelta(days=ahead) for ahead in range(_DAYS_AHEAD)]
    closes = {day: probe.calendar.closes(day) for day in coming if not ends or day.weekday() in ends}
    runs = {day: _next_run(settings, close) for day, close in closes.items()}
    missed = [day for day, run in runs.items() if run - closes[day] >= CLOSED_BY]
    if not missed or (not ends and {day.weekday() for day in missed} != set(range(_DAYS_OF_A_WEEK))):
        return passed(f"one runs within {_HOURS:g} hours after each week's close, at {settings.week_close:%H:%M}")
    day, run = missed[0], runs[missed[0]]
    zone = ZoneInfo(settings.timezone)
    remedy = "set CLARI_TIMEZONE to CLARI_ORG_TIMEZONE, and CLARI_SYNC_CRON to half an hour after CLARI_WEEK_CLOSE"
    for at in sorted({(close.astimezone(zone) + timedelta(minutes=30)).time() for close in closes.values()}):
        line = f"{at.minute} {at.hour} * * *"
        if all(_next_run(settings, close, line) - close < CLOSED_BY for close in closes.values()):
            remedy = f"set CLARI_SYNC_CRON={line}"
            break
    return warning(
        f"a week that ends on {day} closes at {closes[day].astimezone(zone):%Y-%m-%d %H:%M}, and CLARI_SYNC_CRON "
        f"({settings.sync_cron}) runs next at {run:%Y-%m-%d %H:%M} ({settings.timezone}): its weekly figures miss its "
        "last day",
        remedy,
    )


def _next_run(settings: Settings, close: datetime, line: str | None = None) -> datetime:
    """The first run of `CLARI_SYNC_CRON`, or of the cron line `line`, at a week's close or after it."""
    begin = close.astimezone(ZoneInfo(settings.timezone)) - timedelta(seconds=1)
    return next(CronSim(line or settings.sync_cron, begin))


def _dagster(probe: Probe) -> tuple[datetime | None, set[str]]:
    """The last heartbeat of the daemon's scheduler, None where there was none, and the schedules that are turned on."""
    if not (probe.settings.dagster_dir / "dagster.yaml").exists():
        return None, set()
    import dagster as dg  # noqa: PLC0415 - takes a second

    point_dagster_at(probe.settings)
    with dg.DagsterInstance.get() as instance:
        beat = instance.get_daemon_heartbeats().get(_SCHEDULER)
        # Includes sensors: none has the name of a schedule.
        states = instance.all_instigator_state()
        are_on = {state.instigator_name for state in states if state.status.value == "RUNNING"}
    return None if beat is None else datetime.fromtimestamp(beat.timestamp, UTC), are_on


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.3f} GB" if size < 1e10 else f"{size / 1e9:,.0f} GB"
