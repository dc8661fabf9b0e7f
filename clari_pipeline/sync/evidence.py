"""Build the facts that the gate judges an export by, with evidence for each check, before and after the merge."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from clari_pipeline.checks.export_gate import KEEPS_OUT_CURRENT, ExportFacts, Frame
from clari_pipeline.core.periods import FiscalCalendar, Quarter, why_no_period
from clari_pipeline.core.safe_text import json_text
from clari_pipeline.documents import MEASURES, Document, Rounded, Totals
from clari_pipeline.store import facts, ledger, marts, merging, totals
from clari_pipeline.store.facts import DocumentFacts
from clari_pipeline.store.ledger_rows import ExportRow, LedgerRow
from clari_pipeline.store.marts import CallRules, NewestExport
from clari_pipeline.sync.calendar_evidence import contradictions_of, lies_in, unreadable_labels
from clari_pipeline.sync.recognising import Recognised
from clari_pipeline.warehouse.session import Record, Session

_MEASURE_TYPES = dict(zip(("forecast", "quota", "adjustment", "crm_total", "crm_closed"), MEASURES, strict=True))
_SHOWN = 20


def of_download(export: LedgerRow, *, is_whole: bool) -> ExportFacts:
    """Facts known before the document is read: whether the download proved complete."""
    return ExportFacts(
        request_id=export.request_id,
        facts={"is_whole": is_whole},
        evidence={
            "export_is_complete": {
                "summary": "the connection ended where nothing says how long the document is, and no two downloads "
                "were the same: run again, or set CLARI_EXPORT_FORMAT=JSON, which shows its end"
            }
        },
    )


def of_document(
    export: ExportRow,
    document: Document,
    found: DocumentFacts,
    calendar: FiscalCalendar,
    grace: timedelta,
    joined: Sequence[str] = (),
) -> ExportFacts:
    """Facts of the staged document alone, compared with its request and the fiscal calendar.

    `joined` are the names of its fields that `clari_pipeline.toml` joins into one.
    """
    differ = "keys stand on entries that differ"
    if joined:
        differ += f", perhaps because [[field]] in clari_pipeline.toml joins {', '.join(joined)} into one"
    quarter = Quarter.parse(export.time_period_id)
    outside = [period for period in found.periods if not lies_in(quarter, period, calendar)]
    unread_labels = unreadable_labels(outside, calendar) if document.shape == "long_csv" else []
    begins, today = calendar.first_day(quarter), calendar.day_of(export.as_of)
    elsewhere = {period.time_period_id for period in outside}
    astray = [week for week in found.weeks_astray if week.time_period_id not in elsewhere]
    contradictions = contradictions_of(quarter, found.periods, found.weeks_span, calendar)
    # Of what exports refuse there may be nothing yet, as in a quarter to come: the export itself has come.
    is_of_nothing = export.is_current and "forecast" not in export.types and not document.entry_count
    return ExportFacts(
        request_id=export.request_id,
        is_in_grace=is_of_nothing or begins <= today < begins + grace,
        is_current=quarter == calendar.quarter_of(today),
        facts={
            "is_readable": True,
            "is_truncated": bool(export.rows_truncated),
            "rows_exported": document.entry_count,
            "periods_outside": len(outside),
            "amounts_changed": document.rounded.counts.total() + found.cells_left_out,
            "calendar_contradictions": len(contradictions),
            "weeks_astray": len(astray),
        },
        frames={"entry": _at_fault(found)},
        evidence={
            "export_is_readable": {"shape": document.shape, "unknown_keys": document.unknown_keys},
            "export_is_not_empty": {"summary": f"the document for {quarter} holds no entries"},
            "export_is_not_truncated": {
                "summary": "Clari says that the document is cut off (rowsTruncated or cellsTruncated): "
                "export a smaller scope with CLARI_SCOPE_ID"
            },
            "export_period_matches_request": {
                "summary": "; ".join(map(why_no_period, unread_labels))
                or f"{quarter} was asked for, {found.period_ids or 'nothing'} came",
                "requested": str(quarter),
                "delivered": [period.time_period_id for period in found.periods],
            },
            "entry_keys_are_complete": {
                **_named(found.null_keys, "entries lack a part of their key", found.entries_without_key),
                "null_keys": found.null_keys,
            },
            "entry_keys_are_unique": {
                **_named(found.conflicting_keys, differ, found.entries_in_conflict),
                "conflicting_keys": found.conflicting_keys,
                "exact_duplicates_dropped": found.rows_written - found.rows_staged,
            },
            "amounts_are_readable": {
                **_named(found.unreadable_amounts, "amounts cannot be read", found.amounts_unreadable),
                "unreadable_amounts": found.unreadable_amounts,
            },
            "amounts_are_exact": _not_exact(document.rounded, found.measures_left_out),
            "calendar_matches_settings": contradictions[0] if contradictions else {},
            "weeks_touch_their_period": _astray(astray),
        },
    )


def _at_fault(found: DocumentFacts) -> Frame:
    """The frame `entry`: one row per entry at fault, at most twenty a fault."""
    rows = [
        {**entry, "fault": fault}
        for fault, entries in (
            ("no key", found.entries_without_key),
            ("conflict", found.entries_in_conflict),
            ("unreadable amount", found.amounts_unreadable),
        )
        for entry in entries
    ]
    columns = ("time_period_id", "time_frame_id", "user_id", "field_id", "versions", "measure", "written", "fault")
    return {column: [row.get(column) for row in rows] for column in columns}


def _not_exact(rounded: Rounded, left_out: list[facts.LeftOut]) -> dict[str, Any]:
    """Evidence of amounts that were rounded, by field and measure, and of fields' measures that hold no numbers."""
    counts = [
        {"field_id": field, "measure": measure, "amounts": count}
        for (field, measure), count in rounded.counts.most_common()
    ]
    sentences = [
        *(
            f"{column.measure} of {column.field_id} is left out: no number in {column.cells} of its cells, "
            f"such as {column.written!r}"
            for column in left_out[:_SHOWN]
        ),
        *(
            f"{one['measure']} of {one['field_id']}: {one['amounts']} amounts rounded to four decimals"
            for one in counts[:_SHOWN]
        ),
    ]
    if counts:
        sentences.append(f"by {rounded.most:.1E} at most")
    return {
        "summary": "; ".join(sentences),
        "rounded": counts[:_SHOWN],
        "rounded_by_at_most": rounded.most,
        "left_out": _shown(left_out),
    }


