"""Load documents of the products other than forecasts; each product is one group."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace

from clari_pipeline.checks.export_gate import PRODUCT_CHECKS, ExportFacts
from clari_pipeline.core.runbook import Problem
from clari_pipeline.landing import PRODUCTS, LandedDocument, Landing, LandingError
from clari_pipeline.store import fetches, product_rows
from clari_pipeline.store.ledger import FETCHES, DocumentCounts
from clari_pipeline.store.ledger_rows import FetchRow
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.document_loader import DocumentLoader
from clari_pipeline.sync.judging import Judged
from clari_pipeline.sync.products import evidence
from clari_pipeline.sync.products.reading import ReadResult
from clari_pipeline.sync.products.spec import ProductSpec
from clari_pipeline.sync.recording import fetch_of
from clari_pipeline.sync.sandbox_guard import refuse_sandbox_document
from clari_pipeline.warehouse.session import Session


@dataclass(frozen=True, slots=True)
class _Staged:
    """A staged document: what was read in it, and the id of the run that requested it."""

    found: ReadResult
    run_id: str


class ProductLoader(DocumentLoader[FetchRow, _Staged]):
    """Merges landed documents of one product."""

    ledger = FETCHES
    checks = PRODUCT_CHECKS

    def __init__(self, context: Context, product: ProductSpec) -> None:
        super().__init__(context)
        self._product = product

    def merge_landed(self, run_id: str) -> None:
        """Merge each document that has landed and was neither merged nor refused, the oldest first, as this run's."""
        with self._warehouse.session() as session:
            waiting = fetches.waiting(session, self._product.name)
            for request_id in waiting:
                FETCHES.reassign(session, request_id, run_id)
        for request_id in waiting:
            self._context.stop.check()
            self.merge(request_id)

    def rebuild(self) -> list[str]:
        """Rebuild the product's tables from every landed document, in order, in one transaction; their ids."""
        return self._rebuild(("product", self._product.name), self._landed)

    def recover(self, session: Session, request_id: str) -> bool:
        """Mark a fetch as landed if its document is on disk: its run died before it could. Whether it was."""
        manifests = self.landing.root.glob(f"{self._product.name}/[!.]*/{request_id}/manifest.json")
        folder = next((manifest.parent for manifest in manifests), None)
        if folder is None:
            return False
        document = self.landing.find(folder.relative_to(self.landing.root).as_posix())
        FETCHES.landed(session, **asdict(self._fetch(document)))
        return True

    def restore_ledger(self) -> list[Problem]:
        """Insert a ledger row for each landed document that has none; problems of damaged documents."""
        damaged: dict[str, LandingError] = {}
        with self._warehouse.session() as session:
            for document in self.landing.readable(damaged.__setitem__):
                if document.manifest.get("product") == self._product.name:
                    FETCHES.restore(session, **asdict(self._fetch(document)))
        return [Problem.of_error(error) for error in damaged.values()]

    def _fetch(self, document: LandedDocument) -> FetchRow:
        path = self.landing.path_of(document)
        file = {"result_sha256": document.sha256, "result_bytes": document.size, "landing_path": path}
        return fetch_of(document.manifest, **file)

    def _landing(self, landing: Landing) -> Landing:
        """The folder `products` of the landing folder: `<product>/<when>/<fetch>/` in it."""
        return Landing(landing.root / PRODUCTS, is_of_a_sandbox=landing.is_of_a_sandbox)

    def _landed(self, session: Session) -> list[FetchRow]:
        return fetches.landed(session, self._product.name)

    def _group(self, row: FetchRow) -> Sequence[str]:
        return "product", self._product.name

    def _transaction(self, session: Session, row: FetchRow) -> AbstractContextManager[None]:
        return session.transaction()

    def _merge(self, session: Session, row: FetchRow) -> list[str]:
        if not fetches.is_late(session, row):
            self._merge_alone(session, row)
            return [row.request_id]
        landed = self._landed(session)  # late: rebuild, so that newer records win
        self._merge_in_order(session, landed)
        return [one.request_id for one in landed if one.state == "LANDED"]

    def _forget_group(self, session: Session, row: FetchRow) -> None:
        self._product.forget(session)

    def _read(
        self, session: Session, row: FetchRow, landed: LandedDocument, judged: Judged
    ) -> tuple[_Staged, ExportFacts]:
        with landed.open() as stream:
            found = self._product.stage(session, stream, row)
        if self._is_production:
            names_people = self._product.names_people
            refuse_sandbox_document(
                landed, product_rows.people_invented(session, self._product.name) if names_people else 0
            )
        judged.counts[row.request_id] = DocumentCounts(rows_exported=found.rows_exported)
        asked_by = landed.manifest.get("run_id") or row.run_id  # not the run that merges it
        return _Staged(found, asked_by), evidence.of_document(session, row, found)

    def _staged_tables(self) -> Sequence[str]:
        return [f"stage_{table}" for table in self._product.staged]

    def _merge_one(self, session: Session, row: FetchRow, staged: _Staged, judged: Judged) -> None:
        merged = self._product.merge(session, replace(row, run_id=staged.run_id), staged.found)
        self._reconciled(row.request_id, judged, evidence.after_the_merge(row, staged.found, merged))
        FETCHES.loaded(
            session,
            row.request_id,
            loaded_at=row.loaded_at or self._now(),
            rows_exported=staged.found.rows_exported,
            rows_staged=merged.rows_staged,
            rows_inserted=merged.rows_inserted,
            rows_updated=merged.rows_updated,
            rows_unchanged=merged.rows_unchanged,
        )

    def _labels(self, row: FetchRow) -> tuple[str, str]:
        return self._product.name, evidence.window_of(row)
