"""The exceptions that calls to Clari raise; the class decides what is retried, and the section of the runbook.

ClariError
├── ClariUnreachable        no response: refused, reset, timed out
│   ├── AnswerLost          the same for the export call, which may have queued a job
│   └── ClariDown           no call is answered: the circuit breaker opens
│       ├── CertificateUntrusted
│       ├── HostUnknown         its name does not resolve
│       └── ProxyFailed         a proxy refuses the connection, or cannot be reached
├── UnexpectedAnswer        a response of another shape than Clari documents
│   └── LinkAstray              a nextLink to another host, or back to where it came from
├── ClariRefused            an error response
│   ├── RateLimited         429
│   ├── ServerFault         5xx, or a proxy's web page
│   ├── Redirected
│   ├── AuthFailed          401, 403
│   │   └── NotOptedIn
│   ├── ErrorAsAnswer       an error with status 200
│   │   └── ErrorAsDocument     in place of the document
│   ├── NotFound            404
│   └── BadRequest          400
│       ├── UnknownForecast
│       ├── TypeNotSupported
│       ├── QuotaOrConcurrencyReached
│       ├── JobNotReady
│       └── CancelFailed
├── ProductRefused          a product other than the forecast that this key may not read
├── NoCurrentCall           the organisation has no call for the forecast without a job
├── PageGone                a page after the first that no longer exists
└── ExportFailed            Clari answered, the export did not come
    ├── JobLost             worth asking for again
    │   ├── ExportTimedOut
    │   ├── ExportJobFailed     FAILED
    │   ├── ExportCancelled     CANCELLED, ABORTED
    │   ├── JobForgotten        Clari knows of no such job
    │   └── ResultsExpired
    ├── ResultTooLarge
    ├── NoSlot
    └── QuotaExhausted
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from clari_pipeline.clari.clock import read_date
from clari_pipeline.core.envelopes import ErrorDetails, error_details
from clari_pipeline.core.runbook import PipelineError

if TYPE_CHECKING:
    from clari_pipeline.clari.models import Job

_SOMETIMES_REFUSED = ("crm_closed", "crm_total")


class ClariError(PipelineError):
    """The base of these errors. The message is one line, for people, and never contains the key."""


class ClariUnreachable(ClariError):
    """No response: no connection, a broken one, or a timeout."""


class AnswerLost(ClariUnreachable):
    """The export call got no readable response, so that a job may have been queued."""


class ClariDown(ClariUnreachable):
    """A call failed after all retries, and two probe calls were not answered either: opens the circuit breaker."""


class _NoConnection(ClariDown):
    """No connection came about, for a cause that is known. `is_lasting`: a retry would not help."""

    def __init__(self, message: str, *, is_lasting: bool = False) -> None:
        super().__init__(message)
        self.is_lasting = is_lasting


class CertificateUntrusted(_NoConnection):
    """No certificate authority that this machine trusts has signed the certificate of Clari's address."""


class HostUnknown(_NoConnection):
    """The host's name does not resolve."""


class ProxyFailed(_NoConnection):
    """The proxy that the environment names refuses the connection, or cannot be reached."""


class UnexpectedAnswer(ClariError):
    """A response of another shape than Clari documents."""


class LinkAstray(UnexpectedAnswer):
    """A `nextLink` that leads to another host, to which the key must not travel, or back to a page that came before."""


class ClariRefused(ClariError):
    """An error response of HTTP `status`. `code`, `clari_message` and `error_id` are Clari's, None where it sent none.

    `retry_after_s` is what `Retry-After` asks for, in seconds; `remedy` is appended to the message.
    """

    remedy = ""

    def __init__(self, call: str, status: int, details: ErrorDetails, *, retry_after_s: float | None = None) -> None:
        self.call = call
        self.status = status
        self.code = details.code
        self.clari_message = details.message
        self.error_id = details.error_id
        self.retry_after_s = retry_after_s
        later = f", and wants to be asked again after {retry_after_s:.0f} s" if retry_after_s else ""
        super().__init__(f"{call}: Clari answered {status}: {details}{later}{self.remedy}")


