"""Every way in which Clari fails to deliver, as an exception.

ClariError
├── ClariUnreachable        no answer: refused, reset, timed out
│   ├── AnswerLost          the same for the export call, which may have queued a job
│   └── ClariDown           no call at all is answered: nothing more is asked
├── UnexpectedAnswer        an answer that is not what Clari documents
│   └── LinkAstray              a nextLink to another host, or back to where it came from
├── ClariRefused            an answer with an error in it
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
├── ProductRefused          a product beside the forecast that this key may not have
├── PageGone                a page after the first that Clari has no more
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
from clari_pipeline.core.envelopes import Words, words_of
from clari_pipeline.core.runbook import PipelineError

if TYPE_CHECKING:
    from clari_pipeline.clari.models import Job

_SOMETIMES_REFUSED = ("crm_closed", "crm_total")


class ClariError(PipelineError):
    """Anything that keeps Clari from delivering. One line, for people; never the key."""


class ClariUnreachable(ClariError):
    """No answer came."""


class AnswerLost(ClariUnreachable):
    """The export call got no answer that can be read: a job may have been queued all the same."""


class ClariDown(ClariUnreachable):
    """Clari was given up: neither the call nor any other was answered."""


class UnexpectedAnswer(ClariError):
    """An answer came that is not what Clari documents."""


class LinkAstray(UnexpectedAnswer):
    """A `nextLink` that leads to another host, to which the key must not travel, or back to a page that came before."""


class ClariRefused(ClariError):
    """An answer with an error in it. `code`, `clari_message` and `error_id` are Clari's own, where it gave them."""

    remedy = ""

    def __init__(self, call: str, status: int, words: Words, *, retry_after_s: float | None = None) -> None:
        self.call = call
        self.status = status
        self.code = words.code
        self.clari_message = words.message
        self.error_id = words.error_id
        self.retry_after_s = retry_after_s
        later = f", and wants to be asked again after {retry_after_s:.0f} s" if retry_after_s else ""
        super().__init__(f"{call}: Clari answered {status}: {words}{later}{self.remedy}")


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
    """An error where something else was to be, though the status is 200."""

    remedy = ", in place of what was asked for: run again, or ask Clari's support"


class ErrorAsDocument(ErrorAsAnswer):
    """An error where the document was to be, though the status is 200."""

    remedy = ", in place of the document: run again, or ask Clari's support"


class NotFound(ClariRefused):
    """404, or 410 for what is no more."""

    remedy = ": check CLARI_BASE_URL and the ids asked for"


class BadRequest(ClariRefused):
    """400: Clari does not accept what was asked."""


class UnknownForecast(BadRequest):
    """The forecast id is none of this organisation's."""

    remedy = ": check CLARI_FORECAST_IDS against the address of Clari's Forecast tab"


class TypeNotSupported(BadRequest):
    """This organisation may not export some of the types, `crm_total` and `crm_closed` most likely [spec]."""

    remedy = ": leave it out of CLARI_TYPES_TO_EXPORT, or ask Clari to enable it"

    def refused(self, asked: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the types asked for that are refused.

        The message names them as the API or as people write them (`crm_total`, CRM Totals), and may go on about
        other things in later sentences [spec]. Where it names none, they are the two of which the description says
        that some organisations may not have them.
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
    """`invalid_jobId`: the job's result is not there yet, or no more [spec]."""


class CancelFailed(BadRequest):
    """`export_failed_to_cancel`: the job had already ended [spec]."""


class ProductRefused(ClariError):
    """403 or 404 where a product beside the forecast was asked for: the key is good, and not for that."""


class PageGone(ClariError):
    """A page after the first is no more, though Clari's own link led to it: all of them are to be asked for afresh."""


class ExportFailed(ClariError):
    """The export did not come. `job` is its last known state, where there was a job."""

    def __init__(self, message: str, job: Job | None = None) -> None:
        super().__init__(message)
        self.job = job


class JobLost(ExportFailed):
    """The job came to nothing; the same export is worth asking for again."""


class ExportTimedOut(JobLost):
    """Not DONE within `CLARI_EXPORT_TIMEOUT_S` of its acceptance; the job has been cancelled."""


class ExportJobFailed(JobLost):
    """The job ended as FAILED."""


class ExportCancelled(JobLost):
    """Somebody cancelled the job: CANCELLED before it ran, ABORTED while it did [spec]."""


class JobForgotten(JobLost):
    """Clari knows of no such job; `is_hidden`: it has one that this key may not see, so that it is somebody else's."""

    def __init__(self, message: str, job: Job | None = None, *, is_hidden: bool = False) -> None:
        super().__init__(message, job)
        self.is_hidden = is_hidden


class ResultsExpired(JobLost):
    """The job was done, and its result can no longer be had (`expiredTime`) [spec]."""


class ResultTooLarge(ExportFailed):
    """The document is larger than `CLARI_MAX_RESULT_BYTES`."""


class NoSlot(ExportFailed):
    """No slot became free within `CLARI_SLOT_TIMEOUT_S`."""


class QuotaExhausted(ExportFailed):
    """The organisation has used up its exports of the last 30 days."""


_BY_CODE: dict[str, type[BadRequest]] = {
    "export_monthly_quota_reached": QuotaOrConcurrencyReached,
    "type_not_supported": TypeNotSupported,
    "invalid_jobid": JobNotReady,
    "export_failed_to_cancel": CancelFailed,
    "no_such_forecast_config": UnknownForecast,
    "missing_forecast_id": UnknownForecast,
}


def refusal_by(code: str | None) -> type[BadRequest] | None:
    """The refusal that a code of Clari's means, if any."""
    return _BY_CODE.get((code or "").lower())


def refusal(call: str, status: int, headers: Mapping[str, str], body: bytes) -> ClariRefused:
    """The exception for an answer of 300 or above, whichever of Clari's envelopes it came in [spec, posthog]."""
    words = words_of(body)
    match status:
        case 401 | 403:
            kind: type[ClariRefused] = NotOptedIn if words.code == "no_optin" else AuthFailed
        case 429:
            kind = RateLimited
        case _ if status == 408 or status >= 500:
            kind = ServerFault
        case _ if status < 400:
            kind = Redirected
        case 404 | 410:
            kind = NotFound
        case _:
            kind = refusal_by(words.code) or BadRequest
            if kind is BadRequest and "typestoexport" in (words.message or "").lower():  # `bad_request`, says [spec]
                kind = TypeNotSupported
    later, wait = headers.get("retry-after"), None  # seconds, or a date; neither is more than a clock can hold
    if later is not None:
        try:
            wait = timedelta(seconds=float(later)).total_seconds()
        except (ValueError, OverflowError):
            moment = read_date(later)
            wait = None if moment is None else (moment - datetime.now(UTC)).total_seconds()
    return kind(call, status, words, retry_after_s=None if wait is None else max(0.0, wait))
