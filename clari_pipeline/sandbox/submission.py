"""Parse the request of an export, or refuse it as Clari does, and generate its document."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from .answers import bad_request, json_or_bytes, refusal
from .company import CURRENCIES, FORECASTS, Company, Order
from .documents import TYPES, flat, long_csv, relational
from .faults import Scenario
from .quarters import read_quarter

CALLED = {"crm_total": "CRM Total", "crm_closed": "CRM Closed"}  # the labels of types in a refusal
DEFAULT_TYPES = ["forecast", "forecast_updated"]


class RefusedError(Exception):
    """The request is refused; the only argument is the error response."""


@dataclass(frozen=True)
class Submission:
    """A parsed request for an export, with defaults filled in."""

    order: Order
    types: frozenset[str]
    file_type: str


def read_submission(body: bytes, forecast_id: str, today: date, company: Company, scenario: Scenario) -> Submission:
    """Parse and validate the request. Raises `RefusedError`."""
    asked = json_or_bytes(body) or {}
    if not isinstance(asked, dict):
        raise RefusedError(bad_request(f"The request body was malformed: {body.decode(errors='replace')}"))
    quarter = read_quarter(str(asked.get("timePeriod") or company.current(today).id), company.first_month)
    if quarter is None:
        raise RefusedError(bad_request(f"The timePeriod {asked['timePeriod']} is not written YYYY_QQ."))
    currency = _choice(asked, "currency", tuple(CURRENCIES))
    scope_id = asked.get("scopeId")
    if scope_id is not None and not company.has_scope(str(scope_id)):
        raise RefusedError(refusal(401, "no_optin", f"No optins for scope {scope_id}.", "fcw"))
    historical = asked.get("includeHistorical", False)
    if not isinstance(historical, bool):
        raise RefusedError(bad_request("The includeHistorical parameter is invalid."))
    _choice(asked, "schedule", ("NONE", "ONCE", "MAX"))
    return Submission(
        Order(forecast_id, quarter, today, historical, scope_id, currency),
        _types(asked, scenario),
        _choice(asked, "exportFormat", ("JSON", "CSV")),
    )


def document(company: Company, asked: Submission, scenario: Scenario) -> Callable[[], Iterable[bytes]]:
    """A function that yields the document in chunks: the company's export, with the scenario's faults."""
    order = asked.order
    if not company.knows(order.quarter, order.today):  # Clari silently exports the current one [gitlab]
        order = replace(order, quarter=company.current(order.today))
    if order.forecast_id not in FORECASTS:
        order = replace(order, forecast_id="total_new")

    def text() -> Iterator[str]:
        exported = company.export(order)
        if scenario.edit:
            exported = scenario.edit(exported, company, order)
        if asked.file_type == "CSV":
            return long_csv(exported, asked.types)
        if scenario.flat:
            return flat(exported, order.quarter.id)
        return relational(exported, asked.types, scenario.style)

    def chunks() -> Iterator[bytes]:
        pieces = (piece.encode() for piece in text())
        if not scenario.cut:
            return pieces
        whole = b"".join(pieces)
        return iter([whole[: len(whole) // 2]])

    return chunks


def _types(asked: dict[str, Any], scenario: Scenario) -> frozenset[str]:
    types = asked.get("typesToExport", DEFAULT_TYPES)
    if not isinstance(types, list):
        raise RefusedError(bad_request("The typesToExport parameter is no list."))
    unknown = [kind for kind in types if not isinstance(kind, str) or kind not in TYPES]
    if unknown:
        raise RefusedError(bad_request(f"The following typesToExport values are invalid: {unknown}"))
    refused = sorted(scenario.forbidden.intersection(types))
    if refused:
        names = (
            " and ".join(CALLED.get(kind, kind) for kind in refused)
            if scenario.is_forbidden_named
            else "Some of the types"
        )
        message = f"{names} cannot be exported for this organization. Choose other typesToExport."
        raise RefusedError(refusal(400, "type_not_supported", message, "fcw"))
    return frozenset(types)


def _choice(asked: dict[str, Any], name: str, choices: tuple[str, ...]) -> str:
    """The chosen value of a parameter, the first of `choices` by default. Raises `RefusedError`."""
    chosen = asked.get(name)
    if chosen is None:
        return choices[0]
    if not isinstance(chosen, str) or chosen not in choices:
        raise RefusedError(bad_request(f"The {name} parameter is invalid."))
    return chosen
