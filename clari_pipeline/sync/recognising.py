"""Match ids across formats: a quarter whose exports change between JSON and CSV keeps its people, fields and weeks.

Only relational JSON has Clari's own ids, a CSV has none [spec]; in other shapes ids are made from emails and names
(synthetic). The ids of a staged document are replaced with those of the quarter's earlier exports before the merge.
Where all exports of the quarter have Clari's own ids, only the fields that `clari_pipeline.toml` spells are matched.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from clari_pipeline.checks.export_gate import ExportFacts
from clari_pipeline.config.rules import Rules, SameRules
from clari_pipeline.core.periods import FiscalCalendar, Quarter
from clari_pipeline.documents import Document, matching, money
from clari_pipeline.documents.matching import Item, Named
from clari_pipeline.documents.rows import ControlTotal
from clari_pipeline.store.ledger_rows import ExportRow
from clari_pipeline.warehouse.session import Record, Session, row, rows, run

_LISTS = ("stage_user", "stage_field", "stage_time_period", "stage_week", "stage_time_frame")
_SAME = ("same_person", "same_field", "same_period")
_ROLES = ("role", "parent_role")
_MOST_LISTED = 20  # ambiguous ids in the evidence
_ENTRIES_PER_STATEMENT = 1000  # pairs of person and field in one statement
_EVERY_ENTRY = ""
_WITH_CLARI_IDS = "relational"  # the shape whose ids are Clari's own


@dataclass(frozen=True, slots=True)
class _Currency:
    """A currency sign and its code, for the entries of one person and field, or (ids None) for all entries."""

    sign: str
    code: str
    user_id: str | None = None
    field_id: str | None = None


@dataclass(slots=True)
class Recognised:
    """Result of the matching: known field ids by the document's ids, ambiguous people and fields, and currencies.

    `joined` are the spellings of fields that the document spells in several ways. `rows_joined` counts the entries
    without figures that were dropped, because an entry of another spelling has the same key.
    """

    fields: dict[str, str] = field(default_factory=dict)
    joined: list[str] = field(default_factory=list)
    rows_joined: int = 0
    ambiguous: list[dict[str, str]] = field(default_factory=list)
    currencies: list[_Currency] = field(default_factory=list)

    def totals(self, counted: Mapping[tuple[str | None, str], ControlTotal]) -> dict[tuple[Any, str], ControlTotal]:
        """Control totals of the document, keyed by (known field id, measure)."""
        totals: dict[tuple[Any, str], ControlTotal] = {}
        for (of, measure), one in counted.items():
            totals.setdefault((self.fields.get(of or "", of), measure), ControlTotal()).add(one.total, one.count)
        return totals

    def facts(self, export: ExportRow) -> ExportFacts:
        """Facts for the gate: how many ids are ambiguous, and which."""
        first = ", ".join(f"{one['kind']} {one['written']}" for one in self.ambiguous[:3])
        more = f" and {len(self.ambiguous) - 3} more" if len(self.ambiguous) > 3 else ""
        kinds = sorted({one["kind"] for one in self.ambiguous})
        tables = " and ".join(f"[same.{'people' if kind == 'person' else 'fields'}]" for kind in kinds)
        return ExportFacts(
            request_id=export.request_id,
            facts={"ids_unrecognised": len(self.ambiguous)},
            evidence={
                "ids_are_recognised": {
                    "summary": f"the quarter's earlier exports are of another format, and which of their ids "
                    f"{first}{more} {'is' if len(self.ambiguous) == 1 else 'are'} nobody can tell: export in that "
                    f"format again (CLARI_EXPORT_FORMAT), or say it in {tables} of clari_pipeline.toml",
                    "unrecognised": self.ambiguous[:_MOST_LISTED],
                }
            },
        )


def recognise(
    session: Session, export: ExportRow, document: Document, rules: Rules, calendar: FiscalCalendar, shapes: set[str]
) -> Recognised:
    """Replace the staged ids with the known ids of the forecast's quarter, before the staged rows are uploaded.

    `shapes` are those of documents read for this merge so far; the shape of this one is added.
    """
    quarter_key = {"forecast_id": export.forecast_id, "quarter_id": export.time_period_id}
    is_synthetic = document.shape != _WITH_CLARI_IDS
    before = row(session, "recognise/formats", **quarter_key)
    of_other_format = before["with_ids" if is_synthetic else "without_ids"] or any(
        (shape == _WITH_CLARI_IDS) == is_synthetic for shape in shapes
    )
    shapes.add(document.shape)
    found = Recognised()
    if rules.field:
        _join_fields(session, found, rules, quarter_key, is_synthetic=is_synthetic)
    if of_other_format:
        _match_ids(session, export, found, rules.same, calendar, quarter_key, is_synthetic=is_synthetic)
    elif is_synthetic:
        _match_synthetic_ids(session, quarter_key)
    if of_other_format or is_synthetic:
        _currencies(session, quarter_key, found)
    return found


def _match_ids(
    session: Session,
    export: ExportRow,
    found: Recognised,
    same: SameRules,
    calendar: FiscalCalendar,
    quarter_key: dict[str, str],
    *,
    is_synthetic: bool,
) -> None:
    known = [
        one | {"is_shown": one["is_shown"] and export.scope_id in {None, one["asked_scope_id"]}}
        for one in rows(session, "recognise/people", **quarter_key)
    ]
    if not known:
        return
    lists, staged = _staged(session)
    ids = {
        "same_person": _people(
            staged["stage_user"], known, found, _one_name_each(same.people), is_synthetic=is_synthetic
        ),
        "same_field": _fields(
            staged["stage_field"],
            rows(session, "recognise/fields", **quarter_key),
            found,
            _one_name_each(same.fields),
            is_synthetic=is_synthetic,
        ),
    }
    known_weeks = rows(session, "recognise/weeks", **quarter_key)
    ids["same_period"] = _periods(staged, known_weeks, calendar, is_synthetic=is_synthetic)
    weeks = _weeks(staged, known_weeks)
    joined = {written: ids["same_field"].get(one, one) for written, one in found.fields.items()}
    found.fields = ids["same_field"] | joined
    _restage(session, lists, staged, ids, weeks)


def _join_fields(
    session: Session, found: Recognised, rules: Rules, quarter_key: dict[str, str], *, is_synthetic: bool
) -> None:
    """Give all spellings of a field, by `[[field]]`, one id.

    Entries then may share a key: those without figures are dropped; the gate refuses those whose figures differ.
    """
    lists, staged = _staged(session)
    fields = staged["stage_field"]
    known = rows(session, "recognise/fields", **quarter_key)
    one_of = matching.spelt_fields(fields, known, rules.spellings, is_synthetic=is_synthetic)
    written = {place: (fields[place]["field_id"], fields[place]["field_name"]) for place in one_of}
    found.fields = {written[place][0]: one["field_id"] for place, one in one_of.items()}
    several = {id_ for id_, count in Counter(one["field_id"] for one in one_of.values()).items() if count > 1}
    found.joined = [name or id_ for place, (id_, name) in written.items() if one_of[place]["field_id"] in several]
    listed: dict[str, Item] = {}
    for place, one in enumerate(fields):
        one.update(one_of.get(place, {}))
        listed.setdefault(one["field_id"], one)
    staged["stage_field"] = list(listed.values())
    _restage(session, lists, staged, {"same_field": found.fields}, {})
    if several:
        run(session, "documents/join_entries", fields=sorted(several))
        found.rows_joined = row(session, "documents/rows_joined")["rows_joined"]
        run(session, "documents/drop_duplicates")


def _match_synthetic_ids(session: Session, quarter_key: dict[str, str]) -> None:
    """Match a document without Clari's ids to others without: roles of one person, months and weeks by their days.

    Each role of a person has its own id where a CSV has one email or CRM id in several roles, now or before. CSVs count
    weeks from 0 [spec] or from 1 [mdas]; earlier releases wrote months with a zero (`2026_M08`).
    """
    lists, staged = _staged(session)
    people = matching.roles(staged["stage_user"], rows(session, "recognise/people", **quarter_key))
    for one in staged["stage_user"]:
        one["user_id"] = people.get(one["user_id"], one["user_id"])
    months = rows(session, "recognise/months", quarter_id=quarter_key["quarter_id"])
    days = {(one["start_date"], one["end_date"]): one["time_period_id"] for one in months}
    periods = {
        one["time_period_id"]: id_
        for one in staged["stage_time_period"]
        if one["period_type"] == "MONTH"
        and (id_ := days.get((one["start_date"], one["end_date"]))) not in {None, one["time_period_id"]}
    }
    _rename_periods(staged, periods)
    known_weeks = rows(session, "recognise/weeks", **quarter_key)
    begins = {(one["time_period_id"], one["start_date"]): one["time_frame_id"] for one in known_weeks}
    are_counted_otherwise = any(
        begins.get((one["time_period_id"], one["start_date"]), one["time_frame_id"]) != one["time_frame_id"]
        for one in staged["stage_time_frame"]
        if one["start_date"] is not None
    )
    weeks = _weeks(staged, known_weeks) if are_counted_otherwise else {}
    if people or periods or weeks:
        _restage(session, lists, staged, {"same_person": people, "same_period": periods}, weeks)


def _staged(session: Session) -> tuple[dict[str, pa.Table], dict[str, list[Item]]]:
    """The staged lists, as tables and as rows."""
    lists = {name: session.documents.table(name).to_arrow_table() for name in _LISTS}
    return lists, {name: table.to_pylist() for name, table in lists.items()}


def _one_name_each(named: Mapping[str, str]) -> dict[str, tuple[str]]:
    return {written: (known,) for written, known in named.items()}


def _restage(
    session: Session,
    lists: Mapping[str, pa.Table],
    staged: Mapping[str, list[Item]],
    ids: Mapping[str, Mapping[str, str]],
    weeks: Mapping[tuple[str, str], str],
) -> None:
    """Replace the staged lists, and the ids of the staged entries."""
    for name, table in lists.items():
        session.documents.register(f"kept_{name}", pa.Table.from_pylist(staged[name], schema=table.schema))
    for name in _SAME:
        mapped = ids.get(name, {})
        session.documents.register(name, _table(written_id=mapped.keys(), known_id=mapped.values()))
    session.documents.register(
        "same_week",
        _table(
            time_period_id=[period for period, _ in weeks],
            written_id=[written for _, written in weeks],
            known_id=weeks.values(),
        ),
    )
    run(session, "documents/restore_lists")
    run(session, "documents/recognised")
    for name in (*(f"kept_{name}" for name in _LISTS), *_SAME, "same_week"):
        session.documents.unregister(name)


def name_currencies(session: Session, export: ExportRow, found: Recognised) -> None:
    """Replace currency signs of the quarter's older exports with this one's codes. The caller holds the transaction."""
    entries: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for one in found.currencies:
        is_of_all_entries = one.user_id is None and one.field_id is None
        entries[one.sign, one.code] += [_EVERY_ENTRY if is_of_all_entries else f"{one.user_id} {one.field_id}"]
    for (sign, code), named in entries.items():
        for begin in range(0, len(named), _ENTRIES_PER_STATEMENT):
            for name in ("name_currency", "name_swing_currency", "outdate_marts"):
                run(
                    session,
                    f"recognise/{name}",
                    forecast_id=export.forecast_id,
                    quarter_id=export.time_period_id,
                    sign=sign,
                    code=code,
                    entries=named[begin : begin + _ENTRIES_PER_STATEMENT],
                )


def _people(
    staged: list[Item], known: list[Item], found: Recognised, named: Named, *, is_synthetic: bool
) -> dict[str, str]:
    matched = matching.people(staged, known, is_synthetic=is_synthetic, named=named)
    found.ambiguous += [{"kind": "person", "written": staged[place]["user_id"]} for place in matched.unsure]
    ids = {}
    for place, item in matched.known.items():
        one = staged[place]
        ids[one["user_id"]] = item["user_id"]
        one["user_id"] = item["user_id"]
        if matching.is_person_synthetic(item) != is_synthetic and item is not one:
            for name in ("email", "crm_user_id", "scope_id"):
                if one[name] is None or _is_same_value(name, one[name], item[name]):
                    one[name] = item[name]
            for side in _ROLES:
                if one[f"{side}_name"] and one[f"{side}_name"] == item[f"{side}_name"]:
                    one[f"{side}_id"] = item[f"{side}_id"]
    _name_roles(staged, known, is_synthetic=is_synthetic)
    return {written: id_ for written, id_ in ids.items() if written != id_}


def _name_roles(staged: list[Item], known: list[Item], *, is_synthetic: bool) -> None:
    """Replace role ids with the known id of the name, if exactly one role has it. Never one of Clari's with another."""
    roles: defaultdict[str, set[str]] = defaultdict(set)
    for one in known:
        for side in _ROLES:
            if name := one[f"{side}_name"]:
                roles[name].add(one[f"{side}_id"])
    for one in staged:
        for side in _ROLES:
            ids = roles.get(one[f"{side}_name"] or "", set())
            if len(ids) == 1 and (is_synthetic or one[f"{side}_name"] in ids):
                (one[f"{side}_id"],) = ids


