"""Builders of products' documents, and a helper that lands and merges them."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from clari_pipeline.store.ledger import FETCHES
from clari_pipeline.store.ledger_rows import FetchRow
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.products.loading import ProductLoader
from clari_pipeline.sync.products.registry import PRODUCTS
from clari_pipeline.sync.products.windows import midnight
from clari_pipeline.sync.recording import manifest_of

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
TODAY = midnight(NOW.date())
WEEK = {"window_from": TODAY - timedelta(days=7), "window_to": TODAY}
GOOD = {"actorId": "1", "event": "api.accessed", "eventTimestamp": "2026-11-21T05:00:00Z"}


@dataclass
class ByHand:
    """Lands documents in a warehouse's landing folder, and merges them."""

    context: Context
    numbers: Iterator[int] = field(default_factory=count, kw_only=True)

    def land(self, name: str, content: Any, *, at: datetime = NOW, **columns: Any) -> str:
        """Land a document as if Clari had given it; its request id."""
        loader = self.loader(name)
        writer = loader.landing.writer()
        writer.write(content if isinstance(content, bytes) else json.dumps(content).encode())
        request_id = f"{name}-{next(self.numbers)}"
        row = {
            "request_id": request_id,
            "run_id": "by hand",
            "product": name,
            "attempt": 1,
            "submitted_at": at,
            "landed_at": at,
            "exported_at": at,
            "answer_count": 1,
            "poll_count": 0,
            "retry_count": 0,
            "wait_seconds": 0,
            "slot_wait_seconds": 0,
        } | columns
        writer.keep(
            forecast_id=name,
            time_period="by-hand",
            job_id=request_id,
            facts=manifest_of(FetchRow(state="LANDED", **row)),
        )
        return request_id

    def merge(self, name: str, content: Any, *, at: datetime = NOW, **columns: Any) -> FetchRow:
        """Land a document and merge it; its ledger row."""
        request_id = self.land(name, content, at=at, **columns)
        loader = self.loader(name)
        loader.restore_ledger()
        loader.merge(request_id)
        with self.context.warehouse.session() as session:
            return FETCHES.row(session, request_id)

    def loader(self, name: str) -> ProductLoader:
        return ProductLoader(self.context, PRODUCTS[name])

    def merge_all(self, documents: Iterable[tuple[str, Any, float]]) -> None:
        """Merge documents as of so many hours after NOW, as they arrive, then all of them again, in order."""
        loaders = {name: self.loader(name) for name in PRODUCTS}
        with self.context.warehouse.session():  # one connection for all
            landed = [
                (name, self.land(name, content, at=NOW + timedelta(hours=hours), **WEEK))
                for name, content, hours in documents
            ]
            for loader in loaders.values():
                loader.restore_ledger()
            for name, request_id in landed:
                loaders[name].merge(request_id)
            for loader in loaders.values():
                loader.rebuild()


def meeting(number: int = 1, **more: object) -> dict[str, object]:
    """A meeting of yesterday, with one of everything."""
    return {
        "activityId": f"a{number}",
        "activityType": "MEETING",
        "subject": "Contoso <> Ann",
        "date": str(int((NOW - timedelta(days=1)).timestamp() * 1000)),  # as a text, as in Clari's own example
        "activityOwnerId": "005A",
        "activityOrganiserId": "005B",
        "accounts": [{"accountId": "001A", "accountName": "Contoso", "accountOwnerId": "005A"}],
        "opportunities": [{"opportunityId": "006A", "opportunityName": "Contoso FY26", "opportunityOwnerId": "005A"}],
        "participants": [
            {"name": "Ann", "email": "Ann@Example.com", "sfdcUserId": "005A", "isInternal": True},
            {"name": "Bob", "email": "", "sfdcUserId": "", "isInternal": False},
        ],
    } | more


def mapped_to(*ids: str) -> dict[str, object]:
    """A document of activity in which each of these has a meeting."""
    return {"activities": [meeting(n, opportunities=[{"opportunityId": one}]) for n, one in enumerate(ids)]}


def audit(*events: Any, **more: Any) -> dict[str, Any]:
    """One page."""
    return {"pages": [{"items": list(events)} | more]}


def answers(*opportunities: Any) -> dict[str, Any]:
    """One answer."""
    return {"asked": ["006A"], "answers": [list(opportunities)]}


def one_of_each() -> list[tuple[str, Any, float]]:
    """A document of each product, with a row for each of its tables."""
    actor = {"actorType": "USER", "actorId": "1", "name": "Zoë", "email": "z@example.com"}
    changes = [{"date": 1, "oldValue": 1, "newValue": 7.25}]
    amount = {"id": "amount", "value": 7.25, "trendHistory": changes}
    return [
        ("limits", {"jobs": {"monthlyQuota": 30, "availableMonthlyQuota": 7, "runningJobIds": ["a"]}}, 0),
        ("audit", audit(GOOD, GOOD, GOOD | {"event": "login", "eventTimestamp": None}, actors=[actor]), 0),
        ("activity", {"activities": [meeting(), meeting(2)]}, 0),
        ("opportunity", answers({"id": "006A", "crmScore": {"score": 3}, "fields": [amount]}), 0),
    ]


def and_more() -> list[tuple[str, Any, float]]:
    """Further documents: changed, no longer shown, late, refused."""
    actor = {"actorType": "USER", "actorId": "1", "name": "Zoe", "email": "z@example.com"}
    return [
        *one_of_each(),
        ("audit", audit(GOOD, GOOD | {"eventParameters": {"b": 1, "a": None}}, actors=[actor]), 2),
        ("audit", audit(GOOD | {"event": "late"}, actors=[actor | {"name": "Old"}]), 1),
        ("audit", {"pages": [{"items": ["Sign in"]}]}, 3),
        ("activity", {"activities": [meeting(subject="another", opportunities=[]), meeting(3)]}, 2),
        ("activity", mapped_to("006A", "006B", "006C"), 1),
        ("opportunity", answers({"id": "006A", "fields": [{"id": "stage", "value": "x"}]}), 1),
    ]
