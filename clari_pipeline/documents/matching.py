"""Which person, field, period and week of a document is which known one, where a format with other ids brought those.

JSON has Clari's ids; a CSV has emails, names and numbers in their place. What has one known counterpart is that one;
what may be one of several, or cannot be compared, is named and never guessed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Item = dict[str, Any]
_Key = Callable[[Item], Hashable | None]

NEW = "new"
"""What a setting says of something that is none of those known."""

_SHORT_ID, _LONG_ID = 15, 18
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_A_WEEK = 10  # days; what is longer is no week, such as the period that the flat JSON has for one
_NUMBERED = re.compile(r"(\D*)(\d{1,9})")  # what is longer is no number of a week


@dataclass(slots=True)
class Matched:
    """`known` is by place in the document's list; `unsure` are places of what may be known and cannot be told."""

    known: dict[int, Item] = field(default_factory=dict)
    unsure: list[int] = field(default_factory=list)


def crm_id(text: str | None) -> str | None:
    """An id of Salesforce in its long form: 15 letters tell capitals, the three behind them are their checksum.

    What is no such id, or has another checksum, is as it was.
    """
    written = (text or "").strip()
    short = written[:_SHORT_ID]
    if len(written) not in {_SHORT_ID, _LONG_ID} or not (written.isascii() and written.isalnum()):
        return written or None
    chunks = (short[at : at + 5] for at in range(0, _SHORT_ID, 5))
    full = short + "".join(_SUFFIX[sum(letter.isupper() << at for at, letter in enumerate(chunk))] for chunk in chunks)
    return full if written in {short, full} or written[_SHORT_ID:].upper() == full[_SHORT_ID:] else written


def people(
    shown: Sequence[Item], known: Sequence[Item], *, is_synthetic: bool, named: Mapping[str, str] | None = None
) -> Matched:
    """Match people by id, else by email, else by CRM id; of several alike by their role, too.

    `is_synthetic`: the document has no ids of Clari's. Known people say by `is_shown` whether the newest export showed
    them. `named` is what a setting says: who is written so is that one.
    """
    id_, email, crm, role = (
        _text("user_id"),
        _folded("email"),
        lambda one: crm_id(one["crm_user_id"]),
        _text("role_name"),
    )
    tiers = (email, _both(email, role), crm, _both(crm, role))
    matched = _matched(shown, list(known), id_, tiers, is_person_synthetic, is_synthetic=is_synthetic, named=named)
    return _with_unsure(matched, shown, known, id_, is_person_synthetic, _may_be_one_person, is_synthetic=is_synthetic)


def roles(shown: Sequence[Item], known: Sequence[Item]) -> dict[str, str]:
    """Ids of people as they are known, by the other ids that a document without Clari's writes of the same people.

    They have one email, or CRM id, and role: somebody had one role then and has several now, or the other way round.
    """
    role = _text("role_name")
    matched = _tier(Matched(), shown, known, _both(_folded("email"), role))
    matched = _tier(matched, shown, known, _both(lambda one: crm_id(one["crm_user_id"]), role))
    ids = {shown[place]["user_id"]: str(item["user_id"]) for place, item in matched.known.items()}
    others = {one["user_id"] for one in shown} - ids.keys()
    return {written: id_ for written, id_ in ids.items() if written != id_ and id_ not in others}


def fields(
    shown: Sequence[Item], known: Sequence[Item], *, is_synthetic: bool, named: Mapping[str, str] | None = None
) -> Matched:
    """Match fields by id, else by name: without capitals, blanks and underscores, else without any marks."""
    id_ = _text("field_id")
    tiers = (_named(r"[\s_]+"), _named(r"[\W_]+"))
    matched = _matched(shown, list(known), id_, tiers, is_field_synthetic, is_synthetic=is_synthetic, named=named)
    return _with_unsure(matched, shown, known, id_, is_field_synthetic, lambda *_: True, is_synthetic=is_synthetic)


