"""Quarters that are old enough leave the tables. Their landed documents stay, and `replay` brings them back.

The ledger goes on naming their exports, as `RETIRED`: whoever syncs such a quarter again gets all of it back, not the
newest export alone. Verdicts that passed leave, too, once they are old: a sync writes seventeen an export, for ever.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from clari_pipeline.landing import Landing, LandingError
from clari_pipeline.store import merging
from clari_pipeline.store.mart_registry import MARTS, RetentionRule
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.refreshing import Marts
from clari_pipeline.warehouse.session import Record, Session, rows, run

_AT_ONCE = 1000  # exports that a statement names
_LEAVING = [mart.name for mart in MARTS.values() if mart.retention is RetentionRule.WITH_QUARTER]
_QUERIES = ("retention/retire", "retention/forget_quarter", "retention/retired")  # periods: which rows are a quarter's


@dataclass(frozen=True, slots=True)
class OldQuarter:
    """A quarter before the oldest one kept: rows by table, and the exports of which they are made.

    `obstacle` says why it stays: a document without which it could not be brought back.
    """

    quarter_id: str
    rows: Mapping[str, int]
    exports: int
    forecasts: tuple[str, ...]
    obstacle: str | None = None


class Retention:
    """What leaves the tables of a warehouse, and what stays."""

    def __init__(self, context: Context) -> None:
        self._context = context
        kept = max(context.settings.retention_periods, context.settings.historical_periods + 1)
        self.oldest_kept = context.calendar.quarter_of(context.today()).shifted(1 - kept)
        """The oldest quarter that stays: of `CLARI_RETENTION_PERIODS`, or of those that a sync brings, if more."""

    def old_quarters(self) -> list[OldQuarter]:
        """What would go, the oldest first."""
        with self._context.warehouse.session() as session:
            return self._old_quarters(session)

    def retire(self) -> list[OldQuarter]:
        """Remove the old quarters' rows, each in a transaction of its own, and refresh the marts without them.

        Returns what has gone, and what had to stay.
        """
        with_retry = self._context.warehouse.with_retry
        done = [one if one.obstacle else with_retry(partial(self._retire, one)) for one in self.old_quarters()]
        if any(one.obstacle is None for one in done):
            Marts(self._context).refresh_all()
        return done

    def old_verdicts(self) -> int:
        """How many verdicts would leave `export_check`: those that passed, of exports that were merged more than
        `CLARI_VERDICT_DAYS` ago and are not the newest of their quarter. What failed stays, and all of an export that
        was refused.
        """
        with self._context.warehouse.session() as session:
            return sum(found["verdicts"] for found in self._old_verdicts(session))

    def forget_verdicts(self) -> int:
        """Remove the old verdicts; how many."""

        def forget(session: Session) -> int:
            with session.lock("marts"), session.transaction():
                found = self._old_verdicts(session)
                for begin in range(0, len(found), _AT_ONCE):
                    named = [one["request_id"] for one in found[begin : begin + _AT_ONCE]]
                    run(session, "retention/forget_verdicts", request_ids=named)
            return sum(one["verdicts"] for one in found)

        return self._context.warehouse.with_retry(forget)

    def _old_verdicts(self, session: Session) -> list[Record]:
        not_before = self._context.now() - timedelta(days=self._context.settings.verdict_days)
        return rows(session, "retention/verdicts", not_before=not_before)

    def _old_quarters(self, session: Session) -> list[OldQuarter]:
        landing, oldest_kept = self._context.landing, str(self.oldest_kept)
        counted: dict[str, dict[str, int]] = {}
        for found in rows(session, "retention/counts", oldest_kept=oldest_kept):
            counted.setdefault(found["quarter_id"], {})[found["table_name"]] = found["gone"]
        for mart in _LEAVING:
            for found in rows(session, f"retention/count_mart@{mart}", oldest_kept=oldest_kept):
                counted.setdefault(found["quarter_id"], {})[mart] = found["gone"]
        exports: dict[str, list[Record]] = {}
        for export in rows(session, "retention/exports", oldest_kept=oldest_kept):
            exports.setdefault(export["quarter_id"], []).append(export)
        return [
            OldQuarter(
                quarter_id,
                counted.get(quarter_id, {}),
                len(made_of := exports.get(quarter_id, [])),
                tuple(sorted({export["forecast_id"] for export in made_of})),
                next((lost for export in made_of if (lost := _obstacle(landing, export))), None),
            )
            for quarter_id in sorted({*counted, *exports})
        ]

    def _retire(self, old: OldQuarter, session: Session) -> OldQuarter:
        """Nobody merges or compares anything of the quarter meanwhile, nor has looked at its ledger to do so."""
        with ExitStack() as locks:
            for forecast_id in old.forecasts:
                locks.enter_context(session.lock("quarter", forecast_id, old.quarter_id))
            locks.enter_context(session.lock("marts"))
            locks.enter_context(session.transaction())
            found = next((one for one in self._old_quarters(session) if one.quarter_id == old.quarter_id), old)
            if found.obstacle is None:
                for query in (*(f"retention/retire_mart@{mart}" for mart in _LEAVING), *_QUERIES):
                    run(session, query, quarter_id=old.quarter_id)
                for forecast_id in found.forecasts:
                    merging.rebuild_people(session, forecast_id)
            return found


def _obstacle(landing: Landing, export: Record) -> str | None:
    try:
        document = landing.find(export["landing_path"])
        if (document.folder / "document.zst").stat().st_size:
            return None
    except (LandingError, OSError):
        pass
    return f"landed document {landing.root / export['landing_path']} is not there: restore it from a backup"
