"""Translate Snowflake's errors, by message: one line with cause and remedy. No message holds a password."""

import re

from clari_pipeline.warehouse.errors import WarehouseError, WarehouseInterrupted, WarehouseUnwritable

_MOST = 300
_URL = "CLARI_WAREHOUSE_URL"
_Kind = type[WarehouseError]
_RETRY = "nothing of it is half merged; run again once Snowflake answers"

# Error and remedy by a pattern of the message, as Snowflake uses one number for many errors; the first match counts.
_MESSAGES: tuple[tuple[str, _Kind, str], ...] = (
    (
        r"incorrect username or password|JWT token is invalid|user temporarily locked|authentication|MFA|passcode",
        WarehouseUnwritable,
        f"check user and password of {_URL}, or its private_key_file and authenticator",
    ),
    (
        r"role .*(does not exist|not granted|not authorized)|requested role",
        WarehouseUnwritable,
        f"name a role in {_URL} that exists and is granted to the user",
    ),
    (
        r"no active warehouse|warehouse .*(does not exist|not authorized|missing)",
        WarehouseUnwritable,
        f"name a warehouse in {_URL} (?warehouse=NAME) that the role may use",
    ),
    (
        r"resource monitor|quota",
        WarehouseError,
        "Snowflake has spent its credits: raise the warehouse's quota, then run again",
    ),
    (
        r"insufficient privileges|access control",
        WarehouseUnwritable,
        "grant the role what docs/snowflake-roles.sql grants the writer",
    ),
    (
        r"database .*(does not exist|not authorized)|does not have a current database",
        WarehouseUnwritable,
        f"create the database, grant it to the role, or name another in {_URL}",
    ),
    (
        r"has locked|waiting for (a )?lock|deadlock",
        WarehouseInterrupted,
        "nothing of it was kept: end what holds the table, then run again",
    ),
    (
        r"reached its statement or warehouse timeout|execution canceled|cancell?ed",
        WarehouseError,
        "nothing of it was kept: raise STATEMENT_TIMEOUT_IN_SECONDS or see who cancelled it, then run again",
    ),
    (r"40[34] (Not Found|Forbidden)|name or service not known", WarehouseUnwritable, f"check the account in {_URL}"),
    (
        r"certificate|SSL|OCSP",
        WarehouseUnwritable,
        "see this machine's certificates, and what proxy replaces them",
    ),
    (r"session no longer exists|must login again|token .*expired|connection is closed", WarehouseInterrupted, _RETRY),
)
_CONNECTING = range(250000, 252000)
_HTTP = range(290000, 291000)


def translate(error: Exception, place: str, *, is_connected: bool) -> WarehouseError:
    """Translate an error of the connector. `is_connected`: the connection was made."""
    number = abs(getattr(error, "errno", None) or 0)
    cause = " ".join(str(getattr(error, "raw_msg", None) or error).split())[:_MOST]
    for pattern, kind, remedy in _MESSAGES:
        if re.search(pattern, cause, re.IGNORECASE):
            return kind(f"warehouse {place}: {cause}: {remedy}")
    if not is_connected:
        return WarehouseError(f"warehouse {place}: {cause}: see that this machine reaches it, or mend {_URL}")
    if number in _CONNECTING or number in _HTTP or not number:
        return WarehouseInterrupted(f"warehouse {place}: {cause}: {_RETRY}")
    return WarehouseError(f"warehouse {place}: {cause}: nothing of it was kept: see Snowflake's query history")
