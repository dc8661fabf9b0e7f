"""What the gate judges: counts and offending rows of the staged document, and its differences from earlier exports."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta

from clari_pipeline.documents import matching
from clari_pipeline.store.ledger_rows import ExportRow
from clari_pipeline.warehouse.session import Record, Session, row, rows, rows_as, run


@dataclass(frozen=True, slots=True)
class DeliveredPeriod:
    """A period that the document lists. `is_around`: it lies around the quarter asked for, as its year does."""

    time_period_id: str
    period_type: str | None
    label: str | None
    start_date: date | None
    end_date: date | None
    is_around: bool


@dataclass(frozen=True, slots=True)
class WeeksSpan:
    """How many weeks with days the document lists, and from when to when these reach."""

    weeks: int
    start_date: date | None
    end_date: date | None


@dataclass(frozen=True, slots=True)
class WeekAstray:
    """A period's week whose days cannot be right; `fault` says why, to follow its name: `ends before it begins`."""

    time_period_id: str
    time_frame_id: str
    start_date: date | None
    end_date: date | None
    period_start_date: date | None
    period_end_date: date | None
    fault: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A field's measure that is left out as a calculated one: `cells` hold no number, but such as `written`."""

    field_id: str
    measure: str
    cells: int
    written: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFacts:
    """What the staged document holds: counts, and up to twenty rows of each kind of fault as evidence."""

    rows_staged: int
    rows_written: int
    null_keys: int
    conflicting_keys: int
    scope_id: str | None
    unreadable_amounts: int
    cells_left_out: int
    call_time_frame_id: str | None
    quota_fields: str | None
    periods: list[DeliveredPeriod]
    weeks_span: WeeksSpan
    weeks_astray: list[WeekAstray]
    entries_without_key: list[Record]
    entries_in_conflict: list[Record]
    amounts_unreadable: list[Record]
    measures_left_out: list[LeftOut]

    @property
    def period_ids(self) -> str:
        """The periods that it delivers, comma-separated."""
        return ",".join(period.time_period_id for period in self.periods)


@dataclass(frozen=True, slots=True)
class PreviousExport:
    """An earlier export that was asked for in the same way, and how many entries its document held."""

    job_id: str
    exported_at: datetime
    rows_exported: int


@dataclass(frozen=True, slots=True)
class KeyBefore:
    """A key of earlier documents, and one of its kinds.

    `was_always`: each element of its list had it in the newest document that was asked for in the same way.
    """

    path: str
    kind: str
    was_always: bool


@dataclass(frozen=True, slots=True)
class CurrencyChange:
    """A pair of currencies, and how many entries went from the one to the other."""

    known_currency: str
    currency: str
    entries: int


@dataclass(frozen=True, slots=True)
class SharedPerson:
    """A person, by CRM id or else by email, whom the document shows under several user ids."""

    crm_user_id: str | None
    email: str | None
    user_ids: list[str]


@dataclass(frozen=True, slots=True)
class Top:
    """A person at the top of the role hierarchy."""

    user_id: str
    name: str | None
    email: str | None


@dataclass(frozen=True, slots=True)
class AmbiguousQuota:
    """A period in which several fields carry a quota, and `CLARI_QUOTA_FIELD` names none of them."""

    time_period_id: str
    field_ids: list[str]


def of_staged_document(session: Session, today: date) -> DocumentFacts:
    """What this session's staged document holds; `today` is the organisation's day on which it was exported."""
    counts = row(session, "documents/document_facts")
    (span,) = rows_as(WeeksSpan, session, "documents/weeks_span")
    return DocumentFacts(
        **counts | {name: int(counts[name]) for name in ("rows_written", "cells_left_out")},
        **row(session, "documents/quota_fields"),
        call_time_frame_id=call_week(session, today),
        periods=rows_as(DeliveredPeriod, session, "documents/periods_delivered"),
        weeks_span=span,
        weeks_astray=rows_as(WeekAstray, session, "documents/weeks_astray"),
        entries_without_key=rows(session, "documents/entries_without_key") if counts["null_keys"] else [],
        entries_in_conflict=rows(session, "documents/entries_in_conflict") if counts["conflicting_keys"] else [],
        amounts_unreadable=rows(session, "documents/amounts_unreadable") if counts["unreadable_amounts"] else [],
        measures_left_out=rows_as(LeftOut, session, "documents/measures_left_out") if counts["cells_left_out"] else [],
    )