def _is_same_value(name: str, written: str, known: str | None) -> bool:
    if known is None or name == "scope_id":
        return False
    return (
        matching.crm_id(written) == matching.crm_id(known)
        if name == "crm_user_id"
        else (written.strip().casefold() == known.strip().casefold())
    )


def _fields(
    staged: list[Item], known: list[Item], found: Recognised, named: Named, *, is_synthetic: bool
) -> dict[str, str]:
    matched = matching.fields(staged, known, is_synthetic=is_synthetic, named=named)
    found.ambiguous += [{"kind": "field", "written": staged[place]["field_id"]} for place in matched.unsure]
    ids = {}
    for place, item in matched.known.items():
        one = staged[place]
        ids[one["field_id"]] = item["field_id"]
        one |= {
            "field_id": item["field_id"],
            "field_name": (item["field_name"] if is_synthetic else one["field_name"]) or one["field_name"],
            "field_type": one["field_type"] or item["field_type"],
        }
    return {written: id_ for written, id_ in ids.items() if written != id_}


def _periods(
    staged: dict[str, list[Item]], known_weeks: Iterable[Record], calendar: FiscalCalendar, *, is_synthetic: bool
) -> dict[str, str]:
    """Known ids of periods, replaced in the staged lists; dates that a CSV lacks are copied from the known period."""
    known = {
        one["time_period_id"]: {
            "time_period_id": one["time_period_id"],
            "period_type": one["period_type"],
            "label": one["label"],
            "year": one["year"],
            "start_date": one["period_start_date"],
            "end_date": one["period_end_date"],
            "crm_id": one["crm_id"],
            "is_around": one["is_around"],
            "is_shown": True,
        }
        for one in known_weeks
    }
    matched = matching.periods(staged["stage_time_period"], known.values())
    ids = {written: item["time_period_id"] for written, item in matched.items()}
    for one in staged["stage_time_period"]:
        item = matched.get(one["time_period_id"])
        if item is not None and is_synthetic and not _is_contradicted(item, calendar):
            one |= {name: item[name] for name in one if item[name] is not None}
    _rename_periods(staged, ids)
    return {written: id_ for written, id_ in ids.items() if written != id_}


