"""What a merge leaves in a forecast's quarter, counted and totalled by table and field, and what stands there later.

The tables are `forecast_entry_state`, `forecast_entry_history`, `forecast_entry_sighting`, `forecast_time_frame` and
`forecast_user_sighting` of the quarter, and `forecast_user` and `forecast_user_history` of the whole forecast.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from decimal import Decimal

from clari_pipeline.warehouse.session import Session, row, rows_as, run


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """One table's rows of one field: how many, of each measure sum and count, and a fingerprint of all columns.

    `quarter_id` is None for people, `field_id` for tables without fields. `fingerprint` is None where it was made in
    another way than today's.
    """

    quarter_id: str | None
    table_name: str
    field_id: str | None
    row_count: int = 0
    present_count: int | None = None
    forecast_value_total: Decimal | None = None
    forecast_value_count: int | None = None
    quota_value_total: Decimal | None = None
    quota_value_count: int | None = None
    adjustment_value_total: Decimal | None = None
    adjustment_value_count: int | None = None
    crm_total_total: Decimal | None = None
    crm_total_count: int | None = None
    crm_closed_total: Decimal | None = None
    crm_closed_count: int | None = None
    fingerprint: Decimal | None = None


_KEY = ("quarter_id", "table_name", "field_id")
_COUNTED = tuple(field.name for field in fields(Total) if field.name not in {*_KEY, "fingerprint"})


@dataclass(frozen=True, slots=True)
class Unlike:
    """A table's rows of one field that are not those that were left: what was, and what stands."""

    left: Total
    stands: Total

    @property
    def columns(self) -> dict[str, tuple[int | Decimal | None, int | Decimal | None]]:
        """What was left and what stands, by count or sum that differs; none where values alone changed places."""
        pairs = {name: (getattr(self.left, name), getattr(self.stands, name)) for name in _COUNTED}
        return {name: pair for name, pair in pairs.items() if (pair[0] or 0) != (pair[1] or 0)}


def leave(session: Session, forecast_id: str, quarter_id: str | None, *, with_entries: bool = True) -> None:
    """Record what stands in the tables of a forecast's quarter, and of its people; of these alone without a quarter.

    Without entries the totals of `forecast_entry_state` and its history stay: the transaction has not written them.
    The caller holds the transaction that has changed them, and `merging.transaction`'s lock on people.
    """
    asked = {"forecast_id": forecast_id, "quarter_id": quarter_id}
    if not with_entries and quarter_id is not None:  # of a quarter that a release before this one merged, all of it
        with_entries = not row(session, "totals/knows_entries", **asked)["knows_entries"]
    for name in ("forget", "leave"):
        run(session, f"totals/{name}", **asked, with_entries=with_entries)


def unlike(session: Session, forecast_id: str, quarter_id: str | None) -> list[Unlike]:
    """Compare what stands in the tables with what was left there; without a quarter the people alone.

    A quarter, or people, of which nothing was recorded are not compared: a release before this one merged them. The
    caller holds the quarter's lock.
    """
    asked = {"forecast_id": forecast_id, "quarter_id": quarter_id}
    with session.lock("marts", shared=True), session.lock("people", forecast_id):  # no other merge between the two
        left = {_key(one): one for one in rows_as(Total, session, "totals/left_behind", **asked)}
        stands = {_key(one): one for one in rows_as(Total, session, "totals/standing", **asked, with_entries=True)}
    return list(_unlike(left, stands))


def _unlike(left: dict[tuple[str | None, ...], Total], stands: dict[tuple[str | None, ...], Total]) -> Iterator[Unlike]:
    recorded = {quarter_id for quarter_id, *_ in left}
    for key in sorted(left.keys() | stands.keys(), key=repr):
        if key[0] not in recorded:
            continue
        nothing = Total(**dict(zip(_KEY, key, strict=True)))  # type: ignore[arg-type]  # the three are text or None
        pair = Unlike(left.get(key, nothing), stands.get(key, nothing))
        fingerprints = pair.left.fingerprint, pair.stands.fingerprint
        if pair.columns or (None not in fingerprints and fingerprints[0] != fingerprints[1]):
            yield pair


def _key(total: Total) -> tuple[str | None, ...]:
    return tuple(getattr(total, name) for name in _KEY)