def call_week(session: Session, today: date) -> str | None:
    """Id of the staged week whose call counts on a day: the newest begun, else the earliest; None without any."""
    found: str | None = row(session, "documents/call_week", today=today)["call_time_frame_id"]
    return found


def previous_export(session: Session, export: ExportRow) -> PreviousExport | None:
    """The newest loaded export before this one with the same scope, types and history."""
    which = asdict(export) | {"quarter_id": export.time_period_id}
    return next(iter(rows_as(PreviousExport, session, "quality/previous_export", **which)), None)


def contract_before(session: Session, export: ExportRow, shape: str) -> list[KeyBefore]:
    """The keys of the forecast's merged documents of this shape before the export's."""
    which = asdict(export) | {"quarter_id": export.time_period_id, "shape": shape}
    return rows_as(KeyBefore, session, "quality/contract_before", **which)


def currencies_changed(session: Session, export: ExportRow) -> list[CurrencyChange]:
    """Pairs of currencies in which staged entries differ from the same entries in the tables."""
    which = {"forecast_id": export.forecast_id, "quarter_id": export.time_period_id}
    return rows_as(CurrencyChange, session, "quality/currencies_changed", **which)


def people_shared(session: Session) -> list[SharedPerson]:
    """People with several user ids in the staged document, at most twenty."""
    return rows_as(SharedPerson, session, "documents/people_shared")


def fields_alike(
    session: Session, export: ExportRow, spellings: Mapping[str, tuple[str, ...]]
) -> list[tuple[Record, Record]]:
    """Pairs of a known field and one of the staged document with the same letters and digits, not in `spellings`."""
    known = rows(session, "quality/fields_known", forecast_id=export.forecast_id)
    return matching.fields_alike(rows(session, "documents/fields_shown"), known, spellings)


def people_invented(session: Session) -> int:
    """How many people are staged, if every email of theirs is in `.example`, as only a sandbox writes; else 0."""
    found: int = row(session, "documents/people_invented")["people"]
    return found


def tops(session: Session) -> list[Top]:
    """People at the top of the staged document's role hierarchy, at most twenty."""
    return rows_as(Top, session, "documents/tops")


def part_shown(session: Session, export: ExportRow) -> str | None:
    """User id of the top person of a staged document that shows a part of the organisation, such as a manager's team.

    It shows a part if it has none of the people whom exports had shown at the top by its `exported_at`, or before: when
    its quarter is rebuilt, its own row in the ledger is one of these exports. None if it has one of them, or if nobody
    is known to be at the top.
    """
    for moment in (export.as_of, export.as_of - timedelta(microseconds=1)):
        tops_known(session, replace(export, exported_at=moment))  # makes `person_shown`
        found: str | None = row(session, "quality/part_shown")["shown_from"]
        if found is not None:
            return found
    return None


def tops_known(session: Session, export: ExportRow) -> list[Top]:
    """People at the top of the role hierarchy by the quarter's exports up to this one's `exported_at`, at most twenty.

    Leaves this session's `person_shown` in place, as of that moment.
    """
    which = {"forecast_id": export.forecast_id, "quarter_id": export.time_period_id}
    run(session, "marts/person_shown", **which, as_of=export.exported_at)
    return rows_as(Top, session, "quality/tops_known")


def quota_ambiguous(session: Session) -> list[AmbiguousQuota]:
    """Periods whose quota field is ambiguous and needed; reads this session's `quota_field` and `measure_field`."""
    return rows_as(AmbiguousQuota, session, "quality/quota_ambiguous")


def rows_of_quarter(session: Session, quarter_id: str) -> dict[str, int]:
    """How many rows of the quarter stand in each of the tables that know a row's quarter, by the table's name."""
    return {
        one["table_name"]: one["row_count"] for one in rows(session, "ledger/rows_of_quarter", quarter_id=quarter_id)
    }