def is_refused_as_current(session: Session, export: ExportRow, known: ExportRow, calendar: FiscalCalendar) -> bool:
    """Whether this export is refused for a check that `known`, the same document, failed with a warning only.

    Some checks refuse a document of the current quarter, and warn of one of another.
    """
    current = calendar.quarter_of(calendar.day_of(export.as_of))
    return str(current) == export.time_period_id and any(
        verdict.check_name in KEEPS_OUT_CURRENT and not verdict.passed
        for verdict in ledger.verdicts_of(session, known.request_id)
    )


def _astray(weeks: list[facts.WeekAstray]) -> dict[str, Any]:
    first = "; ".join(
        f"{week.time_frame_id} of {week.time_period_id} {week.fault} ({week.start_date} to {week.end_date})"
        for week in weeks[:3]
    )
    more = f"; {len(weeks) - 3} more" if len(weeks) > 3 else ""
    return {"summary": first + more, "weeks": _shown(weeks)}


def against_what_is_known(session: Session, export: ExportRow, document: Document, rules: CallRules) -> ExportFacts:
    """Facts for warnings: the staged document compared with the tables, before the merge."""
    previous = facts.previous_export(session, export)
    currencies = facts.currencies_changed(session, export)
    shared = facts.people_shared(session)
    alike = [_alike(*pair) for pair in facts.fields_alike(session, export, rules.rules.spellings)]
    rows, before = document.entry_count, previous.rows_exported if previous else 0
    of_interest = {
        "currencies_changed": sum(change.entries for change in currencies),
        "people_shared": len(shared),
        "fields_alike": len(alike),
        "rows_lost_percent": Decimal(100 * (before - rows)) / before if rows < before else Decimal(0),
    }
    return ExportFacts(
        request_id=export.request_id,
        facts=of_interest,
        evidence={
            "row_count_is_stable": {
                "summary": f"{rows} entries, where the export before had {before}",
                "rows_exported": rows,
                "previous": previous and asdict(previous),
            },
            "currency_is_stable": {
                "summary": "; ".join(
                    f"{change.entries} entries went from {change.known_currency} to {change.currency}"
                    for change in currencies
                ),
                "changes": [asdict(change) for change in currencies],
            },
            "people_are_distinct": {
                "summary": "; ".join(
                    f"{f'CRM person {person.crm_user_id}' if person.crm_user_id else person.email} "
                    f"is {' and '.join(person.user_ids)}"
                    for person in shared
                ),
                "people": _shown(shared),
            },
            "fields_are_distinct": {
                "summary": "; ".join(one["summary"] for one in alike[:_SHOWN]),
                "toml": "\n".join(one["toml"] for one in alike[:_SHOWN]),
            },
        },
    )


