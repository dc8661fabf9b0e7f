"""The spine: export, land, read, gate, merge, marts. Each step takes up what the one before left in the ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

from clari_pipeline.checks.export_gate import judge
from clari_pipeline.clari import Clock, Retry
from clari_pipeline.config.rules import read_rules
from clari_pipeline.config.settings import Settings
from clari_pipeline.core.periods import Quarter
from clari_pipeline.core.runbook import see
from clari_pipeline.core.setting_errors import UsageError
from clari_pipeline.landing import Arriving, LandedDocument, Landing, LandingError
from clari_pipeline.store import alert_rows, history_marts, ledger, marts
from clari_pipeline.store.marts import CallRules
from clari_pipeline.store.opening import open_warehouse
from clari_pipeline.sync import evidence
from clari_pipeline.sync.events import Hooks
from clari_pipeline.sync.exporting import ExportDesk
from clari_pipeline.sync.judging import keep_verdicts
from clari_pipeline.sync.loading import ITS_OWN, Loader
from clari_pipeline.sync.log_lines import JsonLines
from clari_pipeline.sync.outcomes import Outcome
from clari_pipeline.sync.planning import plan, take_up
from clari_pipeline.sync.publishing import Places, PublishingError, publish
from clari_pipeline.sync.recording import manifest_of
from clari_pipeline.sync.runs import Runs
from clari_pipeline.warehouse import environment
from clari_pipeline.warehouse.session import Session
from clari_pipeline.warehouse.statements import Record

_BEFORE_A_QUARTER = timedelta(days=16)  # its first week may begin before it, and the fiscal year between two months


class Pipeline:
    """Warehouse, landing folder and loader of one set of settings."""

    def __init__(
        self,
        settings: Settings,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        hooks: Hooks | None = None,
    ) -> None:
        self.settings = settings
        self.calendar = settings.calendar
        self.warehouse = open_warehouse(settings.warehouse_url, data_dir=settings.data_dir, env=settings.env)
        self.landing = Landing(settings.landing_dir, is_of_a_sandbox=settings.is_of_a_sandbox)
        self.runs = Runs(self.warehouse.folder / "runs")  # all who share the ledger must find them
        self.places = Places(settings.copy_file, settings.marts_dir, settings.weekly_files_max_rows)
        self.remarks: list[str] = []  # what people must know of a run, though nothing failed
        self.rules = CallRules(
            use_adjusted=settings.call == "adjusted",
            quota_field=settings.quota_field,
            top_user=settings.top_user,
            swing_threshold=settings.swing_threshold,
            swing_min_amount=settings.swing_min_amount,
            calendar=self.calendar,
            rules=read_rules(),
        )
        self.now = now
        self.hooks = hooks or Hooks()
        self._is_stopped = False
        self._desk: ExportDesk | None = None
        if settings.log_format == "json":
            self.hooks.add(JsonLines(settings.env))
        self._loader = Loader(
            self.warehouse,
            self.landing,
            self.rules,
            grace_days=settings.quarter_grace_days,
            is_production=settings.env == "prod",
            currency=settings.currency,
            now=now,
            hooks=self.hooks,
        )

    def prepare(self) -> None:
        """Make sure, before Clari is asked for anything, that what comes can be kept.

        Raises `WarehouseUnwritable`, `WarehouseLocked` or `LandingError`.
        """
        self.landing.check_writable()
        self.landing.sweep()
        self.warehouse.prepare()
        if self.settings.env is not None:
            with self.warehouse.session() as session:
                environment.claim(session, self.settings.env)

    @contextmanager
    def exporting(
        self,
        run_id: str,
        quarters: Sequence[Quarter],
        forecasts: Sequence[str],
        *,
        everywhere: bool = False,
        clock: Clock | None = None,
        retry: Retry | None = None,
    ) -> Iterator[ExportDesk]:
        """A desk at which the exports of these quarters go on, those included that dead runs have left behind.

        With `everywhere`, what they left of other quarters is fetched too. While the context is open, the run is
        known as alive to others. Raises `SettingsError` where there is no key.
        """
        self.settings.required_key()
        fresh = plan(self.settings, quarters, forecasts)
        with ExitStack() as stack:
            with self.warehouse.session() as session, session.lock("planning"):  # nobody else looks who is alive
                environment.claim(session, self.settings.env)
                stack.enter_context(self.runs.alive(run_id))
                work = take_up(self.warehouse, self.runs, fresh, run_id=run_id, now=self.now(), everywhere=everywhere)
            self._desk = ExportDesk(
                self.settings,
                self.warehouse,
                self.landing,
                self.runs,
                run_id=run_id,
                plan=work,
                hooks=self.hooks,
                clock=clock,
                retry=retry,
            )
            stack.enter_context(self._desk)
            self.go_on()
            yield self._desk

    @contextmanager
    def stopping(self, desk: ExportDesk) -> Iterator[None]:
        """Meanwhile `stop` stops this desk, too."""
        before, self._desk = self._desk, desk
        try:
            self.go_on()
            yield
        finally:
            self._desk = before

    def stop(self) -> None:
        """Somebody at the keyboard has had enough: what is being merged is finished, nothing else is waited for."""
        self._is_stopped = True
        if self._desk is not None:
            self._desk.stop()

    def go_on(self) -> None:
        """Raise `KeyboardInterrupt` where somebody has had enough: between two quarters is a good place to stop."""
        if self._is_stopped:
            raise KeyboardInterrupt

    def today(self) -> date:
        """The organisation's day."""
        return self.calendar.day_of(self.now())

    def current_quarters(self) -> list[Quarter]:
        """The current quarter, those before it and those to come, as the settings ask for."""
        return list(
            self.calendar.around(
                self.today(),
                before=self.settings.historical_periods,
                after=self.settings.future_periods,
            )
        )

    def merge_landed(self, quarter_id: str) -> list[str]:
        """Merge each document of a quarter that has landed and was neither merged nor refused; their request ids.

        Raises `LandingError`, once all others are merged, where one waits for a document that is damaged, and what
        nobody has thought of likewise.
        """
        with self.warehouse.session() as session:
            waiting = ledger.landed_of_quarter(session, quarter_id)
        damaged: list[LandingError] = []
        odd: list[Exception] = []
        for request_id in waiting:
            self.go_on()
            try:
                self._loader.load(request_id)
            except LandingError as error:  # of a document that its quarter is to be rebuilt with
                damaged.append(error)
            except ITS_OWN as error:
                odd.append(error)
        _raise(damaged)
        if odd:
            raise odd[0]
        return waiting

    def has_landed(self, quarter_id: str) -> bool:
        """Whether a document of the quarter waits to be merged."""
        with self.warehouse.session() as session:
            return bool(ledger.landed_of_quarter(session, quarter_id))

    def outcomes(self, request_ids: Iterable[str]) -> list[Outcome]:
        """What became of these exports."""
        with self.warehouse.session() as session:
            return [
                Outcome(ledger.export(session, request_id), ledger.verdicts_of(session, request_id))
                for request_id in request_ids
            ]

    def requests_of_run(self, run_id: str, quarter_id: str | None = None) -> list[str]:
        """The exports of one sync, of one quarter if it is named."""
        with self.warehouse.session() as session:
            exports = ledger.exports_of_run(session, run_id)
        return [export["request_id"] for export in exports if quarter_id in {None, export["time_period_id"]}]

    def refresh_forecast_vs_quota(self) -> int:
        """Make the mart anew where something has come; its rows."""
        return self._refresh("forecast_vs_quota", lambda session: marts.refresh_forecast_vs_quota(session, self.rules))

    def refresh_forecast_swing(self) -> int:
        """Compare what has not been compared yet; the mart's rows."""

        def compare_all(session: Session) -> None:
            for forecast_id, quarter_id in marts.loaded_quarters(session):
                marts.compare_calls(session, forecast_id, quarter_id, self.rules)

        return self._refresh("forecast_swing", compare_all)

    def refresh_history(self) -> int:
        """Make the weekly tables anew where something has changed, and prove that they add up; rows of the calls."""

        def make(session: Session) -> None:
            for newest, weeks in history_marts.refresh(session, self.rules):
                faults = history_marts.movement_faults(session, newest, weeks)
                keep_verdicts(session, judge(evidence.of_movement(newest, faults)), self.now())

        return self._refresh(history_marts.CALLS, make)

    def movement_verdicts(self) -> list[Record]:
        """The verdict on each quarter's movements, `of` naming forecast and quarter."""
        with self.warehouse.session() as session:
            return [
                verdict | {"of": f"{export['forecast_id']} {export['quarter_id']}"}
                for export in marts.newest_loaded(session)
                for verdict in ledger.verdicts_of(session, export["request_id"])
                if verdict["check_name"] == "forecast_movement_adds_up"
            ]

    def refresh_pipeline_health(self) -> int:
        """Make the mart anew; its rows."""
        return self._refresh("pipeline_health", marts.refresh_health)

    def _refresh(self, mart: str, make: Callable[[Session], None]) -> int:
        def make_and_count(session: Session) -> int:
            with session.lock("marts"), session.transaction():
                marts.note_organisation(session, self.calendar)
                make(session)
            return marts.count(session, mart)

        return self.warehouse.with_retry(make_and_count)

    def refresh_marts(self) -> None:
        """All marts, and whether the quarters asked for are there."""
        self.refresh_forecast_vs_quota()
        self.refresh_forecast_swing()
        self.refresh_history()
        self.refresh_pipeline_health()
        self.judge_coverage()

    def publish(self) -> bool | None:
        """Give people who read beside the sync what stands now; whether it is new. No session is to be open here.

        None where that could not be done: `remarks` say why. What was merged is merged all the same.
        """
        try:
            return publish(self.warehouse, self.places, remark=self.remarks.append)
        except PublishingError as error:
            self.remarks.append(see(str(error), error.section))
            return None

    def judge_coverage(self) -> list[Record]:
        """Whether the current quarter and those before it are loaded and fresh, a verdict for each forecast."""
        wanted = [str(quarter) for quarter in self.current_quarters()]
        with self.warehouse.transaction("marts") as session:
            newest = marts.newest_loaded(session)
            latest: dict[str, Record] = {}
            for export in newest:  # newest quarter first
                latest.setdefault(export["forecast_id"], export)
            for forecast_id, export in latest.items():
                covered = evidence.of_coverage(
                    export,
                    wanted=wanted,
                    newest={
                        other["quarter_id"]: other["exported_at"]
                        for other in newest
                        if other["forecast_id"] == forecast_id
                    },
                    not_before=self.now() - timedelta(hours=self.settings.max_age_hours),
                )
                keep_verdicts(session, judge(covered), self.now())
            return [
                verdict | {"forecast_id": forecast_id}
                for forecast_id, export in latest.items()
                for verdict in ledger.verdicts_of(session, export["request_id"])
                if verdict["check_name"] == "periods_are_covered"
            ]

    def swings_of(self, outcomes: Iterable[Outcome]) -> list[Record]:
        """The swings that these exports brought, the largest first."""
        with self.warehouse.session() as session:
            return [
                swing | {"forecast_id": outcome.export["forecast_id"]}
                for outcome in outcomes
                if outcome.export["state"] == "LOADED"
                for swing in marts.swings_of(session, outcome.export["job_id"])
            ]

    def replay(self, quarters: Sequence[Quarter], forecasts: Sequence[str]) -> tuple[list[str], set[str]]:
        """Merge the landed documents again, quarter by quarter, in the order of `exported_at`.

        Returns the request ids, and those of them that were known as refused before. Raises `LandingError`, once all
        others are merged, where a quarter's tables hold rows of a document that is damaged.
        """
        unreadable: dict[str, LandingError] = {}
        with self.warehouse.session() as session:  # the file is opened once
            for document in self.landing.readable(unreadable.__setitem__):
                self._know(document)
            known = ledger.landing_paths(session)
        damaged = [error for path, error in unreadable.items() if path not in known]
        wanted = {str(quarter) for quarter in quarters}
        replayed: list[str] = []
        with self.warehouse.session() as session:
            refused = ledger.refused_requests(session)
            landings = ledger.landings(session)
        for forecast_id, quarter_id in landings:
            if (wanted and quarter_id not in wanted) or (forecasts and forecast_id not in forecasts):
                continue
            self.go_on()
            try:
                self._loader.rebuild(forecast_id, quarter_id)
            except LandingError as error:
                damaged.append(error)
                continue
            with self.warehouse.session() as session:
                exports = ledger.exports_of_quarter(session, forecast_id, quarter_id, ledger.LANDED_STATES)
            replayed += [export["request_id"] for export in exports]
        if not replayed:
            _raise(damaged)
        with self.warehouse.transaction("alerts") as session:  # what is replayed is no news
            alert_rows.told(session, replayed, at=self.now())
        self.go_on()
        self.refresh_marts()
        _raise(damaged)
        return replayed, refused

    def replay_document(
        self, arriving: Arriving, *, forecast_id: str, quarter: Quarter, exported_at: datetime | None, run_id: str
    ) -> str:
        """Land and merge one document from elsewhere; its request id. The same document again is the same export."""
        writer = arriving.written()
        as_of = exported_at or arriving.changed_at
        self._check_moment(quarter, as_of, "--exported-at" if exported_at else "the file's modification time")
        self.go_on()
        identity = "\n".join((writer.sha256, forecast_id, str(quarter), as_of.astimezone(UTC).isoformat()))
        job_id = f"document-{hashlib.sha256(identity.encode()).hexdigest()[:32]}"
        which = {"job_id": job_id, "forecast_id": forecast_id}
        row = self._row_of_document(**which, quarter=quarter, as_of=as_of, run_id=run_id)
        document = writer.keep(**which, time_period=str(quarter), facts=manifest_of(row))
        with self.warehouse.kept_open():
            self._know(document)
            self._loader.load(job_id, again=True)
            self.go_on()
            self.refresh_marts()
        return job_id

    def _check_moment(self, quarter: Quarter, as_of: datetime, whose: str) -> None:
        """Raise `UsageError` where nobody can have exported the quarter at that moment."""
        told = f"{whose} is {as_of.astimezone(UTC):%Y-%m-%dT%H:%M:%S}+00:00"
        remedy = "say with --exported-at when the file was exported"
        if as_of > self.now():
            raise UsageError(f"{told}, which is still to come by this machine's clock: {remedy}")
        ahead = self.settings.future_periods
        first = self.calendar.first_day(quarter.shifted(-ahead)) - _BEFORE_A_QUARTER
        if self.calendar.day_of(as_of) < first:
            raise UsageError(
                f"{told}, and {quarter} can have been exported from {first} on "
                f"(CLARI_FUTURE_PERIODS={ahead}): {remedy}, or name another --period"
            )

    def _row_of_document(
        self, *, job_id: str, forecast_id: str, quarter: Quarter, as_of: datetime, run_id: str
    ) -> Record:
        """What is known of a document from elsewhere before it is read: neither its types nor its format."""
        return {
            "request_id": job_id,
            "job_id": job_id,
            "run_id": run_id,
            "forecast_id": forecast_id,
            "time_period_id": str(quarter),
            "types_to_export": None,
            "types_refused": None,
            "scope_id": None,
            "currency": None,
            "export_format": None,
            "include_historical": True,
            "clari_status": None,
            "attempt": 1,
            "submitted_at": self.now(),
            "completed_at": None,
            "landed_at": self.now(),
            "exported_at": as_of,
            "poll_count": 0,
            "wait_seconds": 0,
            "rows_truncated": False,
        }

    def _know(self, document: LandedDocument) -> None:
        """Give a landed document its ledger row, unless it has one."""
        manifest: dict[str, Any] = dict(document.manifest)
        result = {
            "result_sha256": manifest.pop("sha256"),
            "result_bytes": manifest.pop("size"),
            "landing_path": self.landing.path_of(document),
        }
        manifest.setdefault("types_refused", None)
        manifest["exported_at"] = manifest["exported_at"] or manifest["submitted_at"]
        with self.warehouse.session() as session:
            ledger.known_again(session, **manifest, **result)


def _raise(damaged: list[LandingError]) -> None:
    if damaged:
        raise LandingError("; ".join(dict.fromkeys(map(str, damaged)))) from damaged[0]
