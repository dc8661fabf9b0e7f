"""Match people, fields, periods and weeks of a document to known ones of documents in a format with other ids.

JSON has Clari's ids; a CSV has emails, names and numbers in their place. An item with one known counterpart is matched
to it; one that may be any of several, or cannot be compared, is reported as unsure and never guessed.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Item = dict[str, Any]
_Key = Callable[[Item], Hashable | None]

Named = Mapping[str, Sequence[str]]
"""A setting: what a document writes, with the names of the known item in order of precedence."""

NEW = "new"
"""The value by which a setting declares an item to be none of the known ones."""

_SHORT_ID, _LONG_ID = 15, 18
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_LONGEST_WEEK = 10  # days; anything longer is no week, such as the period that stands for one in flat JSON
_NUMBERED = re.compile(r"(\D*)(\d{1,9})")  # more digits are no number of a week


@dataclass(slots=True)
class Matched:
    """`known`: the known item by index in the document's list. `unsure`: indexes of items that may be known ones."""

    known: dict[int, Item] = field(default_factory=dict)
    unsure: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Kind:
    """How items of one kind are matched: by id, else by the first of `tiers` whose key one on each side alone shares.

    `is_stand_in`: whether an item's id is not Clari's. `may_be_one`: whether two that no tier matches may be the same.
    """

    id: _Key
    tiers: tuple[_Key, ...]
    is_stand_in: Callable[[Item], bool]
    may_be_one: Callable[[Item, Item], bool] = lambda *_: True


def crm_id(text: str | None) -> str | None:
    """Convert an id of Salesforce to its long form: 15 case-sensitive characters, and three that encode their case.

    Any other text, or one with a wrong checksum, is returned stripped; an empty one is None.
    """
    written = (text or "").strip()
    short = written[:_SHORT_ID]
    if len(written) not in {_SHORT_ID, _LONG_ID} or not (written.isascii() and written.isalnum()):
        return written or None
    chunks = (short[at : at + 5] for at in range(0, _SHORT_ID, 5))
    full = short + "".join(_SUFFIX[sum(letter.isupper() << at for at, letter in enumerate(chunk))] for chunk in chunks)
    return full if written in {short, full} or written[_SHORT_ID:].upper() == full[_SHORT_ID:] else written


def people(
    written: Sequence[Item],
    known: Sequence[Item],
    *,
    is_synthetic: bool,
    named: Named | None = None,
) -> Matched:
    """Match people by id, else by email, else by CRM id; of several alike by their role, too.

    `is_synthetic`: the document has no ids of Clari's. `is_shown` of a known person: the newest export showed it.
    `named`, from a setting, maps what the document writes to names of the known item, or to `NEW`. Of the names the
    first decides that exactly one known item has.
    """
    return _match(_PEOPLE, written, known, is_synthetic=is_synthetic, named=named)


def roles(written: Sequence[Item], known: Sequence[Item]) -> dict[str, str]:
    """Known ids of people by the different ids that a document without Clari's ids has for them.

    Matched by email, or CRM id, and role: such an id contains the role only while the person has several roles.
    """
    matched = Matched()
    for mark in (_EMAIL_AND_ROLE, _CRM_ID_AND_ROLE):
        _match_tier(matched, written, known, mark)
    ids = {written[place]["user_id"]: str(item["user_id"]) for place, item in matched.known.items()}
    others = {one["user_id"] for one in written} - ids.keys()
    return {old: id_ for old, id_ in ids.items() if old != id_ and id_ not in others}


def fields(
    written: Sequence[Item],
    known: Sequence[Item],
    *,
    is_synthetic: bool,
    named: Named | None = None,
) -> Matched:
    """Match fields by id, else by name: ignoring case, blanks and underscores, else any punctuation, too."""
    return _match(_FIELDS, written, known, is_synthetic=is_synthetic, named=named)


def spelt_fields(
    written: Sequence[Item], known: Sequence[Item], spellings: Mapping[str, tuple[str, ...]], *, is_synthetic: bool
) -> dict[int, Item]:
    """The one field, id and name, that stands for all its spellings by a setting, by index in the document's list.

    It is the known field, by the first spelling that is known. Without one it is the first spelling itself, where ids
    are names (`is_synthetic`), else the first field of the document with one of them. Its name is the first spelling,
    unless that is its id.
    """
    found = {}
    for place, one in enumerate(written):
        wanted = _wanted(one, spellings)
        if not wanted:
            continue
        item = _item_named(_FIELDS, wanted, known)
        if item is None and is_synthetic:
            item = {"field_id": wanted[0], "field_name": wanted[0]}
        item = item or _item_named(_FIELDS, wanted, written) or one
        name = item["field_name"] if item["field_id"] == wanted[0] else wanted[0]
        found[place] = {"field_id": item["field_id"], "field_name": name or wanted[0]}
    return found