def _alike(known: Record, shown: Record) -> dict[str, str]:
    """`summary`, one line for people on two fields that look like one, and `toml`, the lines that would join them."""
    by = "field_id" if known["field_name"] == shown["field_name"] else "field_name"
    lines = f"name = {json_text(known[by])}", f"also = [{json_text(shown[by])}]"
    return {
        "summary": f"{shown[by]!r} looks like the known field {known[by]!r}: if they are one, add [[field]] with "
        f"{' and '.join(lines)} to clari_pipeline.toml, and run clari-pipeline replay",
        "toml": "\n".join(("[[field]]", *lines)),
    }


def of_tops(session: Session, export: ExportRow, rules: CallRules) -> ExportFacts:
    """Facts on how many people are at the top of the hierarchy, one of whom must be the total.

    For a scope's export they are those that exports of the whole organisation have shown.
    """
    is_of_scope = export.scope_id is not None
    tops = facts.tops_known(session, export) if is_of_scope else facts.tops(session)
    named = [top for top in tops if rules.top_user in {top.user_id, top.email, top.name}]
    names = Counter(top.name for top in tops)
    known_as = [top.name if top.name and names[top.name] == 1 else top.user_id for top in tops]
    remedy = "CLARI_TOP_USER names the one whose row is the total"
    if is_of_scope and not tops:
        remedy = "no export of the whole organisation has shown anybody there, and no row is the total"
    return ExportFacts(
        request_id=export.request_id,
        facts={"people_at_top": len(named if rules.top_user else tops)},
        evidence={
            "totals_have_one_top": {
                "summary": f"{len(tops)} people stand at the top ({', '.join(known_as) or 'no roles'}): {remedy}",
                "tops": _shown(tops),
                "CLARI_TOP_USER": rules.top_user,
                "scope_id": export.scope_id,
            },
        },
    )


def after_the_merge(
    session: Session,
    export: ExportRow,
    document: Document,
    before: DocumentFacts,
    recognised: Recognised,
    merged: merging.Merged,
    recount: Callable[[], Totals],
) -> ExportFacts:
    """Facts of the merge: row counts of document, stage and table, and control totals of document and table.

    Where the control totals differ, `recount` takes them from the document's digits, and its result decides.
    """
    duplicates = before.rows_written - before.rows_staged
    counts = {
        "document": document.entry_count,
        "exact_duplicates_dropped": duplicates,
        "staged": before.rows_staged,
        "inserted_updated_unchanged": merged.rows_shown,
        "merged": merged.rows_merged,
    }
    if recognised.rows_joined:
        counts["held_by_another_spelling"] = recognised.rows_joined
    unreconciled = (
        abs(document.entry_count - recognised.rows_joined - duplicates - before.rows_staged)
        + abs(before.rows_staged - merged.rows_shown)
        + abs(merged.rows_shown - merged.rows_merged)
    )
    requested = {_MEASURE_TYPES[name] for name in export.types if name in _MEASURE_TYPES}
    left_out = {(column.field_id, column.measure) for column in before.measures_left_out}

    def compared(document_totals: Totals) -> list[Record]:
        in_document = {key: (one.total, one.count) for key, one in recognised.totals(document_totals).items()}
        return [
            one
            for one in merging.control_totals(session, export, in_document, has_copies=duplicates > 0)
            if one["measure"] in requested and (one["field_id"], one["measure"]) not in left_out
        ]

    totals = None if document.control_totals is None else compared(document.control_totals)
    if totals is None or any(map(_differs, totals)):
        totals = compared(recount())
    differing = [one for one in totals if _differs(one)]
    return ExportFacts(
        request_id=export.request_id,
        facts={"rows_unreconciled": unreconciled},
        frames={"control_total": {name: [one[name] for one in totals] for name in merging.CONTROL_TOTAL}},
        evidence={
            "row_counts_reconcile": {"summary": f"rows do not reconcile: {counts}", **counts},
            "control_totals_reconcile": {"summary": f"{len(differing)} control totals differ", "totals": len(totals)},
        },
    )


def _differs(total: Record) -> bool:
    return bool(total["difference"] or total["count_difference"])


def of_tables(export: ExportRow, unlike: Sequence[totals.Unlike]) -> ExportFacts:
    """Facts on what stood in the quarter's tables before the merge, where it is not what the merge before it left."""
    return ExportFacts(
        request_id=export.request_id,
        facts={"totals_unlike": len(unlike)},
        evidence={
            "tables_reconcile": {
                "summary": f"{of_unlike(unlike)}: the quarter was rebuilt from its landed documents",
                "unlike": columns_unlike(unlike)[:_SHOWN],
            }
        },
    )


