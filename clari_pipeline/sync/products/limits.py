"""Product `limits`: a snapshot of Clari's limits, one row of `export_quota`, also read as the view `api_limits`."""

import io
from collections.abc import Mapping
from datetime import datetime
from typing import IO, ClassVar

from clari_pipeline.clari import ClariClient, Limits
from clari_pipeline.config.settings import Settings
from clari_pipeline.documents.rows import DocumentUnreadable
from clari_pipeline.store import ledger
from clari_pipeline.store.ledger_rows import FetchRow
from clari_pipeline.store.product_rows import Merged
from clari_pipeline.sync.products.reading import ReadResult, StageRows, buffered, read_members
from clari_pipeline.sync.products.spec import READABLE, AskedProduct, Fetch, Sink
from clari_pipeline.sync.recording import columns_of
from clari_pipeline.warehouse.session import Session


class LimitsSnapshot(AskedProduct):
    """`export_quota`, into which each run of forecasts' exports writes its snapshot, too."""

    name = "limits"
    noun = "look"  # it is never more than one

    tables: ClassVar[Mapping[str, str]] = {
        "api_limits": "One row per reading of Clari's limits: how many exports are allowed, and how many are left."
    }
    checks = READABLE

    @property
    def staged(self) -> tuple[str, ...]:
        """None: its one row needs no staging."""
        return ()

    def plan(self, session: Session, settings: Settings, now: datetime) -> list[Fetch]:
        """One fetch."""
        return [Fetch()]

    async def fetch(self, client: ClariClient, fetch: Fetch, sink: Sink) -> int:
        """Write the answer as it came."""
        content, _ = await client.answer("limits", "/admin/limits")
        sink.write(content)
        return 1

    def read(self, stream: io.BufferedReader, stage_rows: StageRows, fetch: FetchRow) -> ReadResult:
        """Parse the limits into `ReadResult.values`. Raises `DocumentUnreadable`."""
        answer = read_members(stream, {})
        try:
            limits = Limits.model_validate(answer.get("jobs", answer))
        except ValueError:
            raise DocumentUnreadable("its limits are not what Clari documents") from None
        found = ReadResult(rows_exported=1, values=limits)
        if limits.monthly_quota is None and limits.concurrent_limit is None:
            found.note("records_without_key", ", ".join(answer))
        return found

    def stage(self, session: Session, stream: IO[bytes], fetch: FetchRow) -> ReadResult:
        """Read without staging."""
        return self.read(buffered(stream), lambda _rows: None, fetch)

    def merge(self, session: Session, fetch: FetchRow, found: ReadResult) -> Merged:
        """Insert the row, unless it is there."""
        before = session.count("export_quota")
        ledger.quota_read(session, run_id=fetch.run_id, read_at=fetch.exported_at, **columns_of(found.values))
        inserted = session.count("export_quota") - before
        return Merged(1, inserted, 0, 1 - inserted, 1)

    def forget(self, session: Session) -> None:
        """Keep the rows: those of forecasts' exports have no document to be rebuilt from."""


SPEC = LimitsSnapshot()
