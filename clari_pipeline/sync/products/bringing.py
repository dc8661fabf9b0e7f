"""One product brought: what an earlier run has left is taken up, what is new is fetched, landed, judged, merged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from clari_pipeline.checks.export_gate import warm_up
from clari_pipeline.clari import (
    AuthFailed,
    ClariClient,
    ClariError,
    Clock,
    NotFound,
    ProductRefused,
    Retry,
    UnexpectedAnswer,
)
from clari_pipeline.clari.reading import refuse_too_large
from clari_pipeline.core.runbook import UNFORESEEN, unforeseen
from clari_pipeline.landing import LandingWriter
from clari_pipeline.store import fetches
from clari_pipeline.sync.events import Event, Landed
from clari_pipeline.sync.pipeline import Pipeline
from clari_pipeline.sync.products.brought import Brought, brought
from clari_pipeline.sync.products.exporting import ExportRounds
from clari_pipeline.sync.products.loading import ProductLoader, window_of
from clari_pipeline.sync.products.product import AskedProduct, Fetch, Product
from clari_pipeline.sync.products.recording import manifest_of
from clari_pipeline.sync.products.registry import PRODUCTS
from clari_pipeline.sync.products.windows import Window
from clari_pipeline.warehouse import environment
from clari_pipeline.warehouse.session import Session
from clari_pipeline.warehouse.statements import Record

_JUST_NOW = timedelta(hours=1)
_KILLED = "its run ended before the answer had landed: it is asked for again"


def bring(
    pipeline: Pipeline, name: str, *, run_id: str, clock: Clock | None = None, retry: Retry | None = None
) -> Brought:
    """Bring one product. What does not come is said in the ledger and in what is returned.

    Raises what is no fetch's own fault: a key that is not set, a warehouse or a landing folder that cannot be written.
    """
    product = PRODUCTS[name]
    pipeline.settings.required_key()
    warm_up()
    with _alive(pipeline, run_id):
        loader = ProductLoader(pipeline, product)
        loader.landing.sweep()
        loader.load_waiting(run_id)
        left, plan = _taken_up(pipeline, loader, product, run_id)
        remarks: list[str] = []
        if isinstance(product, AskedProduct):
            for fetch in plan:
                asyncio.run(_ask(pipeline, product, loader, fetch, run_id=run_id, retry=retry))
        else:
            rounds = ExportRounds(pipeline, product, loader, run_id=run_id, clock=clock, retry=retry)
            remarks = rounds.make(left, plan)
            pipeline.remarks += remarks  # at a terminal a run of Dagster's stands between
        loader.load_waiting(run_id)
    found = brought(pipeline, name, run_id=run_id)
    return replace(found, remarks=[*remarks, *found.remarks])


@contextmanager
def _alive(pipeline: Pipeline, run_id: str) -> Iterator[None]:
    """Be known as alive, unless a sync around this one sees to it."""
    with nullcontext() if pipeline.runs.is_alive(run_id) else pipeline.runs.alive(run_id):
        yield


def _taken_up(
    pipeline: Pipeline, loader: ProductLoader, product: Product, run_id: str
) -> tuple[list[Record], list[Fetch]]:
    """What runs that are gone have left at Clari or have landed unsaid, and what is to be asked for now."""
    left: list[Record] = []
    with pipeline.warehouse.session() as session, session.lock("planning"):
        environment.claim(session, pipeline.settings.env)
        for row in fetches.unfinished(session, product.name):
            if row["run_id"] != run_id and pipeline.runs.is_alive(row["run_id"]):
                continue
            if loader.landed_unsaid(session, row["request_id"]):
                fetches.taken_up(session, row["request_id"], run_id)
            elif isinstance(product, AskedProduct):
                fetches.failed(session, row["request_id"], state="FAILED", error=_KILLED, error_kind="Killed")
            else:
                fetches.taken_up(session, row["request_id"], run_id)
                left.append(row)
    loader.load_waiting(run_id)
    with pipeline.warehouse.session() as session, session.lock("planning"):
        plan = product.plan(session, pipeline.settings, pipeline.now())
        return left, [fetch for fetch in plan if not _just_came(session, pipeline, product, fetch, run_id)]


def _just_came(session: Session, pipeline: Pipeline, product: Product, fetch: Fetch, run_id: str) -> bool:
    """Whether a run that was killed less than an hour ago had all days of this landed; they are merged in this one."""
    if isinstance(product, AskedProduct) or fetch.window_from is None:
        return False
    came = [
        one
        for one in fetches.of_run(session, run_id, product.name)
        if one["state"] == "LOADED"
        and not one["is_adopted"]
        and one["rows_exported"]
        and pipeline.now() - one["submitted_at"] < _JUST_NOW
    ]
    wanted = Window.of({"window_from": fetch.window_from, "window_to": fetch.window_to})
    return {day for one in came for day in Window.of(one)}.issuperset(wanted)


async def _ask(
    pipeline: Pipeline, product: AskedProduct, loader: ProductLoader, fetch: Fetch, *, run_id: str, retry: Retry | None
) -> None:
    """Ask Clari, and land what it answers; what it does not answer is written down."""
    columns = {
        "request_id": fetch.request_id,
        "run_id": run_id,
        "product": product.name,
        "window_from": fetch.window_from,
        "window_to": fetch.window_to,
        "gap_from": fetch.gap_from,
        "gap_to": fetch.gap_to,
        "attempt": 1,
    }
    with pipeline.warehouse.session() as session:
        at = fetches.asking(session, **columns, submitted_at=pipeline.now())
    settings, retries = pipeline.settings, 0

    def count(_call: str, _cause: str) -> None:
        nonlocal retries
        retries += 1

    client = ClariClient(
        base_url=settings.base_url,
        api_key=settings.key_source(),
        auth_scheme=settings.auth_scheme,
        request_timeout_s=settings.request_timeout_s,
        retry=replace(retry or Retry(), longest_s=settings.export_timeout_s),
    )
    writer = loader.landing.writer()
    try:
        async with client:
            answers = await product.fetch(client.heard_by(count), fetch, _Watched(pipeline, product.name, writer))
        landed_at = pipeline.now()
        row = columns | {
            "job_id": None,
            "submitted_at": at,
            "exported_at": at,
            "landed_at": landed_at,
            "answer_count": answers,
            "poll_count": 0,
            "retry_count": retries,
            "wait_seconds": 0,
            "slot_wait_seconds": 0,
        }
        document = writer.keep(
            forecast_id=product.name, time_period=f"{at:%Y-%m}", job_id=fetch.request_id, facts=manifest_of(row)
        )
    except (ClariError, *UNFORESEEN) as error:
        writer.discard()
        with pipeline.warehouse.session() as session:
            _count(session, fetch, retries)
            told = _told(error, product.name)
            kind = type(told).__name__
            fetches.failed(session, fetch.request_id, state="FAILED", error=str(told), error_kind=kind)
        return
    except BaseException:
        writer.discard()
        raise
    landed = Landed(
        request_id=fetch.request_id,
        forecast_id=product.name,
        time_period_id=window_of(columns | {"submitted_at": at}),
        at=landed_at,
        job_id=fetch.request_id,
        size=document.size,
        sha256=document.sha256,
        landing_path=loader.landing.path_of(document),
    )

    def write_down(_event: Event) -> None:
        with pipeline.warehouse.session() as session:
            _count(session, fetch, retries)
            fetches.landed(
                session,
                fetch.request_id,
                landed_at=landed.at,
                answer_count=answers,
                result_bytes=landed.size,
                result_sha256=landed.sha256,
                landing_path=landed.landing_path,
            )

    pipeline.hooks.tell(landed, write_down)


def _count(session: Session, fetch: Fetch, retries: int) -> None:
    fetches.counted(session, fetch.request_id, polls=0, retries=retries, slot_seconds=Decimal(0))


class _Watched:
    """A document as it is written: not larger than is allowed, and no longer than somebody wants it."""

    def __init__(self, pipeline: Pipeline, name: str, writer: LandingWriter) -> None:
        self._pipeline = pipeline
        self._name = name
        self._writer = writer
        self._size = 0

    def write(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._pipeline.go_on()
        self._size += len(chunk)
        refuse_too_large(self._name, self._size, self._pipeline.settings.max_result_bytes)
        self._writer.write(chunk)

    def restart(self) -> None:
        """Forget what came so far."""
        self._size = 0
        self._writer.restart()


def _told(error: Exception, name: str) -> ClariError:
    """An error for people: where Clari has the product for others, the key is not what is wrong."""
    if not isinstance(error, ClariError):
        return UnexpectedAnswer(f"{name}: Clari's answer cannot be used ({unforeseen(error)})")
    if (isinstance(error, AuthFailed) and error.status == 403) or isinstance(error, NotFound):
        return ProductRefused(
            f"{error.call}: Clari answered {error.status}: this key may not have {name}, or Clari does not offer it at "
            "CLARI_BASE_URL: ask your Clari administrator, or take it out of CLARI_PRODUCTS"
        )
    return error
