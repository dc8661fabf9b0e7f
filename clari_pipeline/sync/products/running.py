"""Sync one product in one run: resume what orphaned runs left, then fetch, land, judge and merge what is planned."""

import asyncio
from contextlib import nullcontext
from dataclasses import asdict, replace
from datetime import timedelta

from clari_pipeline.checks.export_gate import load
from clari_pipeline.clari import (
    AuthFailed,
    ClariError,
    Clock,
    NotFound,
    ProductRefused,
    Retry,
    UnexpectedAnswer,
)
from clari_pipeline.clari.client import refuse_too_large
from clari_pipeline.core.runbook import UNFORESEEN, Problem, unforeseen
from clari_pipeline.landing import LandingWriter
from clari_pipeline.store import fetches
from clari_pipeline.store.ledger import FETCHES
from clari_pipeline.store.ledger_rows import FetchRow
from clari_pipeline.sync.context import Context, StopSignal, clari_client
from clari_pipeline.sync.events import Event, Landed
from clari_pipeline.sync.products.evidence import window_of
from clari_pipeline.sync.products.exporting import ExportRounds
from clari_pipeline.sync.products.loading import ProductLoader
from clari_pipeline.sync.products.registry import PRODUCTS
from clari_pipeline.sync.products.results import ProductResult, result_of
from clari_pipeline.sync.products.spec import AskedProduct, ExportedProduct, Fetch
from clari_pipeline.sync.products.windows import Window
from clari_pipeline.sync.recording import manifest_of
from clari_pipeline.warehouse import environment
from clari_pipeline.warehouse.session import Session

_CURRENT_FOR = timedelta(hours=1)
_KILLED = "its run ended before the answer had landed: it is asked for again"


