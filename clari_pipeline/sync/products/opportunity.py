"""Product `opportunity`: the opportunities that activities are mapped to, their fields, and changes of these."""

import io
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from clari_pipeline.clari import ClariClient
from clari_pipeline.clari.products import opportunities
from clari_pipeline.config.settings import Settings
from clari_pipeline.core.runbook import Problem, RunbookSection
from clari_pipeline.documents.json_stream import Number
from clari_pipeline.documents.rows import exact_amount_of
from clari_pipeline.store import fetches
from clari_pipeline.store.ledger_rows import FetchRow
from clari_pipeline.sync.products.reading import ReadResult, Rows, StageRows, read_members
from clari_pipeline.sync.products.spec import RECORDS, AskedProduct, Fetch, Sink
from clari_pipeline.sync.products.values import identity, kind, number, text
from clari_pipeline.warehouse.session import Session

_ANSWERS_PER_BATCH = 4


class Opportunity(AskedProduct):
    """`opportunity`, `opportunity_field`, `opportunity_field_trend`."""

    name = "opportunity"
    noun = "opportunities"
    tables: ClassVar[Mapping[str, str]] = {
        "opportunity": "One row per opportunity that an activity was ever mapped to, asked for by id, 100 per call.",
        "opportunity_field": "One row per opportunity and field, its value as text and, where it is a number, as "
        "decimal.",
        "opportunity_field_trend": "One row per change of an opportunity's field.",
    }
    checks = (*RECORDS, "scores_are_readable", "opportunities_are_known")
    needs = "activity"
    reads = ("activity_opportunity",)
    has_parts = True

    def plan(self, session: Session, settings: Settings, now: datetime) -> list[Fetch]:
        """One fetch of every opportunity that an activity was ever mapped to; none if there are none."""
        ids = fetches.opportunity_ids(session)
        return [Fetch(ids=tuple(ids))] if ids else []

    def has_anything_to_fetch(self, session: Session) -> bool:
        """Whether any activity was ever mapped to one."""
        return bool(fetches.opportunity_ids(session))

    def warnings(self, session: Session, settings: Settings, fetches: Sequence[FetchRow]) -> list[Problem]:
        """Warn that no activity is mapped to an opportunity yet."""
        if self.has_anything_to_fetch(session):
            return []
        remedy = "" if self.needs in settings.products else f"; CLARI_PRODUCTS has to name {self.needs}, too"
        message = f"{self.name}: no activity is mapped to one yet{remedy}"
        return [Problem(None, None, message, RunbookSection.NO_OPPORTUNITIES)]

    async def fetch(self, client: ClariClient, fetch: Fetch, sink: Sink) -> int:
        """Write one document: the ids asked for, Clari's answers as they came, and the ids that it refused."""
        refused: list[str] = []
        count = 0
        sink.write(f'{{"asked": {json.dumps(fetch.ids)}, "answers": ['.encode())
        async for answer in opportunities(client, fetch.ids, refused):
            sink.write(b",\n" if count else b"\n")
            sink.write(answer)
            count += 1
        sink.write(f'\n], "refused": {json.dumps(refused)}}}\n'.encode())
        return count

    def read(self, stream: io.BufferedReader, stage_rows: StageRows, fetch: FetchRow) -> ReadResult:
        """Read four answers at a time."""
        found = ReadResult()
        shown: set[str] = set()

        def read_answers(answers: list[Any]) -> None:
            for answer in answers:
                rows: Rows = {name: [] for name in self.tables}
                for one in found.objects(answer, "records_without_key"):
                    found.rows_exported += 1
                    opportunity_id = text(one.get("id"))
                    if opportunity_id is None:
                        found.note("records_without_key", f"record {found.rows_exported}")
                    else:
                        shown.add(opportunity_id)
                    _add(one, opportunity_id, rows, found)
                stage_rows(rows)

        others = read_members(stream, {"answers": read_answers}, batch=_ANSWERS_PER_BATCH)
        for missing in sorted({str(one) for one in others.get("asked") or ()} - shown):
            found.note("ids_missing", of=missing)
        found.facts = {"ids_missing": 0, "unreadable_scores": 0} | found.facts
        return found


def _add(one: dict[str, Any], opportunity_id: str | None, rows: Rows, found: ReadResult) -> None:
    score = one.get("crmScore")
    scored = score if isinstance(score, dict) else {"score": score}
    points = scored.get("score")
    exact = exact_amount_of(points) if isinstance(points, Number | str) else None
    if exact is None and kind(points) is not None:
        found.note("unreadable_scores", f"a {kind(points)}", of=opportunity_id)
    rows["opportunity"].append(
        {
            "opportunity_id": opportunity_id,
            "crm_score": exact,
            "crm_score_message": text(scored.get("message")),
        }
    )
    for field in found.objects(one.get("fields"), "parts_without_key"):
        field_id = text(field.get("id"))
        if field_id is None:
            found.note("parts_without_key", "a field", of=opportunity_id)
            continue
        value, original = field.get("value"), field.get("originalValue")
        rows["opportunity_field"].append(
            {
                "opportunity_id": opportunity_id,
                "field_id": field_id,
                "alias": text(field.get("alias")),
                "value": text(value),
                "value_type": kind(value),
                "value_number": number(value),
                "original_value": text(original),
                "original_value_type": kind(original),
                "original_value_number": number(original),
                "trend": text(field.get("trend")),
            }
        )
        for change in found.objects(field.get("trendHistory"), "parts_without_key"):
            old, new = change.get("oldValue"), change.get("newValue")
            rows["opportunity_field_trend"].append(
                {
                    "trend_id": identity(opportunity_id, field_id, change.get("date"), old, new),
                    "opportunity_id": opportunity_id,
                    "field_id": field_id,
                    "value_changed_at": found.moment(change.get("date")),
                    "old_value": text(old),
                    "old_value_number": number(old),
                    "new_value": text(new),
                    "new_value_number": number(new),
                }
            )


SPEC = Opportunity()
