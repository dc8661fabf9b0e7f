"""Calls as of a moment, and the marts made from them: `forecast_swing` and `forecast_vs_quota`."""

from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256

from clari_pipeline.config.rules import Rules
from clari_pipeline.core.periods import FiscalCalendar, Quarter
from clari_pipeline.store.calendar import known_calendar
from clari_pipeline.store.ledger_rows import ExportRow
from clari_pipeline.store.mart_registry import MARTS
from clari_pipeline.warehouse.session import Session, row, rows, rows_as, run


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRules:
    """Settings of the calls: whether adjusted values count, the quota's field, the top person, and what is a swing.

    `swing_threshold` is a share (0.20 is 20 %), `swing_min_amount` an amount in the row's currency.
    """

    use_adjusted: bool
    quota_field: str | None
    top_user: str | None
    swing_threshold: Decimal
    swing_min_amount: Decimal
    calendar: FiscalCalendar
    rules: Rules = field(default_factory=Rules)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedExport:
    """What determines a loaded export's calls: its moment, its week of the call, and its quota fields."""

    job_id: str
    exported_at: datetime
    call_time_frame_id: str | None
    quota_fields: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewestExport(LoadedExport):
    """The newest loaded export of a forecast × quarter, and how many of the quarter's exports are loaded.

    `covered_at` is the `exported_at` of the newest that an export job brought; None where no job brought any.
    """

    request_id: str
    forecast_id: str
    quarter_id: str
    exports_loaded: int
    covered_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Swing:
    """A call of an export that moved by more than the threshold, against one `baseline`: `sync` or `week`.

    Amounts are in the call's own currency; `change_pct` is a share (0.20 is 20 %), None from zero.
    """

    forecast_id: str
    baseline: str
    user_id: str
    user_name: str | None
    time_period_id: str
    field_id: str
    field_name: str
    previous_value: Decimal
    current_value: Decimal
    change_amount: Decimal | None
    change_pct: Decimal | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class MassChange:
    """A period's field in which `swung` of `compared` calls swung, `moved_alike` of them by the same `ratio`.

    `user_ids` are those who moved alike; None where the change is that of all who swung.
    """

    time_period_id: str
    field_id: str
    field_name: str
    baseline: str
    compared: int
    swung: int
    ratio: Decimal | None
    moved_alike: int
    others_swung: int
    user_ids: list[str] | None


@dataclass(frozen=True, slots=True)
class _Pair:
    """A comparison that is due: an export's job, and that of the export before it by this baseline."""

    baseline: str
    job_id: str
    previous_job_id: str


def refresh_quarter(session: Session, forecast_id: str, quarter_id: str, rules: CallRules) -> None:
    """Refresh one quarter of `forecast_swing` and `forecast_vs_quota`: its calls are collected once for both.

    Leaves this session's `quota_field` and `measure_field` in place, as the newest export has them.
    """
    calls = _Calls(session, forecast_id, quarter_id, rules)
    which = (forecast_id, quarter_id)
    newest = next((one for one in newest_loaded(session) if (one.forecast_id, one.quarter_id) == which), None)
    _drop_superseded(session, calls.quarter)
    if newest is None:
        return
    if newest.exports_loaded > 1:
        _compare(session, calls, rows_as(_Pair, session, "marts/swing_pairs", **calls.quarter))
    _rebuild_forecast_vs_quota(session, calls, newest, _fingerprint(session, newest, rules))
    calls.find_measure_fields(newest)


def compare_calls(session: Session, forecast_id: str, quarter_id: str, rules: CallRules) -> None:
    """Add to `forecast_swing` each loaded export of the quarter that has not been compared yet."""
    quarter = {"forecast_id": forecast_id, "quarter_id": quarter_id}
    _drop_superseded(session, quarter)
    if pairs := rows_as(_Pair, session, "marts/swing_pairs", **quarter):
        _compare(session, _Calls(session, forecast_id, quarter_id, rules), pairs)


def swings_of(session: Session, export: ExportRow) -> list[Swing]:
    """The swings of one export, the largest first."""
    found = rows(session, "quality/swings_of", job_id=export.job_id)
    return [Swing(forecast_id=export.forecast_id, **swing) for swing in found]


def refresh_forecast_vs_quota(session: Session, rules: CallRules) -> None:
    """Rebuild `forecast_vs_quota` of each forecast and quarter whose fingerprint has changed."""
    run(session, "marts/forecast_vs_quota_orphans")
    known = {(one["forecast_id"], one["quarter_id"]): one["made_of"] for one in rows(session, "marts/versions")}
    for newest in newest_loaded(session):
        which = (newest.forecast_id, newest.quarter_id)
        fingerprint = _fingerprint(session, newest, rules)
        if known.get(which) != fingerprint:
            _rebuild_forecast_vs_quota(session, _Calls(session, *which, rules), newest, fingerprint)


