"""Clari's answers as frozen types, before anything else sees them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Any, Self
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

_FORECASTS_FILE = "clari_export_forecast_"
_LONGEST_ID = 500
ACTIVITY = "activity"  # what stands in a forecast's place where activity is exported


def segment(identifier: str) -> str:
    """An id as one part of a path, dots alone included, which would else climb up."""
    quoted = quote(identifier, safe="")
    return quoted if quoted.strip(".") else quoted.replace(".", "%2E")


class ExportFormat(StrEnum):
    """How Clari writes the document."""

    JSON = "JSON"
    CSV = "CSV"


class JobState(StrEnum):
    """The six states [spec], and UNKNOWN for a word that is none of them: not an end, keep polling."""

    SCHEDULED = "SCHEDULED"
    STARTED = "STARTED"
    DONE = "DONE"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    ABORTED = "ABORTED"
    UNKNOWN = "UNKNOWN"

    @classmethod
    def _missing_(cls, value: object) -> JobState:
        """What another writing of a word means; some say COMPLETED for DONE."""
        word = str(value).strip().upper()
        return cls.__members__.get("DONE" if word == "COMPLETED" else word, cls.UNKNOWN)

    @property
    def is_end(self) -> bool:
        """Whether nothing more will happen to the job."""
        return self in {JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.ABORTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What is asked of Clari: one forecast's quarter."""

    forecast_id: str
    time_period: str
    types: tuple[str, ...]
    scope_id: str | None = None
    currency: str | None = None
    include_historical: bool = True
    export_format: ExportFormat = ExportFormat.JSON

    @property
    def adoption_key(self) -> tuple[str, str]:
        """What identifies a listed job as this request's: requests with the same are submitted one at a time."""
        return self.forecast_id, self.time_period

    @property
    def path(self) -> str:
        """Where it is asked for."""
        return f"/export/forecast/{segment(self.forecast_id)}"

    def body(self) -> dict[str, Any]:
        """The body of the export call. `schedule` is NONE: this pipeline repeats, Clari need not."""
        others = {"scopeId": self.scope_id, "currency": self.currency}
        return {
            "timePeriod": self.time_period,
            "typesToExport": list(self.types),
            "schedule": "NONE",
            "includeHistorical": self.include_historical,
            "exportFormat": self.export_format.value,
            **{name: value for name, value in others.items() if value is not None},
        }

    def is_named_by(self, job: Job) -> bool:
        """Whether a listed job's file name tells of this forecast and quarter, the only place where it names them.

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
    """All activity of these days, both included, by UTC."""

    first_day: date
    last_day: date

    @classmethod
    def between(cls, first_day: date, last_day: date) -> Self:
        """Days as the period asked for: `2026-11-14_2026-11-21`."""
        period = f"{first_day}_{last_day}"
        return cls(forecast_id=ACTIVITY, time_period=period, types=(), first_day=first_day, last_day=last_day)

    @property
    def adoption_key(self) -> tuple[str, str]:
        """That it is activity: the list of jobs does not say of which days."""
        return self.forecast_id, ""

    @property
    def path(self) -> str:
        """Where it is asked for."""
        return "/export/activity"

    def body(self) -> dict[str, Any]:
        """The body of the export call; of a moment Clari takes the day alone [spec]. No types are all of them."""
        return {
            "startDate": f"{self.first_day}T00:00:00Z",
            "endDate": f"{self.last_day}T00:00:00Z",
            "exportFormat": self.export_format.value,
        }

    def is_named_by(self, job: Job) -> bool:
        """Whether a listed job is one of activity: which days it is of, no description of Clari's says where.

        A forecast may be called "activity", too: its job is none.
        """
        is_forecasts = (job.file_name or "").startswith(_FORECASTS_FILE) or (job.module or "").upper() == "FORECAST"
        return not is_forecasts and any(
            ACTIVITY in (said or "").lower() for said in (job.file_name, job.module, job.title)
        )


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """Where a run that died had got to: `job_id` is None where Clari's answer never arrived."""

    job_id: str | None
    asked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One export that is to be made, under the id by which the ledger knows it. `attempt` counts from 1.

    `is_history`: what was left behind is wanted if Clari has it, and not to be asked for again if it has not.
    """

    request_id: str
    request: ExportRequest
    attempt: int = 1
    left_behind: LeftBehind | None = None
    is_history: bool = False

    @classmethod
    def planned(cls, request: ExportRequest, *, attempt: int = 1) -> Self:
        """An export that nobody has begun."""
        return cls(request_id=uuid.uuid4().hex, request=request, attempt=attempt)

    def next_attempt(self) -> Self:
        """The next attempt at the same."""
        return type(self).planned(self.request, attempt=self.attempt + 1)

    @property
    def quarter_id(self) -> str:
        """The quarter asked for."""
        return self.request.time_period

    @property
    def label(self) -> str:
        """Forecast and quarter, for people."""
        return f"{self.request.forecast_id} {self.request.time_period}"


def _moment(value: object) -> object:
    """Epoch milliseconds, as a number or its text; anything else, 0 included, is none."""
    if isinstance(value, datetime):
        return value
    try:
        milliseconds = float(str(value))
        return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds > 0 else None
    except (ValueError, OverflowError, OSError):
        return None


def _usable_id(job_id: str) -> str:
    """The id. Raises `ValueError` where no address, folder or table could hold it."""
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
    """One export job. Times are UTC; `status` is Clari's own word."""

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
        """The state that the word means."""
        return JobState(self.status)

    @property
    def is_truncated(self) -> bool:
        """A DONE job with either flag delivered an incomplete document [spec]."""
        return bool(self.rows_truncated or self.cells_truncated)


class Limits(_Answer):
    """What Clari leaves free; None where it does not say. The quota is a rolling 30 days, per organisation."""

    concurrent_limit: _Count = None
    monthly_quota: _Count = None
    running_job_ids: _Ids = ()
    submitted_job_ids: _Ids = ()
    available_concurrent_limit: _Count = None
    available_monthly_quota: _Count = None

    @property
    def used(self) -> int | None:
        """Exports that count against the quota now."""
        if self.monthly_quota is None or self.available_monthly_quota is None:
            return len(self.submitted_job_ids) or None
        return self.monthly_quota - self.available_monthly_quota