def periods(shown: Sequence[Item], known: Iterable[Item]) -> dict[str, Item]:
    """Match periods by id, else by their days, else by their label: known ones, by the id that the document writes."""
    tiers: tuple[_Key, ...] = (_days("period_type"), _folded("label"))
    matched = _matched(
        shown, list(known), _text("time_period_id"), tiers, lambda _: True, is_synthetic=True, named=None
    )
    return {shown[place]["time_period_id"]: item for place, item in matched.known.items()}


def weeks(shown: Sequence[Item], known: Iterable[Item]) -> dict[tuple[str, str], str]:
    """Ids of weeks as they are known, by period and the id that the document writes.

    Of one period each. A week is the one with its days, whatever number it bears; one with other days than the known
    one of its id has another id, and so has one without days whose number that of another week has become.
    """
    known = list(known)
    matched = _tier(Matched(), shown, known, _days("time_period_id"))
    matched = _tier(matched, shown, known, _first_day_of_a_week)
    free = [one for one in known if one["start_date"] is None]
    dateless = [one if one["start_date"] is None else {**one, "time_frame_id": None} for one in shown]
    matched = _tier(matched, dateless, known, _both(_text("time_period_id"), _text("time_frame_id")))
    matched = _tier(matched, shown, free, _both(_text("time_period_id"), _text("time_frame_id")))
    found = {_week_key(shown[place]): str(item["time_frame_id"]) for place, item in matched.known.items()}
    taken = {_week_key(one) for one in known} | {(period, week) for (period, _), week in found.items()}
    shift = _shift(found)
    for one in shown:
        period, written = key = _week_key(one)
        if key in found:
            continue
        day = str(one["start_date"] or "")
        free_name = (name for name in (_shifted(written, shift), written, day) if name and (period, name) not in taken)
        found[key] = next(free_name, f"{written} ({day or 'no days'})")
        taken.add((period, found[key]))
    return found


def is_person_synthetic(person: Item) -> bool:
    """Whether an id is one that stands in for Clari's: the email or the CRM id, with the role or without."""
    stand_ins = {person["email"], person["crm_user_id"]} - {None, ""}
    stand_ins |= {f"{one} ({person['role_name']})" for one in stand_ins}
    return person["user_id"] in stand_ins


def is_field_synthetic(one: Item) -> bool:
    """Whether a field's id is its name: a CSV's, or the one field of the flat JSON."""
    return one["field_id"] == one["field_name"] or (one["field_id"], one["field_name"]) == ("forecast", "Forecast")


def _matched(
    shown: Sequence[Item],
    known: list[Item],
    id_: _Key,
    tiers: Iterable[_Key],
    is_stand_in: Callable[[Item], bool],
    *,
    is_synthetic: bool,
    named: Mapping[str, str] | None,
) -> Matched:
    """By what is named, by id, then tier by tier: among what the newest export showed first, then among all."""
    matched = _by_name(shown, known, id_, named or {})
    matched = _tier(matched, shown, known, id_)
    # Where a document has Clari's ids, another id of Clari's is somebody else.
    others = known if is_synthetic else [one for one in known if is_stand_in(one)]
    for pool in ([one for one in others if one["is_shown"]], others):
        for tier in tiers:
            matched = _tier(matched, shown, pool, tier)
    return matched


def _by_name(shown: Sequence[Item], known: list[Item], id_: _Key, named: Mapping[str, str]) -> Matched:
    matched = Matched()
    for place, one in enumerate(shown):
        wanted = next((named[text] for text in _names_of(one) if text in named), None)
        found = [item for item in known if wanted is not None and wanted in _names_of(item)]
        exact = [item for item in found if id_(item) == wanted] or found
        if wanted == NEW:
            matched.known[place] = one
        elif len(exact) == 1 and exact[0] not in matched.known.values():
            matched.known[place] = exact[0]
    return matched


