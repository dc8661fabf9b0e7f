"""Rows of the two ledgers as typed values; what each column says stands in `sql/schema/`."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

PART = "part:"
"""Before the user id of whoever is at the top of a file that shows a part of the organisation, in place of a scope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """What an export and a fetch have in common. Sizes are in bytes, `wait_seconds` in seconds, moments in UTC."""

    request_id: str
    run_id: str
    state: str
    attempt: int
    submitted_at: datetime
    job_id: str | None = None
    clari_status: str | None = None
    completed_at: datetime | None = None
    landed_at: datetime | None = None
    loaded_at: datetime | None = None
    exported_at: datetime | None = None
    poll_count: int | None = None
    retry_count: int | None = None
    wait_seconds: Decimal | None = None
    result_bytes: int | None = None
    result_sha256: str | None = None
    landing_path: str | None = None
    rows_exported: int | None = None
    rows_staged: int | None = None
    rows_inserted: int | None = None
    rows_updated: int | None = None
    rows_unchanged: int | None = None
    rows_truncated: bool | None = None
    error: str | None = None
    error_kind: str | None = None
    started_by: str | None = None

    @property
    def reason(self) -> str:
        """Why it was not merged, in one line."""
        return self.error or f"stopped as {self.state}: run again, it is continued from there"

    @property
    def as_of(self) -> datetime:
        """`exported_at` of an export whose job has ended: the moment of its figures. Raises `ValueError` for none."""
        if self.exported_at is None:
            raise ValueError(f"the ledger has no exported_at of {self.request_id}")
        return self.exported_at

    @property
    def document(self) -> str:
        """`landing_path` of an export whose document has landed. Raises `ValueError` for none."""
        if self.landing_path is None:
            raise ValueError(f"the ledger has no landing_path of {self.request_id}")
        return self.landing_path


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRow(LedgerRow):
    """A row of `export_job`: one export of a forecast's quarter, `time_period_id`, that was to be made."""

    forecast_id: str
    time_period_id: str
    types_to_export: str | None = None
    types_refused: str | None = None
    scope_id: str | None = None
    currency: str | None = None
    export_format: str | None = None
    include_historical: bool | None = None
    rows_disappeared: int | None = None
    document_period_id: str | None = None
    call_time_frame_id: str | None = None
    quota_fields: str | None = None
    contract: str | None = None
    source: str = "EXPORT"

    @property
    def is_loaded(self) -> bool:
        """Whether its rows are merged."""
        return self.state == "LOADED"

    @property
    def is_current(self) -> bool:
        """Whether it was brought without a job: the newest week alone."""
        return self.source == "CURRENT"

    @property
    def label(self) -> str:
        """Forecast and quarter, for people."""
        return f"{self.forecast_id} {self.time_period_id}"

    @property
    def types(self) -> frozenset[str]:
        """The types that it holds; none are known of a document from elsewhere that was not read yet."""
        return frozenset((self.types_to_export or "").split(","))


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRow(LedgerRow):
    """A row of `product_fetch`: one fetch of a product's records from `window_from` to `window_to`."""

    product: str
    window_from: datetime | None = None
    window_to: datetime | None = None
    gap_from: datetime | None = None
    gap_to: datetime | None = None
    answer_count: int | None = None
    slot_wait_seconds: Decimal | None = None
    is_adopted: bool | None = None