class RateLimited(ClariRefused):
    """429. Clari promises no `Retry-After` [spec], though one has been seen [gitlab]."""


class ServerFault(ClariRefused):
    """5xx, 408, or the page of a proxy before Clari."""


class Redirected(ClariRefused):
    """A redirect, which is never followed: it would carry the key to another host."""

    remedy = ": check CLARI_BASE_URL"


class AuthFailed(ClariRefused):
    """401 or 403: the key is wrong, revoked, or belongs to someone who has left."""

    remedy = (
        ": the key (CLARI_API_KEY, or what CLARI_API_KEY_FILE holds) is not accepted; "
        "create a new token in Clari under Settings, API Token"
    )


class NotOptedIn(AuthFailed):
    """401 with `no_optin`: the key is good, but its user may not see this forecast, or this scope of it [spec]."""

    remedy = ": opt the token's user into this forecast in Clari, or check CLARI_FORECAST_IDS and CLARI_SCOPE_ID"


class ErrorAsAnswer(ClariRefused):
    """An error envelope in the body of a response with status 200."""

    remedy = ", in place of what was asked for: run again, or ask Clari's support"


class ErrorAsDocument(ErrorAsAnswer):
    """An error envelope with status 200 in place of the exported document."""

    remedy = ", in place of the document: run again, or ask Clari's support"


class NotFound(ClariRefused):
    """404, or 410 for what no longer exists."""

    remedy = ": check CLARI_BASE_URL and the ids asked for"


class BadRequest(ClariRefused):
    """400: Clari does not accept the request."""


class UnknownForecast(BadRequest):
    """This organisation has no forecast of that id."""

    remedy = ": check CLARI_FORECAST_IDS against the address of Clari's Forecast tab"


class TypeNotSupported(BadRequest):
    """This organisation may not export some of the types, `crm_total` and `crm_closed` most likely [spec]."""

    remedy = ": leave it out of CLARI_TYPES_TO_EXPORT, or ask Clari to enable it"

    def refused(self, asked: tuple[str, ...]) -> tuple[str, ...]:
        """The types among `asked` that were refused, parsed from the first sentence of Clari's message, sorted.

        The message names them by API name or by label (`crm_total`, CRM Totals); later sentences may name others
        [spec]. Where it names none: `crm_total` and `crm_closed`, which some organisations may not export [spec].
        """
        said = (self.clari_message or "").split(". ")[0].lower()
        named = []
        for name in sorted(asked, key=len, reverse=True):
            said, found = re.subn(rf"(?<![a-z_]){name.replace('_', '[ _-]?')}s?(?![a-z_])", " ", said)
            if found:
                named.append(name)
        return tuple(sorted(named)) or tuple(name for name in asked if name in _SOMETIMES_REFUSED)


class QuotaOrConcurrencyReached(BadRequest):
    """One code for two causes, `export_monthly_quota_reached`; `/admin/limits` tells which [spec]."""


class JobNotReady(BadRequest):
    """`invalid_jobId`: the job's result is not available yet, or has expired [spec]."""


class CancelFailed(BadRequest):
    """`export_failed_to_cancel`: the job had already ended [spec]."""


class ProductRefused(ClariError):
    """403 or 404 from the endpoint of a product other than the forecast: the key is valid, but not for this product."""


class NoCurrentCall(ClariError):
    """The gateway's 404, or a 403, from the call for the forecast without a job: the organisation does not have it."""

    def __init__(self, status: int) -> None:
        super().__init__(
            f"Clari answered {status}: this organisation has no call for the forecast without a job; "
            "run clari-pipeline sync, which exports, or have Clari enable the call, then run clari-pipeline preflight"
        )


class PageGone(ClariError):
    """A page that Clari's `nextLink` named no longer exists: pagination has to restart from the first page."""


class ExportFailed(ClariError):
    """The export delivered no document. `job` is its last known state, None where no job was queued."""

    def __init__(self, message: str, job: Job | None = None) -> None:
        super().__init__(message)
        self.job = job