def _names_of(one: Item) -> list[str]:
    return [one[name] for name in ("user_id", "email", "crm_user_id", "field_id", "field_name") if one.get(name)]


def _tier(matched: Matched, shown: Sequence[Item], known: Sequence[Item], key: _Key) -> Matched:
    """Match what is alike by `key` and alone in that, on both sides."""
    taken = {id(item) for item in matched.known.values()}
    theirs: defaultdict[Hashable, list[Item]] = defaultdict(list)
    for item in known:
        if id(item) not in taken and (mark := key(item)) is not None:
            theirs[mark].append(item)
    ours: defaultdict[Hashable, list[int]] = defaultdict(list)
    for place, one in enumerate(shown):
        if place not in matched.known and (mark := key(one)) is not None:
            ours[mark].append(place)
    for mark, places in ours.items():
        if len(places) == len(theirs[mark]) == 1:
            matched.known[places[0]] = theirs[mark][0]
    return matched


def _with_unsure(
    matched: Matched,
    shown: Sequence[Item],
    known: Sequence[Item],
    id_: _Key,
    is_stand_in: Callable[[Item], bool],
    may_be_one: Callable[[Item, Item], bool],
    *,
    is_synthetic: bool,
) -> Matched:
    """What is left beside known ones of the other kind of ids that are left, too."""
    taken = {id_(item) for item in matched.known.values()}
    left = [one for one in known if one["is_shown"] and id_(one) not in taken and is_stand_in(one) != is_synthetic]
    others = [one for one in known if one["is_shown"] and is_stand_in(one) != is_synthetic]
    nobody = bool(others) and not matched.known
    matched.unsure = [
        place
        for place, one in enumerate(shown)
        if place not in matched.known and (nobody or any(may_be_one(one, item) for item in left))
    ]
    return matched


def _may_be_one_person(one: Item, other: Item) -> bool:
    """Unless an address or CRM id that both have tells them apart."""
    pairs = [
        (_folded("email")(one), _folded("email")(other)),
        (crm_id(one["crm_user_id"]), crm_id(other["crm_user_id"])),
    ]
    both = [mine == theirs for mine, theirs in pairs if mine and theirs]
    return any(both) or not both


def _text(name: str) -> _Key:
    return lambda one: one[name] or None


def _folded(name: str) -> _Key:
    return lambda one: (one[name] or "").strip().casefold() or None


def _named(blanks: str) -> _Key:
    return lambda one: re.sub(blanks, " ", one["field_name"] or "").strip().casefold() or None


def _both(first: _Key, second: _Key) -> _Key:
    def key(one: Item) -> Hashable | None:
        marks = first(one), second(one)
        return None if None in marks else marks

    return key


def _days(also: str) -> _Key:
    def key(one: Item) -> Hashable | None:
        marks = one[also], one["start_date"], one["end_date"]
        return None if None in marks else marks

    return key


def _first_day_of_a_week(one: Item) -> Hashable | None:
    first, last = one["start_date"], one["end_date"]
    if first is None or (last is not None and (last - first).days > _A_WEEK):
        return None
    return one["time_period_id"], first


def _week_key(one: Item) -> tuple[str, str]:
    return one["time_period_id"], one["time_frame_id"]


def _shift(found: Mapping[tuple[str, str], str]) -> int | None:
    """By how much the known weeks' numbers differ from the written ones, where all differ by the same."""
    shifts = set()
    for (_, written), name in found.items():
        before, after = _NUMBERED.fullmatch(written), _NUMBERED.fullmatch(name)
        if before is None or after is None or before[1] != after[1]:
            return None
        shifts.add(int(after[2]) - int(before[2]))
    return shifts.pop() if len(shifts) == 1 else None


def _shifted(written: str, shift: int | None) -> str | None:
    found = _NUMBERED.fullmatch(written)
    if shift is None or found is None or (number := int(found[2]) + shift) < 0:
        return None
    return f"{found[1]}{number:0{len(found[2])}}"