def forget(session: Session, quarter_id: str) -> None:
    """Forget the quarter's fingerprints, so that the next refresh rebuilds its rows."""
    run(session, "marts/forget", quarter_id=quarter_id)


def _fingerprint(session: Session, newest: NewestExport, rules: CallRules) -> str:
    """A fingerprint of whatever a quarter's `forecast_vs_quota` depends on, besides the quarter's own tables."""
    fields = rows(session, "marts/field_names", forecast_id=newest.forecast_id)
    parts = (newest.request_id, newest.exported_at, rules, fields, MARTS["forecast_vs_quota"].version)
    return sha256(repr(parts).encode()).hexdigest()


def begin_calls(session: Session, rules: CallRules) -> None:
    """Make this session's rule tables and an empty `forecast_call`."""
    run(session, "marts/forecast_call_begin")
    run(session, "marts/rules_begin")
    for position, rule in enumerate(rules.rules.swings.rule):
        run(
            session,
            "marts/swing_rule",
            rank=rule.rank * 10_000 + position,
            field=rule.field,
            role=rule.role,
            person=rule.person,
            threshold=rule.threshold,
            min_amount=rule.min_amount,
            min_share_of_quota=rule.min_share_of_quota,
            is_alerted=rule.alert,
            muted_in_weeks=None if rule.muted_in_weeks is None else list(rule.muted_in_weeks),
        )
    for name, field_rule in rules.rules.fields.items():
        run(session, "marts/field_rule", field=name, **field_rule.model_dump())


def find_measure_fields(
    session: Session, forecast_id: str, quarter_id: str, *, as_of: datetime, rules: CallRules
) -> None:
    """Make this session's `quota_field` and `measure_field`: the fields of quota and measures as of a moment."""
    which = {"forecast_id": forecast_id, "quarter_id": quarter_id, "as_of": as_of}
    run(session, "marts/quota_field", **which, quota_field=rules.quota_field)
    run(session, "marts/measure_field", **which)


def mass_changes(session: Session, job_id: str | None) -> list[MassChange]:
    """Periods and fields of an export in which so many calls moved at once that one alert replaces theirs."""
    return rows_as(MassChange, session, "quality/mass_changes", job_id=job_id)


def note_organisation(session: Session, calendar: FiscalCalendar) -> None:
    """Store the organisation's time zone, in which views find the current day."""
    run(session, "marts/organisation", time_zone=calendar.zone)


def newest_loaded(session: Session) -> list[NewestExport]:
    """The newest loaded export of each forecast × quarter, the newest quarter first."""
    return rows_as(NewestExport, session, "marts/newest_loaded")


def published(session: Session, *, weekly_max_rows: int) -> list[str]:
    """The marts that are published as files: weekly ones only up to so many rows of `forecast_call_week`."""
    is_small = session.count("forecast_call_week") <= weekly_max_rows
    return [mart.name for mart in MARTS.values() if is_small or not mart.is_weekly]


def collect_calls(
    session: Session,
    name: str,
    *,
    forecast_id: str,
    quarter_id: str,
    as_of: datetime,
    call_time_frame_id: str | None,
    call_day: date,
    rules: CallRules,
) -> None:
    """Add to this session's `forecast_call`, under a name, the calls of a week as of a moment.

    Of several weeks with one id it is the newest that had begun on `call_day`. Leaves this session's `person_shown`,
    `quota_field` and `measure_field` in place, as of that moment.
    """
    run(session, "marts/person_shown", forecast_id=forecast_id, quarter_id=quarter_id, as_of=as_of)
    find_measure_fields(session, forecast_id, quarter_id, as_of=as_of, rules=rules)
    run(
        session,
        "marts/forecast_call",
        job_id=name,
        forecast_id=forecast_id,
        quarter_id=quarter_id,
        as_of=as_of,
        call_time_frame_id=call_time_frame_id,
        call_day=call_day,
        use_adjusted=rules.use_adjusted,
    )