class JobLost(ExportFailed):
    """The job delivered nothing; the export can be re-queued."""


class ExportTimedOut(JobLost):
    """Not DONE within `CLARI_EXPORT_TIMEOUT_S` of its acceptance; the job has been cancelled."""


class ExportJobFailed(JobLost):
    """The job ended as FAILED."""


class ExportCancelled(JobLost):
    """Somebody cancelled the job: CANCELLED before it ran, ABORTED while it did [spec]."""


class JobForgotten(JobLost):
    """Clari has no job of that id; `is_hidden`: it answered 403, as for a job that another key has made."""

    def __init__(self, message: str, job: Job | None = None, *, is_hidden: bool = False) -> None:
        super().__init__(message, job)
        self.is_hidden = is_hidden


class ResultsExpired(JobLost):
    """The job was DONE, and its result has expired (`expiredTime`) [spec]."""


class ResultTooLarge(ExportFailed):
    """The document is larger than `CLARI_MAX_RESULT_BYTES`."""


class NoSlot(ExportFailed):
    """No concurrent export slot became free within `CLARI_SLOT_TIMEOUT_S`."""


class QuotaExhausted(ExportFailed):
    """The organisation's quota of exports in a rolling 30 days is used up."""


def may_be_stray(error: Exception) -> bool:
    """Whether it is a 401, which may be an error of Clari's gateway, though the key is good.

    A request that was answered 401 was not accepted: the export call may be repeated after it, too.
    """
    return isinstance(error, AuthFailed) and error.status == 401 and not isinstance(error, NotOptedIn)


def is_lasting(error: Exception) -> bool:
    """Whether no connection came about for a cause that lasts, such as a certificate."""
    return isinstance(error, _NoConnection) and error.is_lasting


def no_current_call(error: ClariRefused) -> NoCurrentCall | None:
    """`NoCurrentCall`, if the call without a job was answered by the gateway's 404 or by a 403; else None.

    The gateway's words for a path that it does not have are "no Route matched with those values" [evangelist].
    """
    is_unknown_path = error.status == 404 and "no route matched" in (error.clari_message or "").lower()
    return NoCurrentCall(error.status) if is_unknown_path or error.status == 403 else None


_BY_CODE: dict[str, type[BadRequest]] = {
    "export_monthly_quota_reached": QuotaOrConcurrencyReached,
    "type_not_supported": TypeNotSupported,
    "invalid_jobid": JobNotReady,
    "export_failed_to_cancel": CancelFailed,
    "no_such_forecast_config": UnknownForecast,
    "missing_forecast_id": UnknownForecast,
}


def refusal_by(code: str | None) -> type[BadRequest] | None:
    """The exception class of an error `code` of Clari's, None for one that is not listed."""
    return _BY_CODE.get((code or "").lower())


def refusal(call: str, status: int, headers: Mapping[str, str], body: bytes) -> ClariRefused:
    """The exception for a response of status 300 or above, in any of Clari's error envelopes [spec, posthog]."""
    details = error_details(body)
    match status:
        case 401 | 403:
            kind: type[ClariRefused] = NotOptedIn if details.code == "no_optin" else AuthFailed
        case 429:
            kind = RateLimited
        case _ if status == 408 or status >= 500:
            kind = ServerFault
        case _ if status < 400:
            kind = Redirected
        case 404 | 410:
            kind = NotFound
        case _:
            kind = refusal_by(details.code) or BadRequest
            if kind is BadRequest and "typestoexport" in (details.message or "").lower():  # `bad_request`, says [spec]
                kind = TypeNotSupported
    later, wait = headers.get("retry-after"), None  # seconds or a date; one out of range is ignored
    if later is not None:
        try:
            wait = timedelta(seconds=float(later)).total_seconds()
        except (ValueError, OverflowError):
            moment = read_date(later)
            wait = None if moment is None else (moment - datetime.now(UTC)).total_seconds()
    return kind(call, status, details, retry_after_s=None if wait is None else max(0.0, wait))
