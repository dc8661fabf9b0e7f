"""Write what a run has found into the outbox (`alert`), then send it.

The command line and Dagster's sensors use the same `Alerts`, so that people are notified once however the pipeline is
run.
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
    """Writes the alerts of a run into the outbox, and sends what is pending there."""

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
        """Write alerts of every export, of any run, that was merged or refused and not reviewed yet; of those in
        `outcomes` that delivered no document; and of `failures` of the run itself.

        `killed` are ids of orphaned runs; of `quarters` the freshness is checked. Alerts spooled while the warehouse
        could not be written are moved into it first. The same class of alert is not written twice within
        `CLARI_ALERT_REPEAT_HOURS`, unless it is worse.
        """
        spool, now, warehouse = Spool(self._context.settings.data_dir), self._context.now(), self._context.warehouse
        with warehouse.session() as session:
            unreviewed = outcomes_of(warehouse, alert_rows.pending_exports(session, not_before=now - SENT_WITHIN))
        with warehouse.transaction("alerts") as session:
            for spooled in spool.read():
                accepted_by = spooled.pop("channel_ids")
                alert_rows.raised(session, **spooled, detail={})
                for channel_id in accepted_by:
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
        """Write an alert of orphaned runs, as found by the run that continues their exports."""
        if killed:
            with self._context.warehouse.transaction("alerts") as session:
                result = self._run_result(session, run_id, killed=killed)
                write_alerts(result, killed_runs(result))

    def _run_result(self, session: Session, run_id: str, **result: Any) -> RunResult:
        settings, rules = self._context.settings, self._context.rules.rules.swings
        return RunResult(session, run_id, self._context.now(), settings, rules.severity, **result)

    def notify_of_sync(self, result: SyncResult) -> Sent:
        """Write and send the alerts of a sync. Errors are returned as problems, and do not make the sync a failure.

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
                with suppress(SettingsError):  # a channel's URL is invalid
                    sent = Outbox(self._context).send_without_warehouse(failures, run_id=run_id)
            at_once = ", and people were told at once that this one failed" if sent.alerts else ""
            message = f"alerts could not be sent ({error}); the next run sends them{at_once}"
            return Sent(sent.alerts, (Problem(None, None, message, RunbookSection.ALERT_NOT_SENT), *sent.problems))

    def notify_of_crash(self, failures: Sequence[Problem], *, run_id: str) -> Sent:
        """Notify people of a run that failed as a whole: by way of the outbox, or without it where that fails."""
        try:
            self.raise_alerts(run_id=run_id, failures=failures)
            return Outbox(self._context).send()
        except Exception:  # noqa: BLE001 - whatever it is, people are to be notified
            return Outbox(self._context).send_without_warehouse(failures, run_id=run_id)

    def notify_of_run(self, run_id: str, *, quarter_id: str | None, failures: Sequence[Problem]) -> Sent:
        """Write and send the alerts of a run of Dagster's daemon that has ended; `failures` where it failed.

        Where one of its exports failed, that export's alert stands for them.
        """
        try:
            # Alerts quote quota and closed from it, and the run that refreshes the marts may be still to come.
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
        except Exception as error:  # noqa: BLE001 - a sensor that raises is not called for this run a second time
            subject = "alerts could not be sent"
            unsent = Problem(AlertKind.RUN_FAILED, None, f"{subject}: {error}", section_of(error), subject=subject)
            return self.notify_of_crash(failures or [unsent], run_id=run_id)

    def notify_of_stale_quarters(self) -> Sent:
        """Write and send alerts of stale quarters, outside any run."""
        quarters = [
            str(quarter) for quarter in self._context.current_quarters() if self._context.settings.brings_forecasts
        ]
        return self._notify((), run_id="freshness", quarters=quarters)