class ProductRun:
    """Syncs one product in one run. `clock` and `retry` replace the client's defaults."""

    def __init__(
        self, context: Context, name: str, *, run_id: str, clock: Clock | None = None, retry: Retry | None = None
    ) -> None:
        self._context = context
        self._product = PRODUCTS[name]
        self._loader = ProductLoader(context, self._product)
        self._run_id = run_id
        self._clock = clock
        self._retry = retry

    def run(self) -> ProductResult:
        """Sync the product. A fetch that fails is recorded in the ledger and in the result.

        Raises errors that are not one fetch's: a key that is not set, a warehouse or a landing folder that cannot be
        written.
        """
        context, product, loader, run_id = self._context, self._product, self._loader, self._run_id
        context.settings.required_key()
        load()
        # Within a sync, the sync holds the run's lock.
        with nullcontext() if context.runs.is_alive(run_id) else context.runs.alive(run_id):
            loader.landing.sweep()
            loader.merge_landed(run_id)
            unfinished, plan = self._planned()
            problems: list[Problem] = []
            if isinstance(product, AskedProduct):
                for fetch in plan:
                    asyncio.run(self._fetch_and_land(product, fetch))
            elif isinstance(product, ExportedProduct):
                rounds = ExportRounds(context, product, loader, run_id=run_id, clock=self._clock, retry=self._retry)
                problems = rounds.make(unfinished, plan)
            loader.merge_landed(run_id)
        found = result_of(context.warehouse, context.settings, product.name, run_id=run_id)
        return replace(found, unrecorded=problems)

    def _planned(self) -> tuple[list[FetchRow], list[Fetch]]:
        """Recover fetches of orphaned runs that landed unrecorded; return those left at Clari, and the new plan."""
        unfinished: list[FetchRow] = []
        with self._context.warehouse.session() as session, session.lock("planning"):
            environment.claim(session, self._context.settings.env)
            for row in fetches.unfinished(session, self._product.name):
                if row.run_id != self._run_id and self._context.runs.is_alive(row.run_id):
                    continue
                if self._loader.recover(session, row.request_id):
                    FETCHES.reassign(session, row.request_id, self._run_id)
                elif isinstance(self._product, AskedProduct):
                    FETCHES.failed(session, row.request_id, error=_KILLED, error_kind="Killed")
                else:
                    FETCHES.reassign(session, row.request_id, self._run_id)
                    unfinished.append(row)
        self._loader.merge_landed(self._run_id)
        with self._context.warehouse.session() as session, session.lock("planning"):
            plan = self._product.plan(session, self._context.settings, self._context.now())
            return unfinished, [fetch for fetch in plan if not self._has_just_landed(session, fetch)]

    def _has_just_landed(self, session: Session, fetch: Fetch) -> bool:
        """Whether this run has merged all days of it, from exports of a killed run that are less than an hour old."""
        if not isinstance(self._product, ExportedProduct):
            return False
        landed_now = [
            one
            for one in fetches.of_run(session, self._run_id, self._product.name)
            if one.state == "LOADED"
            and not one.is_adopted
            and one.rows_exported
            and self._context.now() - one.submitted_at < _CURRENT_FOR
        ]
        return {day for one in landed_now for day in Window.of(one)}.issuperset(fetch.days)

    async def _fetch_and_land(self, product: AskedProduct, fetch: Fetch) -> None:
        """Record the fetch, request it, land the answers and record them; or record the error."""
        with self._context.warehouse.session() as session:
            columns = asdict(fetch) | {"run_id": self._run_id, "product": product.name, "attempt": 1}
            FETCHES.submitting(
                session, submitted_at=self._context.now(), started_by=self._context.started_by, **columns
            )
            row = FETCHES.row(session, fetch.request_id)
        settings, retries = self._context.settings, 0

        def count(_call: str, _cause: str) -> None:
            nonlocal retries
            retries += 1

        client = clari_client(settings, replace(self._retry or Retry(), longest_s=settings.export_timeout_s))
        writer = self._loader.landing.writer()
        try:
            async with client:
                sink = _LimitedSink(self._context.stop, product.name, writer, settings.max_result_bytes)
                answers = await product.fetch(client.with_retry_hook(count), fetch, sink)
            landed_at = self._context.now()
            row = replace(row, landed_at=landed_at, answer_count=answers, retry_count=retries)
            document = writer.keep(
                forecast_id=product.name,
                time_period=f"{row.submitted_at:%Y-%m}",
                job_id=fetch.request_id,
                facts=manifest_of(row) | {"wait_seconds": 0, "slot_wait_seconds": 0},
            )
        except (ClariError, *UNFORESEEN) as error:
            writer.discard()
            with self._context.warehouse.session() as session:
                FETCHES.counted(session, fetch.request_id, retries=retries)
                translated = _translated(error, product.name)
                FETCHES.failed(session, fetch.request_id, error=str(translated), error_kind=type(translated).__name__)
            return
        except BaseException:
            writer.discard()
            raise
        landed = Landed(
            request_id=fetch.request_id,
            forecast_id=product.name,
            time_period_id=window_of(row),
            at=landed_at,
            job_id=fetch.request_id,
            size=document.size,
            sha256=document.sha256,
            landing_path=self._loader.landing.path_of(document),
        )

        def persist(_event: Event) -> None:
            with self._context.warehouse.session() as session:
                FETCHES.counted(session, fetch.request_id, retries=retries)
                FETCHES.landed(
                    session,
                    fetch.request_id,
                    landed_at=landed.at,
                    answer_count=answers,
                    result_bytes=landed.size,
                    result_sha256=landed.sha256,
                    landing_path=landed.landing_path,
                )

        self._context.hooks.emit(landed, persist)


class _LimitedSink:
    """Writes a document, up to a number of bytes; raises `KeyboardInterrupt` once a stop was requested."""

    def __init__(self, stop: StopSignal, name: str, writer: LandingWriter, most_bytes: int) -> None:
        self._stop = stop
        self._name = name
        self._writer = writer
        self._most_bytes = most_bytes
        self._size = 0

    def write(self, chunk: bytes) -> None:
        """Append bytes. Raises `ResultTooLarge`, `KeyboardInterrupt`."""
        self._stop.check()
        self._size += len(chunk)
        refuse_too_large(self._name, self._size, self._most_bytes)
        self._writer.write(chunk)

    def restart(self) -> None:
        """Discard all bytes so far."""
        self._size = 0
        self._writer.restart()


def _translated(error: Exception, name: str) -> ClariError:
    """Translate an error: 403 and 404 mean that the key may not have this product, not that the key is wrong."""
    if not isinstance(error, ClariError):
        return UnexpectedAnswer(f"{name}: Clari's answer cannot be used ({unforeseen(error)})")
    if (isinstance(error, AuthFailed) and error.status == 403) or isinstance(error, NotFound):
        return ProductRefused(
            f"{error.call}: Clari answered {error.status}: this key may not have {name}, or Clari does not offer it at "
            "CLARI_BASE_URL: ask your Clari administrator, or take it out of CLARI_PRODUCTS"
        )
    return error
