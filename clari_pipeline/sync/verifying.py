"""Compare the tables with the landed documents, quarter by quarter, and rebuild the quarters that differ, if asked to.

A quarter is rebuilt in a transaction by what rebuilds it for a late document, compared with the rows that stood there,
and rolled back. The other rooms see nothing of it: ledger, verdicts, marts and rows stay as they were.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import Any

from clari_pipeline.checks.export_gate import reason
from clari_pipeline.core.runbook import Problem, RunbookSection
from clari_pipeline.core.setting_errors import UsageError
from clari_pipeline.landing import LandingError
from clari_pipeline.store import comparing, ledger, merging, totals
from clari_pipeline.store.comparing import Compared
from clari_pipeline.sync import evidence
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.judging import Judged
from clari_pipeline.sync.loading import Loader
from clari_pipeline.sync.refreshing import Marts
from clari_pipeline.warehouse.session import Session

_SHOWN = 20


class Verdict(StrEnum):
    """What a verification has found; `DIFFERS` and `UNVERIFIED` are failures."""

    EQUAL = "EQUAL"
    REPAIRED = "REPAIRED"
    DIFFERS = "DIFFERS"
    UNVERIFIED = "UNVERIFIED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A forecast's quarter against its documents, or with `quarter_id` None its people, who are of all its quarters.

    `unlike` are totals that are not those that the last merge left. `error` is why it could not be verified: a document
    is missing or damaged, of which nothing is compared.
    """

    forecast_id: str
    quarter_id: str | None
    verdict: Verdict = Verdict.EQUAL
    compared: Compared = field(default_factory=Compared)
    unlike: Sequence[totals.Unlike] = ()
    documents: int = 0
    error: str | None = None

    @property
    def is_failure(self) -> bool:
        """Whether the tables are not what the documents say, or nobody knows."""
        return self.verdict in {Verdict.DIFFERS, Verdict.UNVERIFIED}

    @property
    def label(self) -> str:
        """Forecast and quarter, or "FORECAST people"."""
        return f"{self.forecast_id} {self.quarter_id or 'people'}"

    @property
    def keys_differing(self) -> int:
        """How many rows differ, by their keys, over all tables."""
        return sum(self.compared.keys_differing.values())

    @property
    def finding(self) -> str:
        """What was found, in one line, without the differences."""
        if self.error is not None:
            return f"{self.label} cannot be verified: {self.error}"
        if self.verdict is Verdict.EQUAL:
            documents = f"{self.documents} landed document{'s' * (self.documents > 1)}"
            return f"{self.label}: equal to {f'its {documents}' if self.documents else 'what its exports showed'}"
        by_table = ", ".join(f"{table} {count:,}" for table, count in self.compared.keys_differing.items())
        are = f"{self.keys_differing:,} row{'s differ' if self.keys_differing > 1 else ' differs'}"
        rows = f"{are} ({by_table})" if by_table else evidence.of_unlike(self.unlike)
        return f"{self.label}: {rows}{', and were repaired' if self.verdict is Verdict.REPAIRED else ''}"

    @property
    def lines(self) -> Iterator[str]:
        """The first twenty differences, each with its key."""
        for one in self.compared.differences[:_SHOWN]:
            yield one.line
        if self.keys_differing > _SHOWN:
            yield f"the first {_SHOWN} of {self.keys_differing:,} rows that differ; --json names up to 1,000 a table"

    @property
    def document(self) -> dict[str, Any]:
        """It as an element of `verify --json`; `time_period_id` is null for people."""
        return {
            "forecast_id": self.forecast_id,
            "time_period_id": self.quarter_id,
            "verdict": self.verdict,
            "documents": self.documents,
            "rows_differing": self.keys_differing,
            "tables": dict(self.compared.keys_differing),
            "differences": [asdict(one) for one in self.compared.differences],
            "totals": evidence.columns_unlike(self.unlike),
            "error": self.error,
        }

    @property
    def problem(self) -> Problem:
        """The failure as a problem, with its remedy."""
        if self.error is not None:
            return Problem(None, self.quarter_id, self.finding, LandingError.section)
        message = f"{self.finding}: clari-pipeline verify --repair rebuilds it from its landed documents"
        return Problem(None, self.quarter_id, message, RunbookSection.TABLES_DIFFER)


