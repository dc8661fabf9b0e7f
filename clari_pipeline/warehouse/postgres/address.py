"""Parse a `CLARI_WAREHOUSE_URL` of PostgreSQL into a connection string, and an address for people without secrets."""

import re
from itertools import cycle
from urllib.parse import parse_qsl

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from clari_pipeline.core.setting_errors import SettingsError

_DEFAULTS: dict[str, str] = {
    "connect_timeout": "10",
    "fallback_application_name": "clari-pipeline",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}
# Overrides PGCLIENTENCODING: people's names come in every script.
_ALWAYS = {"client_encoding": "utf8"}
_PORT = "5432"
_ALSO_KNOWN = {"ssl"}  # JDBC's: libpq takes ssl=true


def read_address(url: SecretStr) -> tuple[str, str]:
    """The connection string for the drivers, and server and database for people.

    Raises `SettingsError`, whose message quotes nothing that could be part of a secret.
    """
    parts = _parsed(url.get_secret_value())
    if parts is None:
        raise SettingsError(_mistake(url.get_secret_value()))
    return make_conninfo(**_DEFAULTS | parts | _ALWAYS), _place(parts)


def _mistake(url: str) -> str:
    """What is wrong with an address, and the remedy, for people."""
    address, _, query = url.partition("?")
    if "@" in query or _parsed(address) is None:
        return (
            "CLARI_WAREHOUSE_URL is no address of PostgreSQL: write postgresql://user:password@host:5432/database, "
            "signs such as @ or / in the password percent-encoded"
        )
    if unknown := _unknown(query):
        return (
            f"CLARI_WAREHOUSE_URL has a parameter that PostgreSQL does not know ({unknown}): take it out; the tables "
            "are always in schema clari"
        )
    return (
        "CLARI_WAREHOUSE_URL has a parameter that PostgreSQL cannot read: write ?name=value&name=value, signs such as "
        "& or % in a value percent-encoded"
    )


def _parsed(url: str) -> dict[str, str] | None:
    """The parts of an address; None where it is invalid, or where an unescaped password spills into another part."""
    try:
        parts = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except psycopg.ProgrammingError:
        return None
    ports = parts.get("port", _PORT).split(",")
    is_torn = (
        not all(port.isdecimal() or not port for port in ports)
        or "@" in parts.get("host", "") + parts.get("dbname", "")
        or "/" in parts.get("dbname", "")
    )
    return None if is_torn else parts


def _unknown(query: str) -> str | None:
    """The first parameter that libpq does not know; None where it could be part of a secret before it."""
    known = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()} | _ALSO_KNOWN
    names = [name for name, _ in parse_qsl(query, keep_blank_values=True)]
    if any("password" in name or "secret" in name or "key" in name for name in names):
        return None
    return next((name for name in names if name not in known and re.fullmatch(r"[A-Za-z_]{1,40}", name)), None)


def _place(parts: dict[str, str]) -> str:
    hosts = (parts.get("host") or "localhost").split(",")
    ports = parts.get("port", _PORT).split(",")
    bracketed = (f"[{host}]" if ":" in host else host for host in hosts)
    servers = ",".join(f"{host}:{port or _PORT}" for host, port in zip(bracketed, cycle(ports), strict=False))
    return f"postgresql://{servers}/{parts.get('dbname', '')}"