class _Calls:
    """This session's `forecast_call` and `person_at` of one quarter: each export's calls are collected once."""

    def __init__(self, session: Session, forecast_id: str, quarter_id: str, rules: CallRules) -> None:
        self.quarter = {"forecast_id": forecast_id, "quarter_id": quarter_id}
        self.rules = rules
        self._session = session
        self._collected: list[LoadedExport] = []
        self._people_as_of: datetime | None = None  # of this session's `person_shown`
        self._fields_as_of: datetime | None = None  # of this session's `quota_field` and `measure_field`
        run(session, "marts/forecast_week", **self.quarter)
        begin_calls(session, rules)

    def collect(self, export: LoadedExport) -> None:
        """Add an export's calls and people, unless they are there already."""
        if any(known.job_id == export.job_id for known in self._collected):
            return
        known = next((known for known in self._collected if self._has_same_calls(known, export)), None)
        if known is not None:
            self.show_people(export)
            run(self._session, "marts/forecast_call_again", job_id=export.job_id, known_job_id=known.job_id)
        else:
            collect_calls(
                self._session,
                export.job_id,
                **self.quarter,
                as_of=export.exported_at,
                call_time_frame_id=export.call_time_frame_id,
                call_day=self.rules.calendar.day_of(export.exported_at),
                rules=self.rules,
            )
            self._people_as_of = self._fields_as_of = export.exported_at
        run(self._session, "marts/person_at", job_id=export.job_id)
        self._collected.append(export)

    def show_people(self, export: LoadedExport) -> None:
        """Rebuild this session's `person_shown` as of an export, unless it is."""
        if self._people_as_of != export.exported_at:
            run(self._session, "marts/person_shown", **self.quarter, as_of=export.exported_at)
            self._people_as_of = export.exported_at

    def find_measure_fields(self, export: LoadedExport) -> None:
        """Make this session's `quota_field` and `measure_field` as of an export, unless they are."""
        if self._fields_as_of != export.exported_at:
            find_measure_fields(self._session, **self.quarter, as_of=export.exported_at, rules=self.rules)
            self._fields_as_of = export.exported_at

    def _has_same_calls(self, known: LoadedExport, export: LoadedExport) -> bool:
        """Whether both have the same week of the call and quota fields, and no entry changed between them."""
        if (known.call_time_frame_id, known.quota_fields) != (export.call_time_frame_id, export.quota_fields):
            return False
        after, until = sorted((known.exported_at, export.exported_at))
        found = row(self._session, "marts/entries_changed", **self.quarter, after=after, until=until)
        return not found["has_changed"]


def _drop_superseded(session: Session, quarter: dict[str, str]) -> None:
    """Delete comparisons of exports that were replaced by another one of the same moment: those become due."""
    superseded = [found["job_id"] for found in rows(session, "marts/swings_superseded", **quarter)]
    if superseded:
        run(session, "marts/swings_forget", job_ids=superseded)


def _compare(session: Session, calls: _Calls, pairs: list[_Pair]) -> None:
    if not pairs:
        return
    rules, quarter = calls.rules, calls.quarter
    exports = rows_as(LoadedExport, session, "ledger/of_quarter", **quarter, states=["LOADED"])
    loaded = {export.job_id: export for export in exports}
    swing_rules = rules.rules.swings
    quarter_end = known_calendar(session, rules.calendar).last_day(Quarter.parse(quarter["quarter_id"]))
    for pair in pairs:
        for job_id in (pair.previous_job_id, pair.job_id):  # the newer last: people and fields are needed as of it next
            calls.collect(loaded[job_id])
        run(
            session,
            "marts/forecast_swing",
            **quarter,
            **asdict(pair),
            threshold=rules.swing_threshold,
            min_amount=rules.swing_min_amount,
            min_share=swing_rules.min_share_of_quota,
            fields=[name.lower() for name in swing_rules.fields],
            every_field=not swing_rules.fields,
            rep_mutes=list(swing_rules.reps_muted_in_weeks),
            # A quarter that ended three days ago to the instant did not end more than three days ago.
            exported_on=rules.calendar.day_of(loaded[pair.job_id].exported_at - timedelta(microseconds=1)),
            quarter_end=quarter_end,
        )
        run(session, "marts/forecast_swing_contribution", **asdict(pair))
        run(session, "marts/forecast_swing_summary", **asdict(pair), every_job=False)
    run(session, "marts/swings_unmoved", **quarter)


def _rebuild_forecast_vs_quota(session: Session, calls: _Calls, newest: NewestExport, fingerprint: str) -> None:
    run(session, "marts/forecast_vs_quota_begin", **calls.quarter, made_of=fingerprint)
    calls.collect(newest)
    calls.show_people(newest)
    run(session, "marts/week_person", **calls.quarter, as_of=newest.exported_at)
    today = calls.rules.calendar.day_of(newest.exported_at)
    run(session, "marts/forecast_vs_quota", **asdict(newest), today=today, top_user=calls.rules.top_user)
