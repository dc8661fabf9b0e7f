"""Reading what an export was asked for, and refusing it in Clari's words where it cannot be had."""

from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from .answers import bad_request, json_or_bytes, refusal
from .company import CURRENCIES, Company
from .documents import TYPES
from .quarters import Quarter, read_quarter

CALLED = {"crm_total": "CRM Total", "crm_closed": "CRM Closed"}  # as a refusal names the types
DEFAULT_TYPES = ["forecast", "forecast_updated"]


class RefusedError(Exception):
    """The request cannot be granted; `answer` says why."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.answer = answer


@dataclass(frozen=True)
class Forbidden:
    """Types that this organisation may not export, and whether a refusal says which of them were asked for."""

    types: frozenset[str] = frozenset()
    named: bool = True


@dataclass(frozen=True)
class Submission:
    """A request for an export, its defaults filled in."""

    quarter: Quarter
    types: frozenset[str]
    scope_id: str | None
    currency: str
    historical: bool
    file_type: str


def read_submission(body: bytes, current: Quarter, company: Company, forbidden: Forbidden) -> Submission:
    """The request, or RefusedError."""
    asked = json_or_bytes(body) or {}
    if not isinstance(asked, dict):
        raise RefusedError(bad_request(f"The request body was malformed: {body.decode(errors='replace')}"))
    quarter = read_quarter(str(asked.get("timePeriod") or current.id), company.first_month)
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
        quarter=quarter,
        types=_types(asked, forbidden),
        scope_id=scope_id,
        currency=currency,
        historical=historical,
        file_type=_choice(asked, "exportFormat", ("JSON", "CSV")),
    )


def _types(asked: dict[str, Any], forbidden: Forbidden) -> frozenset[str]:
    types = asked.get("typesToExport", DEFAULT_TYPES)
    if not isinstance(types, list):
        raise RefusedError(bad_request("The typesToExport parameter is no list."))
    unknown = [kind for kind in types if not isinstance(kind, str) or kind not in TYPES]
    if unknown:
        raise RefusedError(bad_request(f"The following typesToExport values are invalid: {unknown}"))
    refused = sorted(forbidden.types.intersection(types))
    if refused:
        names = " and ".join(CALLED.get(kind, kind) for kind in refused) if forbidden.named else "Some of the types"
        message = f"{names} cannot be exported for this organization. Choose other typesToExport."
        raise RefusedError(refusal(400, "type_not_supported", message, "fcw"))
    return frozenset(types)


def _choice(asked: dict[str, Any], name: str, choices: tuple[str, ...]) -> str:
    """The first choice where nothing was said."""
    chosen = asked.get(name)
    if chosen is None:
        return choices[0]
    if not isinstance(chosen, str) or chosen not in choices:
        raise RefusedError(bad_request(f"The {name} parameter is invalid."))
    return chosen