def fields_alike(
    shown: Sequence[Item], known: Sequence[Item], spellings: Mapping[str, tuple[str, ...]]
) -> list[tuple[Item, Item]]:
    """Pairs of a known and a shown field, two ids, whose names have the same letters and digits, ignoring case.

    Left out are fields that a setting joins, and a field of one name that has Clari's id in JSON and its name as its id
    in a CSV.
    """
    letters = _name_without(r"[\W_]+")
    by_letters: defaultdict[Hashable, dict[str, Item]] = defaultdict(dict)
    for one in (*known, *shown):
        if (mark := "".join(str(letters(one) or "").split())) != "":
            by_letters[mark].setdefault(one["field_id"], one)
    are_shown = {one["field_id"] for one in shown}
    found = []
    for alike in by_letters.values():
        first, *others = alike.values()
        found += [
            (first, one)
            for one in others
            if not are_shown.isdisjoint((first["field_id"], one["field_id"]))
            and (not (joined := _wanted(first, spellings)) or joined != _wanted(one, spellings))
            and (first["field_name"] != one["field_name"] or not any(map(is_field_synthetic, (first, one))))
        ]
    return found


def periods(written: Sequence[Item], known: Iterable[Item]) -> dict[str, Item]:
    """Match periods by id, else by days, else by label. Returns the known ones by the id that the document writes."""
    matched = _match(_PERIODS, written, list(known), is_synthetic=True)
    return {written[place]["time_period_id"]: item for place, item in matched.known.items()}


def weeks(written: Sequence[Item], known: Iterable[Item]) -> dict[tuple[str, str], str]:
    """Known ids of weeks, by period and the id that the document writes.

    A week is the known one of its period with the same days, whatever its number. One with other days than the known
    week of its id gets a new id, and so does one without days whose number another week has now.
    """
    known = list(known)
    matched = Matched()
    _match_tier(matched, written, known, _days("time_period_id"))
    _match_tier(matched, written, known, _first_day_of_a_week)
    dateless = [one if one["start_date"] is None else {**one, "time_frame_id": None} for one in written]
    _match_tier(matched, dateless, known, _PERIOD_AND_WEEK)
    _match_tier(matched, written, [one for one in known if one["start_date"] is None], _PERIOD_AND_WEEK)
    found = {_week_key(written[place]): str(item["time_frame_id"]) for place, item in matched.known.items()}
    taken = {_week_key(one) for one in known} | {(period, week) for (period, _), week in found.items()}
    # By how much the known weeks' numbers differ from the written ones, where all differ by the same.
    pairs = [(_NUMBERED.fullmatch(before), _NUMBERED.fullmatch(after)) for (_, before), after in found.items()]
    shifts = {
        int(after[2]) - int(before[2]) if before and after and before[1] == after[1] else None
        for before, after in pairs
    }
    shift = shifts.pop() if len(shifts) == 1 else None
    for one in written:
        period, week = key = _week_key(one)
        if key in found:
            continue
        day, number, shifted = str(one["start_date"] or ""), _NUMBERED.fullmatch(week), ""
        if shift is not None and number is not None and int(number[2]) + shift >= 0:
            shifted = f"{number[1]}{int(number[2]) + shift:0{len(number[2])}}"
        free_name = (name for name in (shifted, week, day) if name and (period, name) not in taken)
        found[key] = next(free_name, f"{week} ({day or 'no days'})")
        taken.add((period, found[key]))
    return found


def is_person_synthetic(person: Item) -> bool:
    """Whether a person's id is not Clari's but the email or the CRM id, with the role or without."""
    stand_ins = {person["email"], person["crm_user_id"]} - {None, ""}
    stand_ins |= {f"{one} ({person['role_name']})" for one in stand_ins}
    return person["user_id"] in stand_ins


def is_field_synthetic(one: Item) -> bool:
    """Whether a field's id is not Clari's but its name, as of a CSV, or is that of flat JSON."""
    return one["field_id"] == one["field_name"] or (one["field_id"], one["field_name"]) == ("forecast", "Forecast")


