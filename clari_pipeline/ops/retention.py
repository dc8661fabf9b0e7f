"""Delete old quarters from the tables. Their landed documents stay, and `replay` restores them.

Their exports stay in the ledger as `RETIRED`, so that a sync of such a quarter rebuilds it from all of its documents,
not from the newest export alone. Old verdicts that passed are deleted, too: each export adds seventeen.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from clari_pipeline.landing import Landing, LandingError
from clari_pipeline.store import merging, totals
from clari_pipeline.store.mart_registry import MARTS, RetentionRule
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.refreshing import Marts
from clari_pipeline.warehouse.session import Record, Session, row, rows, run

_AT_ONCE = 1000  # exports in one statement
_LEAVING = [mart.name for mart in MARTS.values() if mart.retention is RetentionRule.WITH_QUARTER]
_QUERIES = tuple(  # in this order: rows are found by their period, so they are deleted before the periods
    f"retention/{name}" for name in ("retire", "forget_quarter", "forget_periods_around", "retired")
)


@dataclass(frozen=True, slots=True)
class OldQuarter:
    """A quarter before the oldest one kept: its row count by table, its number of exports, and their forecasts.

    `obstacle` is why it is kept, None if it is not: a landed document is missing, without which it cannot be rebuilt.
    """

    quarter_id: str
    rows: Mapping[str, int]
    exports: int
    forecasts: tuple[str, ...]
    obstacle: str | None = None


class Retention:
    """Finds and deletes the rows of old quarters, and old verdicts."""

    def __init__(self, context: Context) -> None:
        self._context = context
        kept = max(context.settings.retention_periods, context.settings.historical_periods + 1)
        self.oldest_kept = context.fiscal_calendar().quarter_of(context.today()).shifted(1 - kept)
        """The oldest quarter that stays, by `CLARI_RETENTION_PERIODS`, but never one that a sync exports."""

    def old_quarters(self) -> list[OldQuarter]:
        """The quarters before the oldest one kept, oldest first."""
        with self._context.warehouse.session() as session:
            return self._old_quarters(session)

    def retire(self) -> list[OldQuarter]:
        """Delete the old quarters' rows, each quarter in one transaction, and refresh the marts.

        Returns all old quarters; those with an `obstacle` were kept.
        """
        with_retry = self._context.warehouse.with_retry
        done = [one if one.obstacle else with_retry(partial(self._retire, one)) for one in self.old_quarters()]
        if any(one.obstacle is None for one in done):
            Marts(self._context).refresh_all()
        return done

    def old_verdicts(self) -> int:
        """The number of verdicts in `export_check` that `forget_verdicts` would delete: those that passed, of exports
        merged more than `CLARI_VERDICT_DAYS` ago that are not the newest of their quarter. Failed verdicts, and all of
        a refused export, are kept. Results of the user's own rules (`quality_result`) are counted, too, by their runs.
        """
        with self._context.warehouse.session() as session:
            return sum(int(found["verdicts"]) for found in self._old_verdicts(session)) + self._old_results(session)

    def forget_verdicts(self) -> int:
        """Delete the old verdicts; returns their number."""

        def forget(session: Session) -> int:
            with session.lock("marts"), session.transaction():
                found, results = self._old_verdicts(session), self._old_results(session)
                run(session, "retention/forget_rule_results", not_before=self._verdicts_not_before)
                for begin in range(0, len(found), _AT_ONCE):
                    named = [one["request_id"] for one in found[begin : begin + _AT_ONCE]]
                    run(session, "retention/forget_verdicts", request_ids=named)
            return sum(int(one["verdicts"]) for one in found) + results

        return self._context.warehouse.with_retry(forget)

    def _old_verdicts(self, session: Session) -> list[Record]:
        return rows(session, "retention/verdicts", not_before=self._verdicts_not_before)

    def _old_results(self, session: Session) -> int:
        return int(row(session, "retention/rule_results", not_before=self._verdicts_not_before)["results"])

    @property
    def _verdicts_not_before(self) -> datetime:
        return self._context.now() - timedelta(days=self._context.settings.verdict_days)

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
        """Delete a quarter's rows under the locks of its forecasts and of the marts: no merge can run concurrently.

        The quarter is read again under the locks, as the plan may be out of date.
        """
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
                    totals.leave(session, forecast_id, None)
            return found


def _obstacle(landing: Landing, export: Record) -> str | None:
    try:
        document = landing.find(export["landing_path"])
        if (document.folder / "document.zst").stat().st_size:
            return None
    except (LandingError, OSError):
        pass
    return f"landed document {landing.root / export['landing_path']} is not there: restore it from a backup"
