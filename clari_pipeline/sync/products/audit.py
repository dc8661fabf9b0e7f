"""Product `audit`: audit events and their actors, fetched from the newest known event on, with an overlap.

Clari keeps events for 30 days and gives them no id [spec]: the id is a hash of all documented members of an event, so
that overlapping windows and repeated pages give one row.
"""

import io
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from clari_pipeline.clari import BadRequest, ClariClient, NotFound, PageGone
from clari_pipeline.clari.products import audit_pages
from clari_pipeline.config.settings import Settings
from clari_pipeline.store import fetches
from clari_pipeline.store.ledger_rows import FetchRow
from clari_pipeline.sync.products.reading import ReadResult, Rows, StageRows, read_members
from clari_pipeline.sync.products.spec import RECORDS, AskedProduct, Fetch, Sink
from clari_pipeline.sync.products.values import identity, text
from clari_pipeline.warehouse.session import Session

KEPT_BY_CLARI = timedelta(days=30)
OVERLAP = timedelta(hours=6)  # Clari may log an event late
_PAGES_PER_BATCH = 4
_IDENTITY = (
    "correlationID",
    "actorId",
    "impersonatingActorId",
    "actorType",
    "sessionId",
    "sessionType",
    "ipAddress",
    "event",
    "eventTimestamp",
    "eventParameters",
)


class Audit(AskedProduct):
    """`audit_event` and `audit_actor`."""

    name = "audit"
    noun = "events"
    tables: ClassVar[Mapping[str, str]] = {
        "audit_event": "One row per event of Clari's audit log, from the newest known on with an overlap; what Clari "
        "has thrown away meanwhile (it keeps 30 days) is reported as a gap.",
        "audit_actor": "One row somebody behind events of the audit log, as newest known.",
    }
    checks = (*RECORDS, "window_has_no_gap")
    names_people = True

    def plan(self, session: Session, settings: Settings, now: datetime) -> list[Fetch]:
        """One window, from the newest known event less the overlap until now; what Clari no longer keeps is its gap."""
        until, oldest = now.replace(microsecond=0), now.replace(microsecond=0) - KEPT_BY_CLARI
        reached = fetches.reached(session, self.name)
        newest = fetches.newest_event(session) or reached
        since = oldest if newest is None or reached is None else max(oldest, min(newest, reached) - OVERLAP)
        has_gap = reached is not None and reached < oldest
        return [
            Fetch(
                window_from=since,
                window_to=until,
                gap_from=reached if has_gap else None,
                gap_to=oldest if has_gap else None,
            )
        ]

    async def fetch(self, client: ClariClient, fetch: Fetch, sink: Sink) -> int:
        """Write all pages as one document, each as it came; restart once if a page's link has expired.

        Raises `PageGone` if that happens a second time.
        """
        try:
            return await self._pages(client, fetch, sink)
        except PageGone:
            sink.restart()
            return await self._pages(client, fetch, sink)

    async def _pages(self, client: ClariClient, fetch: Fetch, sink: Sink) -> int:
        assert fetch.window_from is not None and fetch.window_to is not None
        count = 0
        sink.write(b'{"pages": [')
        try:
            async for page in audit_pages(client, since=fetch.window_from, until=fetch.window_to):
                sink.write(b",\n" if count else b"\n")
                sink.write(page)
                count += 1
        except (BadRequest, NotFound) as error:
            if not count:
                raise
            raise PageGone(
                f"{error}: a page that Clari's own link led to is gone; nothing was merged or moved on, and the next "
                "sync begins at the first page again"
            ) from error
        sink.write(b"\n]}\n")
        return count

    def read(self, stream: io.BufferedReader, stage_rows: StageRows, fetch: FetchRow) -> ReadResult:
        """Read four pages at a time."""
        found = ReadResult()
        keyless: list[str] = []

        def read_pages(pages: list[Any]) -> None:
            rows: Rows = {name: [] for name in self.tables}
            for page in found.objects(pages, "records_without_key"):
                for event in found.objects(page.get("items"), "records_without_key"):
                    found.rows_exported += 1
                    row = _event(event, found)
                    if row["event"] is None:
                        keyless.append(f"an event of {row['event_at']}")
                    else:
                        rows["audit_event"].append(row)
                for actor in found.objects(page.get("actors"), "parts_without_key"):
                    if text(actor.get("actorId")) is None:
                        found.note("parts_without_key", "an actor")
                    else:
                        rows["audit_actor"].append(_actor(actor))
            stage_rows(rows)

        read_members(stream, {"pages": read_pages}, batch=_PAGES_PER_BATCH)
        found.note_keyless(keyless)
        if fetch.gap_from is not None and fetch.gap_to is not None:
            hours = (fetch.gap_to - fetch.gap_from).total_seconds() / 3600
            found.facts["hours_missing"] = max(1, round(hours))
        else:
            found.facts["hours_missing"] = 0
        return found


def _event(event: dict[str, Any], found: ReadResult) -> dict[str, Any]:
    parameters = event.get("eventParameters")
    return {
        "event_id": identity(*(event.get(name) for name in _IDENTITY)),
        "event_at": found.moment(event.get("eventTimestamp")),
        "event": text(event.get("event")),
        "event_parameters": text(parameters) if parameters else None,
        "actor_id": text(event.get("actorId")),
        "actor_type": text(event.get("actorType")),
        "impersonating_actor_id": text(event.get("impersonatingActorId")),
        "session_id": text(event.get("sessionId")),
        "session_type": text(event.get("sessionType")),
        "ip_address": text(event.get("ipAddress")),
        "correlation_id": text(event.get("correlationID")),
    }


def _actor(actor: dict[str, Any]) -> dict[str, Any]:
    return {
        "actor_id": text(actor.get("actorId")),
        "actor_type": text(actor.get("actorType")) or "",
        "name": text(actor.get("name")),
        "email": text(actor.get("email")),
    }


SPEC = Audit()
