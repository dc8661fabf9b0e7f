"""Translate PostgreSQL's errors, by SQLSTATE: one line with cause and remedy. No message holds a password."""

import re

from adbc_driver_manager import AdbcStatusCode

from clari_pipeline.warehouse.errors import (
    WarehouseError,
    WarehouseFull,
    WarehouseInterrupted,
    WarehouseLocked,
    WarehouseUnwritable,
)

_MOST = 300
_URL = "CLARI_WAREHOUSE_URL"
_Kind = type[WarehouseError]
_ANOTHER_RELEASE = (
    "the tables are another release's, or were changed by hand: the next command of the role that owns them brings "
    "older ones up; where they are newer, update this release"
)
_TOO_IDLE = (
    "nothing of it was kept: raise {setting} for the role of the pipeline (alter role ... set {setting} = 0), "
    "then run again"
)
_UNENCRYPTED = "28U"  # no SQLSTATE: a line of pg_hba.conf that is for encrypted connections only
_ENDED_BY_SERVER = ("08", "25P", "57P")  # SQLSTATEs with which the server ends a connection

# Error and remedy by the first characters of SQLSTATE; the longest match counts.
_STATES: dict[str, tuple[_Kind, str]] = {
    "08": (WarehouseInterrupted, "nothing of it is half merged; run again once the server answers"),
    "22021": (WarehouseError, "a text of the document holds a character that the server cannot keep"),
    "23505": (
        WarehouseInterrupted,
        "another program wrote the same row at once, and nothing of it was kept: run again",
    ),
    "25006": (WarehouseUnwritable, f"it can only be read: name the primary server in {_URL}"),
    _UNENCRYPTED: (
        WarehouseUnwritable,
        f"let the connection be encrypted (sslmode=require in {_URL}), or see the server's pg_hba.conf",
    ),
    "25P03": (WarehouseInterrupted, _TOO_IDLE.format(setting="idle_in_transaction_session_timeout")),
    "25P04": (WarehouseInterrupted, _TOO_IDLE.format(setting="transaction_timeout")),
    "28": (WarehouseUnwritable, f"check user and password of {_URL}, and the server's pg_hba.conf"),
    "3D000": (WarehouseUnwritable, f"create the database, or name another in {_URL}"),
    "40": (WarehouseInterrupted, "nothing of it was kept: run again"),
    "42501": (
        WarehouseUnwritable,
        "grant the role of the pipeline what docs/postgres-roles.sql grants the writer: it may be run again, and gives "
        "the writer what other roles have made",
    ),
    "42703": (WarehouseError, _ANOTHER_RELEASE),
    "42883": (WarehouseError, _ANOTHER_RELEASE),
    "42P01": (WarehouseError, _ANOTHER_RELEASE),
    "53100": (WarehouseFull, "the server's disk is full, and nothing of it was kept: make room there, then run again"),
    "53200": (WarehouseError, "nothing of it was kept: give the server more memory, or lower work_mem, then run again"),
    "53300": (WarehouseInterrupted, "raise max_connections, or end other connections, then run again"),
    "53400": (WarehouseError, "nothing of it was kept: raise the limit for the role of the pipeline, then run again"),
    "55P03": (WarehouseLocked, "another program has held what is to be written for too long: end it, then run again"),
    "57014": (
        WarehouseError,
        "nothing of it was kept: raise statement_timeout for the role of the pipeline (alter role ... set "
        "statement_timeout = 0), or see who cancelled it, then run again",
    ),
    "57P05": (WarehouseInterrupted, _TOO_IDLE.format(setting="idle_session_timeout")),
    "57P": (WarehouseInterrupted, "nothing of it is half merged; run again once the server answers"),
}
# A connection that failed has no SQLSTATE: the pattern of the server's message, and the state that it stands for.
_MESSAGES: tuple[tuple[str, str], ...] = (
    # Unless the encrypted attempt before it failed, too, which then is the cause.
    (r"^(?!.*(SSL encryption|authentication failed)).*pg_hba\.conf.* no encryption", _UNENCRYPTED),
    (r"password|authentication|no pg_hba\.conf entry|role \".*\" does not exist|not permitted to log in", "28"),
    (r"database \".*\" does not exist|permission denied for database", "3D000"),
    (r"too many (clients|connections)|remaining connection slots", "53300"),
    (r"is starting up|is shutting down|in recovery mode|not yet accepting", "57P"),
)
_STATEMENT = re.compile(r" LINE \d+: .*")  # the quoted line of the statement, of no help
_UNREACHABLE = f"see that it runs and that this machine reaches it, or mend {_URL}"
_TLS = (
    f"see sslmode in {_URL}, the server's certificate, and by whom it may be signed: "
    "sslrootcert=/etc/ssl/certs/ca-certificates.crt names those that Debian trusts"
)


def translate(error: Exception, place: str, *, is_connected: bool, is_lost: bool = False) -> WarehouseError:
    """Translate a driver's error. `is_connected`: the connection was made; `is_lost`: it has been closed since."""
    cause = _STATEMENT.sub("", " ".join(str(error).split()))
    state = getattr(error, "sqlstate", None) or ""
    if not is_connected:
        state = next((known for pattern, known in _MESSAGES if re.search(pattern, cause)), state)
    elif (is_lost or _is_cut(error, state)) and not state.startswith(_ENDED_BY_SERVER):
        state = "08006"
    what = f"warehouse {place}: {cause[:_MOST]}"
    for length in (5, 3, 2):
        if state[:length] in _STATES:
            kind, remedy = _STATES[state[:length]]
            return kind(f"{what}: {remedy}")
    if is_connected:
        return WarehouseError(f"{what}: nothing of it was kept: see the server's log")
    if re.search(r"SSL|certificate", cause):
        return WarehouseError(f"{what}: {_TLS}")
    return WarehouseError(f"{what}: {_UNREACHABLE}", is_unreachable=True)


def _is_cut(error: Exception, state: str) -> bool:
    """Whether ADBC has lost its connection, or got none: an error of the server's own has an SQLSTATE."""
    return not state and getattr(error, "status_code", None) is AdbcStatusCode.IO
