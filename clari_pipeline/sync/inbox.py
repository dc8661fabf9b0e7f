"""Merge every new document of a folder once, such as the CSV files that managers drop there; nothing in it is changed.

A file is new unless the ledger has its SHA-256 for the forecast and quarter. Its quarter is the one that its periods
name, else the one that the caller names. A file that cannot be merged stops no other.
"""

import hashlib
import stat
from collections.abc import Set
from datetime import UTC, datetime, timedelta
from pathlib import Path

from clari_pipeline.core.periods import Quarter, UnknownPeriod, why_no_period
from clari_pipeline.core.runbook import section_of
from clari_pipeline.core.setting_errors import UsageError
from clari_pipeline.documents import read_document, with_days
from clari_pipeline.documents.rows import UNREADABLE, NoDocument, why_unreadable
from clari_pipeline.landing import LandingError
from clari_pipeline.store import ledger
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.outcomes import outcomes_of
from clari_pipeline.sync.refreshing import Marts
from clari_pipeline.sync.replaying import FileState, InboxFile, Replay, Replayed

_STILL_WRITTEN = timedelta(seconds=5)  # after its last change a file may still be being copied
_NEVER_READ = {  # why, by the file type of an entry
    stat.S_IFLNK: "a link: put the file itself here",
    stat.S_IFDIR: "a folder: the files in it are not read",
}
_LONGEST_PERIOD = timedelta(days=150)  # of a quarter or a month; what is longer is a year around it


class _NotMerged(Exception):
    """A file is not merged; `state` is what it becomes, the message why, for people."""

    def __init__(self, state: FileState, why: str) -> None:
        super().__init__(why)
        self.state = state


