"""The landing folder and its disk, the file of secrets, the channels of alerts, and what starts the syncs."""

from __future__ import annotations

import shutil
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean

from clari_pipeline.config.settings import point_dagster_at
from clari_pipeline.core.paths import inside
from clari_pipeline.core.setting_errors import SettingsError
from clari_pipeline.landing import PRODUCTS, LandingError
from clari_pipeline.notify import greeting, open_channels
from clari_pipeline.ops.preflight.findings import Finding, NotSeen, doubtful, well, wrong
from clari_pipeline.ops.preflight.in_warehouse import folder_of
from clari_pipeline.ops.preflight.probe import Look

_ENV_FILE = Path(".env")
_SCHEDULE, _PRODUCTS_SCHEDULE = "daily_sync_schedule", "daily_products_schedule"
_SCHEDULER = "SCHEDULER"
_BEATS_WITHIN = timedelta(minutes=5)
_GIT_S = 20


def landing_is_writable(look: Look) -> Finding:
    """The landing folder takes a file, which is deleted at once."""
    landing = look.context.landing
    try:
        landing.check_writable()
    except LandingError as error:
        return wrong(str(error), "give the pipeline's user the right to write, make room, or set CLARI_DATA_DIR")
    return well(str(landing.root))


def disk_has_room(look: Look) -> Finding:
    """The disk has room for a month of documents as large on it as the last ones are."""
    free = shutil.disk_usage(folder_of(look.settings.landing_dir)).free
    sizes = _sizes(look, "preflight/newest_landed", look.settings.landing_dir)
    others = _sizes(look, "preflight/newest_landed_products", look.settings.landing_dir / PRODUCTS)
    if not sizes and not others:
        return doubtful(
            f"{_gigabytes(free)} are free; how large documents are is not known, as none has landed",
            "run clari-pipeline sync, then look again",
        )
    usual = fmean(sizes.values()) if sizes else 0  # of quarters that were never exported
    a_sync = sum(sizes.get(export, usual) for export in look.exports)
    a_sync += sum(others.get((name, ""), 0) for name in look.settings.other_products)
    needed = int(a_sync * look.syncs_a_month)
    summary = f"a month of documents takes {_gigabytes(needed)}, {_gigabytes(free)} are free"
    remedy = "make room, or set CLARI_DATA_DIR: landed documents stay for ever"
    if needed > free:
        return wrong(summary, remedy)
    return well(summary) if 2 * needed <= free else doubtful(summary, remedy)


def _sizes(look: Look, statement: str, folder: Path) -> dict[tuple[str, str], int]:
    """Bytes on disk of the newest documents, by forecast and quarter, or by product."""
    files = {
        (one["forecast_id"], one["time_period_id"]): inside(folder, one["landing_path"]) / "document.zst"
        for one in look.rows(statement)
    }
    return {which: file.stat().st_size for which, file in files.items() if file.exists()}


def env_file_is_private(_look: Look) -> Finding:
    """Only its owner may read `.env`."""
    if not _ENV_FILE.exists():
        return well("there is no .env here")
    mode = stat.S_IMODE(_ENV_FILE.stat().st_mode)
    if mode & 0o077:
        return wrong(f".env is open to others (mode {mode:o})", "chmod 600 .env")
    return well(f"mode {mode:o}")


def env_file_is_untracked(_look: Look) -> Finding:
    """Git does not track `.env`."""
    if not any((folder / ".git").exists() for folder in (Path.cwd(), *Path.cwd().parents)):
        return well("this folder is in no git repository")
    git = shutil.which("git")
    if git is None:
        raise NotSeen("this folder is in a git repository, and git is not installed", "install git")
    words = [git, "-c", "safe.directory=*", "ls-files", "--", str(_ENV_FILE)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=_GIT_S)  # noqa: S603 - constants
    except subprocess.TimeoutExpired as error:
        raise NotSeen("git does not answer", "try git ls-files .env") from error
    if done.returncode:
        raise NotSeen(f"git says: {done.stderr.strip().splitlines()[-1:]}", "try git ls-files .env")
    if done.stdout.strip():
        return wrong(
            ".env is tracked by git",
            "git rm --cached .env, put it into .gitignore, and make a new key: the old one is in the history",
        )
    return well("git does not track it")


def alerts_have_channels(look: Look) -> Finding:
    """At least one channel is set, and each is written as Apprise writes it."""
    return _alerts(look, is_sent=False)


def alerts_reach_people(look: Look) -> Finding:
    """That, and each channel has accepted a message that was sent to it."""
    return _alerts(look, is_sent=True)


def _alerts(look: Look, *, is_sent: bool) -> Finding:
    try:
        channels = open_channels(look.settings.alert_urls)
    except SettingsError as error:
        return wrong(str(error), "write it as Apprise does: https://appriseit.com")
    if not channels:
        return wrong("CLARI_ALERT_URLS is not set: nobody hears of anything", "name a channel, such as slack://…")
    names = ", ".join(channel.name for channel in channels)
    if not is_sent:
        return well(f"{names}; --send tries them")
    deliveries = channels.deliver(greeting(look.settings.env))
    silent = [f"{one.channel}: {one.error}" for one in deliveries if one.error is not None]
    if silent:
        return wrong("; ".join(silent), "check the address and whether this machine reaches it")
    return well(f"{names}: took a message")


def schedule_is_alive(look: Look) -> Finding:
    """A sync has run within `CLARI_MAX_AGE_HOURS`, or Dagster's daemon is alive and its schedules turned on."""
    asked = [one["asked_at"] for one in look.rows("preflight/newest_asked") if one["asked_at"]]
    if asked and look.now() - asked[0] <= timedelta(hours=look.settings.max_age_hours):
        return well(f"a sync asked Clari {(look.now() - asked[0]).total_seconds() / 3600:.1f} hours ago")
    last = f"the last sync asked Clari on {asked[0]:%Y-%m-%d %H:%M} UTC" if asked else "no sync ever asked Clari"
    beat, are_on = _dagster(look)
    if beat is None or look.now() - beat > _BEATS_WITHIN:
        daemon = (
            "Dagster's daemon was never there" if beat is None else f"its daemon was last alive {beat:%Y-%m-%d %H:%M}"
        )
        return wrong(f"{last}, and {daemon}", "put clari-pipeline sync into cron, or run dagster dev (see the README)")
    wanted = [_SCHEDULE] * look.settings.brings_forecasts + [_PRODUCTS_SCHEDULE] * bool(look.settings.other_products)
    if missing := " and ".join(name for name in wanted if name not in are_on):
        return wrong(f"{last}, and {missing} is not turned on", f"turn {missing} on in Dagster, under Automation")
    return well(f"Dagster's daemon is alive, {' and '.join(wanted)} on")


def _dagster(look: Look) -> tuple[datetime | None, set[str]]:
    """When the daemon's scheduler was last alive, and which schedules are turned on."""
    if not (look.settings.dagster_dir / "dagster.yaml").exists():
        return None, set()
    import dagster as dg  # noqa: PLC0415 - takes a second

    point_dagster_at(look.settings)
    with dg.DagsterInstance.get() as instance:
        beat = instance.get_daemon_heartbeats().get(_SCHEDULER)
        # Sensors are among them: no sensor has a schedule's name.
        states = instance.all_instigator_state()
        are_on = {state.instigator_name for state in states if state.status.value == "RUNNING"}
    return None if beat is None else datetime.fromtimestamp(beat.timestamp, UTC), are_on


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.3f} GB" if size < 1e10 else f"{size / 1e9:,.0f} GB"