class Verification:
    """Verifies a warehouse against its landing folder."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def verify(
        self,
        quarters: Sequence[str] = (),
        forecasts: Sequence[str] = (),
        *,
        is_repaired: bool = False,
        on_verified: Callable[[Verified], None] = lambda _: None,
    ) -> list[Verified]:
        """Verify every quarter in the tables, or those that are named, and the people of their forecasts.

        With `is_repaired` what differs is rebuilt, then the marts are refreshed. `on_verified` is called after each.
        Raises `UsageError` for a named quarter or forecast that the tables do not hold.
        """
        with self._context.warehouse.session() as session:
            held = comparing.quarters(session)
        _check_held("forecast", forecasts, {forecast_id for forecast_id, _ in held})
        _check_held("quarter", quarters, {quarter_id for _, quarter_id in held})
        wanted = [
            (forecast_id, quarter_id)
            for forecast_id, quarter_id in held
            if (not forecasts or forecast_id in forecasts) and (not quarters or quarter_id in quarters)
        ]
        rebuilding, found = _Rebuilding(self._context), list[Verified]()
        for forecast_id, quarter_id in [*((name, None) for name in dict.fromkeys(one for one, _ in wanted)), *wanted]:
            self._context.stop.check()
            found.append(rebuilding.verify(forecast_id, quarter_id, is_repaired=is_repaired))
            on_verified(found[-1])
        if any(one.verdict is Verdict.REPAIRED for one in found):
            # Days of a quarter that was repaired give documents without days, of a quarter rebuilt before it, theirs.
            for forecast_id, quarter_id in wanted:
                rebuilding.verify(forecast_id, quarter_id, is_repaired=True)
            Marts(self._context).refresh_all()
        return found


class _NotKept(Exception):
    """Rolls the rebuild back."""


class _Rebuilding(Loader):
    """Rebuilds quarters from documents that are merged already, and compares."""

    def verify(self, forecast_id: str, quarter_id: str | None, *, is_repaired: bool) -> Verified:
        """Compare a quarter, or a forecast's people, by a rebuild that is rolled back unless it repairs something."""
        verify = self._people if quarter_id is None else partial(self._quarter, quarter_id=quarter_id)
        nothing = Verified(forecast_id=forecast_id, quarter_id=quarter_id)
        try:
            found = self._warehouse.with_retry(partial(verify, nothing, is_repaired=is_repaired))
        except LandingError as error:
            return replace(nothing, verdict=Verdict.UNVERIFIED, error=str(error))
        if not found.keys_differing and not found.unlike:
            return found
        return replace(found, verdict=Verdict.REPAIRED if is_repaired else Verdict.DIFFERS)

    def _quarter(self, nothing: Verified, session: Session, *, quarter_id: str, is_repaired: bool) -> Verified:
        forecast_id = nothing.forecast_id
        with session.lock("quarter", forecast_id, quarter_id):
            exports = ledger.exports_of_quarter(session, forecast_id, quarter_id, ["LOADED"])
            found = replace(nothing, documents=len(exports), unlike=_unlike(session, forecast_id, quarter_id))
            judged = Judged({export.request_id for export in exports})
            with suppress(_NotKept):
                with merging.transaction(session, forecast_id, quarter_id):
                    comparing.keep_quarter(session, forecast_id, quarter_id)
                    merging.forget_quarter(session, forecast_id, quarter_id)
                    merged = self._merge_each(session, exports, judged, lambda row: self._stage(session, row, judged))
                    if len(merged) < len(exports):
                        raise LandingError(reason(one for verdicts in judged.verdicts.values() for one in verdicts))
                    found = replace(found, compared=comparing.quarter_differences(session, forecast_id, quarter_id))
                    if not is_repaired or not (found.keys_differing or found.unlike):
                        raise _NotKept
                    # Once more, without what no document has described.
                    totals.leave(session, forecast_id, quarter_id)
                self._after_commit(session, exports, [])  # verdicts on their calls stay
        return found

    def _people(self, nothing: Verified, session: Session, *, is_repaired: bool) -> Verified:
        """Compare people with what the exports of each quarter showed of them, which `_quarter` compares."""
        forecast_id = nothing.forecast_id
        found = replace(nothing, unlike=_unlike(session, forecast_id, None))
        with (
            suppress(_NotKept),
            session.lock("marts", shared=True),
            session.lock("people", forecast_id),
            session.transaction(),
        ):
            comparing.keep_people(session, forecast_id)
            merging.rebuild_people(session, forecast_id)
            found = replace(found, compared=comparing.people_differences(session, forecast_id))
            if not is_repaired or not (found.keys_differing or found.unlike):
                raise _NotKept
            totals.leave(session, forecast_id, None)
        return found


def _unlike(session: Session, forecast_id: str, quarter_id: str | None) -> list[totals.Unlike]:
    found = totals.unlike(session, forecast_id, quarter_id)
    return [one for one in found if one.stands.quarter_id == quarter_id]


def _check_held(what: str, named: Sequence[str], held: set[str]) -> None:
    if unknown := [one for one in named if one not in held]:
        raise UsageError(f"no {what} {', '.join(unknown)} is in the tables: clari-pipeline status lists what is")