def _rename_periods(staged: Mapping[str, list[Item]], ids: Mapping[str, str]) -> None:
    for name in ("stage_time_period", "stage_time_frame", "stage_week"):
        for one in staged[name]:
            one["time_period_id"] = ids.get(one["time_period_id"], one["time_period_id"])


def _is_contradicted(period: Item, calendar: FiscalCalendar) -> bool:
    return period["period_type"] == "QUARTER" and calendar.contradicted_by(
        Quarter.parse(period["time_period_id"]), period["start_date"], period["end_date"]
    )


def _weeks(staged: dict[str, list[Item]], known: Sequence[Record]) -> dict[tuple[str, str], str]:
    """Known ids of weeks, by (period, written id), where they differ; replaced in both staged lists of weeks."""
    ids = matching.weeks(staged["stage_time_frame"], known)
    days = {(one["time_period_id"], one["time_frame_id"]): one["start_date"] for one in staged["stage_time_frame"]}
    listed: list[Item] = []
    for one in staged["stage_week"]:
        names = {
            ids[key]
            for key, start in days.items()
            if key[1] == one["time_frame_id"] and one["time_period_id"] in {None, key[0]} and start == one["start_date"]
        }
        listed += [{**one, "time_frame_id": name} for name in sorted(names or {one["time_frame_id"]})]
    staged["stage_week"] = listed
    for one in staged["stage_time_frame"]:
        one["time_frame_id"] = ids[one["time_period_id"], one["time_frame_id"]]
    return {key: name for key, name in ids.items() if key[1] != name}