def columns_unlike(unlike: Sequence[totals.Unlike]) -> list[dict[str, Any]]:
    """By table, field and count or sum: what the last merge left, and what stands."""
    return [
        {
            "table_name": one.stands.table_name,
            "field_id": one.stands.field_id,
            "column": column,
            "left": left,
            "stands": stands,
        }
        for one in unlike
        for column, (left, stands) in (
            one.columns or {"fingerprint": (one.left.fingerprint, one.stands.fingerprint)}
        ).items()
    ]


def of_unlike(unlike: Sequence[totals.Unlike]) -> str:
    """What stands in the tables and is not what the last merge left, in one line."""
    lines = []
    for one in unlike:
        changes = [f"{name} {left or 0:,} became {stands or 0:,}" for name, (left, stands) in one.columns.items()]
        where = " ".join(filter(None, (one.stands.table_name, one.stands.field_id)))
        lines.append(f"{where}: {', '.join(changes[:3]) or 'other values with the same counts and sums'}")
    more = f"; {len(lines) - 3} more" if len(lines) > 3 else ""
    return f"the tables were changed since the last merge ({'; '.join(lines[:3])}{more})"


def of_calls(session: Session, export: ExportRow, rules: CallRules) -> ExportFacts:
    """Facts of the comparison of its calls, after `marts.refresh_quarter`: swings, and quotas on several fields."""
    swings = marts.swings_of(session, export)
    swung = {(swing.user_id, swing.time_period_id, swing.field_id) for swing in swings}
    ambiguous = facts.quota_ambiguous(session)
    remedy = (
        f"is {rules.quota_field}, which carries none: name the one that counts"
        if rules.quota_field
        else "names the one that counts"
    )
    return ExportFacts(
        request_id=export.request_id,
        facts={"swings": len(swings), "quotas_ambiguous": len(ambiguous)},
        evidence={
            "forecast_swings_within_threshold": {
                "summary": f"{len(swung)} call{'s' * (len(swung) != 1)} moved by more than the threshold",
                "threshold": rules.swing_threshold,
                "largest": [
                    {name: value for name, value in swing.items() if name != "forecast_id"} for swing in _shown(swings)
                ],
            },
            "quota_field_is_unambiguous": {
                "summary": "; ".join(
                    f"the quota of {period.time_period_id} stands on {', '.join(period.field_ids)}"
                    for period in ambiguous
                )
                + f": CLARI_QUOTA_FIELD {remedy}",
                "periods": [asdict(period) for period in ambiguous],
                "CLARI_QUOTA_FIELD": rules.quota_field,
            },
        },
    )


def of_coverage(
    export: NewestExport, *, wanted: list[str], newest: Mapping[str, datetime], not_before: datetime
) -> ExportFacts:
    """Facts on `wanted` quarters never exported, or whose `exported_at` (`newest`) is before `not_before`."""
    missing = [quarter for quarter in wanted if quarter not in newest]
    stale = [quarter for quarter in wanted if quarter in newest and newest[quarter] < not_before]
    remedy = " ".join(["clari-pipeline sync", *(f"--period {quarter}" for quarter in missing + stale)])
    sentences = [
        *([f"never exported: {', '.join(missing)}"] if missing else []),
        *([f"not exported since {not_before:%Y-%m-%d %H:%M} UTC: {', '.join(stale)}"] if stale else []),
    ]
    return ExportFacts(
        request_id=export.request_id,
        facts={"quarters_missing": len(missing) + len(stale)},
        evidence={
            "periods_are_covered": {
                "summary": f"{'; '.join(sentences)}; load them with {remedy}",
                "missing": missing,
                "stale": stale,
                "wanted": wanted,
            }
        },
    )


def of_movement(export: NewestExport, faults: int) -> ExportFacts:
    """Facts on weekly movements: `faults` rows of `forecast_movement` in the export's quarter do not add up."""
    summary = f"{faults} rows of forecast_movement of {export.quarter_id} do not add up: run clari-pipeline replay"
    return ExportFacts(
        request_id=export.request_id,
        facts={"movements_unreconciled": faults},
        evidence={"forecast_movement_adds_up": {"summary": summary}},
    )


def _shown(found: Sequence[Any]) -> list[dict[str, Any]]:
    """The first 20 of these dataclasses, as dicts for evidence."""
    return [asdict(one) for one in found[:_SHOWN]]


def _named(count: int, what: str, shown: list[Record]) -> dict[str, Any]:
    """Evidence that counts the offenders, and shows the first."""
    first = ", ".join(f"{key} {value}" for key, value in shown[0].items()) if shown else ""
    return {"summary": f"{count} {what}; the first: {first}"}