def _match(
    kind: _Kind,
    written: Sequence[Item],
    known: Sequence[Item],
    *,
    is_synthetic: bool,
    named: Named | None = None,
) -> Matched:
    """Match by `named`, by id, then by each tier: first among items that the newest export showed, then among all.

    Unsure are unmatched items that may be known ones with the other kind of ids, shown by the newest export and
    unmatched, too.
    """
    matched, named = Matched(), named or {}
    for place, one in enumerate(written):
        wanted = _wanted(one, named)
        if NEW in wanted:
            matched.known[place] = one
        elif (item := _item_named(kind, wanted, known)) is not None and item not in matched.known.values():
            matched.known[place] = item
    _match_tier(matched, written, known, kind.id)
    # Two different ids of Clari's are never the same item.
    others = known if is_synthetic else [one for one in known if kind.is_stand_in(one)]
    for pool in ([one for one in others if one["is_shown"]], others):
        for tier in kind.tiers:
            _match_tier(matched, written, pool, tier)
    taken = {kind.id(item) for item in matched.known.values()}
    of_other_ids = [one for one in known if one["is_shown"] and kind.is_stand_in(one) != is_synthetic]
    left = [one for one in of_other_ids if kind.id(one) not in taken]
    is_nobody_known = bool(of_other_ids) and not matched.known
    matched.unsure = [
        place
        for place, one in enumerate(written)
        if place not in matched.known and (is_nobody_known or any(kind.may_be_one(one, item) for item in left))
    ]
    return matched


def _wanted(one: Item, named: Named) -> Sequence[str]:
    """The names that a setting gives an item, in order of precedence; empty where it gives none."""
    return next((named[text] for text in _identifiers(one) if text in named), ())


def _item_named(kind: _Kind, names: Sequence[str], items: Sequence[Item]) -> Item | None:
    """The item that the first unambiguous one of these names identifies: by its id, else by another identifier."""
    for name in names:
        found = [item for item in items if name in _identifiers(item)]
        exact = [item for item in found if kind.id(item) == name] or found
        if len(exact) == 1:
            return exact[0]
    return None


def _identifiers(one: Item) -> list[str]:
    return [one[name] for name in ("user_id", "email", "crm_user_id", "field_id", "field_name") if one.get(name)]


def _match_tier(matched: Matched, written: Sequence[Item], known: Sequence[Item], key: _Key) -> None:
    """Match unmatched items whose `key` is the same, and unique on each side."""
    taken = {id(item) for item in matched.known.values()}
    theirs: defaultdict[Hashable, list[Item]] = defaultdict(list)
    for item in known:
        if id(item) not in taken and (mark := key(item)) is not None:
            theirs[mark].append(item)
    ours: defaultdict[Hashable, list[int]] = defaultdict(list)
    for place, one in enumerate(written):
        if place not in matched.known and (mark := key(one)) is not None:
            ours[mark].append(place)
    for mark, places in ours.items():
        if len(places) == len(theirs[mark]) == 1:
            matched.known[places[0]] = theirs[mark][0]


def _text(name: str) -> _Key:
    return lambda one: one[name] or None


def _folded(name: str) -> _Key:
    return lambda one: (one[name] or "").strip().casefold() or None


def _name_without(blanks: str) -> _Key:
    return lambda one: re.sub(blanks, " ", one["field_name"] or "").strip().casefold() or None


def _all(*marks_of: _Key) -> _Key:
    """The tuple of several keys; None where one of them is None."""

    def key(one: Item) -> Hashable | None:
        marks = tuple(mark(one) for mark in marks_of)
        return None if None in marks else marks

    return key


def _days(also: str) -> _Key:
    return _all(lambda one: one[also], lambda one: one["start_date"], lambda one: one["end_date"])


def _first_day_of_a_week(one: Item) -> Hashable | None:
    first, last = one["start_date"], one["end_date"]
    if first is None or (last is not None and (last - first).days > _LONGEST_WEEK):
        return None
    return one["time_period_id"], first


def _week_key(one: Item) -> tuple[str, str]:
    return one["time_period_id"], one["time_frame_id"]


_EMAIL, _CRM_ID, _ROLE = _folded("email"), lambda one: crm_id(one["crm_user_id"]), _text("role_name")
_EMAIL_AND_ROLE, _CRM_ID_AND_ROLE = _all(_EMAIL, _ROLE), _all(_CRM_ID, _ROLE)
_PERIOD_AND_WEEK = _all(_text("time_period_id"), _text("time_frame_id"))


def _may_be_one_person(one: Item, other: Item) -> bool:
    """Whether an email or CRM id that both have is equal, or they have none in common to compare."""
    equal = [mark(one) == mark(other) for mark in (_EMAIL, _CRM_ID) if mark(one) and mark(other)]
    return any(equal) or not equal


_PEOPLE = _Kind(
    _text("user_id"),
    (_EMAIL, _EMAIL_AND_ROLE, _CRM_ID, _CRM_ID_AND_ROLE),
    is_person_synthetic,
    _may_be_one_person,
)
_FIELDS = _Kind(_text("field_id"), (_name_without(r"[\s_]+"), _name_without(r"[\W_]+")), is_field_synthetic)
_PERIODS = _Kind(_text("time_period_id"), (_days("period_type"), _folded("label")), lambda _: True)