def _currencies(session: Session, quarter_key: dict[str, str], found: Recognised) -> None:
    """Replace staged currency signs with known codes; collect signs of older exports for `name_currencies`."""
    known = rows(session, "recognise/currencies", **quarter_key)
    shown = rows(session, "documents/currencies_shown")
    if named := _codes_of_signs(shown, known):
        session.documents.register(
            "currency_named",
            _table(
                sign=[one.sign for one in named],
                code=[one.code for one in named],
                user_id=[one.user_id for one in named],
                field_id=[one.field_id for one in named],
            ),
        )
        run(session, "documents/currencies_named")
        session.documents.unregister("currency_named")
    older = _codes_of_signs(known, shown)
    for sign in sorted({one["currency_code"] for one in known}):
        of_sign = [one for one in older if one.sign == sign]
        codes = {one.code for one in of_sign}
        is_of_all = len(codes) == 1 and len(of_sign) == sum(one["currency_code"] == sign for one in known)
        found.currencies += [_Currency(sign, codes.pop())] if is_of_all else of_sign


def _codes_of_signs(signs: Iterable[Record], others: Sequence[Record]) -> list[_Currency]:
    """The code of each sign, by the codes of `others`: of the same person and field, else the person, else all."""
    by: defaultdict[tuple[str | None, str | None], set[str]] = defaultdict(set)
    for one in others:
        for key in ((one["user_id"], one["field_id"]), (one["user_id"], None), (None, None)):
            by[key].add(one["currency_code"])
    found = []
    for one in signs:
        sign = one["currency_code"]
        keys = ((one["user_id"], one["field_id"]), (one["user_id"], None), (None, None))
        codes = (money.specific_currency(sign, by[key]) for key in keys if by[key])
        if (code := next((code for code in codes if code is not None), None)) is not None:
            found.append(_Currency(sign, code, one["user_id"], one["field_id"]))
    return found


def _table(**columns: Iterable[str | None]) -> pa.Table:
    return pa.table({name: pa.array(list(values), pa.string()) for name, values in columns.items()})
