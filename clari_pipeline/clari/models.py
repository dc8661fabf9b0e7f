"""Requests to Clari, and its responses validated as frozen types."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Any, Self
from urllib.parse import quote, urlencode

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

_FORECASTS_FILE = "clari_export_forecast_"
_LONGEST_ID = 500
ACTIVITY = "activity"  # in place of the forecast id, in the ledger and on disk


def path_segment(identifier: str) -> str:
    """An id percent-encoded as one path segment; `.` and `..` are encoded, too, so that none leaves its folder."""
    quoted = quote(identifier, safe="")
    return quoted if quoted.strip(".") else quoted.replace(".", "%2E")


class ExportFormat(StrEnum):
    """The format of an exported document."""

    JSON = "JSON"
    CSV = "CSV"


class Source(StrEnum):
    """How a document is requested: by an export job, or by the call that answers at once with the newest week."""

    EXPORT = "EXPORT"
    CURRENT = "CURRENT"


class JobState(StrEnum):
    """The six job states [spec], and UNKNOWN for any other word: not final, so that polling goes on."""

    SCHEDULED = "SCHEDULED"
    STARTED = "STARTED"
    DONE = "DONE"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    ABORTED = "ABORTED"
    UNKNOWN = "UNKNOWN"

    @classmethod
    def _missing_(cls, value: object) -> JobState:
        """Parse ignoring case and surrounding space; COMPLETED, which some report, is DONE."""
        word = str(value).strip().upper()
        return cls.__members__.get("DONE" if word == "COMPLETED" else word, cls.UNKNOWN)

    @property
    def is_end(self) -> bool:
        """Whether the state is final."""
        return self in {JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.ABORTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """The request for one forecast's quarter. With `source` CURRENT it needs no job: the newest week alone, in JSON."""

    forecast_id: str
    time_period: str
    types: tuple[str, ...]
    scope_id: str | None = None
    currency: str | None = None
    include_historical: bool = True
    export_format: ExportFormat = ExportFormat.JSON
    source: Source = Source.EXPORT

    def without_job(self, types: tuple[str, ...]) -> ExportRequest:
        """This request for the call without a job: these types of the newest week, in JSON."""
        return replace(
            self, types=types, source=Source.CURRENT, include_historical=False, export_format=ExportFormat.JSON
        )

    @property
    def current_path(self) -> str:
        """Path and query of the call without a job: one `typesToExport` a type, `exportFormat` [gitlab, singer].

        `scopeId` and `currency` are named as in a job's request [spec]; no source says that this call heeds them.
        """
        others = {"scopeId": self.scope_id, "currency": self.currency}
        query = [
            ("timePeriod", self.time_period),
            *(("typesToExport", name) for name in self.types),
            ("exportFormat", self.export_format.value),
            *((name, value) for name, value in others.items() if value is not None),
        ]
        return f"/forecast/{path_segment(self.forecast_id)}?{urlencode(query)}"

    @property
    def adoption_key(self) -> tuple[str, str]:
        """What a listed job shows of its request: requests with the same key are submitted one at a time."""
        return self.forecast_id, self.time_period

    @property
    def path(self) -> str:
        """Where it is asked for."""
        return f"/export/forecast/{path_segment(self.forecast_id)}"

    def body(self) -> dict[str, Any]:
        """The JSON body of the export call. `schedule` is NONE: this pipeline schedules its exports itself."""
        others = {"scopeId": self.scope_id, "currency": self.currency}
        return {
            "timePeriod": self.time_period,
            "typesToExport": list(self.types),
            "schedule": "NONE",
            "includeHistorical": self.include_historical,
            "exportFormat": self.export_format.value,
            **{name: value for name, value in others.items() if value is not None},
        }

    def matches(self, job: Job) -> bool:
        """Whether a listed job is of this forecast and quarter, by its file name, which alone names them.

        `clari_export_forecast_total_new_2021_Q12915_20210415_015255.json`: forecast, quarter, a number, date,
        time [spec].
        """
        if job.file_type and job.file_type.upper() != self.export_format:
            return False
        start = f"{_FORECASTS_FILE}{self.forecast_id}_{self.time_period}"
        name = job.file_name or ""
        rest = name.removeprefix(start).rsplit(".", 1)[0].split("_")
        return name.startswith(start) and len(rest) == 3 and all(part.isdecimal() or part == "" for part in rest)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityRequest(ExportRequest):
    """The request for all activity from `first_day` to `last_day`, both included, in UTC."""

    first_day: date
    last_day: date

    @classmethod
    def between(cls, first_day: date, last_day: date) -> Self:
        """The request for these days; its `time_period` is `2026-11-14_2026-11-21`."""
        period = f"{first_day}_{last_day}"
        return cls(forecast_id=ACTIVITY, time_period=period, types=(), first_day=first_day, last_day=last_day)

    @property
    def adoption_key(self) -> tuple[str, str]:
        """The same for all activity, as the list of jobs does not show the days."""
        return self.forecast_id, ""

    @property
    def path(self) -> str:
        """Where it is asked for."""
        return "/export/activity"

    def body(self) -> dict[str, Any]:
        """The JSON body of the export call. Clari ignores the time of day [spec]; without types it exports all."""
        return {
            "startDate": f"{self.first_day}T00:00:00Z",
            "endDate": f"{self.last_day}T00:00:00Z",
            "exportFormat": self.export_format.value,
        }

    def matches(self, job: Job) -> bool:
        """Whether a listed job exports activity, of whichever days: no description says where a job shows its days.

        The job of a forecast that is named "activity" does not match.
        """
        is_forecasts = (job.file_name or "").startswith(_FORECASTS_FILE) or (job.module or "").upper() == "FORECAST"
        return not is_forecasts and any(
            ACTIVITY in (said or "").lower() for said in (job.file_name, job.module, job.title)
        )


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """How far an orphaned run got with an export: `job_id` is None where Clari's response never arrived.

    `asked_at` is when the export call was sent, UTC.
    """

    job_id: str | None
    asked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """An export to run; `request_id` is its key in the ledger. `attempt` counts from 1.

    `left_behind`: an orphaned run has begun it. With `is_history` it is only recovered if Clari still has its job, and
    never submitted again.
    """

    request_id: str
    request: ExportRequest
    attempt: int = 1
    left_behind: LeftBehind | None = None
    is_history: bool = False

    @classmethod
    def planned(cls, request: ExportRequest, *, attempt: int = 1) -> Self:
        """A new export, with a new request id."""
        return cls(request_id=uuid.uuid4().hex, request=request, attempt=attempt)

    def next_attempt(self) -> Self:
        """The export re-queued: the same request under a new request id, with the next attempt number."""
        return type(self).planned(self.request, attempt=self.attempt + 1)

    @property
    def quarter_id(self) -> str:
        """The quarter asked for."""
        return self.request.time_period

    @property
    def label(self) -> str:
        """Forecast and quarter, for people."""
        return f"{self.request.forecast_id} {self.request.time_period}"

    @property
    def current_id(self) -> str:
        """The `job_id` of an export without a job: made of the request id, and never an id of Clari's."""
        return f"current-{self.request_id}"


