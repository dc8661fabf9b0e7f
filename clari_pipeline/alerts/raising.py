"""Raise and send alerts: what a run has found is written into `alert`, then sent, then marked as sent.

The command line and Dagster's sensors use `Alerts` alike, so that people are notified of everything once, however the
pipeline is run.
"""

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from typing import Any

from clari_pipeline.alerts.finding import FINDERS, RunResult, killed_runs, write_alerts
from clari_pipeline.alerts.sending import SENT_WITHIN, Outbox, Sent
from clari_pipeline.alerts.spool import Spool
from clari_pipeline.core.runbook import AlertKind, Problem, RunbookSection, section_of
from clari_pipeline.core.setting_errors import SettingsError
from clari_pipeline.store import alert_rows
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.outcomes import Outcome, outcomes_of, requests_of_run
from clari_pipeline.sync.refreshing import Marts
from clari_pipeline.sync.run import SyncResult
from clari_pipeline.warehouse.errors import WarehouseError
from clari_pipeline.warehouse.session import Session


class Alerts:
    """Raises and sends alerts: what a run has found is written into `alert`, then sent, then marked as sent."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def raise_alerts(
        self,
        outcomes: Sequence[Outcome] = (),
        *,
        run_id: str,
        failures: Iterable[Problem] = (),
        killed: Collection[str] = (),
        quarters: Iterable[str] = (),
    ) -> None:
        """Write alerts of exports that did not come to this run, of every export merged or refused that was not
        reviewed for alerts yet, whichever run it belongs to, and of `failures` of the run itself.

        `killed` are earlier runs that were found not to have come to their end; `quarters` are those whose freshness is
        looked at. The same class of alert is not written twice within `CLARI_ALERT_REPEAT_HOURS`, unless it is worse.
        """
        spool, now, warehouse = Spool(self._context.settings.data_dir), self._context.now(), self._context.warehouse
        with warehouse.session() as session:
            unreviewed = outcomes_of(warehouse, alert_rows.pending_exports(session, not_before=now - SENT_WITHIN))
        with warehouse.transaction("alerts") as session:
            for spooled in spool.read():
                taken = spooled.pop("channel_ids")
                alert_rows.raised(session, **spooled, detail={})
                for channel_id in taken:
                    alert_rows.delivered(session, spooled["alert_key"], channel_id, at=spooled["created_at"])
            result = self._run_result(
                session,
                run_id,
                unreviewed=unreviewed,
                failed=[one for one in outcomes if one.is_failure and one.export.state != "REFUSED"],
                failures=list(failures),
                killed=killed,
                quarters=list(quarters),
            )
            for find in FINDERS:
                write_alerts(result, find(result))
            alert_rows.mark_reviewed(session, (outcome.export.request_id for outcome in unreviewed), at=now)
        spool.clear()

    def raise_killed(self, killed: Collection[str], *, run_id: str) -> None:
        """Write an alert, in the run that goes on in their place, that earlier runs were killed."""
        if killed:
            with self._context.warehouse.transaction("alerts") as session:
                result = self._run_result(session, run_id, killed=killed)
                write_alerts(result, killed_runs(result))

    def _run_result(self, session: Session, run_id: str, **result: Any) -> RunResult:
        settings, rules = self._context.settings, self._context.rules.rules.swings
        return RunResult(session, run_id, self._context.now(), settings, rules.severity, **result)

    def notify_of_sync(self, result: SyncResult) -> Sent:
        """Raise and send the alerts of a sync. What goes wrong here is returned, and does not make the sync a failure.

        Where the warehouse cannot be written, people are notified of the sync's own failure without it.
        """
        return self._notify(
            result.outcomes,
            run_id=result.run_id,
            failures=result.failures,
            killed=result.killed,
            quarters=[str(quarter) for quarter in result.quarters],
        )

    def _notify(
        self,
        outcomes: Sequence[Outcome],
        *,
        run_id: str,
        quarters: Sequence[str],
        failures: Sequence[Problem] = (),
        killed: Collection[str] = (),
    ) -> Sent:
        try:
            with self._context.warehouse.kept_open():
                self.raise_alerts(outcomes, run_id=run_id, failures=failures, killed=killed, quarters=quarters)
            return Outbox(self._context).send()
        except Exception as error:  # noqa: BLE001 - the sync itself is done
            sent = Sent(0)
            if isinstance(error, WarehouseError) and failures:
                with suppress(SettingsError):  # an address that is none
                    sent = Outbox(self._context).send_without_warehouse(failures, run_id=run_id)
            at_once = ", and people were told at once that this one failed" if sent.alerts else ""
            said = f"alerts could not be sent ({error}); the next run sends them{at_once}"
            return Sent(sent.alerts, (Problem(None, None, said, RunbookSection.ALERT_NOT_SENT), *sent.problems))

    def notify_of_crash(self, failures: Sequence[Problem], *, run_id: str) -> Sent:
        """Notify people of a run that could not be made at all; where the warehouse cannot be written, without it."""
        try:
            self.raise_alerts(run_id=run_id, failures=failures)
            return Outbox(self._context).send()
        except Exception:  # noqa: BLE001 - whatever it is, people are to hear of it
            return Outbox(self._context).send_without_warehouse(failures, run_id=run_id)

    def notify_of_run(self, run_id: str, *, quarter_id: str | None, failures: Sequence[Problem]) -> Sent:
        """Raise and send the alerts of one of the daemon's runs that has ended; `failures` where it failed.

        A failure that an export explains is notified of as that export's.
        """
        try:
            # What the calls stand against; the marts' own run may be still to come.
            Marts(self._context).refresh("forecast_vs_quota")
            outcomes = outcomes_of(
                self._context.warehouse, requests_of_run(self._context.warehouse, run_id, quarter_id)
            )
            is_explained = any(outcome.is_failure for outcome in outcomes)
            self.raise_alerts(
                outcomes,
                run_id=run_id,
                failures=[] if is_explained else failures,
                quarters=[quarter_id] if quarter_id else [],
            )
            return Outbox(self._context).send()
        except Exception as error:  # noqa: BLE001 - a sensor that raises does not look at the run again
            subject = "alerts could not be sent"
            unsent = Problem(AlertKind.RUN_FAILED, None, f"{subject}: {error}", section_of(error), subject=subject)
            return self.notify_of_crash(failures or [unsent], run_id=run_id)

    def notify_of_stale_quarters(self) -> Sent:
        """Notify people of quarters that have gone stale, though no run is there to find it."""
        quarters = [
            str(quarter) for quarter in self._context.current_quarters() if self._context.settings.brings_forecasts
        ]
        return self._notify((), run_id="freshness", quarters=quarters)
