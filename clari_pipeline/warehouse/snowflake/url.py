"""Parse a `CLARI_WAREHOUSE_URL` of Snowflake into the connector's arguments, and an address for people."""

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import SecretStr

from clari_pipeline.core.setting_errors import SettingsError

_OPTIONS = frozenset(
    {
        "warehouse", "role", "authenticator", "private_key_file", "private_key_file_pwd", "token", "token_file_path",
        "passcode", "host", "port", "protocol", "login_timeout", "network_timeout", "proxy_host", "proxy_port",
    }
)  # fmt: skip
_NUMBERS = frozenset({"port", "login_timeout", "network_timeout"})
_HERE = frozenset({"127.0.0.1", "localhost", "::1"})
_FORM = (
    "write snowflake://USER:PASSWORD@ACCOUNT/DATABASE/CLARI?warehouse=NAME&role=NAME, signs such as @ or / in the "
    "password percent-encoded"
)


def read_address(url: SecretStr) -> tuple[dict[str, Any], str]:
    """The connector's arguments, and account and database for people. Raises `SettingsError`, without secrets."""
    try:
        parts = urlsplit(url.get_secret_value())
        _ = parts.port
    except ValueError:
        raise _wrong(_FORM) from None
    account = parts.netloc.rpartition("@")[2]
    database, _, schema = parts.path.strip("/").partition("/")
    if not account or not parts.username or not database or "/" in schema or parts.fragment or "@" in parts.path:
        raise _wrong(_FORM)
    if (schema or "clari").lower() != "clari":
        raise _wrong("the tables live in a schema named clari: write /DATABASE/CLARI or /DATABASE")
    options = dict(parse_qsl(parts.query))
    if unknown := sorted(set(options) - _OPTIONS):
        raise _wrong(f"{', '.join(unknown)}: no such option; it knows {', '.join(sorted(_OPTIONS))}")
    if options.get("protocol") == "http" and options.get("host") not in _HERE:
        raise _wrong("the password would travel in clear text: leave protocol=http out")
    if any(not options.get(name, "0").isdecimal() for name in _NUMBERS):
        raise _wrong(f"{', '.join(sorted(_NUMBERS))} are whole numbers")
    arguments: dict[str, Any] = {name: int(value) if name in _NUMBERS else value for name, value in options.items()} | {
        "account": account,
        "user": unquote(parts.username),
        "database": unquote(database),
    }
    if parts.password:
        arguments["password"] = unquote(parts.password)
    return arguments, f"snowflake://{account}/{unquote(database)}"


def _wrong(how: str) -> SettingsError:
    return SettingsError(f"CLARI_WAREHOUSE_URL is no address of Snowflake's: {how}")