def _moment(value: object) -> object:
    """Parse epoch milliseconds, a number or its text, to UTC; None for anything else, 0 included."""
    if isinstance(value, datetime):
        return value
    try:
        milliseconds = float(str(value))
        return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds > 0 else None
    except (ValueError, OverflowError, OSError):
        return None


def _usable_id(job_id: str) -> str:
    """The id. Raises `ValueError` for one that is empty, longer than 500 characters, or not printable."""
    if not 0 < len(job_id) <= _LONGEST_ID or not job_id.isprintable():
        raise ValueError("this is no job's id")
    return job_id


_JobId = Annotated[str, AfterValidator(_usable_id)]
_Count = Annotated[int, Field(ge=-(2**31), lt=2**31)] | None
_Moment = Annotated[datetime | None, BeforeValidator(_moment)]
_Ids = Annotated[tuple[str, ...], BeforeValidator(lambda value: () if value is None else value)]
_Word = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]


class _Answer(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True, coerce_numbers_to_str=True
    )


class Job(_Answer):
    """One export job. Times are UTC; `status` is the word that Clari sent, empty where it sent none."""

    job_id: _JobId
    status: _Word = ""
    start_time: _Moment = None
    end_time: _Moment = None
    expired_time: _Moment = None
    file_name: str | None = None
    file_type: str | None = None
    module: str | None = None
    title: str | None = None
    rows_truncated: bool | None = None
    cells_truncated: bool | None = None

    @property
    def state(self) -> JobState:
        """`status`, parsed."""
        return JobState(self.status)

    @property
    def is_truncated(self) -> bool:
        """A DONE job with either flag delivered an incomplete document [spec]."""
        return bool(self.rows_truncated or self.cells_truncated)


class Limits(_Answer):
    """`/admin/limits`: export limits, and what is left of them; None where Clari sends none.

    The quota is of exports in a rolling 30 days, per organisation; `submitted_job_ids` are those that count.
    """

    concurrent_limit: _Count = None
    monthly_quota: _Count = None
    running_job_ids: _Ids = ()
    submitted_job_ids: _Ids = ()
    available_concurrent_limit: _Count = None
    available_monthly_quota: _Count = None

    @property
    def used(self) -> int | None:
        """Exports that count against the quota now; None where Clari does not report it."""
        if self.monthly_quota is None or self.available_monthly_quota is None:
            return len(self.submitted_job_ids) or None
        return self.monthly_quota - self.available_monthly_quota