class Inbox:
    """Merges the new documents of a folder into one forecast; `quarter` is that of files that name none."""

    def __init__(self, context: Context, forecast_id: str, quarter: Quarter | None, run_id: str) -> None:
        self._context = context
        self._forecast_id, self._quarter, self._run_id = forecast_id, quarter, run_id
        self._replay = Replay(context)

    def merge(self, folder: Path) -> Replayed:
        """Merge the new files, the oldest first; returns the exports, and every entry of the folder, sorted by name."""
        with self._context.warehouse.session() as session:
            refused = ledger.refused_requests(session)
            known = ledger.landed_documents(session, self._forecast_id)
        files = []
        for path in sorted(folder.iterdir(), key=_age):
            self._context.stop.check()
            files.append(self._file(path, known))
        requests = [file.request_id for file in files if file.request_id is not None]
        problems = Marts(self._context).refresh_all() if requests else []
        return Replayed(requests, refused, problems, tuple(sorted(files, key=lambda file: file.name)))

    def _file(self, path: Path, known: dict[tuple[str, str], str | None]) -> InboxFile:
        """Land and merge a file, unless `known` has its SHA-256 and quarter, which are then added to it."""
        try:
            sha256 = self._sha256(path)
            quarter = self._known_quarter(sha256, known.keys()) or self._quarter_of(path)
            if (which := (sha256, str(quarter))) in known:
                why = known[which]
                again = f"; it was refused: {why}. clari-pipeline replay judges it again" if why else ""
                return InboxFile(path.name, FileState.KNOWN, f"known already, of {quarter}{again}", str(quarter))
            request_id = self._land_and_merge(path, sha256, quarter)
        except _NotMerged as error:
            return InboxFile(path.name, error.state, str(error))
        except (UsageError, LandingError, OSError) as error:
            state = FileState.REFUSED if isinstance(error, UsageError) else FileState.UNREADABLE
            return InboxFile(path.name, state, f"not merged: {error}", section=section_of(error))
        (outcome,) = outcomes_of(self._context.warehouse, [request_id])
        export = outcome.export
        known[which] = None if export.state == "LOADED" else outcome.reason
        if export.state != "LOADED":
            why = f"refused, of {quarter}: {outcome.reason}"
            return InboxFile(path.name, FileState.REFUSED, why, str(quarter), request_id, outcome.section)
        counts = (
            f"{export.rows_exported:,} entries ({export.rows_inserted:,} new, {export.rows_updated:,} changed, "
            f"{export.rows_unchanged:,} the same)"
        )
        return InboxFile(path.name, FileState.MERGED, f"merged into {quarter}, {counts}", str(quarter), request_id)

    def _known_quarter(self, sha256: str, known: Set[tuple[str, str]]) -> Quarter | None:
        """The quarter of a document that the ledger has, so that it need not be read; None where it has to be.

        The caller's quarter goes first: a document that names none may have been brought as several.
        """
        if self._quarter is not None:
            return self._quarter if (sha256, str(self._quarter)) in known else None
        return next((Quarter.parse(quarter) for digest, quarter in known if digest == sha256), None)

    def _sha256(self, path: Path) -> str:
        """The SHA-256 of a regular file that is complete. Raises `_NotMerged` for any other, and `OSError`."""
        found = path.lstat()
        kind, changed_at = stat.S_IFMT(found.st_mode), datetime.fromtimestamp(found.st_mtime, UTC)
        why = _NEVER_READ.get(kind) or ("no file" if kind != stat.S_IFREG else None)
        if path.name.startswith((".", "~$")):
            why = "hidden"
        elif why is None and not found.st_size:
            why = "empty: it may still be being copied"
        elif why is None and timedelta(0) <= self._context.now() - changed_at < _STILL_WRITTEN:
            why = "changed in the last five seconds, and may still be being copied: run the command again"
        if why:
            raise _NotMerged(FileState.SKIPPED, f"left alone, {why}")
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def _quarter_of(self, path: Path) -> Quarter:
        """The one quarter whose periods the document holds, else that of the caller. Raises `_NotMerged`, `OSError`."""
        calendar = self._context.fiscal_calendar()
        try:
            with path.open("rb") as stream:
                document = read_document(stream, calendar, lambda _: None, asked=self._quarter)
            periods = with_days(document.tables, calendar.zone)["raw_time_period"].to_pylist()
        except NoDocument as error:
            raise _NotMerged(FileState.NO_DOCUMENT, f"not a document: {error}") from None
        except UNREADABLE as error:
            raise _NotMerged(FileState.UNREADABLE, f"cannot be read: {why_unreadable(error)}") from None
        quarters, unread = set(), []
        for one in periods:
            first, last = one["start_date"], one["end_date"]
            try:
                quarters.add(Quarter.parse(one["time_period_id"]))
            except UnknownPeriod:
                if first is None or last is None:
                    unread.append(one["time_period_id"])
                elif last - first < _LONGEST_PERIOD:
                    quarters.add(calendar.quarter_of(first + (last - first) / 2))
        if len(quarters) > 1:
            raise _NotMerged(
                FileState.REFUSED,
                f"not merged: it holds {', '.join(map(str, sorted(quarters)))}, and a document is of one quarter: "
                "export each quarter into a file of its own",
            )
        if (quarter := next(iter(quarters), self._quarter)) is not None:
            return quarter
        why = "; ".join(map(why_no_period, unread)) or "it names no quarter: name it with --period"
        raise _NotMerged(FileState.REFUSED, f"not merged: {why}")

    def _land_and_merge(self, path: Path, sha256: str, quarter: Quarter) -> str:
        """Land and merge a document; returns its request id. Raises `_NotMerged` where its SHA-256 has changed."""
        with self._context.landing.arriving(path) as arriving:
            if arriving.written().sha256 != sha256:
                raise _NotMerged(FileState.SKIPPED, "left alone, changed while it was read: run the command again")
            landed = self._replay.land(
                arriving, forecast_id=self._forecast_id, quarter=quarter, exported_at=None, run_id=self._run_id
            )
        return self._replay.merge(landed)


def _age(path: Path) -> tuple[float, str]:
    try:
        return path.lstat().st_mtime, path.name
    except OSError:
        return 0.0, path.name
