"""What an accepted export delivers: the company's document, spoiled as the scenario has it, in the format asked for."""

from collections.abc import Callable, Iterable, Iterator
from datetime import date

from .company import FORECASTS, Company, Order
from .documents import flat, long_csv, relational
from .faults import Scenario
from .submission import Submission


def document(
    company: Company, forecast_id: str, asked: Submission, today: date, scenario: Scenario
) -> Callable[[], Iterable[bytes]]:
    """How the document is written, in chunks, once its job runs."""
    # An unknown quarter silently becomes the current one (seen by GitLab).
    quarter = asked.quarter if company.knows(asked.quarter, today) else company.current(today)
    order = Order(
        forecast_id if forecast_id in FORECASTS else "total_new",
        quarter,
        today,
        asked.historical,
        asked.scope_id,
        asked.currency,
    )

    def text() -> Iterator[str]:
        exported = company.export(order)
        if scenario.edit:
            exported = scenario.edit(exported, company, order)
        if asked.file_type == "CSV":
            return long_csv(exported, asked.types)
        if scenario.flat:
            return flat(exported, quarter.id)
        return relational(exported, asked.types, scenario.style)

    def chunks() -> Iterator[bytes]:
        pieces = (piece.encode() for piece in text())
        if not scenario.cut:
            return pieces
        whole = b"".join(pieces)
        return iter([whole[: len(whole) // 2]])

    return chunks
